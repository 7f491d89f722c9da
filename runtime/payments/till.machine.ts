/**
 * The till: one lane as its payee sees it (D2, D6). One call at a time; the next is taken only when
 * the last is paid, so the provider's worst loss is one step's price. The handlers in front of it
 * have verified every signature (I8); the arithmetic is checked again here, where nothing races (I1).
 */
import { assign, createMachine, enqueueActions } from 'xstate'
import type { Address, EscrowVoucher, Hash, Hex32, LockedVoucher, PlainVoucher, Terms, Voucher } from '../../schemas/documents.gen.ts'
import { defineActor, gathered } from '../actors/actor.ts'
import { foldRef, NO_REF } from './fold.ts'
import { lockHashOf } from './seal.ts'
import { staked } from './stake.ts'
import { beginEach, dueFor, ended, isIdle, openTab, owedFor, oweEach, settled, type CreditLine, type Tab } from './tab.ts'
import { verdictActor } from './verdict.machine.ts'

export interface TillInput {
  readonly lane: Hex32
  readonly payer: Address
  readonly payee: Address
  readonly voucherKey: Address
}

export interface Owed {
  readonly agreement: Hash
  readonly delivery: Hash
  readonly amount: string
  /** The call goes on when it is paid: its lane stays its own. */
  readonly part?: true
}

export interface TillContext extends TillInput {
  /** What the vouchers received so far add up to. */
  readonly cumulative: string
  readonly ref: Hex32
  /** Agreement that has the lane; a newer one replaces it until it is invoked. */
  readonly open: { readonly agreement: Hash; readonly cap: string; readonly invoked: boolean; readonly call?: string; readonly prepaid?: true; readonly spent?: string } | null
  readonly owed: Owed | null
  /** A standing agreement that has the lane; several of its calls may be under way. */
  readonly tab?: Tab | null
  readonly voucher: Voucher | null
  /** What secures the open call: claimed only when the chain has decided it, dropped when the payer accepts or nothing is delivered. */
  readonly escrow?: EscrowVoucher | null
  /** What `voucher` replaced, where that is an escrow voucher and may expire. */
  readonly before?: Voucher | null
  /** An escrow that was decided before the payer accepted: its plain voucher comes late, and folds this. */
  readonly decided?: { readonly delivery: Hash; readonly amount: string; readonly previousRef: Hex32 } | null
  /** Of a locked voucher: the key that it is good for, null while only another has it, and where the lane stood before it. */
  readonly lock?: { readonly key: Hex32 | null; readonly cumulative: string; readonly ref: Hex32; readonly call?: string } | null
  /** What the chain has paid out, as far as this provider has seen. */
  readonly claimed: string
}

export type TillEvent = { at?: number } & (
  | { type: 'take'; agreement: Hash; cap: string }
  | { type: 'stand'; agreement: Hash; terms: Terms; credit: CreditLine }
  | { type: 'invoked'; agreement: Hash; call: string; number?: number; escrow?: EscrowVoucher | null; prepaid?: PlainVoucher | null }
  | { type: 'prepaid'; agreement: Hash; amount: string; voucher: PlainVoucher }
  | { type: 'lock'; voucher: LockedVoucher; key: Hex32 | null; call: string; keeper?: string }
  | { type: 'keyed'; key: Hex32 }
  | { type: 'waive'; agreement: Hash }
  | { type: 'folded'; voucher: PlainVoucher }
  | { type: 'free'; agreement: Hash; number?: number }
  | { type: 'owe'; owed: Owed; number?: number }
  | { type: 'pay-all'; voucher: PlainVoucher; deliveries: readonly Hash[] }
  | { type: 'pay'; voucher: Voucher; call: string }
  | { type: 'ruled'; agreement: Hash; ruled: string | null }
  | { type: 'accepted'; voucher: Voucher }
  | { type: 'restored'; voucher: PlainVoucher }
  | { type: 'expired' }
  | { type: 'claimed'; claimed: string }
  | { type: 'unclaimed' }
)

/** Cumulative and ref that the voucher for what is owed must carry. */
export function expected(context: Pick<TillContext, 'cumulative' | 'ref' | 'owed' | 'tab'>): { readonly cumulative: string; readonly ref: Hex32 } {
  if (context.tab) return dueFor(context, context.tab.owed)
  if (!context.owed) return { cumulative: context.cumulative, ref: context.ref }
  const { delivery, amount } = context.owed
  return { cumulative: (BigInt(context.cumulative) + BigInt(amount)).toString(), ref: foldRef(context.ref, delivery, amount) }
}

/** What the lane's voucher is good for in all, atomic: an escrow voucher for what was decided. */
export function claimable({ voucher, cumulative }: Pick<TillContext, 'voucher' | 'cumulative'>): bigint {
  return voucher === null ? 0n : BigInt(voucher.kind === 'escrow' ? cumulative : voucher.cumulative)
}

/** Cumulative and ref of the plain voucher that accepts what the chain has decided in full already. */
export function lateAcceptance({ cumulative, decided }: Pick<TillContext, 'cumulative' | 'decided'>): { readonly cumulative: string; readonly ref: Hex32 } | undefined {
  return decided ? { cumulative, ref: foldRef(decided.previousRef, decided.delivery, decided.amount) } : undefined
}

const endWatch: any = enqueueActions(({ context, enqueue }: any) => {
  if (context.escrow) enqueue({ type: 'tell', params: { to: verdictActor(context.lane, context.open.agreement), event: { type: 'close' } } })
})

/** The chain has decided the escrow: what the payee gets is due at once, and the lane is free again. */
const takeRuling: any = enqueueActions(({ context: till, event, enqueue }: any) => {
  const context = till as TillContext
  const escrow = context.escrow!
  // Without a delivery the default is not taken, though the vault would pay it.
  const amount = BigInt(event.ruled ?? (context.owed ? escrow.amount : '0'))
  const closed = { open: null, owed: null, escrow: null }
  // The call that has delivered waits for its end, whoever decides it.
  const { call } = context.open!
  if (context.owed && call !== undefined) enqueue({ type: 'tell', params: { to: call, event: amount > 0n ? { type: 'paid', agreement: context.open!.agreement } : { type: 'ruled' } } })
  if (amount === 0n) return enqueue.assign(closed)
  const decided = context.owed && amount === BigInt(escrow.amount) ? { delivery: context.owed.delivery, amount: escrow.amount, previousRef: context.ref } : null
  enqueue.assign({ ...closed, cumulative: (BigInt(context.cumulative) + amount).toString(), ref: escrow.ref, voucher: escrow, before: context.voucher, decided })
  enqueue({ type: 'tell', params: { to: 'settler', event: { type: 'settle', lanes: [context.lane] } } })
})

/** Whether the voucher is the lane's next, for this prepaid call. */
function pays(context: TillContext, voucher: PlainVoucher, stake: { readonly agreement: Hash; readonly amount: string }): boolean {
  const due = staked(context, stake)
  return voucher.kind === 'plain' && voucher.cumulative === due.cumulative && voucher.ref === due.ref
}

/** Who has the lane when what is owed is paid: the same call, where that was a part of it. */
const goesOn = ({ owed, open }: TillContext): TillContext['open'] => (owed?.part && open ? { ...open, spent: (BigInt(open.spent ?? 0) + BigInt(owed.amount)).toString() } : null)

const taken = (voucher: PlainVoucher) => ({ cumulative: voucher.cumulative, ref: voucher.ref, voucher, before: null, decided: null })

/** Whether a voucher of the payer is worth more than all that is known of the lane, what is owed included. */
export function outdoes(context: Pick<TillContext, 'cumulative' | 'ref' | 'owed' | 'escrow' | 'tab'>, { cumulative }: PlainVoucher): boolean {
  return !context.escrow && BigInt(cumulative) > BigInt(context.cumulative) && BigInt(cumulative) >= BigInt(expected(context).cumulative)
}

/** Whether the last voucher hangs on its lock still: no other on the lane meanwhile. */
export function isLocked({ voucher, claimed, cumulative }: Pick<TillContext, 'voucher' | 'claimed' | 'cumulative'>): boolean {
  return voucher?.kind === 'locked' && BigInt(claimed) < BigInt(cumulative)
}

/** Whether the lane is free for another agreement: nothing on it is invoked or owed. */
export function isOpen(context: TillContext): boolean {
  return context.owed === null && !context.escrow && !isLocked(context) && !context.open?.invoked && isIdle(context.tab)
}

/** A lock that expired before anybody had its key has paid for nothing. */
const unpaid: any = enqueueActions(({ context: { lock }, enqueue }: any) => { if (lock?.key === null && lock.call !== undefined) enqueue({ type: 'tell', params: { to: lock.call, event: { type: 'ruled' } } }) })

const refuse: any = { type: 'tell', params: ({ event }: any) => ({ to: event.call, event: { type: 'lane.lost' } }) }

/** Whether it is of calls under a standing agreement, which all of a record's tell together. */
const isNumbered = (event: object): boolean => 'number' in event || 'each' in event

const beginNumbered: any = enqueueActions(({ context, event, enqueue }: any) => {
  const { tab, lost } = beginEach(context.tab, gathered(event as Extract<TillEvent, { type: 'invoked' }>))
  for (const to of lost) enqueue({ type: 'tell', params: { to, event: { type: 'lane.lost' } } })
  if (tab !== context.tab) enqueue.assign({ tab })
})

const machine = createMachine({
  id: 'till',
  types: {} as { context: TillContext; events: TillEvent; input: TillInput },
  context: ({ input: { lane, payer, payee, voucherKey } }) => ({ lane, payer, payee, voucherKey, cumulative: '0', ref: NO_REF, open: null, owed: null, voucher: null, claimed: '0' }),
  initial: 'open',
  states: {
    open: {
      on: {
        take: {
          guard: ({ context }) => isOpen(context),
          actions: assign({ open: ({ event }) => ({ agreement: event.agreement, cap: event.cap, invoked: false }), tab: null }),
        },
        stand: {
          guard: ({ context, event }) => isOpen(context) && context.tab?.agreement !== event.agreement,
          actions: assign({ open: null, tab: ({ context, event }) => openTab(event.agreement, event.terms, event.credit, context.tab) }),
        },
        // Two agreements raced onto one lane get one result: a call that has lost hears it in the record of its invoke, before it works.
        invoked: [
          { guard: ({ event }) => isNumbered(event), actions: beginNumbered },
          {
            guard: ({ context, event }) => context.open?.agreement === event.agreement && (!event.prepaid || !context.open.invoked && pays(context, event.prepaid, { agreement: event.agreement, amount: context.open.cap })),
            actions: [
              assign(({ context, event }) => ({ open: { ...context.open!, invoked: true, call: event.call, ...(event.prepaid ? { prepaid: true as const } : {}) }, ...(event.prepaid ? taken(event.prepaid) : {}) })),
              assign({ escrow: ({ event }) => event.escrow ?? null }),
              enqueueActions(({ context: { lane }, event: { agreement, escrow }, enqueue }) => {
                if (escrow) enqueue({ type: 'tell', params: { to: verdictActor(lane, agreement), event: { type: 'start', input: { till: `till/${lane}`, agreement, voucher: escrow } } } } as any)
              }),
            ],
          },
          { actions: refuse },
        ],
        free: [{
          guard: ({ context, event }) => event.number !== undefined && context.tab?.agreement === event.agreement,
          actions: assign({ tab: ({ context, event }) => ended(context.tab!, event.number!) }),
        }, {
          guard: ({ context, event }) => context.open?.agreement === event.agreement && (context.owed === null || context.owed.part === true),
          // Nothing was delivered, so what secured it is given up; and a part that its payer did not take.
          actions: [endWatch, assign({ open: null, owed: null, escrow: null })],
        }],
        owe: [{ guard: ({ event }) => isNumbered(event), actions: assign(({ context: { tab }, event }) => (tab ? { tab: oweEach(tab, gathered(event)) } : {})) }, {
          guard: ({ context, event }) => context.open?.prepaid === true && context.owed === null && context.open.agreement === event.owed.agreement,
          actions: [
            { type: 'tell', params: ({ context, event }: any) => ({ to: context.open.call, event: { type: 'paid', agreement: event.owed.agreement } }) } as any,
            assign({ open: null }),
          ],
        }, {
          // A part that is not paid yet may be replaced: its payer took fewer pieces, or it is the last.
          guard: ({ context, event }) =>
            (context.owed === null || context.owed.part === true) && context.open?.agreement === event.owed.agreement && BigInt(context.open.spent ?? 0) + BigInt(event.owed.amount) <= BigInt(context.open.cap),
          actions: assign({ owed: ({ event }) => event.owed }),
        }],
        // Of a call that was given up before its invoke came: its payer counts the money as gone.
        prepaid: {
          guard: ({ context, event }) => context.owed === null && !context.escrow && !context.open?.invoked && pays(context, event.voucher, event),
          actions: assign(({ event }) => ({ ...taken(event.voucher), open: null })),
        },
        pay: {
          guard: ({ context, event }) => {
            const due = expected(context)
            return context.owed !== null && event.voucher.kind === 'plain' && event.voucher.cumulative === due.cumulative && event.voucher.ref === due.ref
          },
          actions: [
            { type: 'tell', params: ({ context, event }: any) => ({ to: event.call, event: { type: 'paid', agreement: context.owed.agreement } }) } as any,
            endWatch,
            assign(({ context, event }) => ({ cumulative: event.voucher.cumulative, ref: event.voucher.ref, voucher: event.voucher, owed: null, open: goesOn(context), escrow: null, before: null, decided: null })),
          ],
        },
        // Any that are owed, in the order the payer has folded them.
        'pay-all': {
          guard: ({ context, event }) => {
            const dues = context.tab ? owedFor(context.tab, event.deliveries) : undefined
            const due = dues && dueFor(context, dues)
            return due !== undefined && event.voucher.cumulative === due.cumulative && event.voucher.ref === due.ref
          },
          actions: assign(({ context, event }) => ({ ...taken(event.voucher), tab: settled(context.tab!, owedFor(context.tab!, event.deliveries)!, event.at ?? 0) })),
        },
        // The payer has signed more than is known here, of deliveries that are forgotten: an old store was restored.
        restored: {
          guard: ({ context, event }) => outdoes(context, event.voucher),
          actions: [
            enqueueActions(({ context, enqueue }) => {
              if (context.owed && context.open?.call !== undefined) enqueue({ type: 'tell', params: { to: context.open.call, event: { type: 'paid', agreement: context.owed.agreement } } } as any)
            }),
            assign(({ context, event }) => ({ ...taken(event.voucher), ...(context.owed ? { owed: null, open: goesOn(context) } : {}), ...(context.tab ? { tab: { ...context.tab, owed: [] } } : {}) })),
          ],
        },
        ruled: { guard: ({ context, event }) => !!context.escrow && context.open?.agreement === event.agreement, actions: takeRuling },
        accepted: {
          guard: ({ context, event }) => event.voucher.kind === 'plain' && event.voucher.ref === lateAcceptance(context)?.ref && event.voucher.cumulative === context.cumulative,
          actions: assign(({ event }) => ({ ref: event.voucher.ref, voucher: event.voucher, before: null, decided: null })),
        },
        // With the key it is as good as money until it expires, so that the call is paid. Who gets the key from
        // another first is told, in the same record, to go and get it.
        lock: {
          guard: ({ context, event }) => {
            const due = expected(context)
            return context.owed !== null && event.voucher.cumulative === due.cumulative && event.voucher.ref === due.ref
          },
          actions: [
            enqueueActions(({ context, event: { key, call, keeper, voucher }, enqueue }) => {
              if (key !== null) enqueue({ type: 'tell', params: { to: call, event: { type: 'paid', agreement: context.owed!.agreement } } } as any)
              if (keeper !== undefined) enqueue({ type: 'tell', params: { to: keeper, event: { type: 'locked', voucher } } } as any)
            }),
            assign(({ context, event: { voucher, key, call } }) => ({
              cumulative: voucher.cumulative, ref: voucher.ref, voucher, before: context.voucher, owed: null, open: null, lock: { key, cumulative: context.cumulative, ref: context.ref, ...(key === null ? { call } : {}) },
            })),
          ],
        },
        keyed: {
          guard: ({ context, event }) => context.voucher?.kind === 'locked' && context.lock?.key === null && lockHashOf(event.key) === context.voucher.lockHash,
          actions: [
            { type: 'tell', params: ({ context }: any) => ({ to: context.lock.call, event: { type: 'paid' } }) } as any,
            assign({ lock: ({ context, event }) => ({ ...context.lock!, key: event.key }) }),
          ],
        },
        // On the lane of a hub, whose payer took the delivery and never came for the key: the hub's lane goes on.
        waive: { guard: ({ context, event }) => context.owed?.agreement === event.agreement && !context.escrow, actions: assign({ owed: null, open: null }) },
        folded: {
          guard: ({ context, event }) => context.voucher?.kind === 'locked' && event.voucher.cumulative === context.cumulative && event.voucher.ref === context.ref,
          actions: [
            enqueueActions(({ context: { lock }, enqueue }) => { if (lock?.call !== undefined && lock.key === null) enqueue({ type: 'tell', params: { to: lock.call, event: { type: 'paid' } } } as any) }),
            assign({ voucher: ({ event }) => event.voucher, before: null, lock: null }),
          ],
        },
        // Nobody brought it to the chain in time: what is left of it is what was there before.
        expired: [
          { guard: ({ context }) => context.voucher?.kind === 'escrow', actions: assign({ voucher: ({ context }) => context.before ?? null, before: null }) },
          { guard: ({ context }) => isLocked(context), actions: [unpaid, assign(({ context }) => ({ voucher: context.before ?? null, before: null, cumulative: context.lock!.cumulative, ref: context.lock!.ref, lock: null }))] },
        ],
        claimed: {
          guard: ({ context, event }) => BigInt(event.claimed) > BigInt(context.claimed),
          actions: assign({ claimed: ({ event }) => event.claimed }),
        },
        // The chain has lost blocks: what it has paid is looked up again before the next claim.
        unclaimed: { actions: assign({ claimed: '0' }) },
      },
    },
  },
})

export const till = defineActor('till', '10', machine, { pays: [], holds: [], rests: { open: 'told by its calls, its verdicts, the settler, a hop, and the payer by the verb pay' } }, {
  gathers: ({ type, number }) => number !== undefined && (type === 'invoked' || type === 'owe'),
  // The versions before knew no parts, no standing agreements and no hub: they go on without any; and each call of many told by itself.
  migrate: (state, machine) => (/^till@[6789]:/.test(machine) ? state : undefined),
})
