/** What the machines of this room meet when they are explored (runtime/actors/explore.ts). */
import type { Samples } from '../actors/explore.ts'
import { foldRef, NO_REF } from './fold.ts'
import { lockHashOf } from './seal.ts'
import { staked } from './stake.ts'
import { dueFor } from './tab.ts'
import { expected, lateAcceptance, type TillContext } from './till.machine.ts'
import type { PurseContext } from './lane.ts'
import type { SubscriptionsContext } from './subscriptions.machine.ts'

const hex = (digit: string): `0x${string}` => `0x${digit.repeat(64)}`
const ERROR = { code: 'voucher.over-reserve', message: 'Refused.' }
const hash = (digit: string): string => `sha256-${digit.repeat(64)}`
const [ONE, TWO] = ['negotiation/r/s/0', 'negotiation/r/t/0']
const request = (holder: string, spare = false): object => ({ for: holder, payee: '0xaa', provider: '0xaa', amount: '10', spare })
const lanesOf = (context: PurseContext): string[] => Object.keys(context.lanes)

const purse: Samples = {
  inputs: [{ vault: hex('a'), voucherKey: '0xbb', partition: 0, partitions: 1 }],
  depth: 7,
  bounds: { 'open → acquire [1]': 'a thousand hires that wait for a lane' },
  tells: (context: PurseContext) => [
    context.waiting.map((one) => [one.for, one.spare]), context.low.length, context.doubted, context.waiting.length >= 1_000, context.limits,
    Object.values(context.lanes).map(({ use, payment, escrow, reserving, exact, id, reserved, lost }) => [lost, use?.for, payment?.tell, payment?.keep, payment?.group && [payment.group.items.length, payment.group.signed, payment.group.handing], use?.tell, escrow && [escrow.kind, escrow.tell, escrow.voucher !== null], reserving, exact, id === NO_REF, reserved !== '0']),
  ],
  answers: {
    'lanes.reserve': ({ params }) => [
      { type: 'lanes.reserve.done', key: params.key, lanes: params.reserves.map((one: any) => ({ lane: `${one.payee}.${one.number}`, id: hex('c'), reserved: one.total })) },
      { type: 'lanes.reserve.failed', params, error: { code: 'chain.reverted', message: 'No.' } },
    ],
    'lanes.look': ({ params }) => [{ type: 'lanes.look.done', lane: params.lane, reserved: '9', claimed: '9' }, { type: 'lanes.look.done', lane: params.lane, reserved: '5' }, { type: 'lanes.look.done', lane: params.lane, reserved: '9', voucher: { kind: 'plain', ref: hex('8'), cumulative: '8' } }],
    'voucher.sign': ({ params }) => [{ type: 'voucher.sign.done', lane: params.lane, voucher: { kind: params.stake?.kind === 'locked' ? 'locked' : params.stake && params.stake.kind === undefined ? 'escrow' : 'plain', ref: params.ref, cumulative: params.cumulative } }],
    'voucher.pay': ({ params }) => [{ type: 'voucher.pay.done', lane: params.lane }, ...[true, false].map((owed) => ({ type: 'voucher.pay.outdone', lane: params.lane, owed, owes: owed ? [hash('d')] : [], voucher: { kind: 'plain', ref: hex('9'), cumulative: '7' } })), { type: 'voucher.pay.failed', params, error: { code: 'network.timeout', message: 'Later.' } }, { type: 'voucher.pay.failed', params, error: ERROR }],
  },
  events: ({ context }: { context: PurseContext }) => {
    // One lane, at most two that want it: what more of them can do is the same again.
    if (context.waiting.length > 1 || lanesOf(context).length > 1 || context.writes > 3) return []
    return [
      ...(lanesOf(context).length === 0 && context.waiting.length === 0 && !context.limits ? [{ type: 'limits', limits: { key: '3' } }] : []),
      { type: 'acquire', request: { ...request(ONE), amount: '0', free: hex('5') } }, { type: 'acquire', request: request(ONE) }, { type: 'acquire', request: request(TWO, true) }, { type: 'release', for: ONE }, { type: 'reconcile' },
      ...lanesOf(context).flatMap((lane) => [
        { type: 'recalled', lane, voucher: { kind: 'plain', ref: hex('7'), cumulative: '6' } }, { type: 'doubt', lane, for: ONE }, { type: 'unstake', lane, for: ONE }, { type: 'decided', lane, for: ONE, payeeAmount: '4' }, { type: 'decided', lane, for: ONE, payeeAmount: '0' },
        // Whoever stakes waits for the signature before there is anything to pay.
        ...(context.lanes[lane]!.escrow?.voucher === null ? [] : ['step/r/s', 'inquiry/r/s/0', 'dispute/r/s/0', 'unlock/r/s/0', 'hop/0xdd.0f']).map((tell) => ({ type: 'pay', lane, for: ONE, tell, delivery: hash('d'), amount: '4' })),
        ...(context.lanes[lane]!.escrow ? [] : [{ type: 'pay', lane, for: ONE, tell: 'stream/r/s/0', delivery: hash('b'), amount: '2', keep: true }]),
        ...((context.lanes[lane]!.payment?.group?.items.length ?? 0) > 1 ? [] : [{ type: 'pay', lane, for: ONE, tell: 'standing', delivery: hash('d'), amount: '2', group: [{ delivery: hash(context.lanes[lane]!.payment ? 'f' : 'd'), amount: '2' }] }]), { type: 'widen', lane, for: ONE, amount: '9', tell: 'standing' },
        { type: 'stake', lane, for: ONE, tell: 'step/r/s', stake: { agreement: hash('e'), amount: '4', arbiter: '0xcc', challengeEnd: 9, expiry: 99 } },
        { type: 'stake', lane, for: ONE, tell: 'step/r/s', stake: { kind: 'prepaid', agreement: hash('e'), amount: '4' } },
        ...['unlock/r/s/0', 'hop/0xdd.0f'].map((tell) => ({ type: 'stake', lane, for: ONE, tell, stake: { kind: 'locked', delivery: hash('d'), amount: '4', lockHash: hex('6'), lockExpiry: 99 } })),
        { type: 'prepaid', lane, for: ONE, tell: 'step/r/s', heard: true }, { type: 'prepaid', lane, for: ONE, tell: 'inquiry/r/s/0', heard: false },
      ]),
    ]
  },
}

const AGREEMENT = hash('1')
const STANDING = { cap: '4', standing: { calls: 2, until: 9_000_000 } }
const escrow = { kind: 'escrow', amount: '4', cumulative: '4', ref: foldRef(NO_REF, AGREEMENT as never, '4') }

const till: Samples = {
  inputs: [{ lane: hex('c'), payer: '0xdd', payee: '0xaa', voucherKey: '0xbb' }],
  tells: (context: TillContext) => [context.tab && [context.tab.atWork, context.tab.owed.map(({ call }) => call), context.tab.window], context.open, context.owed, context.escrow != null, context.voucher?.kind, context.before != null, context.decided != null, context.claimed === '0', context.lock && [context.lock.key, context.lock.call]],
  events: ({ context }: { context: TillContext }) => {
    if (BigInt(context.cumulative) > 12n) return []
    const late = lateAcceptance(context)
    return [
      { type: 'take', agreement: AGREEMENT, cap: '4' }, { type: 'free', agreement: AGREEMENT },
      ...[null, escrow].map((one) => ({ type: 'invoked', agreement: AGREEMENT, call: 'call/a/0', escrow: one })), { type: 'invoked', agreement: hash('2'), call: 'call/b/0' },
      { type: 'owe', owed: { agreement: AGREEMENT, delivery: hash('d'), amount: '4' } }, { type: 'owe', owed: { agreement: AGREEMENT, delivery: hash('b'), amount: '2', part: true } }, { type: 'pay', call: 'call/a/0', voucher: { kind: 'plain', ...expected(context) } },
      { type: 'invoked', agreement: AGREEMENT, call: 'call/a/0', prepaid: { kind: 'plain', ...staked(context, { agreement: AGREEMENT as never, amount: '4' }) } },
      { type: 'prepaid', agreement: AGREEMENT, amount: '4', voucher: { kind: 'plain', ...staked(context, { agreement: AGREEMENT as never, amount: '4' }) } },
      ...[null, '0', '2', '4'].map((ruled) => ({ type: 'ruled', agreement: AGREEMENT, ruled })),
      ...(late ? [{ type: 'accepted', voucher: { kind: 'plain', ...late } }] : []),
      { type: 'lock', call: 'call/a/0', key: hex('7'), voucher: { kind: 'locked', ...expected(context) } }, { type: 'folded', voucher: { kind: 'plain', cumulative: context.cumulative, ref: context.ref } },
      { type: 'stand', agreement: hash('3'), terms: STANDING, credit: { first: 1, most: 2, amount: '8' } },
      ...[0, 1].flatMap((number) => [
        { type: 'invoked', agreement: hash('3'), number, call: `call/c/${number}` }, { type: 'free', agreement: hash('3'), number }, { type: 'owe', number, owed: { agreement: hash('3'), delivery: hash(`${number + 4}`), amount: '4' } },
      ]),
      ...(context.tab && context.tab.owed.length > 0 ? [{ type: 'pay-all', deliveries: context.tab.owed.map(({ delivery }) => delivery), voucher: { kind: 'plain', ...dueFor(context, context.tab.owed) } }] : []),
      { type: 'lock', call: 'call/a/0', key: null, keeper: 'hop/a', voucher: { kind: 'locked', lockHash: lockHashOf(hex('7')), ...expected(context) } }, { type: 'keyed', key: hex('7') }, { type: 'waive', agreement: AGREEMENT },
      { type: 'expired' }, { type: 'restored', voucher: { kind: 'plain', ref: hex('9'), cumulative: (BigInt(context.cumulative) + 4n).toString() } }, { type: 'claimed', claimed: '4' }, { type: 'unclaimed' },
    ]
  },
}

const settler: Samples = {
  inputs: [{}],
  tells: ({ next, claiming, claims, error }) => [next.length, claiming.length, Object.keys(claims).length > 0, error !== null],
  answers: {
    'lanes.claim': ({ params }) => [{}, { rest: true }].map((rest) => ({
      type: 'lanes.claim.done', key: params.key, claims: params.lanes.map((lane: string) => ({ lane, hash: hex('f'), claimed: '4' })), seen: [{ lane: hex('8'), claimed: '1' }], refused: [{ lane: hex('7'), reason: 'expired' }], ...rest,
    })),
    'lanes.unclaimed': () => [{ type: 'lanes.unclaimed.done', lanes: [hex('c')] }, { type: 'lanes.unclaimed.done', lanes: [] }],
  },
  events: () => [{ type: 'settle', lanes: [hex('c')] }, { type: 'sweep' }, { type: 'chain.write.lost', hash: hex('f') }],
}

const verdict: Samples = {
  inputs: [{ till: 'till/0xcc', agreement: AGREEMENT, voucher: escrow }],
  answers: { 'verdict.look': () => [{ type: 'verdict.look.done', ruled: null }, { type: 'verdict.look.done', ruled: '2' }] },
  events: () => [{ type: 'close' }],
}

const subscription = { id: hex('1'), plan: hex('2'), provider: '0xaa', name: 'p', capabilities: ['a.b@1'], price: '5', seconds: 86_400, expiresAt: 100_000 }
const subscriptions: Samples = {
  inputs: [{}],
  tells: ({ held, current }: SubscriptionsContext) => [Object.values(held).map(({ renewals, error, tries, expiresAt }) => [renewals > 0, error?.code, Math.min(tries, 2), expiresAt > 200_000]), current],
  answers: {
    'subscription.renew': ({ params }) => [
      { type: 'subscription.renew.done', expiresAt: params.expiresAt + 86_400, renewed: true, gone: null }, { type: 'subscription.renew.done', expiresAt: params.expiresAt, renewed: false, gone: ERROR },
      { type: 'subscription.renew.failed', error: ERROR },
    ],
  },
  events: ({ state }) => [
    { type: 'bought', subscription, renewals: 2 }, { type: 'bought', subscription: { ...subscription, expiresAt: 10_000_000 }, renewals: 1 }, { type: 'renewals', id: subscription.id, renewals: 0 }, { type: 'dropped', id: subscription.id },
    ...(state === 'asking' ? [{ type: 'allowed' }, { type: 'refused', error: { code: 'policy.refused', message: 'No.' } }] : []),
  ],
}

export const samples: Readonly<Record<string, Samples>> = { purse, till, settler, verdict, subscriptions }
