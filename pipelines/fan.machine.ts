/**
 * Has a step done several times (D8): for each item of a forEach, of which it starts up to `parallel`
 * at once, for each piece of a streamed output as it comes, or by several providers for a race or a
 * quorum, hired one after the other so that no two are the same. It hires nothing itself. Started by
 * a run, or by a fan for an item; tells its parent `step.ended`. Ends when all it started have.
 */
import { assign, createMachine, enqueueActions } from 'xstate'
import type { ErrorBody } from '../schemas/error.ts'
import { defineActor, effect } from '../runtime/actors/actor.ts'
import { childId, closed, isMany, quorumOf, type FanContext, type FanEvent } from './fan.ts'
import { growing, grown, itemAt, itemsOf } from './growing.ts'
import { LATE, stops } from './overdue.ts'
import { unitName, type StepInput } from './step.ts'

type At = { context: FanContext; event: any; enqueue: any }

const add = (one: string, other: string): string => (BigInt(one) + BigInt(other)).toString()

/** Starts what may start: items up to `parallel` at once, all providers; none while the run is paused. */
const spread: any = enqueueActions(({ context, enqueue }: At) => {
  const { run, plan, index, item, trace, self, list, items, paused, ended, state } = context
  const many = isMany(context)
  let { started } = context
  while (!paused && state === 'running' && started < items && (many || started - ended < plan.parallel)) {
    const input: StepInput = { run, parent: self, plan, trace, ...(many ? { index, item, member: started } : { index: started, item: itemAt(list, started) }) }
    enqueue({ type: 'tell', params: { to: childId(context, started), event: { type: 'start', input } } })
    started++
  }
  enqueue.assign({ started })
})

const tellAll = (type: 'cancel' | 'pause' | 'resume'): any => enqueueActions(({ context, enqueue }: At) => {
  if (type !== 'cancel' && !context.plan.nested && !context.plan.many) return
  for (let place = 0; place < context.started; place++) if (context.over[place] === undefined) enqueue({ type: 'tell', params: { to: childId(context, place), event: { type } } })
})

/** No further item begins. */
const halt: any = assign(({ context, event }: any) => ({
  items: context.started, open: false, queue: [],
  state: context.state !== 'running' ? context.state : event.type === 'cancel' ? 'cancelled' : 'failed', error: event.type === 'over' ? LATE : context.error ?? event.error ?? null,
}))

/** Writes down how an item or a provider ended. */
const count: any = assign(({ context, event }: any) => {
  const place = event.member ?? event.index
  return {
    ended: context.ended + 1, spent: add(context.spent, event.charged), attempts: context.attempts + (event.attempts ?? 0),
    failed: context.failed + (event.state === 'failed' ? 1 : 0),
    // Of a long forEach only counters are kept.
    ...(isMany(context) ? { over: { ...context.over, [place]: event.state } } : {}),
    ...(event.done && context.plan.compensate && event.member === undefined ? { done: grown(context.done, [place]) } : {}),
  }
})

/** Whose turn it is to hire: one at a time, who knows whom the others have. */
const turn: any = enqueueActions(({ context, enqueue }: At) => {
  const [next, ...queue] = context.queue
  if (context.hiring !== null || next === undefined) return
  const avoid = Object.entries(context.providers).filter(([place]) => Number(place) !== next).map(([, provider]) => provider)
  enqueue({ type: 'tell', params: { to: childId(context, next), event: { type: 'turn', avoid } } })
  enqueue.assign({ hiring: next, queue })
})
const want: any = assign(({ context, event }: any) => ({ queue: [...context.queue, event.member], hiring: context.hiring === event.member ? null : context.hiring }))
const leave: any = assign(({ context, event }: any) => ({ queue: context.queue.filter((one: number) => one !== event.member), hiring: context.hiring === event.member ? null : context.hiring }))

/** The answer is known: the others are asked to stop. */
const win = (winner: (at: any) => number | null): any => assign(({ context, event }: any) => ({ winner: winner({ context, event }), state: 'done', error: null, queue: [] }))
const NO_QUORUM: ErrorBody = { code: 'step.quorum', message: 'Too few providers agree.' }

/** Compares what a provider delivered with what others have. */
const compare: any = enqueueActions(({ context, event, enqueue }: At) => {
  if (event.state === 'done') enqueue({ type: 'quorum.compare', params: { run: context.run, step: context.plan.name, index: context.index, member: event.member } })
})
const note: any = assign(({ context, event }: any) => ({ answers: [...context.answers, event.answer], pairs: [...context.pairs, ...event.agrees.map((other: number) => [other, event.answer.member])] }))

/** Providers that may still deliver, or whose delivery is being compared. */
function pending(context: FanContext, noted = context.answers.length): number {
  const delivered = Object.values(context.over).filter((state) => state === 'done').length
  return context.items - context.ended + delivered - noted
}
const standing = (context: FanContext): ReturnType<typeof quorumOf> => quorumOf(context.answers, context.pairs, pending(context))

/** Pieces in their order; those that came before are passed over. */
const take: any = enqueueActions(({ context, event, enqueue }: At) => {
  const { list, plan } = context
  const fresh = event.pieces.slice(Math.max(0, list.length - event.from))
  const all = grown(list, fresh)
  if (all.length > plan.maxItems) {
    enqueue.assign({ open: false, items: context.started, state: 'failed', error: { code: 'step.expression', message: `steps.${plan.name}.forEach: more than ${plan.maxItems} pieces came.`, path: `steps.${plan.name}.forEach` } })
  } else enqueue.assign({ list: all, items: all.length })
})
const close: any = assign(({ context, event }: any) => closed(context, event.state, event.count))
/** Of a stream that had ended before it was listened to. */
const hear: any = assign(({ context, event: { heard } }: any) => {
  if (!heard) return {}
  const all = { ...context, list: growing(heard.pieces), items: heard.pieces.length }
  return { list: all.list, items: all.items, ...closed(all, heard.torn ? 'failed' : heard.state, heard.pieces.length) }
})

const machine = createMachine({
  id: 'fan',
  types: {} as { context: FanContext; events: FanEvent; input: StepInput & { at: number } },
  context: ({ input: { at: _at, ...input } }) => ({
    ...input, self: `fan/${input.run}/${unitName(input.plan.name, input.index)}`, state: 'running', error: null, list: growing([]), items: 0, started: 0, ended: 0, failed: 0, open: false, spent: '0', attempts: 0,
    paused: false, done: growing([]), hiring: null, queue: [], providers: {}, over: {}, answers: [], pairs: [], winner: null,
  }),
  initial: 'preparing',
  entry: enqueueActions(({ context: { plan, index, self, run }, enqueue }) => {
    if (plan.timeoutMs !== undefined && index === null) enqueue.raise({ type: 'over', at: 0 }, { delay: plan.timeoutMs, id: 'over' })
    if (plan.chunksOf === undefined || index !== null) return
    enqueue.assign({ open: true })
    enqueue({ type: 'tell', params: { to: `step/${run}/${plan.chunksOf}`, event: { type: 'listen', to: self } } } as any)
  }),
  on: {
    pause: { actions: [assign({ paused: true }), tellAll('pause')] },
    resume: { actions: [assign({ paused: false }), tellAll('resume')] },
    pieces: { guard: ({ context }) => context.open, actions: take },
    'stream.ended': { guard: ({ context }) => context.open, actions: close },
  },
  states: {
    preparing: {
      entry: effect<FanContext, any>('step.prepare', ({ context }) => ({ run: context.run, step: context.plan.name, index: context.index })),
      on: {
        'step.prepare.done': [
          { guard: ({ event }) => event.skip === true, target: 'ended', actions: assign({ state: 'skipped' }) },
          { guard: ({ event }) => event.go === true, target: 'contesting', actions: assign({ items: ({ context }) => context.plan.many!.providers }) },
          { guard: ({ event }) => event.items !== undefined, target: 'fanning', actions: assign(({ event }) => ({ list: growing(event.items!), items: event.items!.length })) },
          { target: 'fanning', actions: hear },
        ],
        'step.prepare.failed': { target: 'ended', actions: assign({ state: 'failed', error: ({ event }) => event.error }) },
        ...stops({ target: 'ended', actions: [halt, { type: 'abort', params: { kind: 'step.prepare' } } as any] }),
      },
    },
    fanning: {
      entry: spread,
      on: {
        resume: { actions: [assign({ paused: false }), tellAll('resume'), spread] },
        pieces: { guard: ({ context }) => context.open, actions: [take, spread] },
        'step.ended': [
          { guard: ({ context, event }) => event.state === 'cancelled' || (event.state === 'failed' && context.failed >= (context.plan.tolerate ?? 0)), actions: [count, halt] },
          { actions: [count, spread] },
        ],
        ...stops({ actions: [halt, tellAll('cancel')] }),
      },
      always: {
        guard: ({ context }) => context.ended >= context.items && (!context.open || context.state !== 'running'),
        target: 'ended',
        actions: assign({ state: ({ context }) => (context.state === 'running' ? 'done' : context.state) }),
      },
    },
    /** Several providers do the same work. */
    contesting: {
      entry: spread,
      initial: 'open',
      on: {
        resume: { actions: [assign({ paused: false }), tellAll('resume'), spread] },
        'hire.wanted': { actions: [want, turn] },
        hired: { actions: [assign({ providers: ({ context, event }) => ({ ...context.providers, [event.member]: event.provider }), hiring: null }), turn] },
      },
      states: {
        open: {
          on: {
            'step.ended': [
              { guard: ({ context, event }) => event.state === 'done' && context.plan.many!.agree === undefined, target: 'decided', actions: [count, leave, win(({ event }) => event.member)] },
              { actions: [count, leave, assign({ error: ({ context, event }) => event.error ?? context.error }), compare, turn] },
            ],
            'quorum.compare.done': { actions: note },
            'quorum.compare.failed': { target: 'decided', actions: halt },
            ...stops({ target: 'decided', actions: halt }),
          },
          always: [
            { guard: ({ context }) => context.plan.many!.agree !== undefined && standing(context).group.length >= context.plan.many!.agree, target: 'decided', actions: win(({ context }) => standing(context).group[0]!) },
            {
              guard: ({ context }) => context.plan.many!.agree !== undefined && context.items > 0 && standing(context).most < context.plan.many!.agree, target: 'decided',
              actions: assign({ state: 'failed', error: ({ context }) => ({ ...NO_QUORUM, message: `${NO_QUORUM.message}${context.error ? ` (${context.error.message})` : ''}` }), queue: [] }),
            },
            { guard: ({ context }) => context.plan.many!.agree === undefined && context.ended >= context.items, target: 'decided', actions: assign({ state: 'failed' }) },
          ],
        },
        /** What is under way still is cancelled; what it delivers before it hears that is paid. */
        decided: {
          entry: tellAll('cancel'),
          on: { 'step.ended': { actions: [count, leave] }, 'quorum.compare.done': { actions: note } },
          always: { guard: ({ context }) => context.ended >= context.started, target: '#fan.ended' },
        },
      },
    },
    ended: {
      type: 'final',
      entry: enqueueActions(({ context, enqueue }) => {
        const { parent, plan, index, state, spent, attempts, error, done } = context
        if (plan.timeoutMs !== undefined) enqueue.cancel('over')
        const undo = plan.compensate === undefined ? {} : isMany(context) ? (state === 'done' ? { done: [index] } : {}) : { done: itemsOf(done) }
        enqueue({ type: 'tell', params: { to: parent, event: { type: 'step.ended', step: plan.name, index, state, charged: spent, attempts, ...undo, ...(error && state !== 'done' ? { error } : {}) } } } as any)
      }),
    },
  },
})

export const fan = defineActor('fan', '2', machine, {
  // Nothing is hired here: its items and providers hire for themselves.
  pays: [{ by: ['tell step start', 'tell nest start', 'tell fan start'], after: ['on step.prepare.done'] }],
  holds: [],
  waits: {
    fanning: [{ event: 'step.ended', from: 'step' }, { event: 'step.ended', from: 'nest' }, { event: 'step.ended', from: 'fan' }, { event: 'pieces', from: 'step' }, { event: 'stream.ended', from: 'step' }, { event: 'resume', from: 'run' }],
    'contesting.open': [{ event: 'step.ended', from: 'step' }, { event: 'resume', from: 'run' }], 'contesting.decided': [{ event: 'step.ended', from: 'step' }],
  },
}, { passivates: 'ended' })
