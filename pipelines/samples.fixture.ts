/** What the machines of this room meet when they are explored (runtime/actors/explore.ts). */
import type { Samples } from '../runtime/actors/explore.ts'
import type { StepPlan } from './plan.ts'
import type { RunContext } from './run.machine.ts'
import type { StepContext } from './step.ts'

const plan = (change: Partial<StepPlan>): StepPlan => ({
  name: 's', uses: 'text.shout@1', dependsOn: [], tests: [], dependents: [], maxPrice: '10', worst: '20', deadlineMs: 1_000, graceMs: 100, attempts: 2,
  retryOn: ['timeout', 'expect', 'failed'], backoffMs: 100, elsewhere: true, only: null, not: [], settle: 'postpaid', escrow: null, expect: null, if: null, forEach: null, with: {}, maxItems: 1,
  parallel: 1, reads: { steps: [], meta: [], input: false, run: false }, ...change,
} as StepPlan)

const body = { amount: '4', inputHash: 'sha256-aa' }
const delivery = { body, signature: {} }
const TIMEOUT = { code: 'step.timeout', message: 'Late.' }
const terms = { provider: '0xaa', payee: '0xaa', unitPrice: '4', cap: '4', units: 1, settle: 'escrow', escrow: { agent: '0xee', arbiter: '0xee', challengeMs: 60_000, expiryMs: 3_600_000 } }
const agreed = { type: 'agreed', id: 'sha256-bb', agreement: { terms }, offer: { name: 'a', list: '4', quote: { terms } }, lane: { key: '0xaa.0', id: '0x1', number: 0, vault: '0x2', voucherKey: '0x3' }, asked: 2 }
const voucher = { kind: 'escrow', amount: '4', challengeEnd: 2_000 }
const ended = (state: string) => ({ type: 'step.ended', step: 's', index: null, state, charged: '1', ...(state === 'failed' ? { error: { code: 'step.failed', message: 'It failed.' } } : {}) })

const step: Samples = {
  inputs: [plan({}), plan({ attempts: 1 }), plan({ escrow: { agent: null, fee: '1' }, settle: 'escrow' }), plan({ escrow: { agent: null, fee: '1' }, settle: 'escrow', attempts: 1 }), plan({ forEach: '${x}', maxItems: 3, parallel: 2 })]
    .flatMap((one) => [{ run: 'r', parent: 'run/r', plan: one, index: null, item: null, trace: null }, { run: 'r', parent: 'step/r/s', plan: one, index: 0, item: 1, trace: null }]),
  tells: ({ attempts, items, started, ended: over, state, staked, paused }: StepContext) => [attempts.length, items, started, over, state, staked !== null, paused],
  answers: {
    'step.prepare': ({ context }) => [
      { type: 'step.prepare.done', skip: true }, { type: 'step.prepare.done', items: [] },
      context.plan.forEach === null ? { type: 'step.prepare.done', input: {}, inputHash: 'sha256-aa', units: 1, inputBytes: 2 } : { type: 'step.prepare.done', items: [1, 2, 3] },
    ],
    'call.invoke': ({ params }) => [
      { type: 'call.invoke.done', delivery, output: {}, latencyMs: 5, verdict: { ok: true } }, { type: 'call.invoke.done', delivery, output: {}, latencyMs: 5, verdict: { ok: false, error: { code: 'step.expect', message: 'No.' } } },
      { type: 'call.invoke.declined', error: { code: 'step.failed', message: 'No.' } }, { type: 'call.invoke.failed', params, error: TIMEOUT },
    ],
  },
  events: ({ context, state }: { context: StepContext; state: unknown }) => [
    { type: 'cancel' }, { type: 'pause' }, { type: 'resume' }, ...(state === 'hiring' ? [agreed, { type: 'refused', error: { code: 'market.no-provider', message: 'None.' } }] : []),
    ...(state === 'staking' ? [{ type: 'staked', voucher, previousRef: '0x4' }] : []), ...(state === 'paying' ? [{ type: 'paid', voucher: { kind: 'plain' }, previousRef: '0x4' }] : []),
    ...(state === 'engaging' || (state === 'fanning' && context.ended < context.started) ? ['done', 'failed', 'cancelled'].map(ended) : []),
  ],
}

const run: Samples = {
  inputs: [{
    run: 'r', pipeline: 'p@1.0.0', document: {}, inputs: {}, budget: '40', hold: '40',
    plan: { pipeline: 'p@1.0.0', steps: { s: plan({ dependents: ['t', 'u'] }), t: plan({ name: 't', dependsOn: ['s'] }), u: plan({ name: 'u', dependsOn: ['s'], tests: ['s'] }) }, order: ['s', 't', 'u'], output: {}, worst: '40', timeMs: 2_000 },
  }],
  tells: ({ running, doubts, spent, error, cancelled, paused, held, signals }: RunContext) => [running, doubts, spent === '0', error !== null, cancelled, paused, held, signals.length],
  answers: {
    'run.output': () => [{ type: 'run.output.done', output: {} }], 'run.settle': () => [{ type: 'run.settle.done', settled: '4', transactions: [] }],
  },
  events: ({ context, state }: { context: RunContext; state: unknown }) => [
    ...(state === 'holding' ? [{ type: 'held' }, { type: 'refused', error: { code: 'wallet.empty', message: 'Empty.' } }] : []), { type: 'cancel' }, { type: 'pause' }, { type: 'resume' }, { type: 'signal', id: 'one', name: 'go', data: null },
    // A doubt is opened by a step that runs, and closed once.
    ...(context.running.length > 0 && context.doubts < 2 ? [{ type: 'doubt.opened' }] : []), ...(context.doubts > 0 ? ['0', '4'].map((charged) => ({ type: 'doubt.closed', charged })) : []),
    ...context.running.flatMap((name) => ['done', 'skipped', 'failed', 'cancelled'].map((one) => ({ ...ended(one), step: name, ...(one === 'skipped' ? { charged: '0' } : {}) }))),
  ],
}

const inquiryInput = { run: 'run/r', holder: 'negotiation/r/s/0', agreement: { terms }, id: 'sha256-bb', lane: agreed.lane, inputHash: 'sha256-aa', until: 2_000_000, step: 'step/r/s', offer: agreed.offer }
const cancelled = () => [
  { type: 'call.cancel.done' }, { type: 'call.cancel.done', delivery, output: {}, verdict: { ok: true } }, { type: 'call.cancel.done', delivery, output: {}, verdict: { ok: false, error: TIMEOUT } },
]
const paid = ({ state }: { state: unknown }) => (state === 'paying' ? [{ type: 'paid', voucher: { kind: 'plain' }, previousRef: '0x4' }] : [])

const inquiry: Samples = { inputs: [inquiryInput], answers: { 'call.cancel': cancelled }, events: paid }
const dispute: Samples = {
  inputs: [true, false].map((asks) => ({ ...inquiryInput, voucher, previousRef: '0x4', reason: 'Late.', delivery: null, output: null, asks })),
  answers: {
    'call.cancel': cancelled, 'case.complain': () => [{ type: 'case.complain.done', said: { state: 'hearing' } }], 'case.ask': () => [{ type: 'case.ask.done', said: { state: 'ruled' } }],
    'verdict.look': () => [null, '2'].map((ruled) => ({ type: 'verdict.look.done', ruled })),
  },
  events: paid,
}

export const samples: Readonly<Record<string, Samples>> = { step, run, inquiry, dispute }
