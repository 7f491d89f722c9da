/**
 * One run of a pipeline (D2, D7, D8): holds its worst case, starts steps as data allows, evaluates
 * the answer, has the lanes settled and closes with reserved = paid + fees + returned (I2, I4).
 * It keeps a frontier and counters only; what steps produced stays in their actors. Every wait is
 * for a stored deadline, a step with one, an inquiry with one, or, while its owner has paused it,
 * for its owner's word (I5). A paused run starts no step; those under way end and are paid.
 */
import { assign, createMachine, enqueueActions } from 'xstate'
import type { Hex32 } from '../schemas/documents.gen.ts'
import type { ErrorBody } from '../schemas/error.ts'
import { defineActor, effect } from '../runtime/actors/actor.ts'
import { advance, begin, type Advance, type Frontier } from './frontier.ts'
import type { RunPlan, StepState } from './plan.ts'
import { stepId, type StepInput } from './step.ts'

/** How long the wallet and the payees are waited for, in ms. */
const HOLD_MS = 10_000
const SETTLE_MS = 30_000

/** What a run keeps of signals: so many, the data of each so long as canonical JSON. */
export const SIGNALS_MAX = 64
export const SIGNAL_BYTES_MAX = 4_096

/** What somebody told a run; an id counts once. */
export interface RunSignal {
  readonly id: string
  readonly name: string
  readonly data: unknown
  readonly at: number
}

export interface RunInput {
  readonly run: string
  /** name@version. */
  readonly pipeline: string
  readonly document: unknown
  readonly plan: RunPlan
  readonly inputs: unknown
  /** Limit the caller set, and the worst case that is held; atomic. */
  readonly budget: string
  readonly hold: string
  /** W3C traceparent of whoever started it, so that a resumed run stays in its trace. */
  readonly trace?: string
  /** Secret of its calls' flows, base64url, where somebody wanted to hear outputs as they are made. */
  readonly flow?: string
  readonly at: number
}

export interface RunContext extends RunInput {
  readonly startedAt: number
  readonly endedAt: number
  readonly frontier: Frontier
  /** Steps under way; its size is the width of the graph. */
  readonly running: readonly string[]
  /** Atomic; what steps and inquiries were charged so far. */
  readonly spent: string
  readonly doubts: number
  readonly output: unknown
  readonly error: ErrorBody | null
  readonly settled: string
  readonly transactions: readonly Hex32[]
  readonly cancelled: boolean
  readonly paused: boolean
  /** Steps whose turn it was while the run was paused. */
  readonly held: readonly string[]
  /** In the order they came. */
  readonly signals: readonly RunSignal[]
}

export type RunEvent = { at: number } & (
  | { type: 'held' }
  | { type: 'refused'; error: ErrorBody }
  | { type: 'step.ended'; step: string; index: number | null; state: StepState; charged: string; error?: ErrorBody }
  | { type: 'doubt.opened' }
  | { type: 'doubt.closed'; charged: string }
  | { type: 'run.output.done'; output: unknown }
  | { type: 'run.output.failed'; error: ErrorBody }
  | { type: 'run.settle.done'; settled: string; transactions: readonly Hex32[] }
  | { type: 'run.settle.failed'; error: ErrorBody }
  | { type: 'cancel' }
  | { type: 'pause' }
  | { type: 'resume' }
  | { type: 'signal'; id: string; name: string; data: unknown }
)

/** Starts what `next` names, or holds it back while the run is paused, and follows what it skips at once. */
function follow(run: RunContext, next: Advance, enqueue: any): Partial<RunContext> {
  const stopped = run.error !== null || run.cancelled
  const running = [...run.running]
  const held = stopped ? [] : [...run.held]
  let { frontier } = next
  const open = [next]
  for (let one = open.shift(); one; one = open.shift()) {
    for (const name of stopped ? [] : one.start) {
      if (run.paused) {
        held.push(name)
        continue
      }
      running.push(name)
      const input: StepInput = { run: run.run, parent: `run/${run.run}`, plan: run.plan.steps[name]!, index: null, item: null, trace: run.trace ?? null }
      enqueue({ type: 'tell', params: { to: stepId(run.run, name, null), event: { type: 'start', input } } })
    }
    for (const name of one.skip) {
      const after = advance(run.plan, frontier, name, 'skipped', false)
      frontier = after.frontier
      open.push(after)
    }
  }
  return { frontier, running, held }
}

const beginSteps: any = enqueueActions(({ context, enqueue }: any) => enqueue.assign(follow(context, begin(context.plan), enqueue)))

/** A failed step fails the run, unless a step that depends on it tests how it ended. */
const endStep: any = enqueueActions(({ context, event, enqueue }: any) => {
  const run = context as RunContext
  const step = run.plan.steps[event.step]!
  const handled = step.dependents.some((name) => run.plan.steps[name]!.tests.includes(event.step))
  const failure: ErrorBody | null = event.state === 'failed' && !handled ? { ...(event.error ?? { code: 'step.failed', message: 'The step failed.' }), path: `steps.${event.step}` } : null
  const changed: RunContext = { ...run, running: run.running.filter((name) => name !== event.step), spent: add(run.spent, event.charged), error: run.error ?? failure }
  enqueue.assign({ ...changed, ...follow(changed, advance(run.plan, run.frontier, event.step, event.state), enqueue) })
})

const tellSteps = (type: 'cancel' | 'pause' | 'resume'): any => enqueueActions(({ context, enqueue }: any) => {
  for (const name of (context as RunContext).running) enqueue({ type: 'tell', params: { to: stepId(context.run, name, null), event: { type } } })
})

/** Starts what was held back. */
const goOn: any = enqueueActions(({ context, enqueue }: any) => {
  const run = context as RunContext
  const changed: RunContext = { ...run, paused: false, held: [] }
  enqueue.assign({ ...changed, ...follow(changed, { frontier: run.frontier, start: run.held, skip: [] }, enqueue) })
})

const cancelled = assign<RunContext, any, undefined, any, never>({
  cancelled: true, held: [], error: ({ context }) => context.error ?? ({ code: 'step.cancelled', message: 'The run was cancelled.' } satisfies ErrorBody),
})
const pause = assign<RunContext, any, undefined, any, never>({ paused: true })

const add = (one: string, other: string): string => (BigInt(one) + BigInt(other)).toString()

const machine = createMachine({
  id: 'run',
  types: {} as { context: RunContext; events: RunEvent; input: RunInput },
  context: ({ input }) => ({
    ...input, startedAt: input.at, endedAt: 0, frontier: { pending: {}, running: 0, ended: 0 }, running: [], spent: '0', doubts: 0, output: null, error: null, settled: '0', transactions: [], cancelled: false,
    paused: false, held: [], signals: [],
  }),
  initial: 'holding',
  on: {
    'doubt.opened': { actions: assign({ doubts: ({ context }) => context.doubts + 1 }) },
    'doubt.closed': { actions: assign({ doubts: ({ context }) => context.doubts - 1, spent: ({ context, event }) => add(context.spent, event.charged) }) },
    signal: {
      guard: ({ context, event }) => context.signals.length < SIGNALS_MAX && !context.signals.some(({ id }) => id === event.id),
      actions: assign({ signals: ({ context, event: { id, name, data, at } }) => [...context.signals, { id, name, data, at }] }),
    },
  },
  states: {
    holding: {
      entry: { type: 'tell', params: ({ context }: any) => ({ to: 'wallet', event: { type: 'hold', run: `run/${context.run}`, amount: context.hold } }) } as any,
      on: {
        held: 'running',
        pause: { actions: pause },
        resume: { actions: assign({ paused: false }) },
        cancel: { actions: cancelled },
        refused: { target: 'closed', actions: assign({ error: ({ event }) => event.error }) },
      },
      after: { [HOLD_MS]: { target: 'closed', actions: assign({ error: { code: 'wallet.empty', message: 'The wallet did not answer.' } satisfies ErrorBody }) } },
    },
    running: {
      entry: beginSteps,
      on: {
        'step.ended': { actions: endStep },
        cancel: { actions: [cancelled, tellSteps('cancel')] },
        pause: { actions: [pause, tellSteps('pause')] },
        resume: { actions: [tellSteps('resume'), goOn] },
      },
      always: { guard: ({ context }) => context.running.length === 0 && context.held.length === 0, target: 'answering' },
    },
    answering: {
      always: { guard: ({ context }) => context.error !== null, target: 'waiting' },
      entry: enqueueActions(({ context, enqueue }) => {
        if (!context.error) enqueue({ type: 'run.output', params: { run: context.run } } as any)
      }),
      on: {
        'run.output.done': { target: 'waiting', actions: assign({ output: ({ event }) => event.output }) },
        'run.output.failed': { target: 'waiting', actions: assign({ error: ({ event }) => event.error }) },
      },
    },
    /** The answer is known; what is in doubt must be settled first. Each inquiry has its own deadline. */
    waiting: {
      always: [
        { guard: ({ context }) => context.doubts === 0 && context.spent === '0', target: 'closed' },
        { guard: ({ context }) => context.doubts === 0, target: 'settling' },
      ],
    },
    settling: {
      entry: effect<RunContext, any>('run.settle', ({ context }) => ({ run: context.run })),
      on: {
        'run.settle.done': { target: 'closed', actions: assign({ settled: ({ event }) => event.settled, transactions: ({ event }) => event.transactions }) },
        'run.settle.failed': 'closed',
      },
      after: { [SETTLE_MS]: { target: 'closed', actions: { type: 'abort', params: { kind: 'run.settle' } } as any } },
    },
    closed: {
      type: 'final',
      entry: [
        assign({ endedAt: ({ event }) => event.at ?? 0 }),
        { type: 'tell', params: ({ context }: any) => ({ to: 'wallet', event: { type: 'close', run: `run/${context.run}`, spent: context.spent } }) } as any,
      ],
    },
  },
})

export const run = defineActor('run', '2', machine, {
  pays: [{ by: ['tell step start'], after: ['on held'] }],
  holds: [{ what: 'hold', taken: ['on held'], returned: ['tell wallet close'] }],
  waits: { running: [{ event: 'step.ended', from: 'step' }, { event: 'resume', who: 'its owner, who has paused it' }], waiting: [{ event: 'doubt.closed', from: 'inquiry' }, { event: 'doubt.closed', from: 'dispute' }] },
}, { passivates: 'ended' })
