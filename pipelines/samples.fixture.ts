/** What the machines of this room meet when they are explored (runtime/actors/explore.ts). */
import type { ActorEvent } from '../runtime/actors/actor.ts'
import type { Samples } from '../runtime/actors/explore.ts'
import type { CacheContext } from './cache.machine.ts'
import type { FanContext } from './fan.ts'
import type { GateContext } from './gate.machine.ts'
import type { NestContext } from './nest.machine.ts'
import type { StepPlan } from './plan.ts'
import type { RunContext } from './run.machine.ts'
import { deliveryHash } from '../runtime/payments/delivery.ts'
import type { StreamContext } from './stream.ts'
import type { SagaContext } from './saga.machine.ts'
import type { StepContext } from './step.ts'

const plan = (change: Partial<StepPlan>): StepPlan => ({
  name: 's', uses: 'text.shout@1', dependsOn: [], tests: [], dependents: [], maxPrice: '10', worst: '20', deadlineMs: 1_000, graceMs: 100, attempts: 2,
  retryOn: ['timeout', 'expect', 'failed', 'refused'], backoffMs: 100, elsewhere: true, only: null, not: [], settle: 'postpaid', escrow: null, expect: null, if: null, forEach: null, with: {}, maxItems: 1,
  parallel: 1, reads: { steps: [], meta: [], input: false, run: false }, ...change,
} as StepPlan)

const fallback = { uses: 'text.whisper@1', with: {}, maxPrice: '3', expect: null }
const nestedPlan = { plan: { pipeline: 'q@1.0.0', steps: {}, order: [], output: {}, worst: '5', timeMs: 10 }, input: null, budget: '5' }
const body = { amount: '4', inputHash: 'sha256-aa', at: 1_000 }
const delivery = { body, signature: {} }
const TIMEOUT = { code: 'step.timeout', message: 'Late.' }
const terms = { capabilityHash: 'sha256-ff', provider: '0xaa', payee: '0xaa', unitPrice: '4', cap: '4', units: 1, settle: 'escrow', escrow: { agent: '0xee', arbiter: '0xee', challengeMs: 60_000, expiryMs: 3_600_000 } }
const agreed = { type: 'agreed', id: 'sha256-bb', agreement: { terms }, offer: { name: 'a', list: '4', cacheMs: 60_000, quote: { terms } }, lane: { key: '0xaa.0', id: '0x1', number: 0, vault: '0x2', voucherKey: '0x3' }, asked: 2 }
const voucher = { kind: 'escrow', amount: '4', challengeEnd: 2_000 }
const agreedAs = (settle: string, cap = terms.cap): ActorEvent => ({ ...agreed, agreement: { terms: { ...terms, settle, unitPrice: cap, cap } } })
const through = { hub: null, fee: '1' }
const grant = { body: { hub: '0xee', payer: '0xdd', payee: '0xaa', lane: '0x1', number: 0, vault: '0x2', voucherKey: '0x3' } }
const granted = { ...agreed.lane, grant, route: '0f', from: 'passage/r/s/0' }
const prepayment = { kind: 'plain', ref: '0x5' }
const ended = (state: string) => ({ type: 'step.ended', step: 's', index: null, state, charged: '1', ...(state === 'failed' ? { error: { code: 'step.failed', message: 'It failed.' } } : {}) })

const step: Samples = {
  inputs: [
    plan({}), plan({ timeoutMs: 5_000 }), plan({ attempts: 1 }), plan({ escrow: { agent: null, fee: '1' }, settle: 'escrow', timeoutMs: 5_000 }), plan({ escrow: { agent: null, fee: '1' }, settle: 'escrow', attempts: 1 }), plan({ fallback, compensate: plan({}) }),
    plan({ fallback, attempts: 1, escrow: { agent: null, fee: '1' }, settle: 'escrow' }), plan({ settle: 'prepaid', timeoutMs: 5_000 }), plan({ settle: 'prepaid', attempts: 1 }), plan({ settle: 'locked', timeoutMs: 5_000 }), plan({ settle: 'locked', attempts: 1, fallback }), plan({ settle: 'locked', through, timeoutMs: 5_000 }), plan({ settle: 'locked', through, attempts: 1, fallback }), plan({ settle: 'streamed', timeoutMs: 5_000 }), plan({ settle: 'streamed', attempts: 1, fallback }), plan({ standing: { calls: 3, forMs: 60_000 } }), plan({ standing: { calls: 3, forMs: 60_000 }, attempts: 1 }),
  ].flatMap((one) => [{ run: 'r', parent: 'run/r', plan: one, index: null, item: null, trace: null }, { run: 'r', parent: 'step/r/s', plan: one, index: 0, item: 1, trace: null }])
    .concat([{ run: 'r', parent: 'fan/r/s', plan: plan({ many: { providers: 2 } }), index: null, item: null, trace: null, member: 1 } as never, { run: 'r', parent: 'saga/r', plan: plan({ attempts: 1 }), index: null, item: null, trace: null, of: { step: 's', index: null } } as never]),
  tells: ({ attempts, refusals, state, staked, fallback: stands, pieces, listeners, torn, agreement, call }: StepContext) => [agreement?.terms.cap, call, attempts.length, refusals, state, staked !== null, stands, pieces.length, listeners.length, torn],
  answers: {
    'step.prepare': () => [{ type: 'step.prepare.done', skip: true }, { type: 'step.prepare.done', value: 7 }, { type: 'step.prepare.done', input: {}, inputHash: 'sha256-aa', units: 1, inputBytes: 2 }, { type: 'step.prepare.done', input: {}, inputHash: 'sha256-aa', known: { output: {}, reused: { run: 'r_0', paid: '3' } } }],
    'hub.open': () => [...[{ ok: true }, { ok: false, error: TIMEOUT }].map((verdict) => ({ type: 'hub.open.done', output: {}, verdict, hop: null })), { type: 'hub.open.failed', error: TIMEOUT }],
    'call.invoke': ({ params, context }) => [
      ...(context.plan.settle === 'locked' ? [{ type: 'call.invoke.done', delivery, output: null, sealed: 'aa', latencyMs: 5, verdict: { ok: true } }] : []),
      { type: 'call.invoke.done', delivery, output: {}, latencyMs: 5, verdict: { ok: true } }, { type: 'call.invoke.done', delivery, output: {}, latencyMs: 5, verdict: { ok: false, error: { code: 'step.expect', message: 'No.' } } },
      { type: 'call.invoke.declined', error: { code: 'step.failed', message: 'No.' } }, { type: 'call.invoke.failed', params, error: TIMEOUT },
    ],
  },
  events: ({ context, state }: { context: StepContext; state: unknown }) => [
    { type: 'cancel' }, ...(state === 'hiring' ? [{ ...agreedAs(context.plan.settle), ...(context.plan.through && !context.fallback ? { lane: granted } : {}) }, ...(context.plan.standing ? [{ ...agreedAs('postpaid'), call: 2 }] : []), ...(context.plan.settle === 'postpaid' ? [agreedAs('postpaid', '0')] : []), { type: 'refused', error: { code: 'market.no-provider', message: 'None.' } }] : []), ...(state === 'queueing' ? [{ type: 'turn', avoid: ['0xcc'] }] : []),
    ...(state === 'staking' ? [{ type: 'staked', voucher: context.plan.settle === 'prepaid' ? prepayment : voucher, previousRef: '0x4' }] : []), ...(state === 'paying' ? [{ type: 'paid', voucher: { kind: 'plain' }, previousRef: '0x4', ...(context.call === undefined ? {} : { after: '' }) }] : []),
    ...(state === 'unlocking' ? [{ type: 'opened', output: {}, voucher: { kind: 'plain' }, previousRef: '0x4' }, { type: 'unopened', error: { code: 'step.failed', message: 'No key.' } }] : []),
    ...(state === 'streaming' ? [
      { type: 'streamed', delivery, output: {}, voucher: { kind: 'plain' }, previousRef: '0x4', parts: [], latencyMs: 5 }, { type: 'unstreamed', error: { code: 'step.failed', message: 'No.' } }, { type: 'unstreamed', error: { code: 'step.output', message: 'No.' }, streamed: true },
      ...(context.pieces.length < 1 ? [{ type: 'piece', number: 0, chunk: 'a' }] : []),
    ] : []),
    ...(state === 'engaging' || state === 'passing' ? ['done', 'failed', 'cancelled'].map(ended) : []),
    ...(state === 'invoking' && context.pieces.length < 2 && context.plan.fallback ? [{ type: 'piece', number: 0, chunk: 'a' }, ...(context.listeners.length < 1 ? [{ type: 'listen', to: 'fan/r/t' }] : [])] : []),
  ],
}

const items = plan({ forEach: '${x}', maxItems: 3, parallel: 2 })
const head = (one: StepPlan, index: number | null = null): object => ({ run: 'r', parent: index === null ? 'run/r' : 'fan/r/s', plan: one, index, item: null, trace: null })
const fan: Samples = {
  inputs: [
    head(items), head({ ...items, tolerate: 1, compensate: plan({}) }), head({ ...items, timeoutMs: 5_000, nested: nestedPlan } as never), head({ ...items, many: { providers: 2 } }), head(plan({ many: { providers: 2 }, compensate: plan({}) })),
    head(plan({ many: { providers: 3, agree: 2 }, timeoutMs: 5_000 })), head({ ...items, many: { providers: 2 } }, 0), head({ ...items, chunksOf: 't' }),
  ],
  tells: ({ list, items: count, started, ended: over, failed, state, open, paused, hiring, queue, over: ends, answers, pairs, winner, done }: FanContext) =>
    [list.length, count, started, over, failed, state, open, paused, hiring, queue, ends, answers.map(({ member }) => member), pairs.length, winner, done.length],
  depth: 12,
  answers: {
    'step.prepare': ({ context }) => [
      { type: 'step.prepare.done', skip: true },
      ...(context.plan.chunksOf ? [{ type: 'step.prepare.done' }, { type: 'step.prepare.done', heard: { pieces: [1], state: 'done', torn: false } }] : context.plan.many && (context.plan.forEach === null || context.index !== null) ? [{ type: 'step.prepare.done', go: true }] : [{ type: 'step.prepare.done', items: [] }, { type: 'step.prepare.done', items: [1, 2, 3] }]),
    ],
    'quorum.compare': ({ context, params }) => [[], Object.keys(context.over).map(Number).filter((place) => place !== params.member && context.over[place] === 'done')].map((agrees) => ({ type: 'quorum.compare.done', answer: { member: params.member, provider: '0xaa', outputHash: 'sha256-cc' }, agrees })),
  },
  events: ({ context, state }: { context: FanContext; state: unknown }) => {
    const many = typeof state === 'object'
    const open = Array.from({ length: context.started }, (_, place) => place).filter((place) => context.over[place] === undefined)
    const own = (place: number, how: string): object => ({ ...ended(how), attempts: 1, ...(many ? { member: place } : { index: place }), ...(how === 'done' ? { done: [place] } : {}) })
    return [
      { type: 'cancel' }, { type: 'pause' }, { type: 'resume' },
      ...(context.ended < context.started ? open.slice(0, 2).flatMap((place) => ['done', 'failed', 'cancelled'].map((how) => own(place, how))) : []),
      ...(many ? open.slice(0, 2).flatMap((member) => [...(context.queue.includes(member) || context.hiring !== null || context.providers[member] ? [] : [{ type: 'hire.wanted', member }]), ...(context.hiring === member ? [{ type: 'hired', member, provider: `0x${member}` }] : [])]) : []),
      ...(context.plan.chunksOf && context.list.length < 4 ? [{ type: 'pieces', from: context.list.length, pieces: ['a'] }, ...['done', 'failed', 'skipped'].map((how) => ({ type: 'stream.ended', state: how, count: context.list.length }))] : []),
    ] as ActorEvent[]
  },
}

const approve = { by: 'owner', message: null, timeoutMs: 1_000, late: 'reject' } as const
const gate: Samples = {
  inputs: [
    plan({ wait: { forMs: 1_000, late: 'fail' } }), plan({ wait: { until: '${x}', late: 'fail' }, timeoutMs: 500 }), plan({ wait: { schedule: { cron: '0 9 * * *' }, late: 'fail' } }), plan({ wait: { signal: 'go', late: 'fail' } }),
    plan({ wait: { signal: 'go', timeoutMs: 1_000, late: 'continue' } }), plan({ approve }), plan({ approve: { ...approve, late: 'approve' } }),
  ].map((one) => head(one)),
  tells: ({ state }: GateContext) => state,
  answers: { 'step.prepare': ({ now }) => [{ type: 'step.prepare.done', skip: true }, { type: 'step.prepare.done', until: now - 1 }, { type: 'step.prepare.done', until: now + 5_000, message: 'Pay?' }] },
  events: () => [{ type: 'cancel' }, { type: 'signal', data: 1 }, ...[true, false].map((approved) => ({ type: 'answer', approved, by: '0xaa', comment: null }))],
}

const nest: Samples = {
  inputs: [head(plan({ nested: nestedPlan as never, compensate: plan({}) })), head(plan({ nested: nestedPlan as never, timeoutMs: 500 })), head(plan({ nested: nestedPlan as never }), 0)],
  tells: ({ state, paused }: NestContext) => [state, paused],
  answers: { 'step.prepare': () => [{ type: 'step.prepare.done', skip: true }, { type: 'step.prepare.done', input: {} }] },
  events: ({ state }) => [
    { type: 'cancel' }, { type: 'pause' }, { type: 'resume' },
    ...(state === 'running' ? ['done', 'failed', 'cancelled'].map((how) => ({ type: 'run.ended', state: how, output: null, charged: '3', ...(how === 'done' ? {} : { error: TIMEOUT }) })) : []),
  ],
}

const saga: Samples = {
  inputs: [{ run: 'r', trace: null, undo: [0, 1].map((index) => ({ step: 's', index, plan: plan({}) })) }],
  tells: ({ ended: over, failed }: SagaContext) => [over, failed.length],
  events: () => ['done', 'failed'].map(ended),
}

const steps = {
  s: plan({ dependents: ['t', 'u'], compensate: plan({}) }), t: plan({ name: 't', dependsOn: ['s'] }), u: plan({ name: 'u', dependsOn: ['s'], tests: ['s'], wait: { signal: 'go', late: 'fail' } }),
}
const runPlan = { pipeline: 'p@1.0.0', steps, order: ['s', 't', 'u'], output: {}, worst: '40', timeMs: 2_000 }
const runInput = { run: 'r', pipeline: 'p@1.0.0', document: {}, inputs: {}, budget: '40', hold: '40', plan: runPlan }
const kinds = { s: plan({ forEach: '${x}', maxItems: 2 }), t: plan({ name: 't', nested: nestedPlan as never }) }
const run: Samples = {
  inputs: [runInput, { ...runInput, run: 'q/r', parent: 'nest/q/r' }, { ...runInput, plan: { ...runPlan, steps: kinds, order: ['s', 't'], timeoutMs: 60_000 } }],
  tells: ({ running, doubts, spent, error, cancelled, paused, held, signals, waiters, undo, told, late, lateUndone, owes }: RunContext) => [running, doubts, spent === '0', error !== null, cancelled, paused, held, signals.length, waiters.length, undo.length, told !== null, late?.length, lateUndone, owes],
  depth: 11,
  answers: {
    'run.output': () => [{ type: 'run.output.done', output: {} }], 'run.settle': () => [{ type: 'run.settle.done', settled: '4', transactions: [] }],
  },
  events: ({ context, state }: { context: RunContext; state: unknown }) => [
    ...(state === 'holding' ? [{ type: context.parent === undefined ? 'held' : 'granted' }, { type: 'refused', error: { code: 'wallet.empty', message: 'Empty.' } }] : []), { type: 'cancel' }, { type: 'pause' }, { type: 'resume' },
    // Signals change nothing but who waits for them.
    ...(state === 'running' && context.plan.steps['u'] && context.signals.length < 2 ? [{ type: 'signal', id: 'one', name: 'go', data: null }, ...(context.waiters.length < 1 ? [{ type: 'await', name: 'go', to: 'gate/r/u' }] : [{ type: 'forget', to: 'gate/r/u' }])] : []),
    // A doubt is opened by a step that runs, and closed once.
    ...(context.running.length > 0 && context.doubts < 1 ? [{ type: 'doubt.opened' }] : []), ...(context.doubts > 0 ? [{ charged: '0' }, { charged: '4' }, ...(context.late || !context.plan.steps['s']!.compensate ? [] : [{ charged: '4', late: { step: 's', index: null, late: 'inquiry/r/s/0' } }])].map((one) => ({ type: 'doubt.closed', ...one })) : []),
    ...(state === 'undoing' || state === 'reversing' ? [{ type: 'saga.ended', charged: '1', failed: [] }] : []),
    ...context.running.flatMap((name) => ['done', 'skipped', 'failed', 'cancelled'].map((one) => ({ ...ended(one), step: name, ...(one === 'skipped' ? { charged: '0' } : {}), ...(one === 'done' && context.plan.steps[name]!.compensate ? { done: [null] } : {}) }))),
  ],
}

const inquiryInput = { run: 'run/r', holder: 'negotiation/r/s/0', agreement: { terms }, id: 'sha256-bb', lane: agreed.lane, inputHash: 'sha256-aa', until: 2_000_000, step: 'step/r/s', offer: agreed.offer }
const cancelled = () => [
  { type: 'call.cancel.done' }, { type: 'call.cancel.done', delivery, output: {}, verdict: { ok: true } }, { type: 'call.cancel.done', delivery, output: {}, verdict: { ok: false, error: TIMEOUT } },
]
const paid = ({ state }: { state: unknown }) => (state === 'paying' ? [{ type: 'paid', voucher: { kind: 'plain' }, previousRef: '0x4' }] : [])

const inquiry: Samples = { inputs: [inquiryInput, { ...inquiryInput, call: 2 }, { ...inquiryInput, lane: granted }, { ...inquiryInput, undo: { step: 's', index: null } }, { ...inquiryInput, agreement: { terms: { ...terms, unitPrice: '0', cap: '0', settle: 'postpaid' } } }, { ...inquiryInput, prepaid: { voucher: prepayment, previousRef: '0x4' } }], answers: { 'call.cancel': cancelled }, events: paid }
const dispute: Samples = {
  inputs: [true, false].map((asks) => ({ ...inquiryInput, voucher, previousRef: '0x4', reason: 'Late.', delivery: null, output: null, asks })),
  answers: {
    'call.cancel': cancelled, 'case.complain': () => [{ type: 'case.complain.done', said: { state: 'hearing' } }], 'case.ask': () => [{ type: 'case.ask.done', said: { state: 'ruled' } }],
    'verdict.look': () => [null, '2'].map((ruled) => ({ type: 'verdict.look.done', ruled })),
  },
  events: paid,
}

const cache: Samples = {
  inputs: [{}],
  tells: ({ entries }: CacheContext) => Object.keys(entries),
  events: ({ context }: { context: CacheContext }) => (Object.keys(context.entries).length < 3 ? ['a', 'b', 'c'].map((key) => ({ type: 'keep', key, entry: { step: 'step/r/s', made: 0, until: 9e12 } })) : []),
}

const opens = [{ output: {}, verdict: { ok: true } }, { output: {}, verdict: { ok: false, error: TIMEOUT } }]
const unlock: Samples = {
  inputs: [{ run: 'run/r', holder: 'negotiation/r/s/0', step: 'step/r/s', agreement: { terms }, id: 'sha256-bb', lane: agreed.lane, offer: agreed.offer, delivery: { body: { ...body, sealed: { lockHash: '0x6', cipherHash: 'sha256-dd' } }, signature: {} }, sealed: 'aa' }],
  tells: ({ late, spent, verdict }) => [late, spent, verdict?.ok],
  answers: { 'lock.open': ({ params, context }) => [
    ...opens.map((one) => ({ type: 'lock.open.done', ...one })), { type: 'lock.open.failed', params, error: TIMEOUT },
    ...(context.late ? [...opens.map((one) => ({ type: 'lock.open.taken', ...one })), { type: 'lock.open.gone' }] : []),
  ] },
  events: ({ state }) => (state === 'locking' ? [{ type: 'staked', voucher: { kind: 'locked' }, previousRef: '0x4' }] : paid({ state })),
}

const partOf = (amount: string, pieces: number): any => ({ body: { ...body, amount, units: {}, stream: { pieces, chain: 'sha256-aa', part: true } }, signature: {} })
const stream: Samples = {
  inputs: [{ run: 'run/r', holder: 'negotiation/r/s/0', step: 'step/r/s', agreement: agreed.agreement, id: 'sha256-bb', lane: agreed.lane, inputHash: 'sha256-aa', invokedAt: 1, until: 2_000 }],
  tells: ({ paying, folded, late, meter }: StreamContext) => [paying !== null && [paying.body.amount, folded.at(-1)?.delivery === deliveryHash(paying)], folded.length, late, meter !== null],
  answers: {
    'stream.call': () => [
      ...[{ ok: true }, { ok: false, error: { code: 'step.expect', message: 'No.' } }].map((verdict) => ({ type: 'stream.call.done', delivery, output: {}, latencyMs: 5, verdict })),
      { type: 'stream.call.declined', error: TIMEOUT }, { type: 'stream.call.broken', error: TIMEOUT, streamed: true },
    ],
    'stream.count': () => [{ type: 'stream.count.done', meter: { pieces: 1, units: 1, chain: 'sha256-aa' } }],
    'stream.cancel': () => [{ type: 'stream.cancel.done' }, ...[true, false].map((ok) => ({ type: 'stream.cancel.done', delivery: partOf('4', 3), verdict: ok ? { ok } : { ok, error: TIMEOUT } }))],
  },
  events: ({ context, state }: { context: StreamContext; state: unknown }) => [
    { type: 'cancel' },
    ...(state === 'calling' && context.folded.length < 2 ? [{ type: 'part', delivery: partOf(String(context.folded.length + 1), context.folded.length + 1) }] : []),
    ...(context.paying ? [
      { type: 'paid', delivery: deliveryHash(context.paying), amount: '1', voucher: { kind: 'plain' }, previousRef: '0x4' },
      ...(context.folded.at(-1)?.delivery === deliveryHash(context.paying) ? [{ type: 'handed', delivery: deliveryHash(context.paying) }] : []),
    ] : []),
  ],
}

const passage: Samples = {
  inputs: [{ self: 'passage/r/s/0', through, forMs: 1_000 }],
  tells: ({ request, grant: given, asked }) => [request?.for, given !== null, Math.min(asked, 2)],
  answers: { 'hub.route': ({ params }) => [{ type: 'hub.route.done', grant, route: '0f' }, { type: 'hub.route.failed', params, error: TIMEOUT }] },
  events: ({ context }) => (context.asked > 2 ? [] : [...[true, false].map((spare) => ({ type: 'acquire', request: { for: 'negotiation/r/s/0', payee: '0xaa', provider: '0xaa', amount: '4', spare } })), { type: 'release', for: 'negotiation/r/s/0' }, { type: 'doubt', for: 'negotiation/r/s/0' }]),
}

export const samples: Readonly<Record<string, Samples>> = { step, cache, fan, gate, nest, saga, run, inquiry, dispute, unlock, stream, passage }
