/**
 * A provider's side of standing agreements: the lane that one takes, its calls as they are invoked, and
 * the voucher of several. Used by the verbs accept, invoke, cancel and pay.
 */
import type { Hash, Hex32, PayAnswer, PlainVoucher, Terms, Voucher } from '../../schemas/documents.gen.ts'
import { AigenError } from '../../schemas/error.ts'
import { isFree } from '../../runtime/market/free.ts'
import type { NodeParts } from '../../runtime/node/node.ts'
import { dueFor, owedFor, refusal, type CreditLine } from '../../runtime/payments/tab.ts'
import { isOpen, type TillContext } from '../../runtime/payments/till.machine.ts'
import { verifyVoucher } from '../../runtime/payments/voucher.ts'
import { callActor, type CallContext } from './call.machine.ts'
import type { Credit } from './credit.ts'
import type { ProviderDefinition } from './define.ts'

const FIRST = 1
/** Agreements for free calls that are kept at once; further ones are made call by call. */
const FREE_MAX = 1_000

/** Error `input.invalid`. */
export function checkStanding({ calls, first = FIRST, forMs = 1 }: NonNullable<ProviderDefinition['standing']>): void {
  for (const [path, value] of Object.entries({ calls, first, forMs })) {
    if (!Number.isSafeInteger(value) || value < 1) throw new AigenError('input.invalid', `${value} is no standing.${path}`, { path: `standing.${path}` })
  }
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
}

export function openStandingDesk({ host, clock, rail }: Pick<NodeParts, 'host' | 'clock' | 'rail'>, definitions: readonly ProviderDefinition[], credit: Credit): StandingDesk {
  const creditOf = (terms: Terms, payer: string): CreditLine => {
    const line = credit.lineOf(terms, payer)
    const { first = FIRST } = definitions.find(({ capability }) => capability.id === terms.capability)?.standing ?? {}
    return { first: Math.min(first, line.most), ...line }
  }
  const tillOf = (lane: Hex32): TillContext | undefined => host().context<TillContext>(`till/${lane}`)
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
      await host().send(`till/${lane}`, { type: 'stand', agreement, terms, credit: creditOf(terms, caller) })
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
      // Those that are on their way count like those at work.
      const counted = { ...tab!, atWork: [...tab!.atWork, ...Array.from({ length: credit.beginning(lane) }, () => -1)] }
      const why = isFree(terms) ? (call >= terms.standing!.calls ? 'quota' : undefined) : refusal(counted, call, clock.now())
      if (why === 'quota' || why === 'over') throw new AigenError('market.expired', `the agreement stood for ${terms.standing!.calls} calls until ${new Date(terms.standing!.until).toISOString()}`, { path: 'call' })
      if (isFree(terms)) return () => undefined
      if (why === 'window') throw new AigenError('node.busy', 'too much is unpaid')
      credit.check(terms, caller)
      return credit.begin(callActor(lane, agreement, call), lane, terms, caller)
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
  }
}
