/** What the machines of this room meet when they are explored (runtime/actors/explore.ts). */
import type { Samples } from '../actors/explore.ts'
import type { NegotiationContext } from './negotiation.machine.ts'
import type { StandingContext } from './standing.machine.ts'

const offer = (provider: string, unitPrice: string, pass?: string, round = 0): any => ({
  quote: { terms: { quote: 'q_1', round, payer: '0xdd', settle: 'postpaid', provider, payee: provider, unitPrice, units: 1, deadlineMs: 1_000, cap: unitPrice, ...(pass ? { pass } : {}) } },
  name: provider, list: unitPrice, latencyMs: 10, history: { delivered: 1, failed: 0 },
})
const REFUSALS = ['voucher.over-reserve', 'market.expired', 'lane.unpaid', 'market.refused'].map((code) => ({ code, message: 'No.' }))

export const negotiationInput = {
  parent: 'step/r/s', self: 'negotiation/r/s/0', purse: 'purse', capability: 'text.shout@1', units: 1, inputBytes: 10, cap: '10', deadlineMs: 1_000, graceMs: 100, expect: null,
  settle: 'postpaid', trace: null, only: null, exclude: [],
}

const negotiation: Samples = {
  inputs: [negotiationInput, { ...negotiationInput, parent: 'standing', standing: { calls: 3, forMs: 60_000 } }],
  depth: 9,
  tells: ({ offers, waiting, chosen, narrow, again, silences }: NegotiationContext) => [silences, offers.map((one) => one.quote.terms.provider), waiting, chosen?.quote.terms.provider, narrow, again],
  answers: {
    'market.ask': ({ context }) => [...(context.again ? [] : [{ type: 'market.ask.done', offers: [], silent: 'away' }]), ...[[], [offer('0xaa', '0', '0xnft')], [offer('0xaa', '0')], [offer('0xaa', '5'), offer('0xbb', '6')], [offer('0xaa', '4', undefined, 1)]].map((offers) => ({ type: 'market.ask.done', offers }))],
    'market.counter': ({ params }) => [{ type: 'market.counter.done', offer: params.quote }],
    'market.sign': () => [{ type: 'market.sign.done', payer: {} }],
    'market.accept': ({ params }) => [{ type: 'market.accept.done', agreement: 'sha256-aa', provider: {} }, ...REFUSALS.map((error) => ({ type: 'market.accept.failed', error, params }))],
  },
  events: ({ state }) => [
    { type: 'cancel' },
    ...(state === 'securing' ? [{ type: 'lane.ready', key: '0xaa.0', id: '0x1', number: 0, vault: '0x2', voucherKey: '0x3' }, { type: 'lane.refused', error: { code: 'chain.reverted', message: 'No.' } }] : []),
  ],
}

const STEPS = ['step/r/a', 'step/r/b']
const terms = { provider: '0xaa', payee: '0xaa', payer: '0xdd', unitPrice: '4', cap: '4', units: 1, settle: 'postpaid' }
/** Two steps that want the same; the first negotiates for both. */
const standing: Samples = {
  inputs: [{}],
  depth: 10,
  bounds: {},
  answers: { 'group.close': ({ params }) => [{ type: 'group.close.done', agreement: params.agreement, at: 1_000_000 }] },
  tells: ({ agreements, seeking, waiting = [], watching }: StandingContext) => [Object.keys(seeking), waiting.map(({ input }) => input.parent), watching, Object.values(agreements).map(({ next, open, due, paying, sent, window, closed, contested, widening, closing }) => [next, open, due.map(({ tell }) => tell), paying.map(({ tell }) => tell), sent, window, closed, contested, widening, closing])],
  events: ({ context }: { context: StandingContext }) => {
    const [one] = Object.values(context.agreements)
    const hears = { at: 1_000_000 }
    return [
      ...((one && one.next > 2) || (context.waiting?.length ?? 0) > 0 ? [] : STEPS.map((parent) => ({ type: 'want', input: { ...negotiationInput, parent, self: `negotiation/r/${parent.at(-1)}/0`, standing: { calls: 3, forMs: 60_000 } } }))),
      ...(context.waiting ?? []).map(({ input }) => ({ type: 'unwant', step: input.parent })),
      ...Object.keys(context.seeking).flatMap((negotiation) => [
        ...[{ calls: 3, until: 1_060_000 }, undefined].map((stands) => ({
          type: 'agreed', negotiation, id: 'sha256-aa', agreement: { terms: { ...terms, ...(stands ? { standing: stands } : {}) } }, offer: offer('0xaa', '4'), asked: 1, lane: { key: '0xaa.0', id: '0x1', number: 0, vault: '0x2', voucherKey: '0x3', left: '40' },
        })),
        { type: 'refused', negotiation, error: { code: 'market.no-provider', message: 'None.' } },
      ]),
      ...(one ? [
        ...one.open.slice(0, 1).flatMap((call) => [
          { type: 'pay', agreement: one.id, call, tell: 'inquiry/r/a/0', delivery: `sha256-${'d'.repeat(63)}${call}`, amount: '4' }, { type: 'pay', agreement: one.id, call, tell: 'step/r/a', delivery: `sha256-${'d'.repeat(63)}${call}`, amount: '4' },
          ...['spare', 'failed', 'contested'].map((how) => ({ type: 'return', agreement: one.id, call, how })),
        ]),
        ...(one.paying.length > 0 ? [{ type: 'paid', lane: '0xaa.0', group: one.paying.map(({ delivery, amount }) => ({ delivery, amount })), previousRef: `0x${'0'.repeat(64)}`, voucher: { kind: 'plain' }, left: '2' }] : []),
        ...(one.sent > 0 ? [{ type: 'handed', lane: '0xaa.0', count: one.sent, window: 2 }, { type: 'handed', lane: '0xaa.0', count: one.sent, refused: true }] : []),
        ...(one.widening ? [{ type: 'widened', lane: '0xaa.0', left: '80' }] : []),
        { type: 'doubt', agreement: one.id },
      ].map((event) => ({ ...hears, ...event })) : []),
    ]
  },
}

const experience: Samples = { inputs: [{}], events: () => ['delivered', 'failed'].map((type) => ({ type, provider: '0xaa', capability: 'text.shout@1' })) }
const keyring: Samples = { inputs: [{}], events: () => [{ type: 'learn', keys: { 'sha256-aa': {} } }] }

export const samples: Readonly<Record<string, Samples>> = { negotiation, standing, experience, keyring }
