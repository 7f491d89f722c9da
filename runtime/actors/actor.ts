/**
 * What an actor is to the host: a name, an xstate machine and the hash that pins a run to it (D1).
 * Used by every `*.machine.ts` and by the registry that a node is given.
 */
import { createHash } from 'node:crypto'
import type { AnyStateMachine } from 'xstate'
import type { Promises } from './promises.ts'

/** An event as machines see it; `at` is stamped by the host from its clock, in ms since the epoch. */
export interface ActorEvent {
  readonly type: string
  readonly at?: number
  readonly [key: string]: unknown
}

/** Actor ids are `<kind>/<rest>`, like `step/r_01/read`; the part before the first slash is the kind. */
export type ActorId = string

export interface ActorKind {
  readonly name: string
  readonly version: string
  readonly machine: AnyStateMachine
  /** `<name>@<version>:<16 hex>` over the machine's configuration. */
  readonly hash: string
  /** What `explore` holds it to; every shipped kind has them. */
  readonly promises?: Promises
  /** Whether its actors may leave memory while nothing is under way on them, all or those that have ended; one comes back when an event for it does. */
  readonly passivates: boolean | 'ended'
  /** Actors of one key share a partition. */
  readonly key: (id: ActorId) => string
  /** Whether there is one in each partition, with the partition's number as its id: `purse/0`. Told by its bare name, it is the teller's own. */
  readonly perPartition: boolean
  readonly gathers?: Gathers
  readonly migrate?: Migrate
}

/** Whether what actors of its partition tell it is taken together with more of that type in the same record. */
export type Gathers = (event: ActorEvent) => boolean

/**
 * The state to go on with, made from the persisted one (`value`, `context`, `status` …) that another
 * version wrote; nothing when this version cannot go on from it. Pure.
 */
export type Migrate = (state: any, machine: string) => object | undefined

export interface KindOptions {
  /** Default false. With `ended` whoever knows that one has not ended may `peek` at it; all else is for kinds that nobody looks at without `load`. */
  readonly passivates?: boolean | 'ended'
  /** Pure; default what stands between the first slash and the next, so that a run and all its steps share one. */
  readonly key?: (id: ActorId) => string
  /** Default false. */
  readonly perPartition?: boolean
  /** Its machine then reads such an event by `gathered`. Pure; default none is. */
  readonly gathers?: Gathers
  readonly migrate?: Migrate
}

/** The kind of an actor id. @example kindOf('step/r_01/read') // 'step' */
export function kindOf(id: ActorId): string {
  const slash = id.indexOf('/')
  return slash < 0 ? id : id.slice(0, slash)
}

/** What the actor is about. @example topicOf('step/r_01/read') // 'r_01', as of 'run/r_01' */
function topicOf(id: ActorId): string {
  return id.split('/', 2)[1] ?? id
}

/**
 * An actor kind. Raise `version` when what a function in the machine does has changed: the hash
 * sees states, transitions, delays and action names, not the bodies of functions.
 */
export function defineActor(name: string, version: string, machine: AnyStateMachine, promises?: Promises, options: KindOptions = {}): ActorKind {
  const shape = JSON.stringify(machine.config, (key, value) => (key === 'types' ? undefined : typeof value === 'function' ? 'ƒ' : value))
  const digest = createHash('sha256').update(shape).digest('hex').slice(0, 16)
  const { passivates = false, key = topicOf, perPartition = false, gathers, migrate } = options
  return { name, version, machine, hash: `${name}@${version}:${digest}`, passivates, key, perPartition, ...(promises ? { promises } : {}), ...(gathers ? { gathers } : {}), ...(migrate ? { migrate } : {}) }
}

/** An action that asks the host for an effect of `kind`, its parameters computed in the transition. */
export function effect<C, E>(kind: string, params: (at: { context: C; event: E }) => object): { type: string; params: any } {
  return { type: kind, params }
}

/** An action that sends `event` to another actor of the same partition, in the same record (D2). */
export function tell<C, E>(
  to: (at: { context: C; event: E }) => ActorId,
  event: (at: { context: C; event: E }) => ActorEvent,
): { type: 'tell'; params: any } {
  return { type: 'tell', params: (at: { context: C; event: E }) => ({ to: to(at), event: event(at) }) }
}

/** The events of one type as one: what the host tells an actor that gathers them. */
export function gather(events: readonly ActorEvent[]): ActorEvent {
  return events.length === 1 ? events[0]! : { type: events[0]!.type, each: events.map(({ type: _type, ...rest }) => rest) }
}

/** The events that `event` stands for, in the order they were told: itself where it is one alone. */
export function gathered<Event extends { readonly type: string; readonly at?: number }>(event: Event): readonly Event[] {
  const { type, at, each } = event as Event & { readonly each?: readonly object[] }
  return each ? each.map((one) => ({ ...one, type, ...(at === undefined ? {} : { at }) }) as Event) : [event]
}
