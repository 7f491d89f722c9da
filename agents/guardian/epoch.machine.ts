/**
 * One epoch as a guardian closes it (D9): measure → commit → reveal → agree → publish. Phases end when
 * all have spoken or at their time, counted from the epoch's end, so guardians stay in step by their
 * clocks. What is to be signed is journaled first and signed by an effect, which a restart repeats for
 * the same words: at most one echo a round, one signature on a header an epoch (I7). An epoch that
 * does not close by its deadline is missed; the last registry stands (I5).
 */
import { assign, createMachine, enqueueActions } from 'xstate'
import { hashOf } from '../../schemas/canonical.ts'
import type { EpochMessage, Registry } from '../../schemas/documents.gen.ts'
import { defineActor } from '../../runtime/actors/actor.ts'
import {
  acceptable, allCommitted, allReported, closedRegistry, closesAt, listToPropose, phaseMs, quorumOfEchoes, take, type EpochContext, type EpochInput,
} from './epoch.ts'
import { proposerOf, roundsOf, type Told } from './message.ts'

export type EpochEvent = { at: number } & (
  | { type: 'epoch.measure.done'; commit: EpochMessage; report: EpochMessage }
  | { type: 'epoch.measure.failed' }
  | { type: 'epoch.say.done'; message: EpochMessage }
  | ({ type: 'told' } & Told)
  | { type: 'epoch.publish.done' | 'epoch.publish.failed' }
  | { type: 'registry'; registry: Registry }
)

/** @example epochActor(7) // 'epoch/7' */
export const epochActor = (epoch: number): string => `epoch/${epoch}`

const send = (enqueue: any, context: EpochContext, message: EpochMessage): void => enqueue({ type: 'epoch.send', params: { message, until: closesAt(context) } })

/** Does what the context allows by now: echo, sign, close. Each at most once, so it may run at any time. */
function act(start: EpochContext, enqueue: any): EpochContext {
  let context = start
  const proposal = context.proposals[context.round]
  if (proposal && context.echoed[context.round] === undefined && acceptable(context, proposal)) {
    const header = hashOf(proposal.body.header)
    context = { ...context, echoed: { ...context.echoed, [context.round]: header } }
    enqueue({ type: 'epoch.say', params: { say: 'echo', epoch: context.epoch, round: context.round, header } })
  }
  const allowed = context.vote ? null : quorumOfEchoes(context)
  if (allowed) {
    context = { ...context, vote: allowed }
    enqueue({ type: 'epoch.say', params: { say: 'vote', header: allowed.header, echoes: allowed.echoes } })
  }
  return { ...context, registry: context.registry ?? closedRegistry(context) }
}

const propose: any = enqueueActions(({ context, enqueue }: any) => {
  const epoch = context as EpochContext
  if (proposerOf(epoch.set, epoch.epoch, epoch.round) === epoch.self && !epoch.proposals[epoch.round]) {
    const header = listToPropose(epoch)
    if (header) enqueue({ type: 'epoch.say', params: { say: 'proposal', round: epoch.round, header } })
  }
  enqueue.assign(act(epoch, enqueue))
})

/** Takes a message; asks its author for the list behind a vote that nobody has shown here. */
const hear = (then: (context: EpochContext, enqueue: any) => EpochContext): any => enqueueActions(({ context, event, enqueue }: any) => {
  const next = take(context, event as Told)
  const { message: { vote }, by } = event as Told
  if (vote && !next.known[hashOf(vote.header)]) enqueue({ type: 'epoch.fetch', params: { from: by, epoch: next.epoch, header: hashOf(vote.header), until: closesAt(next) } })
  enqueue.assign(then(next, enqueue))
})
/** What this guardian has signed counts like what others have, and goes out. */
const say: any = enqueueActions(({ context, event, enqueue }: any) => {
  send(enqueue, context, event.message)
  enqueue.assign(act(take(context, { by: context.self, epoch: context.epoch, message: event.message }), enqueue))
})
const forget = assign<EpochContext, any, undefined, any, never>(() => ({ own: null, commits: {}, reports: {}, proposals: {}, known: {}, echoed: {}, echoes: {}, vote: null, votes: {} }))
const closeFrom = assign<EpochContext, any, undefined, any, never>(({ event }) => ({ registry: event.registry }))

const machine = createMachine({
  id: 'epoch',
  types: {} as { context: EpochContext; events: EpochEvent; input: EpochInput & { at: number } },
  context: ({ input: { at: _at, ...input } }) => ({
    ...input, own: null, commits: {}, revealed: false, reports: {}, round: 0, proposals: {}, known: {}, echoed: {}, echoes: {}, vote: null, votes: {}, registry: null,
  }),
  initial: 'measuring',
  on: { told: { actions: hear((context) => context) }, registry: { target: '.closed', actions: closeFrom } },
  states: {
    measuring: {
      entry: { type: 'epoch.measure', params: ({ context }: any) => ({ epoch: context.epoch }) } as any,
      on: {
        // Signed by the effect that measured: journaled here before either leaves.
        'epoch.measure.done': {
          target: 'committing',
          actions: enqueueActions(({ context, event, enqueue }) => {
            const { self: by, epoch } = context
            enqueue.assign(take(take(context, { by, epoch, message: event.commit }), { by, epoch, message: event.report }))
            send(enqueue, context, event.commit)
          }),
        },
        'epoch.measure.failed': 'committing',
      },
      after: { committed: 'committing' },
    },
    committing: {
      always: { guard: ({ context }) => allCommitted(context), target: 'revealing' },
      after: { committed: 'revealing' },
    },
    revealing: {
      entry: enqueueActions(({ context, enqueue }) => {
        enqueue.assign({ revealed: true })
        if (context.own) send(enqueue, context, { kind: 'report', report: context.own })
      }),
      always: { guard: ({ context }) => allReported(context), target: 'agreeing' },
      after: { reported: 'agreeing' },
    },
    agreeing: {
      entry: propose,
      on: {
        told: { actions: hear(act) },
        'epoch.say.done': { actions: say },
      },
      always: { guard: ({ context }) => context.registry !== null, target: 'publishing' },
      after: {
        over: [
          { guard: ({ context }) => context.round + 1 < roundsOf(context.set), target: 'agreeing', reenter: true, actions: assign({ round: ({ context }) => context.round + 1 }) },
          { target: 'missed' },
        ],
      },
    },
    publishing: {
      entry: { type: 'epoch.publish', params: ({ context }: any) => ({ registry: context.registry, until: closesAt(context) }) } as any,
      on: { 'epoch.publish.done': 'closed', 'epoch.publish.failed': 'closed' },
    },
    closed: { type: 'final', entry: forget },
    missed: { type: 'final', entry: forget },
  },
}, {
  delays: {
    committed: ({ context, event }: any) => left(context, event, 1),
    reported: ({ context, event }: any) => left(context, event, 2),
    over: ({ context, event }: any) => left(context, event, 3 + (context as EpochContext).round),
  },
})

/** Time from the event to the end of a phase, counted from the end of the epoch. */
function left({ epoch, set }: EpochContext, event: { at?: number; input?: { at: number } }, phases: number): number {
  const now = event.at ?? event.input?.at ?? 0
  return Math.max(0, (epoch + 1) * set.epochMs + phases * phaseMs(set) - now)
}

export const epoch = defineActor('epoch', '1', machine, { pays: [], holds: [], quiet: ['epoch.send', 'epoch.say', 'epoch.fetch'] }, { passivates: 'ended' })
