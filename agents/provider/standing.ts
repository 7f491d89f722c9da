/**
 * A provider's side of standing agreements: the lane that one takes, its calls as they are invoked, and
 * how much of a payer's work may be unpaid over all its lanes at once, which is what the provider can lose
 * to it. Used by the verbs accept, invoke, cancel and pay.
 */
import type { Hash, Hex32, PayAnswer, PlainVoucher, Terms, Voucher } from '../../schemas/documents.gen.ts'
import { AigenError } from '../../schemas/error.ts'
import { parseMoney } from '../../schemas/money.ts'
import { isFree } from '../../runtime/market/free.ts'
import type { NodeParts } from '../../runtime/node/node.ts'
import { dueFor, exposureOf, owedFor, refusal, type CreditLine } from '../../runtime/payments/tab.ts'
import { isOpen, type TillContext } from '../../runtime/payments/till.machine.ts'
import { verifyVoucher } from '../../runtime/payments/voucher.ts'
import { callActor, type CallContext } from './call.machine.ts'
import type { ProviderDefinition } from './define.ts'

const FIRST = 1
const MOST = 64
const AMOUNT = '1'
/** Agreements for free calls that are kept at once; further ones are made call by call. */
const FREE_MAX = 1_000

/** Errors `input.invalid`, `money.invalid`. */
export function checkStanding({ calls, first = FIRST, most = MOST, forMs = 1, amount = AMOUNT }: NonNullable<ProviderDefinition['standing']>): void {
  for (const [path, value] of Object.entries({ calls, first, most, forMs })) {
    if (!Number.isSafeInteger(value) || value < 1) throw new AigenError('input.invalid', `${value} is no standing.${path}`, { path: `standing.${path}` })
  }
  if (first > most) throw new AigenError('input.invalid', 'more are unpaid at first than ever', { path: 'standing.first' })
  parseMoney(amount)
}

export interface StandingDesk {
  /** Gives the lane to the agreement. Errors `lane.unpaid`, `node.busy`, `market.refused`. */
  accept(agreement: Hash, terms: Terms, lane: Hex32, voucherKey: TillContext['voucherKey'], caller: TillContext['payer']): Promise<void>
  /** The call that this agreement has by this number, before it has an actor; undefined where no such agreement stands. Error `auth.unauthorised`. */
  callOf(wanted: Pick<CallContext, 'lane' | 'agreement' | 'call'>, caller: string): CallContext | undefined
  /**
   * Counts a call as unpaid from here on; gives what takes that back, once its actor stands. Errors `market.expired` where the quota or the time
   * is over, `node.busy` where too much is unpaid.
   */
  admit(call: CallContext): () => void
  /** Takes a voucher of several; undefined where no standing agreement has the lane. Errors `voucher.*`. */
  pay(till: TillContext, voucher: Voucher, deliveries: readonly Hash[]): Promise<PayAnswer | undefined>
  close(): void
}

interface Exposed {
  readonly payer: string
  readonly calls: number
  readonly amount: bigint
}

/** What is unpaid on a lane, whichever way it is settled; what is secured or paid beforehand cannot be lost. */
function exposedOn({ payer, open, owed, escrow, tab }: TillContext): Exposed {
  const single = open?.invoked && !open.prepaid && !escrow ? BigInt(owed?.amount ?? open.cap) : 0n
  const many = tab ? exposureOf(tab) : { calls: 0, amount: 0n }
  return { payer, calls: many.calls + (single > 0n ? 1 : 0), amount: many.amount + single }
}

export function openStandingDesk({ host, clock, rail }: Pick<NodeParts, 'host' | 'clock' | 'rail'>, definitions: readonly ProviderDefinition[]): StandingDesk {
  /** By lane, and summed by payer. */
  const lanes = new Map<string, Exposed>()
  const payers = new Map<string, Omit<Exposed, 'payer'>>()
  const add = ({ payer, calls, amount }: Exposed, sign: 1 | -1): void => {
    const known = payers.get(payer) ?? { calls: 0, amount: 0n }
    const now = { calls: known.calls + sign * calls, amount: known.amount + BigInt(sign) * amount }
    if (now.calls === 0) payers.delete(payer)
    else payers.set(payer, now)
  }
  const note = (till: TillContext): void => {
    const [before, now] = [lanes.get(till.lane), exposedOn(till)]
    if (before) add(before, -1)
    if (now.calls === 0) return void lanes.delete(till.lane)
    lanes.set(till.lane, now)
    add(now, 1)
  }
  const count = (): void => {
    lanes.clear()
    payers.clear()
    for (const { snapshot } of host().list('till')) note(snapshot.context as TillContext)
  }
  count()
  const unshare = host().onShare(count)
  const unwatch = host().watch(({ kind, snapshot }) => {
    if (kind.name === 'till') note(snapshot.context as TillContext)
  })

  const creditOf = (terms: Terms): CreditLine => {
    const { first = FIRST, most = MOST, amount = AMOUNT } = definitions.find(({ capability }) => capability.id === terms.capability)?.standing ?? {}
    return { first, most, amount: parseMoney(amount, rail.terms.decimals).toString() }
  }
  const tillOf = (lane: Hex32): TillContext | undefined => host().context<TillContext>(`till/${lane}`)
  /** Calls that were admitted and whose actors are not journaled yet, by lane and payer. */
  const promised = new Map<string, { readonly payer: string; readonly lane: Hex32; readonly amount: bigint }>()

  return {
    accept: async (agreement, terms, lane, voucherKey, caller) => {
      const known = tillOf(lane)
      if (known?.tab?.agreement === agreement) return
      if (known && !isOpen(known)) throw new AigenError('lane.unpaid', `agreement ${known.tab?.agreement ?? known.open?.agreement}`)
      if (!known && isFree(terms)) {
        let free = 0
        for (const { snapshot } of host().list('till')) {
          const { tab } = snapshot.context as TillContext
          if (tab && isFree(tab.terms) && tab.terms.standing!.until > clock.now()) free++
        }
        if (free >= FREE_MAX) throw new AigenError('node.busy', 'too many agreements that cost nothing')
      }
      if (!known) await host().start(`till/${lane}`, { lane, payer: caller, payee: terms.payee, voucherKey })
      await host().send(`till/${lane}`, { type: 'stand', agreement, terms, credit: creditOf(terms) })
      if (tillOf(lane)?.tab?.agreement !== agreement) throw new AigenError('lane.unpaid', 'another agreement took the lane')
    },

    callOf: ({ lane, agreement, call }, caller) => {
      const till = tillOf(lane)
      if (till?.tab?.agreement !== agreement) return undefined
      if (till.payer !== caller) throw new AigenError('auth.unauthorised', 'the agreement is of another payer')
      return {
        agreement, call, terms: till.tab.terms, lane, caller: till.payer, inputHash: null, input: null, parcels: null, until: 0, output: null, outputParcels: null, delivery: null, error: null, trace: null, escrow: null, flow: null,
      }
    },

    admit: ({ lane, agreement, call, terms, caller }) => {
      const { tab } = tillOf(lane)!
      const pending = [...promised.values()]
      const here = pending.filter((one) => one.lane === lane).length
      // Those that are on their way count like those at work.
      const counted = { ...tab!, atWork: [...tab!.atWork, ...Array.from({ length: here }, () => -1)] }
      const why = isFree(terms) ? (call >= terms.standing!.calls ? 'quota' : undefined) : refusal(counted, call, clock.now())
      if (why === 'quota' || why === 'over') throw new AigenError('market.expired', `the agreement stood for ${terms.standing!.calls} calls until ${new Date(terms.standing!.until).toISOString()}`, { path: 'call' })
      if (isFree(terms)) return () => undefined
      const own = pending.filter(({ payer }) => payer === caller)
      const sum = payers.get(caller) ?? { calls: 0, amount: 0n }
      const [calls, amount] = [sum.calls + own.length, sum.amount + own.reduce((total, one) => total + one.amount, 0n)]
      const beyond = calls > 0 && (calls >= tab!.credit.most || amount + BigInt(terms.cap) > BigInt(tab!.credit.amount))
      if (why === 'window' || beyond) throw new AigenError('node.busy', 'too much is unpaid')
      const id = callActor(lane, agreement, call)
      promised.set(id, { payer: caller, lane, amount: BigInt(terms.cap) })
      return () => void promised.delete(id)
    },

    pay: async (till, voucher, deliveries) => {
      const { lane, tab, voucherKey } = till
      if (!tab || isFree(tab.terms)) return undefined
      const dues = owedFor(tab, deliveries)
      if (!dues) throw new AigenError('voucher.ref', 'other deliveries are owed', { path: 'deliveries' })
      if (voucher.kind !== 'plain') throw new AigenError('voucher.key', 'this agreement is paid by plain vouchers', { path: 'voucher.kind' })
      verifyVoucher(rail, voucher, { lane, voucherKey, ...dueFor(till, dues) })
      const actor = await host().send(`till/${lane}`, { type: 'pay-all', voucher: voucher as PlainVoucher, deliveries })
      const after = actor.snapshot.context as TillContext
      if (BigInt(after.cumulative) < BigInt(voucher.cumulative)) throw new AigenError('voucher.ref')
      return { cumulative: after.cumulative, window: after.tab!.window }
    },
    close: () => {
      unshare()
      unwatch()
    },
  }
}
