/** One inert scope for all transitions gives what xstate's own, which makes an actor for each, gives (durability.md). */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { assign, createMachine, enqueueActions, raise } from 'xstate'
import { defineActor } from './actor.ts'
import { sameAsXstate } from './same-as-xstate.fixture.ts'
import { advance } from './transition.ts'

const EVENTS = ['a', 'b', 'c', 'd']

/** What an event may do: where to, under which condition, and which actions. */
const rule = fc.record({ to: fc.nat(), if: fc.option(fc.nat(3), { nil: undefined }), add: fc.nat(3), asks: fc.boolean(), internal: fc.boolean() })
type Rule = typeof rule extends fc.Arbitrary<infer T> ? T : never
interface Shape {
  readonly rules: readonly (readonly [number, Rule])[]
  readonly always: Rule | undefined
  readonly after: number | undefined
  readonly entry: boolean
  readonly history: boolean
  readonly parallel: boolean
  readonly final: boolean
  readonly children: readonly Shape[]
}
const shape = (depth: number): fc.Arbitrary<Shape> => fc.record({
  rules: fc.array(fc.tuple(fc.nat(EVENTS.length - 1), rule), { maxLength: 4 }),
  always: fc.option(rule, { nil: undefined, freq: 4 }),
  after: fc.option(fc.integer({ min: 1, max: 5_000 }), { nil: undefined }),
  entry: fc.boolean(),
  history: fc.boolean(),
  parallel: fc.boolean(),
  final: fc.boolean(),
  children: depth === 0 ? fc.constant([]) : fc.array(shape(depth - 1), { maxLength: 3 }),
})

const act = { type: 'ask', params: ({ context, event }: any) => ({ sum: context.sum, by: event.type }) }
const actionsOf = ({ add, asks }: Rule): any[] => [
  assign({ sum: ({ context }: any) => context.sum + add }),
  ...(asks ? [act] : []),
  enqueueActions(({ context, enqueue }: any) => { if (context.sum % 5 === 4) enqueue({ type: 'fifth', params: { sum: context.sum } }) }),
]

/** A state and those in it; what an event leads to is one of its siblings, so that every target exists. */
function stateOf(one: Shape, siblings: readonly string[], loops: number): any {
  const names = one.children.map((_, at) => `s${at}`)
  const target = ({ to, internal }: Rule): object => (siblings.length === 0 ? {} : { target: siblings[to % siblings.length], reenter: !internal })
  const on: Record<string, object[]> = {}
  for (const [event, rule] of one.rules) {
    ;(on[EVENTS[event]!] ??= []).push({ ...target(rule), ...(rule.if === undefined ? {} : { guard: ({ context }: any) => context.sum % 4 === rule.if }), actions: actionsOf(rule) })
  }
  const { always } = one
  return {
    ...(names.length > 0 ? { type: one.parallel ? 'parallel' : 'compound', ...(one.parallel ? {} : { initial: names[0] }), states: {
      ...Object.fromEntries(one.children.map((child, at) => [names[at]!, stateOf(child, one.parallel ? [] : names, loops)])),
      ...(one.history && !one.parallel ? { back: { type: 'history', history: 'deep', target: names[0] } } : {}),
    } } : one.final && siblings.length > 1 ? { type: 'final' } : {}),
    ...(one.final && names.length === 0 && siblings.length > 1 ? {} : {
      on,
      ...(always && siblings.length > 0 ? { always: { target: siblings[always.to % siblings.length], guard: ({ context }: any) => context.turns < loops, actions: assign({ turns: ({ context }: any) => context.turns + 1 }) } } : {}),
      ...(one.after === undefined || siblings.length === 0 ? {} : { after: { [one.after]: { target: siblings[one.after % siblings.length] } } }),
    }),
    ...(one.entry ? { entry: [act, raise({ type: 'late' }, { delay: 10, id: 'late' })], exit: { type: 'left', params: {} } } : {}),
  }
}

describe('a transition of the host', () => {
  it('is what xstate says it is, for machines of any shape', () => {
    let moved = 0
    fc.assert(fc.property(fc.array(shape(2), { minLength: 2, maxLength: 4 }), fc.array(fc.constantFrom(...EVENTS, 'late', 'nobody-hears'), { maxLength: 30 }), (states, events) => {
      const names = states.map((_, at) => `s${at}`)
      const machine = createMachine({ id: 'any', initial: names[0]!, context: { sum: 0, turns: 0 }, states: Object.fromEntries(states.map((one, at) => [names[at]!, stateOf(one, names, 5)])) } as any)
      const kind = defineActor('any', '1', machine)
      moved += sameAsXstate(kind, {}, () => events.map((type) => ({ type })), events.length)
    }), { numRuns: process.env['AIGEN_LONG'] ? 5_000 : 200 })
    expect(moved, 'events that changed something').toBeGreaterThan(30)
  })

  it('throws what the machine throws', () => {
    const kind = defineActor('bad', '1', createMachine({ context: {}, on: { go: { actions: assign(() => { throw new Error('no') }) } } }))
    const { snapshot } = advance(kind, undefined, { type: 'start', at: 0 })
    expect(() => advance(kind, snapshot, { type: 'go', at: 1 })).toThrow('no')
  })
})
