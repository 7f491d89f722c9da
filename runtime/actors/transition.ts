/**
 * One pure step of a machine (D1): state and event in, state and actions out. Nothing runs here;
 * the host journals the result and only then acts on it. Used by `partition` when it advances and
 * when it replays, so that both are the same fold (I7).
 */
import { createActor, createMachine, type AnyActorScope, type AnyMachineSnapshot } from 'xstate'
import { AigenError } from '../../schemas/error.ts'
import type { ActorEvent, ActorId, ActorKind } from './actor.ts'

/** What one transition asks the host to do, in the order the machine said it. */
export interface Outcome {
  readonly snapshot: AnyMachineSnapshot
  readonly effects: readonly { readonly kind: string; readonly params: Record<string, unknown> }[]
  readonly tells: readonly { readonly to: ActorId; readonly event: ActorEvent }[]
  /** Timers to set (`dueAt` in ms since the epoch) and to cancel, by the machine's own ids. */
  readonly timers: readonly ({ readonly id: string; readonly dueAt: number; readonly event: ActorEvent } | { readonly id: string; readonly cancel: true })[]
}

/** What the transition under way asked for; a transition is synchronous, so one list is enough. */
let collected: { readonly type: string; readonly params?: unknown }[] = []

/**
 * One inert scope for every transition: xstate's own `transition` makes an actor each time and with
 * it computes the machine's first state without its input, several times the cost of the step itself.
 */
const scope: AnyActorScope = (() => {
  const self = createActor(createMachine({}))
  return {
    self, system: self.system, id: '', sessionId: '', logger: () => {}, defer: () => {}, stopChild: () => {}, emit: () => {},
    actionExecutor: (action) => void collected.push(action),
  }
})()

const UNDELAYED = 'A machine raised an event without a delay through the host.'

/**
 * The outcome of `event` on `snapshot`, or of creating the actor when `snapshot` is undefined (the
 * event's `input` then becomes the machine's input). Throws what the machine throws.
 */
export function advance(kind: ActorKind, snapshot: AnyMachineSnapshot | undefined, event: ActorEvent): Outcome {
  const at = event.at ?? 0
  collected = []
  const next = (
    snapshot === undefined
      ? kind.machine.getInitialSnapshot(scope, { ...(event['input'] as object | undefined), at })
      : kind.machine.transition(snapshot, event, scope)
  ) as AnyMachineSnapshot
  const actions = collected
  if (next.status === 'error') throw next.error
  const effects: { kind: string; params: Record<string, unknown> }[] = []
  const tells: { to: ActorId; event: ActorEvent }[] = []
  const timers: ({ id: string; dueAt: number; event: ActorEvent } | { id: string; cancel: true })[] = []
  for (const action of actions) {
    const params = (action.params ?? {}) as Record<string, any>
    if (action.type === 'xstate.raise') {
      if (params['delay'] === undefined) throw new AigenError('internal', UNDELAYED)
      timers.push({ id: params['id'] ?? params['event'].type, dueAt: at + params['delay'], event: params['event'] })
    } else if (action.type === 'xstate.cancel') {
      timers.push({ id: params['sendId'], cancel: true })
    } else if (action.type === 'tell') {
      tells.push({ to: params['to'], event: params['event'] })
    } else if (action.type.startsWith('xstate.')) {
      throw new AigenError('internal', `Machine ${kind.name} uses ${action.type}, which actors of the host do not: use tell() or effect().`)
    } else {
      effects.push({ kind: action.type, params })
    }
  }
  return { snapshot: next, effects, tells, timers }
}

/**
 * The snapshot as plain data. Its context is that already: xstate would look through all of it for
 * actors of its own, which there are none of here, and a run's has its whole plan.
 */
export function persist(kind: ActorKind, snapshot: AnyMachineSnapshot): object {
  const { context } = snapshot as { context: unknown }
  return { ...(kind.machine.getPersistedSnapshot({ ...snapshot, context: {} } as AnyMachineSnapshot) as object), context }
}

/** The snapshot that `persist` made data of. Throws when the machine has no such state. */
export function restore(kind: ActorKind, state: object): AnyMachineSnapshot {
  return kind.machine.restoreSnapshot(state as never, scope) as AnyMachineSnapshot
}
