/** What the machines of this room meet when they are explored (runtime/actors/explore.ts). */
import type { Samples } from '../../runtime/actors/explore.ts'
import type { CallContext } from './call.machine.ts'
import type { AccessKeyContext } from './access-key.machine.ts'

const delivery = { body: { amount: '4' }, signature: {} }
const part = (amount: string, pieces: number): any => ({ body: { amount, units: {}, stream: { pieces, chain: 'sha256-aa', part: true } }, signature: {} })
const ERROR = { code: 'step.failed', message: 'It failed.' }

const call: Samples = {
  inputs: [['4', 'postpaid'], ['3', 'postpaid'], ['0', 'postpaid'], ['4', 'streamed']].map(([cap, settle]) => ({ agreement: 'sha256-aa', call: 0, terms: { unit: 'call', unitPrice: cap, cap, settle, deadlineMs: 1_000, graceMs: 100 }, lane: '0xcc', caller: '0xdd', ...(cap === '3' ? { payer: '0xee' } : {}) })).concat([{ agreement: 'sha256-aa', call: 2, terms: { unit: 'call', unitPrice: '4', cap: '4', settle: 'postpaid', deadlineMs: 1_000, graceMs: 100, standing: { calls: 3, until: 9 } } as never, lane: '0xcc', caller: '0xdd' }]),
  tells: ({ part: open, stream, stopAt }: CallContext) => [open != null, stream?.parts, stream?.paid, stopAt],
  answers: {
    'service.work': ({ params, context }) => [
      { type: 'service.work.done', output: {}, parcels: null, delivery }, { type: 'service.work.unknown', params },
      ...(context.terms.settle === 'streamed' ? ['0', '3'].map((amount) => ({ type: 'service.work.done', output: null, parcels: null, delivery: part(amount, 1) })) : []),
    ],
  },
  events: ({ context }: { context: CallContext }) => [
    ...(context.terms.settle === 'streamed' ? [...((context.stream?.parts ?? 0) < 2 ? [{ type: 'part', delivery: part('2', 2) }] : []), { type: 'cancel', pieces: 2 }] : []),
    { type: 'invoke', input: {}, inputHash: 'sha256-bb', parcels: [] }, { type: 'lane.lost' }, { type: 'cancel' }, { type: 'paid', agreement: 'sha256-aa' }, { type: 'ruled' }],
}

const keyedCall: Samples = {
  inputs: [{ self: 'keyed-call/a', key: 'k', caveats: [], marks: [], capability: 'text.shout@1', input: {}, inputHash: 'sha256-bb', worst: '4', deadlineMs: 1_000 }],
  answers: { 'service.keyed': ({ params }) => [{ type: 'service.keyed.done', output: {}, delivery }, { type: 'service.keyed.unknown', params }] },
  events: () => [{ type: 'key.granted', number: 0 }, { type: 'key.refused', error: ERROR }, { type: 'cancel' }],
}

const accessKey: Samples = {
  inputs: [{ grant: { body: { rates: [{ capability: 'text.shout@1' }] } }, label: 'A', caveats: [{ calls: 2 }] }],
  tells: ({ open, served, counters }: AccessKeyContext) => [Object.keys(open), Math.min(served, 2), counters['m']?.calls],
  events: () => [
    ...['keyed-call/a', 'keyed-call/b'].flatMap((one) => [
      { type: 'use', call: one, capability: 'text.shout@1', worst: '4', caveats: [{ calls: 2 }], marks: ['m'] }, { type: 'settle', call: one, amount: '3' }, { type: 'free', call: one },
    ]),
    { type: 'revoke' },
  ],
}

export const samples: Readonly<Record<string, Samples>> = { call, 'keyed-call': keyedCall, 'access-key': accessKey }
