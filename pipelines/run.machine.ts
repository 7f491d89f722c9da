/**
 * One run of a pipeline (D2, D7, D8): holds its worst case, starts steps as data allows, evaluates
 * the answer, has the lanes settled and closes with reserved = paid + fees + returned (I2, I4).
 * It keeps a frontier and counters only; what steps produced stays in their actors. Every wait is
 * for a stored deadline, a step with one, an inquiry with one, or, while its owner has paused it,
 * for its owner's word (I5). A paused run starts no step; those under way end and are paid. The run
 * of a sub-pipeline holds and settles nothing: it is told its share, and tells what it spent.
 */
import { assign, createMachine, enqueueActions } from 'xstate'
import type { Hex32 } from '../schemas/documents.gen.ts'
import type { ErrorBody } from '../schemas/error.ts'
import { defineActor, effect } from '../runtime/actors/actor.ts'
import { exposureOf } from './exposure.ts'
import { follow } from './follow.ts'
import { advance, begin, type Frontier } from './frontier.ts'
import type { RunPlan } from './plan.ts'
import type { Reuse } from './reused.ts'
import { sagaId, type Done } from './saga.machine.ts'
import { awaited, signalled, takes, type RunSignal, type Told, type Waiter } from './signals.ts'
import { actorOf, type StepEnded } from './step.ts'

/** How long the wallet and the payees are waited for, in ms. */
const HOLD_MS = 60_000
const SETTLE_MS = 30_000

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
  /** Of a sub-pipeline: the actor that is told its answer. It spends what the run above holds. */
  readonly parent?: string
  /** Of a fork: the run whose deliveries it takes over. */
  readonly reuse?: Reuse
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
  /** In the order they came, and the steps that wait for one. */
  readonly signals: readonly RunSignal[]
  readonly waiters: readonly Waiter[]
  /** What was done and has a compensation, in that order; and those that failed to be undone. */
  readonly undo: readonly Done[]
  readonly stuck: readonly string[]
  /** Deliveries that came to light after their step was given up and have a compensation; whether they are undone. */
  readonly late?: readonly Done[]
  readonly lateUndone?: true
  /** Of a sub-pipeline: what its parent was told it cost; more may come of what was in doubt then. */
  readonly told: string | null
  /** Of a sub-pipeline: whether the run above waits for what is open still. */
  readonly owes?: true
}

export type RunEvent = { at: number } & (
  | { type: 'held' }
  | { type: 'granted' }
  | { type: 'refused'; error: ErrorBody }
  | StepEnded
  | { type: 'doubt.opened' }
  | { type: 'doubt.closed'; charged: string; late?: Done }
  | { type: 'run.output.done'; output: unknown }
  | { type: 'run.output.failed'; error: ErrorBody }
  | { type: 'run.settle.done'; settled: string; transactions: readonly Hex32[] }
  | { type: 'run.settle.failed'; error: ErrorBody }
  | { type: 'cancel' }
  | { type: 'pause' }
  | { type: 'resume' }
  | { type: 'signal'; id: string; name: string; data: unknown }
  | { type: 'await'; name: string; to: string }
  | { type: 'forget'; to: string }
  | { type: 'saga.ended'; charged: string; failed: readonly string[] }
  | { type: 'over' }
)

const beginSteps: any = enqueueActions(({ context, enqueue }: any) => enqueue.assign(follow(context, begin(context.plan), enqueue)))

/** A failed step fails the run, unless a step that depends on it tests how it ended. */
const endStep: any = enqueueActions(({ context, event, enqueue }: any) => {
  const run = context as RunContext
  const step = run.plan.steps[event.step]!
  const handled = step.dependents.some((name) => run.plan.steps[name]!.tests.includes(event.step))
  const failure: ErrorBody | null = event.state === 'failed' && !handled ? { ...(event.error ?? { code: 'step.failed', message: 'The step failed.' }), path: `steps.${event.step}` } : null
  const undo = [...run.undo, ...(event.done ?? []).map((index: number | null) => ({ step: event.step, index }))]
  const changed: RunContext = { ...run, running: run.running.filter((name) => name !== event.step), spent: add(run.spent, event.charged), undo, error: run.error ?? failure }
  enqueue.assign({ ...changed, ...follow(changed, advance(run.plan, run.frontier, event.step, event.state), enqueue) })
})

const tellSteps = (type: 'cancel' | 'pause' | 'resume'): any => enqueueActions(({ context, enqueue }: any) => {
  for (const name of (context as RunContext).running) enqueue({ type: 'tell', params: { to: actorOf(context.run, context.plan.steps[name], null), event: { type } } })
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
/** What is under way is cancelled as by its owner, and the run has failed. */
const overdue = assign<RunContext, any, undefined, any, never>({
  held: [], error: ({ context }) => context.error ?? ({ code: 'run.timeout', message: 'The run took longer than its timeout.' } satisfies ErrorBody),
})
/** A signal for the step that waits for it, or kept until one does. */
const tellSignal = (told: (at: any) => Told): any => enqueueActions(({ context, event, enqueue }: any) => {
  const { tell, ...changed } = told({ context, event })
  enqueue.assign(changed)
  if (tell) enqueue({ type: 'tell', params: { to: tell.to, event: { type: 'signal', data: tell.data } } })
})
const countSaga = assign<RunContext, any, undefined, any, never>({ spent: ({ context, event }) => add(context.spent, event.charged), stuck: ({ context, event }) => [...context.stuck, ...event.failed] })
const pause = assign<RunContext, any, undefined, any, never>({ paused: true })

const closeDoubt = assign<RunContext, any, undefined, any, never>(({ context, event }) => ({
  doubts: context.doubts - 1, spent: add(context.spent, event.charged), ...(event.late ? { late: [...context.late ?? [], event.late] } : {}),
}))
/** Whether something came to light late that is still done. */
const isLate = ({ late = [], lateUndone }: RunContext): boolean => late.length > 0 && !lateUndone
/** The run that a sub-pipeline's is part of. */
const above = (run: string): string => `run/${run.slice(0, run.lastIndexOf('/'))}`

/** Gives back what it held and did not spend; told again, the wallet knows. An earlier version told it at its close alone. */
const tellWallet: any = enqueueActions(({ context: { run, spent, parent }, enqueue }: any) => {
  if (parent === undefined) enqueue({ type: 'tell', params: { to: 'wallet', event: { type: 'close', run: `run/${run}`, spent } } })
})

/** Whether its answer is known and what it cost: what comes then is that its payees have that from the chain. */
export function isAnswered({ status, value }: { readonly status: string; readonly value: unknown }): boolean {
  return status === 'done' || value === 'settling'
}

const add = (one: string, other: string): string => (BigInt(one) + BigInt(other)).toString()

const machine = createMachine({
  id: 'run',
  types: {} as { context: RunContext; events: RunEvent; input: RunInput },
  context: ({ input }) => ({
    ...input, startedAt: input.at, endedAt: 0, frontier: { pending: {}, running: 0, ended: 0 }, running: [], spent: '0', doubts: 0, output: null, error: null, settled: '0', transactions: [], cancelled: false,
    paused: false, held: [], signals: [], waiters: [], undo: [], stuck: [], told: null,
  }),
  initial: 'holding',
  on: {
    'doubt.opened': { actions: assign({ doubts: ({ context }) => context.doubts + 1 }) },
    'doubt.closed': { actions: closeDoubt },
    signal: { guard: ({ context, event }) => takes(context, event), actions: tellSignal(({ context, event: { id, name, data, at } }) => signalled(context, { id, name, data, at })) },
    await: { actions: tellSignal(({ context, event: { name, to } }) => awaited(context, { name, to })) },
    forget: { actions: assign({ waiters: ({ context, event }) => context.waiters.filter(({ to }) => to !== event.to) }) },
  },
  states: {
    holding: {
      // Of a sub-pipeline, whoever started it says that its share is held.
      entry: enqueueActions(({ context: { run, hold, parent, plan }, enqueue }) => {
        if (parent === undefined) enqueue({ type: 'tell', params: { to: 'wallet', event: { type: 'hold', run: `run/${run}`, amount: hold, capabilities: exposureOf(plan) } } } as any)
      }),
      on: {
        held: 'running',
        granted: 'running',
        pause: { actions: pause },
        resume: { actions: assign({ paused: false }) },
        cancel: { actions: cancelled },
        refused: { target: 'closed', actions: assign({ error: ({ event }) => event.error }) },
      },
      after: { [HOLD_MS]: { target: 'closed', actions: assign({ error: { code: 'wallet.empty', message: 'The wallet did not answer.' } satisfies ErrorBody }) } },
    },
    running: {
      entry: [beginSteps, enqueueActions(({ context, enqueue }) => {
        if (context.plan.timeoutMs !== undefined) enqueue.raise({ type: 'over', at: 0 }, { delay: context.plan.timeoutMs, id: 'over' })
      })],
      exit: enqueueActions(({ context, enqueue }) => {
        if (context.plan.timeoutMs !== undefined) enqueue.cancel('over')
      }),
      on: {
        'step.ended': { actions: endStep },
        over: { actions: [overdue, tellSteps('cancel')] },
        cancel: { actions: [cancelled, tellSteps('cancel')] },
        pause: { actions: [pause, tellSteps('pause')] },
        resume: { actions: [tellSteps('resume'), goOn] },
      },
      always: { guard: ({ context }) => context.running.length === 0 && context.held.length === 0, target: 'answering' },
    },
    answering: {
      always: { guard: ({ context }) => context.error !== null, target: 'undoing' },
      entry: enqueueActions(({ context, enqueue }) => {
        if (!context.error) enqueue({ type: 'run.output', params: { run: context.run } } as any)
      }),
      on: {
        'run.output.done': { target: 'waiting', actions: assign({ output: ({ event }) => event.output }) },
        'run.output.failed': { target: 'undoing', actions: assign({ error: ({ event }) => event.error }) },
      },
    },
    /** A run that failed takes back what it had done. */
    undoing: {
      entry: enqueueActions(({ context, enqueue }) => {
        const { run, trace = null, plan } = context
        const undo = context.undo.map((done) => ({ ...done, plan: plan.steps[done.step]!.compensate! }))
        if (undo.length > 0) enqueue({ type: 'tell', params: { to: sagaId({ run }), event: { type: 'start', input: { run, trace, undo } } } } as any)
      }),
      always: { guard: ({ context }) => context.undo.length === 0, target: 'waiting' },
      on: { 'saga.ended': { target: 'waiting', actions: countSaga } },
    },
    /** The answer is known; what is in doubt must be settled first. Each inquiry has its own deadline. */
    waiting: {
      entry: enqueueActions(({ context, enqueue }) => {
        const { parent, run, doubts, spent, output, error, cancelled, told } = context
        if (parent === undefined || told !== null) return
        const owes = doubts > 0 || isLate(context)
        enqueue.assign({ told: spent, ...(owes ? { owes } : {}) })
        if (owes) enqueue({ type: 'tell', params: { to: above(run), event: { type: 'doubt.opened' } } } as any)
        const state = cancelled ? 'cancelled' : error ? 'failed' : 'done'
        enqueue({ type: 'tell', params: { to: parent, event: { type: 'run.ended', state, output, charged: spent, ...(error ? { error } : {}) } } } as any)
      }),
      always: [
        { guard: ({ context }) => context.doubts === 0 && isLate(context), target: 'reversing' },
        {
          // The doubts of a sub-pipeline are one of the run above.
          guard: ({ context }) => context.doubts === 0 && context.owes === true, target: 'closed',
          actions: { type: 'tell', params: ({ context: { run, spent, told } }: any) => ({ to: above(run), event: { type: 'doubt.closed', charged: (BigInt(spent) - BigInt(told)).toString() } }) } as any,
        },
        { guard: ({ context }) => context.doubts === 0 && (context.spent === '0' || context.parent !== undefined), target: 'closed' },
        { guard: ({ context }) => context.doubts === 0, target: 'settling' },
      ],
    },
    /** What was delivered after its step was given up is no part of the answer: it is taken back, whatever that is. */
    reversing: {
      entry: enqueueActions(({ context: { run, trace = null, plan, late = [] }, enqueue }) => {
        const undo = late.map((done) => ({ ...done, plan: plan.steps[done.step]!.compensate! }))
        enqueue({ type: 'tell', params: { to: sagaId({ run, late: true }), event: { type: 'start', input: { run, trace, undo, late: true } } } } as any)
        enqueue.assign({ lateUndone: true })
      }),
      on: { 'saga.ended': { target: 'waiting', actions: countSaga } },
    },
    settling: {
      entry: [tellWallet, effect<RunContext, any>('run.settle', ({ context }) => ({ run: context.run }))],
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
        tellWallet,
      ],
    },
  },
})

export const run = defineActor('run', '4', machine, {
  pays: [{ by: ['tell step start', 'tell fan start', 'tell nest start', 'tell saga start'], after: ['on held', 'on granted'] }],
  holds: [{ what: 'hold', taken: ['on held', 'on granted'], returned: ['tell wallet close', 'tell nest run.ended'] }],
  waits: {
    running: [{ event: 'step.ended', from: 'step' }, { event: 'step.ended', from: 'fan' }, { event: 'step.ended', from: 'gate' }, { event: 'step.ended', from: 'nest' }, { event: 'resume', who: 'its owner, who has paused it' }],
    undoing: [{ event: 'saga.ended', from: 'saga' }],
    reversing: [{ event: 'saga.ended', from: 'saga' }],
    waiting: [{ event: 'doubt.closed', from: 'inquiry' }, { event: 'doubt.closed', from: 'dispute' }, { event: 'doubt.closed', from: 'unlock' }, { event: 'doubt.closed', from: 'run' }],
  },
}, {
  passivates: 'ended',
  // The version before told the wallet at its close.
  migrate: (state, machine) => (machine.startsWith('run@3:') ? state : undefined),
})
