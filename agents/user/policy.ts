/**
 * Spending policies (I4): the most that one run may hold, that a day may cost, and that each capability
 * may cost in a day. Pure; the wallet applies them in the transition that takes the hold, so that no
 * interleaving of runs gets past them. A day is UTC and comes from the event's time.
 *
 * What is counted is never less than what is spent: an open run counts with all it holds on every day
 * on which it is open, a closed one with what it cost on the day it closed. A capability's part of a
 * closed run is not told to the wallet, so it counts with the smaller of its worst case and the run's cost.
 * What is said of payees and of the voucher key the purses apply, when a lane is asked for.
 */
import type { Address } from '../../schemas/documents.gen.ts'
import { AigenError, type ErrorBody } from '../../schemas/error.ts'
import { participantId } from '../../schemas/id.ts'
import { formatMoney, parseMoney } from '../../schemas/money.ts'

const DAY_MS = 86_400_000
/** Rules for single capabilities. */
const RULES_MAX = 100

/** Amounts are atomic; what is not named is not limited. */
export interface SpendingPolicy {
  readonly perRun?: string
  readonly perDay?: string
  /** Of a day, by capability. */
  readonly capabilities?: Readonly<Record<string, string>>
  /** Of a day, by payee. */
  readonly payees?: Readonly<Record<Address, string>>
  /** Of what the voucher key may sign, in all. */
  readonly key?: string
}

/** What was spent on a day; atomic. */
export interface DaySpending {
  /** Days since the epoch, UTC. */
  readonly day: number
  readonly spent: string
  /** Of the capabilities that had a rule when a run closed. */
  readonly capabilities: Readonly<Record<string, string>>
}

/** What a run may cost at worst, in all and by capability; atomic. */
export interface Worst {
  readonly amount: string
  readonly capabilities?: Readonly<Record<string, string>>
}

export interface Policed {
  readonly policy?: SpendingPolicy
  readonly day?: DaySpending
  readonly holds: Readonly<Record<string, string>>
  /** By run, of those that told it. */
  readonly parts?: Readonly<Record<string, Readonly<Record<string, string>>>>
}

/** A limit of the policy, and how it stands; decimal strings. */
export interface RuleState {
  /** `perRun`, `perDay`, or `capabilities.<id>`. */
  readonly rule: string
  readonly limit: string
  /** Spent today, and set aside for open runs; both `0` for `perRun`. */
  readonly spent: string
  readonly held: string
  readonly left: string
}

/** The day that counts at `at`: a clock that goes back begins no day anew. */
export function dayAt(known: DaySpending | undefined, at: number): DaySpending {
  const day = Math.floor(at / DAY_MS)
  return known && known.day >= day ? known : { day, spent: '0', capabilities: {} }
}

/** Why the policy does not let a run hold its worst case now: which rule, and what it leaves. Undefined when it does. */
export function refusal(wallet: Policed, { amount, capabilities = {} }: Worst, at: number): ErrorBody | undefined {
  for (const { rule, limit, left } of rulesOf(wallet, at)) {
    const wanted = rule.startsWith('capabilities.') ? BigInt(capabilities[rule.slice('capabilities.'.length)] ?? '0') : BigInt(amount)
    if (wanted === 0n || wanted <= left) continue
    return new AigenError('policy.refused', `${rule} allows ${formatMoney(limit)}, ${formatMoney(left)} of it is left, the run may cost ${formatMoney(wanted)}${rule === 'perRun' || rule === 'perDay' ? '' : ' of it'}.`, { path: rule }).toJSON()
  }
  return undefined
}

/** What a closed run leaves in the day's books. `held` is what it held by capability. */
export function spend(wallet: Policed, held: Readonly<Record<string, string>>, spent: string, at: number): DaySpending {
  const { day, spent: before, capabilities } = dayAt(wallet.day, at)
  const parts = Object.keys(wallet.policy?.capabilities ?? {}).map((id) => {
    const most = BigInt(held[id] ?? '0')
    const part = most < BigInt(spent) ? most : BigInt(spent)
    return [id, (BigInt(capabilities[id] ?? '0') + part).toString()] as const
  })
  return { day, spent: (BigInt(before) + BigInt(spent)).toString(), capabilities: Object.fromEntries(parts) }
}

/** Every rule of the policy and how it stands at `at`. */
export function policyState(wallet: Policed, at: number): RuleState[] {
  return rulesOf(wallet, at).map(({ rule, limit, spent, held, left }) => ({ rule, limit: formatMoney(limit), spent: formatMoney(spent), held: formatMoney(held), left: formatMoney(left) }))
}

/**
 * The policy that decimal strings stand for. Errors: `money.invalid`; `input.invalid` for a capability
 * without version, a payee that is no address, or too many of them.
 *
 * @example policyOf({ perDay: '5.00', capabilities: { 'vision.ocr@1': '0.50' } })
 */
export function policyOf({ perRun, perDay, capabilities = {}, payees = {}, key }: SpendingPolicy): SpendingPolicy {
  const [rules, ofPayees] = [Object.entries(capabilities), Object.entries(payees)]
  if (rules.length + ofPayees.length > RULES_MAX) throw new AigenError('input.invalid', `${rules.length + ofPayees.length} rules, a policy has at most ${RULES_MAX}.`, { path: 'capabilities' })
  const wrong = rules.find(([id]) => !/^[a-z0-9-]+(\.[a-z0-9-]+)+@[0-9]+$/.test(id))
  if (wrong) throw new AigenError('input.invalid', `${wrong[0]} is no capability: write it like vision.ocr@1.`, { path: `capabilities.${wrong[0]}` })
  const atomic = (amount: string): string => parseMoney(amount).toString()
  return {
    ...(perRun === undefined ? {} : { perRun: atomic(perRun) }), ...(perDay === undefined ? {} : { perDay: atomic(perDay) }),
    ...(rules.length === 0 ? {} : { capabilities: Object.fromEntries(rules.map(([id, amount]) => [id, atomic(amount)])) }),
    ...(ofPayees.length === 0 ? {} : { payees: Object.fromEntries(ofPayees.map(([payee, amount]) => [participantId(payee), atomic(amount)])) }),
    ...(key === undefined ? {} : { key: atomic(key) }),
  }
}

interface Standing {
  readonly rule: string
  readonly limit: bigint
  readonly spent: bigint
  readonly held: bigint
  readonly left: bigint
}

function rulesOf({ policy = {}, day, holds, parts = {} }: Policed, at: number): Standing[] {
  const today = dayAt(day, at)
  const standing = (rule: string, limit: string, spent: bigint, held: bigint): Standing => {
    const left = BigInt(limit) - spent - held
    return { rule, limit: BigInt(limit), spent, held, left: left < 0n ? 0n : left }
  }
  const heldOf = (id: string): bigint => sum(Object.values(parts).map((one) => one[id] ?? '0'))
  return [
    ...(policy.perRun === undefined ? [] : [standing('perRun', policy.perRun, 0n, 0n)]),
    ...(policy.perDay === undefined ? [] : [standing('perDay', policy.perDay, BigInt(today.spent), sum(Object.values(holds)))]),
    ...Object.entries(policy.capabilities ?? {}).map(([id, limit]) => standing(`capabilities.${id}`, limit, BigInt(today.capabilities[id] ?? '0'), heldOf(id))),
  ]
}

const sum = (amounts: readonly string[]): bigint => amounts.reduce((total, one) => total + BigInt(one), 0n)
