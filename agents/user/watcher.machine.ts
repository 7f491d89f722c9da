/**
 * A watcher, an agent without a model: looks again and again by a paid call, and runs a pipeline when
 * its condition holds. Hosted by a user's node; its looks come from stored timers, so a restart makes
 * none twice and misses at most those of the time that nobody was there.
 *
 * Keeps I4: each look and each run is put aside at its worst case in the record that begins it, under
 * a key from the actor and its number; an unknown outcome counts in full. Keeps I5: every wait is for
 * a stored time, and all of it ends at the one when it expires.
 */
import { assign, createMachine, enqueueActions } from 'xstate'
import { AigenError } from '../../schemas/error.ts'
import { defineActor, effect } from '../../runtime/actors/actor.ts'
import { leftAfter, nextLook, slotOf, type Fired, type WatcherContext, type WatcherEnd, type WatcherEvent, type WatcherInput } from './watcher.ts'

const FIRED_MAX = 100
/** Larger answers are refused: two of them are kept, and each is journaled. */
const SEEN_BYTES_MAX = 64 * 1024

type At = { context: WatcherContext; event: any }

const end = (ended: WatcherEnd): any => assign({ ended: ({ context }: any) => context.ended ?? ended })
const trouble = (error: (at: At) => unknown): any => assign({ problem: (at: any) => ({ at: at.event.at, error: error(at) }) })

const begin = (purpose: 'look' | 'run', worst: (at: At) => string): any => enqueueActions((at: any) => {
  const { self, calls } = at.context as WatcherContext
  const open = { key: `${self}/${calls}`, purpose, worst: worst(at) }
  at.enqueue.assign({ open, calls: calls + 1 })
  at.enqueue({ type: 'watcher.call', params: { key: open.key } })
})

const add = (one: string, other: string): string => (BigInt(one) + BigInt(other)).toString()
const settle: any = assign({ spent: ({ context, event }: any) => add(context.spent, event.charged), open: null })
const settleUnknown: any = assign({ spent: ({ context }: any) => add(context.spent, context.open.worst), open: null })
/** Writes down what became of the run under way. */
const finishFired: any = assign({
  fired: ({ context, event }: any) => {
    const state: Fired['state'] = event.type === 'watcher.call.failed' ? 'unknown' : event.error ? 'failed' : 'done'
    const last: Fired = context.fired.at(-1)
    return [...context.fired.slice(0, -1), { ...last, run: event.run ?? null, charged: event.charged ?? last.worst, state, error: event.error ?? null } satisfies Fired]
  },
})

/** Whether this look starts a run: by the edge or the level, and not within the cooldown. */
const fires = ({ context, event }: At): boolean =>
  event.holds && !(context.terms.edge && context.held) && (context.firedAt === 0 || context.lookedAt - context.firedAt >= context.terms.cooldownMs)

const enough = ({ context }: At): boolean => leftAfter(context, BigInt(context.terms.lookPrice) + BigInt(context.terms.runWorst)) >= 0n
const isTooLarge = (output: unknown): boolean => Buffer.byteLength(JSON.stringify(output) ?? '') > SEEN_BYTES_MAX

const leaving = (why: WatcherEnd): any[] => [
  { guard: ({ context }: At) => context.open !== null, target: '.stopping', actions: end(why) },
  { target: '.ended', actions: [{ type: 'abort', params: { kind: 'watcher.weigh' } } as any, end(why)] },
]

const machine = createMachine({
  id: 'watcher',
  types: {} as { context: WatcherContext; events: WatcherEvent; input: WatcherInput },
  context: ({ input: { at, ...input } }) => ({
    ...input, startedAt: at, endedAt: 0, nextAt: at, calls: 0, looks: 0, fires: 0, held: false, lookedAt: at, firedAt: 0, seen: null, last: null, inputs: {}, open: null, spent: '0', fired: [], problem: null, ended: null,
  }),
  initial: 'watching',
  states: {
    watching: {
      initial: 'begun',
      after: { expiry: leaving('expired') },
      on: { stop: leaving('stopped') },
      onDone: 'closed',
      states: {
        /** An interval begins with a look; the times of a cron expression are waited for. */
        begun: { always: [{ guard: ({ context }) => 'cron' in context.terms.when, target: 'waiting' }, { target: 'due' }] },
        /** A look that could not be followed by a run is not paid for. */
        due: { always: [{ guard: enough as any, target: 'looking' }, { target: 'ended', actions: end('budget') }] },
        looking: {
          entry: [assign({ looks: ({ context }) => context.looks + 1, lookedAt: ({ context, event }: any) => slotOf(context, event.at ?? context.startedAt) }), begin('look', ({ context }) => context.terms.lookPrice)],
          on: {
            'watcher.call.done': [
              { guard: ({ event }: any) => event.error !== null, target: 'waiting', actions: [settle, trouble(({ event }) => event.error)] },
              { guard: ({ event }: any) => isTooLarge(event.output), target: 'waiting', actions: [settle, trouble(() => new AigenError('input.too-large', `the look's answer is above ${SEEN_BYTES_MAX} bytes: ask for less`).toJSON())] },
              { target: 'weighing', actions: [settle, assign({ last: ({ context }) => context.seen, seen: ({ event }: any) => event.output })] },
            ],
            'watcher.call.failed': { target: 'waiting', actions: [settleUnknown, trouble(({ event }) => event.error)] },
          },
        },
        weighing: {
          entry: effect<WatcherContext, any>('watcher.weigh', () => ({})),
          on: {
            'watcher.weigh.done': [
              { guard: (at: any) => fires(at) && leftAfter(at.context, BigInt(at.event.worst)) < 0n, target: 'ended', actions: end('budget') },
              { guard: fires as any, target: 'running', actions: assign({ held: true, inputs: ({ event }: any) => event.inputs }) },
              // What became true within the cooldown has not fired: it still may, at a look after it.
              { target: 'waiting', actions: assign({ held: ({ context, event }: any) => event.holds && context.held }) },
            ],
            'watcher.weigh.failed': { target: 'waiting', actions: trouble(({ event }) => event.error) },
          },
        },
        running: {
          entry: [
            assign({
              fires: ({ context }) => context.fires + 1,
              firedAt: ({ context }) => context.lookedAt,
              fired: ({ context, event }: any) => [...context.fired, { at: event.at, run: null, worst: event.worst, charged: '0', state: 'open', error: null } satisfies Fired].slice(-FIRED_MAX),
            }),
            begin('run', ({ event }) => event.worst),
          ],
          on: {
            'watcher.call.done': [
              { guard: ({ context }) => context.fires >= context.terms.runsMax, target: 'ended', actions: [settle, finishFired, end('runs')] },
              { target: 'waiting', actions: [settle, finishFired] },
            ],
            'watcher.call.failed': { target: 'waiting', actions: [settleUnknown, finishFired, trouble(({ event }) => event.error)] },
          },
        },
        waiting: {
          entry: assign({ nextAt: ({ context, event }: any) => nextLook(context, event.at ?? context.startedAt) }),
          after: { next: 'due' },
        },
        /** Expired or stopped while a paid call is under way: its handler cancels it; what it cost still counts. */
        stopping: {
          on: {
            'watcher.call.done': [
              { guard: ({ context }) => context.open?.purpose === 'run', target: 'ended', actions: [settle, finishFired] },
              { target: 'ended', actions: settle },
            ],
            'watcher.call.failed': [
              { guard: ({ context }) => context.open?.purpose === 'run', target: 'ended', actions: [settleUnknown, finishFired] },
              { target: 'ended', actions: settleUnknown },
            ],
          },
        },
        // Here and not below: the event that says that the inner states are done bears no time.
        ended: { type: 'final', entry: assign({ endedAt: ({ context, event }: any) => event.at ?? context.startedAt }) },
      },
    },
    closed: { type: 'final' },
  },
}, {
  delays: {
    expiry: ({ context }) => context.terms.expiresMs,
    next: ({ context, event }: any) => nextLook(context, event.at ?? context.startedAt) - (event.at ?? context.startedAt),
  },
})

export const watcher = defineActor('watcher', '2', machine, { pays: [], holds: [{ what: 'worst case', taken: ['do watcher.call'], returned: ['on watcher.call.done', 'on watcher.call.failed'] }] }, { passivates: 'ended' })
