/** What the machines of this room meet when they are explored (runtime/actors/explore.ts). */
import type { Samples } from '../actors/explore.ts'
import type { NegotiationContext } from './negotiation.machine.ts'

const offer = (provider: string, unitPrice: string, pass?: string): any => ({
  quote: { terms: { quote: 'q_1', payer: '0xdd', settle: 'postpaid', provider, payee: provider, unitPrice, units: 1, deadlineMs: 1_000, cap: unitPrice, ...(pass ? { pass } : {}) } },
  name: provider, list: unitPrice, latencyMs: 10, history: { delivered: 1, failed: 0 },
})
const REFUSALS = ['voucher.over-reserve', 'market.expired', 'lane.unpaid', 'market.refused'].map((code) => ({ code, message: 'No.' }))

export const negotiationInput = {
  parent: 'step/r/s', self: 'negotiation/r/s/0', purse: 'purse', capability: 'text.shout@1', units: 1, inputBytes: 10, cap: '10', deadlineMs: 1_000, graceMs: 100, expect: null,
  settle: 'postpaid', trace: null, only: null, exclude: [],
}

const negotiation: Samples = {
  inputs: [negotiationInput],
  depth: 9,
  tells: ({ offers, waiting, chosen, narrow, again, silences }: NegotiationContext) => [silences, offers.map((one) => one.quote.terms.provider), waiting, chosen?.quote.terms.provider, narrow, again],
  answers: {
    'market.ask': ({ context }) => [...(context.again ? [] : [{ type: 'market.ask.done', offers: [], silent: 'away' }]), ...[[], [offer('0xaa', '0', '0xnft')], [offer('0xaa', '0')], [offer('0xaa', '5'), offer('0xbb', '6')]].map((offers) => ({ type: 'market.ask.done', offers }))],
    'market.counter': ({ params }) => [{ type: 'market.counter.done', offer: params.quote }],
    'market.sign': () => [{ type: 'market.sign.done', payer: {} }],
    'market.accept': ({ params }) => [{ type: 'market.accept.done', agreement: 'sha256-aa', provider: {} }, ...REFUSALS.map((error) => ({ type: 'market.accept.failed', error, params }))],
  },
  events: ({ state }) => [
    { type: 'cancel' },
    ...(state === 'securing' ? [{ type: 'lane.ready', key: '0xaa.0', id: '0x1', number: 0, vault: '0x2', voucherKey: '0x3' }, { type: 'lane.refused', error: { code: 'chain.reverted', message: 'No.' } }] : []),
  ],
}

const experience: Samples = { inputs: [{}], events: () => ['delivered', 'failed'].map((type) => ({ type, provider: '0xaa', capability: 'text.shout@1' })) }
const keyring: Samples = { inputs: [{}], events: () => [{ type: 'learn', keys: { 'sha256-aa': {} } }] }

export const samples: Readonly<Record<string, Samples>> = { negotiation, experience, keyring }
