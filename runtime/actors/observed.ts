/**
 * A machine together with what it has asked of the host so far: open effects, pending timers, what it
 * holds and may pay. One logic for xstate's graph tools, over the same pure transition that the host
 * makes, so that what is explored is what runs. Used by `explore`.
 */
import { createActor, createMachine, type ActorLogic, type AnyMachineSnapshot } from 'xstate'
import { kindOf, type ActorEvent, type ActorKind } from './actor.ts'
import { ABORT } from './fold.ts'
import type { Promises, Signal } from './promises.ts'
import { advance, type Outcome } from './transition.ts'

export interface Open {
  readonly kind: string
  readonly params: Record<string, unknown>
}

export interface Timer {
  readonly id: string
  readonly dueAt: number
  readonly event: ActorEvent
}

/** Asked for as one transition was made. */
export interface Asked {
  readonly event: ActorEvent
  readonly taken: boolean
  readonly tells: Outcome['tells']
  readonly effects: readonly Open[]
}

/** A state of the exploration. `status` is what xstate's tools want to see. */
export interface Observed {
  readonly status: 'active' | 'done' | 'error'
  readonly output: undefined
  readonly error: unknown
  readonly machine: AnyMachineSnapshot
  readonly now: number
  readonly open: readonly Open[]
  readonly timers: readonly Timer[]
  /** By number of the payment in the declaration: whether it may be made now. */
  readonly agreed: readonly boolean[]
  /** By number of the hold: whether it is out. */
  readonly held: readonly boolean[]
  /** What is wrong about the transition that led here. */
  readonly faults: readonly string[]
  /** Event types that led here, by the shortest way. */
  readonly path: readonly string[]
  readonly last: Asked
}

/** xstate types a snapshot by its status alone; these are `Observed`. */
export type Observer = ActorLogic<any, ActorEvent, any>

/** Whether the machine does anything at `event`, and with which of its transitions. */
export function transitionsFor(kind: ActorKind, machine: AnyMachineSnapshot, event: ActorEvent): readonly object[] {
  return kind.machine.getTransitionData(machine as never, event as never)
}

const START: ActorEvent = { type: 'start' }
/** xstate's tools hand their own scope on; the transition has its own. */
const inert = createActor(createMachine({}))

/** The logic of `kind` with its promises watched; `at` is when it begins. */
export function observe(kind: ActorKind, promises: Promises, at: number): Observer {
  const step = (before: Observed | undefined, event: ActorEvent): Observed => {
    const now = event.at ?? at
    const taken = before === undefined || transitionsFor(kind, before.machine, event).length > 0
    let outcome: Outcome
    try {
      outcome = advance(kind, before?.machine, event)
    } catch (thrown) {
      const last: Asked = { event, taken, tells: [], effects: [] }
      const path = [...(before?.path ?? []), event.type]
      return { ...(before ?? nothing(promises)), status: 'error', error: thrown, now, path, last, faults: [`throws at ${event.type}: ${thrown instanceof Error ? thrown.message : String(thrown)}`] }
    }
    const effects = outcome.effects.filter(({ kind: name }) => name !== ABORT)
    const signals: Signal[] = [
      ...(taken ? [`on ${event.type}` as const] : []),
      ...outcome.tells.map(({ to, event: told }): Signal => `tell ${kindOf(to)} ${told.type}`),
      ...effects.map((one): Signal => `do ${one.kind}`),
    ]
    const { agreed, held, faults } = judge(promises, before, signals, taken ? event : undefined)
    const done = outcome.snapshot.status === 'done'
    return {
      status: done ? 'done' : 'active', output: undefined, error: undefined, machine: outcome.snapshot, now,
      open: done ? [] : openAfter(before?.open ?? [], event, outcome), timers: done ? [] : timersAfter(before?.timers ?? [], event, outcome),
      agreed, held, faults, path: before ? [...before.path, event.type] : [], last: { event, taken, tells: outcome.tells, effects },
    }
  }
  return {
    transition: (snapshot: Observed, event) => step(snapshot, event),
    getInitialSnapshot: (_scope, input) => step(undefined, { ...START, at, input }),
    getPersistedSnapshot: (snapshot: Observed) => snapshot as never,
  }
}

function judge({ pays, holds }: Promises, before: Observed | undefined, signals: readonly Signal[], event: ActorEvent | undefined): Pick<Observed, 'agreed' | 'held' | 'faults'> {
  const agreed = pays.map((_, index) => before?.agreed[index] ?? false)
  const held = holds.map((_, index) => before?.held[index] ?? false)
  const faults: string[] = []
  // What is kept for a reason is kept from before: the same event may reserve anew.
  holds.forEach(({ kept }, index) => {
    if (event && kept?.when(event) === true) held[index] = false
  })
  for (const signal of signals) {
    pays.forEach(({ by, after, until }, index) => {
      if (after.includes(signal)) agreed[index] = true
      if (by.includes(signal) && !agreed[index]) faults.push(`pays without an agreement: "${signal}" before ${after.map((one) => `"${one}"`).join(' or ')}`)
      if (until?.includes(signal)) agreed[index] = false
    })
    holds.forEach(({ taken, returned }, index) => {
      if (taken.includes(signal)) held[index] = true
      if (returned.includes(signal)) held[index] = false
    })
  }
  return { agreed, held, faults }
}

/** The effect that `event` answers is closed, what the machine aborts too. */
function openAfter(before: readonly Open[], event: ActorEvent, { effects }: Outcome): readonly Open[] {
  const answered = before.findIndex(({ kind }) => isAnswer(kind, event.type))
  let open = before.filter((_, index) => index !== answered)
  for (const { kind, params } of effects) {
    if (kind === ABORT) open = open.filter((one) => one.kind !== params['kind'])
    else open.push({ kind, params })
  }
  return open
}

/** Whether an event of this type is a result of an effect. @example isAnswer('market.ask', 'market.ask.done') // true */
export function isAnswer(effect: string, type: string): boolean {
  return type.startsWith(`${effect}.`) && !type.slice(effect.length + 1).includes('.')
}

function timersAfter(before: readonly Timer[], event: ActorEvent, { timers }: Outcome): readonly Timer[] {
  const fired = before.find((one) => isSame(one.event, event))
  const pending = new Map(before.filter((one) => one !== fired).map((one) => [one.id, one]))
  for (const timer of timers) {
    if ('cancel' in timer) pending.delete(timer.id)
    else pending.set(timer.id, timer)
  }
  return [...pending.values()]
}

/** Whether `event` is the timer's, whenever it came. */
function isSame({ at: _due, ...timer }: ActorEvent, { at: _now, ...event }: ActorEvent): boolean {
  return JSON.stringify(timer) === JSON.stringify(event)
}

function nothing({ pays, holds }: Promises): Observed {
  return {
    status: 'error', output: undefined, error: undefined, machine: inert.getSnapshot(), now: 0, open: [], timers: [],
    agreed: pays.map(() => false), held: holds.map(() => false), faults: [], path: [], last: { event: START, taken: true, tells: [], effects: [] },
  }
}
