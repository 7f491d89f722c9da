import { assign, createMachine } from 'xstate'
import { describe, expect, it } from 'vitest'
import { defineActor, effect, tell, type ActorKind } from './actor.ts'
import { crossCheck, explore, type Samples } from './explore.ts'
import type { Promises } from './promises.ts'

const say = (to: string, type: string): any => tell(() => to, () => ({ type }))
/** xstate takes a transition without anything in it for a forbidden one. */
const HEARD = { actions: assign({}) }
const fails = { 'work.failed': 'free' }

/** A buyer that does everything right; each test breaks one thing. */
function buyer(change: Record<string, object> = {}, promises: Partial<Promises> = {}): ActorKind {
  return defineActor('buyer', '1', createMachine({
    id: 'buyer', initial: 'asking',
    states: {
      asking: { entry: say('shop/1', 'ask'), on: { agreed: 'working', refused: 'free' }, after: { 1_000: 'free' } },
      working: { entry: [say('till/1', 'take'), effect('work', () => ({}))], on: { 'work.done': 'paying', ...fails } },
      paying: { entry: say('till/1', 'pay'), on: { paid: 'free' } },
      free: { type: 'final', entry: say('till/1', 'free') },
      ...change,
    },
  } as never), {
    pays: [{ by: ['tell till pay'], after: ['on agreed'] }], holds: [{ what: 'lane', taken: ['tell till take'], returned: ['tell till free'] }],
    waits: { paying: [{ event: 'paid', from: 'till' }] }, ...promises,
  })
}
const samples: Samples = {
  inputs: [{}], answers: { work: () => [{ type: 'work.done' }] }, events: () => ['agreed', 'refused', 'paid'].map((type) => ({ type })),
}
const till = defineActor('till', '1', createMachine({
  id: 'till', initial: 'open', states: { open: { on: { take: HEARD, free: HEARD, pay: { actions: say('buyer/1', 'paid') } } } },
} as never), { pays: [], holds: [], rests: { open: 'asked by buyers' } })
const shop = defineActor('shop', '1', createMachine({ id: 'shop', initial: 'open', states: { open: { on: { ask: HEARD } } } } as never), { pays: [], holds: [], rests: { open: 'asked by buyers' } })
const asked = (...types: string[]): Samples => ({ inputs: [{}], events: () => types.map((type) => ({ type })) })

describe('a machine', () => {
  it('that keeps its promises has no fault, and what was explored is counted', () => {
    const { faults, states, transitions, explored } = explore(buyer(), samples)
    expect(faults).toEqual([])
    expect({ states, transitions }).toEqual({ states: 5, transitions: 6 })
    expect(explored).toBeGreaterThan(4)
  })

  it('that pays without an agreement is refused, with the state and the way', () => {
    const { faults } = explore(buyer({ asking: { on: { agreed: 'working', refused: 'paying' }, after: { 1_000: 'free' } } }), samples)
    expect(faults).toContain('buyer in paying pays without an agreement: "tell till pay" before "on agreed" (refused)')
  })

  it('that waits for ever is refused', () => {
    const { faults } = explore(buyer({}, { waits: {} }), samples)
    expect(faults).toEqual(['buyer in paying waits for ever: no timer, no effect of its own, no event that somebody is said to send (agreed → work.done)'])
  })

  it('that does not hear when its effect fails is refused', () => {
    const deaf = buyer({ working: { entry: [say('till/1', 'take'), effect('work', () => ({}))], on: { 'work.done': 'paying' } } })
    expect(explore(deaf, samples).faults).toContain('buyer in working asks for work and does not hear when it fails (work.failed) (agreed)')
  })

  it('that ends and holds is refused, unless it says why', () => {
    const keeps = { working: { entry: [say('till/1', 'take'), effect('work', () => ({}))], on: { 'work.done': 'paying', 'work.failed': 'gone' } }, gone: { type: 'final' } }
    expect(explore(buyer(keeps), samples).faults).toEqual(['buyer in gone ends and still holds its lane (agreed → work.failed)'])
    const kept = { because: 'it is broken', when: ({ type }: { type: string }) => type === 'work.failed' }
    expect(explore(buyer(keeps, { holds: [{ what: 'lane', taken: ['tell till take'], returned: ['tell till free'], kept }] }), samples).faults).toEqual([])
  })

  it('that throws on its way is refused', () => {
    const throws = buyer({ paying: { entry: assign(() => { throw new Error('no lane') }), on: { paid: 'free' } } })
    expect(explore(throws, samples).faults).toContain('buyer in working throws at work.done: no lane (agreed → work.done)')
  })

  it('that is not asked to the end is refused: a state or transition nobody saw is not known to be right', () => {
    const { faults } = explore(buyer(), { ...samples, events: () => [{ type: 'agreed' }, { type: 'paid' }] })
    expect(faults).toEqual(['buyer never took asking → refused: its samples do not lead there'])
    expect(explore(buyer(), undefined).faults).toEqual(['buyer was not explored: give it samples in a fixture beside its machine.'])
    expect(explore({ ...buyer(), promises: undefined } as never, samples).faults[0]).toMatch(/^buyer promises nothing/)
  })

  it('whose words name what never happens is refused', () => {
    const { faults } = explore(buyer({}, { quiet: ['rest'], pays: [{ by: ['tell till pay'], after: ['on agreed', 'on nodded'] }], rests: { asking: 'nothing' } }), samples)
    expect(faults).toEqual(['buyer declares "on nodded", which never happens', 'buyer declares that asking waits or rests, where it does neither', 'buyer declares the effect rest, which it never asks for'])
  })
})

describe('between machines', () => {
  const look = (kinds: readonly ActorKind[], of: Record<string, Samples>): string[] => crossCheck(kinds, kinds.map((kind) => explore(kind, of[kind.name])))
  const known = { buyer: samples, till: asked('take', 'free', 'pay'), shop: asked('ask') }

  it('who is told hears, and who is said to send sends', () => {
    expect(look([buyer(), till, shop], known)).toEqual([])
    expect(look([buyer(), till], known)).toEqual(['buyer tells shop "ask", and no machine is called so'])
    const mute = defineActor('till', '1', createMachine({ id: 'till', initial: 'open', states: { open: { on: { take: HEARD, pay: HEARD } } } } as never), till.promises)
    expect(look([buyer(), mute, shop], { ...known, till: asked('take', 'pay') })).toEqual([
      'buyer tells till "free", which till hears in no state', 'buyer in paying waits for "paid" from till, which never sends it',
    ])
  })

  it('what commits money in one machine is declared in every other that does it', () => {
    const thief = defineActor('thief', '1', createMachine({ id: 'thief', initial: 'open', states: { open: { on: { go: { actions: say('till/1', 'pay') } } } } } as never), { pays: [], holds: [], rests: { open: 'asked' } })
    expect(look([buyer(), till, shop, thief], { ...known, thief: asked('go') })).toEqual(['thief does "tell till pay", which commits money elsewhere, and does not declare it under pays'])
  })
})
