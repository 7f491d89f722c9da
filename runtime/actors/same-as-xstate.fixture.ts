/**
 * Compares the host's transition with xstate's own, event by event: state, context, actions with
 * their parameters and order, timers. For the tests of this room and of all shipped machines.
 */
import { expect } from 'vitest'
import { initialTransition, transition, type AnyMachineSnapshot } from 'xstate'
import type { ActorEvent, ActorKind } from './actor.ts'
import { advance, persist, restore, type Outcome } from './transition.ts'

interface Said { readonly type: string; readonly params: unknown }

/** What xstate says of a transition, in the words of the host. */
function told([snapshot, actions]: readonly [AnyMachineSnapshot, readonly any[]], at: number): unknown {
  const said: Said[] = []
  const timers: unknown[] = []
  for (const { type, params } of actions) {
    if (type === 'xstate.raise') timers.push({ id: params.id ?? params.event.type, dueAt: at + params.delay, event: params.event })
    else if (type === 'xstate.cancel') timers.push({ id: params.sendId, cancel: true })
    else said.push({ type, params: params ?? {} })
  }
  return { value: snapshot.value, context: snapshot.context, status: snapshot.status, effects: said.filter(({ type }) => type !== 'tell'), tells: said.filter(({ type }) => type === 'tell').map(({ params }) => params), timers }
}

const ours = ({ snapshot, effects, tells, timers }: Outcome): unknown => ({
  value: snapshot.value, context: snapshot.context, status: snapshot.status, timers,
  effects: effects.map(({ kind, params }) => ({ type: kind, params })), tells,
})

/**
 * Follows both for at most `steps` events, each chosen of what `choose` offers; returns how many of
 * them changed something. Fails where they differ.
 */
export function sameAsXstate(kind: ActorKind, input: object, choose: (at: { readonly outcome: Outcome; readonly now: number; readonly chosen: ActorEvent | undefined }) => readonly ActorEvent[], steps: number, pick: (count: number, step: number) => number = (_, step) => step): number {
  let theirs = initialTransition(kind.machine, { ...input, at: 1 } as never) as unknown as readonly [AnyMachineSnapshot, readonly any[]]
  let here = advance(kind, undefined, { type: 'start', input, at: 1 })
  expect(ours(here)).toEqual(told(theirs, 1))
  let changed = 0
  let chosen: ActorEvent | undefined
  for (let step = 0; step < steps && here.snapshot.status === 'active'; step++) {
    const now = 2 + step
    const offered = choose({ outcome: here, now, chosen })
    if (offered.length === 0) break
    chosen = offered[pick(offered.length, step) % offered.length]!
    const event = { ...chosen, at: now }
    theirs = transition(kind.machine, theirs[0] as never, event) as never
    // As plain data and back it is the same machine still (I7).
    const before = step % 2 === 0 ? here.snapshot : restore(kind, structuredClone(persist(kind, here.snapshot)))
    here = advance(kind, before, event)
    expect(ours(here), `${kind.name}: event ${step} is ${JSON.stringify(event).slice(0, 300)}`).toEqual(told(theirs, now))
    if (here.snapshot.value !== before.value || here.snapshot.context !== before.context || here.effects.length + here.tells.length > 0) changed++
  }
  return changed
}
