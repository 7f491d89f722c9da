/**
 * Explores every path of a machine with xstate's graph tools and holds it to its promises (issue 4,
 * item 10): nothing is paid without an agreement, every wait has a deadline or somebody who is bound
 * to end it, every end gives back what was reserved. Run over all shipped machines by
 * `machines.test.ts`, so `npm test` refuses one that breaks a promise or makes none.
 */
import { getAdjacencyMap } from 'xstate/graph'
import type { AnyMachineSnapshot, AnyStateNode } from 'xstate'
import { kindOf, type ActorEvent, type ActorKind } from './actor.ts'
import { isAnswer, observe, transitionsFor, type Observed, type Open } from './observed.ts'
import type { Promises, Wait } from './promises.ts'

/** Explored states of one input; a machine with more needs samples that tell fewer contexts apart. */
const TRAVERSALS_MAX = 60_000
/** Raised by xstate itself and taken in the same transition. */
const DONE = 'xstate.done.'
const DEPTH_MAX = 60
const BEGIN_MS = 1_000_000

type At = { readonly context: any; readonly state: unknown; readonly now: number }

/** What a machine meets when it is explored: kept beside the machine, in a fixture. */
export interface Samples {
  /** Inputs to begin with. */
  readonly inputs: readonly object[]
  /** What its effects may answer, by kind. That each may fail, for good or not, is added. */
  readonly answers?: Readonly<Record<string, (at: At & { readonly params: any }) => readonly ActorEvent[]>>
  /** What others may send it. */
  readonly events?: (at: At) => readonly ActorEvent[]
  /** What tells two contexts apart beyond state, effects and timers; default nothing. */
  readonly tells?: (context: any) => unknown
  /** Events from the start to which it is followed; default 60. What has more states is cut here. */
  readonly depth?: number
  /** Transitions that only a full table leads to, and why they are left out, as a fault names them. */
  readonly bounds?: Readonly<Record<string, string>>
}

export interface Explored {
  readonly kind: string
  /** States of the machine, of the exploration, and transitions of the machine: all of them were taken. */
  readonly states: number
  readonly explored: number
  readonly transitions: number
  /** What is wrong, each with its state and the way there. */
  readonly faults: readonly string[]
  /** What it told others: `<kind> <event>`. */
  readonly tells: ReadonlySet<string>
  /** Signals that commit its money. */
  readonly commits: ReadonlySet<string>
  readonly does: ReadonlySet<string>
}

const FAILURES = [{ code: 'network.timeout', message: 'No answer came in time.' }, { code: 'internal', message: 'A defect.' }]

/** Walks `kind` from each sample input. Never throws for what the machine does wrong: that is a fault. */
export function explore(kind: ActorKind, samples: Samples | undefined): Explored {
  const faults: string[] = []
  const { promises } = kind
  const none: Explored = { kind: kind.name, states: 0, explored: 0, transitions: 0, faults, tells: new Set(), commits: new Set(), does: new Set() }
  if (!promises) faults.push(`${kind.name} promises nothing: declare pays, holds and waits where it is defined (runtime/actors/promises.ts).`)
  if (!samples) faults.push(`${kind.name} was not explored: give it samples in a fixture beside its machine.`)
  if (!promises || !samples) return none
  const walk = new Walk(kind, promises, samples.bounds ?? {})
  for (const input of samples.inputs) {
    try {
      const map = getAdjacencyMap(observe(kind, promises, BEGIN_MS), {
        input, limit: TRAVERSALS_MAX, events: (observed: Observed) => eventsAt(promises, samples, observed), stopWhen: (observed: Observed) => observed.status !== 'active' || isCut(observed, samples),
        serializeState: (observed: Observed) => keyOf(observed, samples), serializeEvent: (event) => JSON.stringify(event),
      })
      for (const { state, transitions } of Object.values(map)) walk.see(state, isCut(state, samples) ? undefined : Object.values(transitions))
    } catch (thrown) {
      return { ...none, faults: [`${kind.name} cannot be explored: ${thrown instanceof Error ? thrown.message : String(thrown)}`] }
    }
  }
  return walk.result()
}

function isCut({ path }: Observed, { depth = DEPTH_MAX }: Samples): boolean {
  return path.length >= depth
}

function keyOf(observed: Observed, samples: Samples): string {
  const { machine, open, timers, agreed, held, status, faults } = observed
  return JSON.stringify([machine.value, status, [...new Set(open.map((one) => one.kind))].sort(), timers.map((one) => one.id).sort(), agreed, held, faults, samples.tells?.(machine.context) ?? null])
}

/** Everything that may come next: what is sent, what the effects answer, and each timer at its time. */
function eventsAt({ quiet = [] }: Promises, samples: Samples, { machine, open, timers, now }: Observed): ActorEvent[] {
  const at = { context: machine.context, state: machine.value, now }
  const kinds = new Map<string, Open>(open.map((one) => [one.kind, one]))
  const answers = [...kinds.values()].flatMap(({ kind, params }) => [
    ...(samples.answers?.[kind]?.({ ...at, params }) ?? []),
    ...(quiet.includes(kind) ? [] : FAILURES.map((error) => ({ type: `${kind}.failed`, error, params }))),
  ])
  return [
    ...[...(samples.events?.(at) ?? []), ...answers].map((event) => ({ at: now, ...event })),
    ...timers.map(({ event, dueAt }) => ({ ...event, at: Math.max(now, dueAt) })),
  ]
}

type Edge = { readonly event: ActorEvent; readonly state: Observed }

/** What one machine's exploration has shown. */
class Walk {
  readonly faults: string[] = []
  readonly #kind: ActorKind
  readonly #promises: Promises
  readonly #bounds: Readonly<Record<string, string>>
  readonly #tells = new Set<string>()
  readonly #does = new Set<string>()
  readonly #ons = new Set<string>()
  readonly #reached = new Set<string>()
  readonly #taken = new Set<object>()
  readonly #used = new Set<string>()
  #explored = 0

  constructor(kind: ActorKind, promises: Promises, bounds: Readonly<Record<string, string>>) {
    this.#bounds = bounds
    this.#kind = kind
    this.#promises = promises
  }

  fault(what: string, where?: Observed): void {
    const place = where ? ` in ${namesOf(where.machine).join(', ')}` : ''
    const way = where ? ` (${where.path.length === 0 ? 'at its start' : where.path.join(' → ')})` : ''
    const sentence = `${this.#kind.name}${place} ${what}${way}`
    // The same fault by another way is the same fault.
    const known = sentence.slice(0, sentence.length - way.length)
    if (!this.faults.some((one) => one === sentence || (way !== '' && one.startsWith(`${known} (`)))) this.faults.push(sentence)
  }

  /** Takes a state and what follows from it; undefined where the exploration is cut. */
  see(state: Observed, edges: readonly Edge[] | undefined): void {
    this.#explored++
    for (const node of state.machine._nodes ?? []) this.#reached.add(node.id)
    if (this.#explored === 1 || state.path.length === 0) this.#hear(state)
    for (const fault of state.faults) this.fault(fault, state)
    for (const edge of edges ?? []) {
      this.#hear(edge.state)
      for (const one of transitionsFor(this.#kind, state.machine, edge.event)) this.#taken.add(one)
    }
    const out = this.#promises.holds.filter((_, index) => state.held[index])
    if (state.status === 'done') for (const { what } of out) this.fault(`ends and still holds its ${what}`, state)
    if (edges && state.status === 'active') this.#waits(state, edges, out.map(({ what }) => what))
  }

  /** Effects whose failure nobody hears, then whether anything ends the wait. */
  #waits(state: Observed, edges: readonly Edge[], holding: readonly string[]): void {
    const { quiet = [], waits = {}, rests = {} } = this.#promises
    const handled = (effect: string, type?: string): boolean => edges.some(({ event, state: { last } }) => last.taken && isAnswer(effect, event.type) && (type === undefined || event.type === `${effect}.${type}`))
    const open = [...new Set(state.open.map((one) => one.kind))].filter((kind) => !quiet.includes(kind))
    if (state.timers.length > 0) return
    for (const kind of open) {
      if (state.last.effects.some((one) => one.kind === kind) && !handled(kind, 'failed')) this.fault(`asks for ${kind} and does not hear when it fails (${kind}.failed)`, state)
    }
    if (open.some((kind) => handled(kind, 'failed') && handled(kind))) return
    const names = namesOf(state.machine)
    const declared = names.flatMap((name) => waits[name] ?? [])
    for (const name of names) if (waits[name] ?? rests[name]) this.#used.add(name)
    if (declared.some(({ event }) => edges.some((edge) => edge.event.type === event && edge.state.last.taken))) return
    if (names.some((name) => rests[name])) {
      if (holding.length > 0) this.fault(`rests while it holds its ${holding.join(' and ')}`, state)
      return
    }
    this.fault('waits for ever: no timer, no effect of its own, no event that somebody is said to send', state)
  }

  #hear({ last }: Observed): void {
    for (const { to, event } of last.tells) this.#tells.add(`${kindOf(to)} ${event.type}`)
    for (const { kind } of last.effects) this.#does.add(kind)
    if (last.taken) this.#ons.add(last.event.type)
  }

  result(): Explored {
    const nodes = [...nodesOf(this.#kind.machine.root)]
    const missed = nodes.filter((node) => node.type !== 'history' && !isTransient(node) && !this.#reached.has(node.id))
    for (const node of missed) this.fault(`was never seen in ${pathOf(node)}: its samples do not lead there`)
    const transitions = nodes.flatMap((node) => [...node.transitions.values()].flat().filter(({ eventType }) => !eventType.startsWith(DONE)).map((one) => ({ node, one })))
    for (const { node, one } of transitions) {
      const siblings = node.transitions.get(one.eventType) ?? []
      const name = `${pathOf(node)} → ${one.eventType}${siblings.length > 1 ? ` [${siblings.indexOf(one)}]` : ''}`
      if (this.#taken.has(one) === (this.#bounds[name] !== undefined)) this.fault(this.#taken.has(one) ? `takes ${name}, which its samples call out of reach` : `never took ${name}: its samples do not lead there`)
    }
    this.#stale()
    return {
      kind: this.#kind.name, faults: this.faults, states: nodes.length, explored: this.#explored, transitions: transitions.length, tells: this.#tells, does: this.#does,
      commits: new Set(this.#promises.pays.flatMap(({ by }) => by)),
    }
  }

  /** A declaration that names what never happens says nothing. */
  #stale(): void {
    const { pays, holds, waits = {}, rests = {}, quiet = [] } = this.#promises
    const seen = new Set([...[...this.#ons].map((one) => `on ${one}`), ...[...this.#does].map((one) => `do ${one}`), ...[...this.#tells].map((one) => `tell ${one}`)])
    for (const signal of [...pays.flatMap(({ by, after, until = [] }) => [...by, ...after, ...until]), ...holds.flatMap(({ taken, returned }) => [...taken, ...returned])]) {
      if (!seen.has(signal)) this.fault(`declares "${signal}", which never happens`)
    }
    for (const name of [...Object.keys(waits), ...Object.keys(rests)]) if (!this.#used.has(name)) this.fault(`declares that ${name} waits or rests, where it does neither`)
    for (const kind of quiet) if (!this.#does.has(kind)) this.fault(`declares the effect ${kind}, which it never asks for`)
  }
}

/** Faults between machines: who is told what nobody hears, who is said to send what they never send, whose payments are not declared. */
export function crossCheck(kinds: readonly ActorKind[], explored: readonly Explored[]): string[] {
  const faults: string[] = []
  const byName = new Map(kinds.map((kind) => [kind.name, kind]))
  const tells = new Map(explored.map((one) => [one.kind, one.tells]))
  const money = new Set(explored.flatMap(({ commits }) => [...commits]))
  for (const { kind, tells: told, does, commits } of explored) {
    for (const one of told) {
      const [to, event] = one.split(' ') as [string, string]
      const known = byName.get(to)?.machine.events as readonly string[] | undefined
      if (!known) faults.push(`${kind} tells ${to} "${event}", and no machine is called so`)
      else if (event !== 'start' && !known.includes(event) && byName.get(to)?.promises?.ignores?.[event] === undefined) faults.push(`${kind} tells ${to} "${event}", which ${to} hears in no state`)
    }
    for (const signal of [...[...does].map((one) => `do ${one}`), ...[...told].map((one) => `tell ${one}`)]) {
      if (money.has(signal) && !commits.has(signal)) faults.push(`${kind} does "${signal}", which commits money elsewhere, and does not declare it under pays`)
    }
  }
  for (const { name, promises } of kinds) {
    for (const [state, waits] of Object.entries(promises?.waits ?? {})) for (const wait of waits) faults.push(...unsent(name, state, wait, tells))
  }
  return faults
}

function unsent(name: string, state: string, { event, from, who }: Wait, tells: ReadonlyMap<string, ReadonlySet<string>>): string[] {
  if (from === undefined) return who === undefined || who === '' ? [`${name} in ${state} waits for "${event}", and does not say who sends it`] : []
  return tells.get(from)?.has(`${name} ${event}`) ? [] : [`${name} in ${state} waits for "${event}" from ${from}, which never sends it`]
}

/** Paths of the states that are active, the innermost last. @example ['pursuing', 'pursuing.looking'] */
function namesOf(machine: AnyMachineSnapshot): string[] {
  return ((machine._nodes ?? []) as AnyStateNode[]).map(pathOf).filter((path) => path !== '')
}

function pathOf(node: AnyStateNode): string {
  return node.path.join('.')
}

function* nodesOf(node: AnyStateNode): Iterable<AnyStateNode> {
  yield node
  for (const child of Object.values(node.states)) yield* nodesOf(child)
}

/** Left in the transition that enters it: by an unconditional `always`, or by its parent, which is done with it. */
function isTransient(node: AnyStateNode): boolean {
  if ((node.always ?? []).some(({ guard }) => guard === undefined)) return true
  return node.type === 'final' && [...(node.parent?.transitions.keys() ?? [])].some((type) => type.startsWith(DONE))
}
