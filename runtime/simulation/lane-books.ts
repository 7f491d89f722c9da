/**
 * Lanes as both of their sides have them in their journals, compared after each event (I1, I2): a
 * payee never has more than its payer has written down, no agreement is paid twice, and nothing that
 * counts up goes down. Used by scenarios that have payers and payees.
 */
import { sumOf } from '../payments/fold.ts'
import type { PurseContext, PurseLane } from '../payments/lane.ts'
import type { Tab } from '../payments/tab.ts'
import { claimable, type Owed, type TillContext } from '../payments/till.machine.ts'
import { broken, type Finding } from './invariants.ts'

export class LaneBooks {
  readonly #lanes = new Map<string, PurseLane>()
  readonly #tills = new Map<string, TillContext>()
  readonly #paid = new Set<string>()
  /** Lanes of which one side has forgotten: nothing can be said of them. */
  readonly #void = new Set<string>()
  /** Lanes by who pays on them. */
  readonly #payers = new Map<string, string>()
  /** Participants that lie: what they owe each other and others may never come to rest. */
  readonly #liars: ReadonlySet<string>

  constructor(liars: ReadonlySet<string> = new Set()) {
    this.#liars = liars
  }

  /** The purse of `payer` as its journal has it now. */
  purse({ lanes }: PurseContext, payer = ''): Finding {
    for (const [key, lane] of Object.entries(lanes)) {
      const before = this.#lanes.get(lane.id)
      if (this.#void.has(lane.id) || /^0x0*$/.test(lane.id)) continue
      if (before && BigInt(lane.cumulative) < BigInt(before.cumulative)) return broken('I1', `lane ${key} of a purse fell from ${before.cumulative} to ${lane.cumulative}`)
      // What was handed over for nothing is paid for with nothing: another ref, the same total.
      if (before && lane.cumulative === before.cumulative && lane.ref !== before.ref && lane.payment?.amount !== '0') return broken('I1', `lane ${key} of a purse has another ref for the same ${lane.cumulative}`)
      // What was signed before stays signed, though blocks were lost since or the chain is read late: it then knows of less that is reserved.
      const grown = BigInt(lane.cumulative) > BigInt(before?.cumulative ?? 0)
      if (grown && BigInt(lane.cumulative) > BigInt(lane.reserved) && !lane.reserving) return broken('I4', `lane ${key} has signed ${lane.cumulative} of ${lane.reserved}`)
      this.#lanes.set(lane.id, lane)
      this.#payers.set(lane.id, payer)
    }
    return undefined
  }

  /** A payee's till as its journal has it now; `handed` is the agreement of a prepayment that came when its call was over. */
  till(till: TillContext, handed?: string): Finding {
    const { lane, cumulative } = till
    if (this.#void.has(lane)) return undefined
    const before = this.#tills.get(lane)
    this.#tills.set(lane, till)
    const grown = BigInt(cumulative) - BigInt(before?.cumulative ?? 0)
    if (grown < 0n && !hasExpired(before!, till)) return broken('I1', `the till of ${lane} fell from ${before!.cumulative} to ${cumulative}`)
    const signed = this.#lanes.get(lane)
    const most = signed ? signedOn(signed) : 0n
    if (BigInt(cumulative) > most) return broken('I1', `the till of ${lane} has ${cumulative}, its payer has signed ${most}`)
    if (till.owed && this.#paid.has(debtOf(till.owed))) return broken('I1', `agreement ${till.owed.agreement} was paid, and its payee holds it is owed`)
    if (grown <= 0n || !before) return undefined
    if (before.tab?.owed.length) return this.#paidOn(lane, grown, before.tab, till)
    const agreement = handed ?? before.owed?.agreement ?? before.open?.agreement
    if (agreement === undefined) return broken('I1', `the till of ${lane} grew by ${grown}, and nothing was owed`)
    if (handed === undefined && before.owed && grown > BigInt(before.owed.amount)) return broken('I1', `the till of ${lane} grew by ${grown}, owed were ${before.owed.amount}`)
    const debt = handed === undefined && before.owed ? debtOf(before.owed) : agreement
    if (this.#paid.has(debt)) return broken('I1', `agreement ${debt} was paid twice`)
    this.#paid.add(debt)
    return undefined
  }

  /** Who pays on a lane. */
  payerOf(lane: string): string | undefined {
    return this.#payers.get(lane)
  }

  /** Under a standing agreement a till grows by calls that were owed, each once. */
  #paidOn(lane: string, grown: bigint, { agreement, owed }: Tab, { tab }: TillContext): Finding {
    const paid = owed.filter(({ call }) => tab?.agreement !== agreement || !tab.owed.some((one) => one.call === call))
    const sum = sumOf(paid)
    if (sum !== grown) return broken('I1', `the till of ${lane} grew by ${grown}, calls for ${sum} were paid`)
    for (const { call } of paid) {
      if (this.#paid.has(`${agreement} ${call}`)) return broken('I1', `call ${call} of agreement ${agreement} was paid twice`)
      this.#paid.add(`${agreement} ${call}`)
    }
    return undefined
  }

  /** Nothing is said any more of the lanes that a payer or a payee of this id has. */
  forget(participant: string): void {
    for (const [id, { provider }] of this.#lanes) if (provider === participant) this.#void.add(id)
    for (const [id, { payer, payee }] of this.#tills) if (payer === participant || payee === participant) this.#void.add(id)
  }

  /**
   * When all is at rest: both sides of every lane that no work is on have the same, and the chain has
   * paid it. `byDefault`: an arbiter failed, and a payee need not have taken what the default gave it.
   */
  atRest(claimed: (lane: string) => bigint, byDefault = false): Finding {
    for (const [id, lane] of this.#lanes) {
      if (this.#void.has(id) || lane.use || lane.payment || lane.escrow || this.#lied(id)) continue
      const till = this.#tills.get(id)
      const taken = till?.cumulative ?? '0'
      if (byDefault ? BigInt(taken) > BigInt(lane.cumulative) : taken !== lane.cumulative) return broken('I1', `lane ${id}: its payer has signed ${lane.cumulative}, its payee has ${taken}`)
      if (till && claimed(id) !== claimable(till)) return broken('I2', `lane ${id}: vouchers for ${claimable(till)}, the chain has paid ${claimed(id)}`)
    }
    return undefined
  }

  /** Whether every voucher has reached its payee and every till the chain, which has paid `claimed`, and every stake is decided; on lanes that are `gone` nothing is to come. */
  settled(claimed: (lane: string) => bigint, gone: (lane: string) => boolean = () => false): boolean {
    for (const [id, lane] of this.#lanes) if ((lane.payment || lane.escrow) && !this.#lied(id)) return false
    for (const till of this.#tills.values()) if (!this.#liars.has(till.payee) && !gone(till.lane) && (till.escrow || BigInt(till.claimed) < claimable(till) || claimed(till.lane) < claimable(till))) return false
    return true
  }

  /** Whether a side of the lane lies. */
  #lied(id: string): boolean {
    return this.#liars.has(this.#payers.get(id)!) || this.#liars.has(this.#lanes.get(id)!.provider)
  }
}

/** An agreement is paid once; where it is paid piece by piece, each part of it is. */
const debtOf = ({ agreement, delivery, part }: Owed): string => (part ? `${agreement}, part ${delivery}` : agreement)

/** Whether all that is less is a lock whose key never came. */
const hasExpired = ({ voucher, lock }: TillContext, after: TillContext): boolean => voucher?.kind === 'locked' && lock?.key === null && !after.lock && after.cumulative === lock.cumulative

/** What a payer has signed on a lane at most: a stake is in its total already when its acceptance is on the way. */
function signedOn({ cumulative, escrow, payment }: PurseLane): bigint {
  return BigInt(cumulative) + (payment ? 0n : BigInt(escrow?.amount ?? 0))
}

/** I1: what a payee has said of a call stays so: one delivery, or none. */
export class Words {
  readonly #delivered = new Map<string, string>()
  readonly #refused = new Map<string, string>()

  /** A payee answers about a call: `delivery` is the hash of what it delivered, `state` its word. */
  said(call: string, state: string, delivery: string | undefined): Finding {
    // A call that is paid piece by piece says one part after the other, and waits.
    if (state === 'part') return this.owed(call)
    if (delivery !== undefined) {
      const before = this.#delivered.get(call)
      if (before !== undefined && before !== delivery) return broken('I1', `call ${call} was delivered twice, as ${before} and as ${delivery}`)
      this.#delivered.set(call, delivery)
      return this.owed(call)
    }
    if (state === 'failed' || state === 'cancelled') this.#refused.set(call, state)
    return undefined
  }

  /** A payee holds that it is owed for a call. */
  owed(call: string): Finding {
    const refused = this.#refused.get(call)
    return refused === undefined ? undefined : broken('I1', `call ${call} was said to be ${refused}, and is owed`)
  }

  /** A payee may have forgotten what it said. */
  forget(): void {
    this.#delivered.clear()
    this.#refused.clear()
  }
}

/** I4: what a payer has signed away, or staked, never exceeds what its closed runs have spent and its open ones hold. */
export function withinHolds(purses: readonly PurseContext[], { spent, holds }: { readonly spent: string; readonly holds: Readonly<Record<string, string>> }): Finding {
  let signed = 0n
  for (const { lanes } of purses) for (const lane of Object.values(lanes)) signed += signedOn(lane)
  const allowed = Object.values(holds).reduce((sum, one) => sum + BigInt(one), BigInt(spent))
  return signed > allowed ? broken('I4', `vouchers for ${signed} are signed, ${allowed} are spent or held`) : undefined
}
