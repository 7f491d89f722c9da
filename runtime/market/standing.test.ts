import { describe, expect, it } from 'vitest'
import { gather } from '../actors/actor.ts'
import { advance, type Outcome } from '../actors/transition.ts'
import { foldedItems, foldedText } from '../payments/fold.ts'
import { negotiationInput } from './samples.fixture.ts'
import { PATIENCE_MS, WAITING_MAX } from './standing.ts'
import { standing, type StandingContext } from './standing.machine.ts'

const terms = { provider: '0xaa', payee: '0xaa', payer: '0xdd', unitPrice: '4', cap: '4', units: 1, settle: 'postpaid', standing: { calls: 100, until: 60_000 } }
const want = (name: string, change: object = {}) => ({ type: 'want', input: { ...negotiationInput, parent: `step/r/${name}`, self: `negotiation/r/${name}/0`, standing: { calls: 100, forMs: 60_000 }, ...change } })
const hash = (n: number): string => `sha256-${String(n).padStart(64, '0')}`

/** One `standing` actor from its start; `send` gives what came of an event. */
function open(): { send(event: { type: string } & Record<string, unknown>, at?: number): Outcome; context(): StandingContext; told(kind: string): string[] } {
  let last = advance(standing, undefined, { type: 'start', at: 1, input: {} })
  return {
    send: (event, at = 1) => (last = advance(standing, last.snapshot, { ...event, at })),
    context: () => last.snapshot.context as StandingContext,
    told: (kind) => last.tells.filter(({ event }) => event.type === kind).map(({ to }) => to),
  }
}

/** The same with a window of one and a voucher for its first call on the way. */
function handing(): ReturnType<typeof open> {
  const one = agreed(1)
  one.send({ type: 'pay', agreement: hash(0), call: 0, tell: 'step/r/a', delivery: hash(1), amount: '4' })
  one.send({ type: 'group.close.done', agreement: hash(0) })
  one.send({ type: 'paid', lane: '0xaa.0', group: [{ delivery: hash(1), amount: '4' }], previousRef: `0x${'0'.repeat(64)}`, voucher: {}, left: '396' })
  return one
}

/** One agreement whose lane holds `left`, and whose provider takes `window` unpaid calls; its first call is given out. */
function agreed(window: number, left = '400'): ReturnType<typeof open> {
  const one = open()
  one.send(want('a'))
  one.send({ type: 'agreed', negotiation: 'negotiation/r/a/0', id: hash(0), agreement: { terms }, offer: {}, asked: 1, lane: { key: '0xaa.0', id: '0x1', number: 0, vault: '0x2', voucherKey: '0x3', left } })
  const agreement = one.context().agreements[hash(0) as never]!
  expect(one.told('agreed')).toEqual(['step/r/a'])
  if (window > 1) {
    one.send({ type: 'pay', agreement: agreement.id, call: 0, tell: 'step/r/a', delivery: hash(1), amount: '4' })
    one.send({ type: 'group.close.done', agreement: agreement.id })
    one.send({ type: 'paid', lane: '0xaa.0', group: [{ delivery: hash(1), amount: '4' }], previousRef: `0x${'0'.repeat(64)}`, voucher: {}, left })
    one.send({ type: 'handed', lane: '0xaa.0', count: 1, window })
  }
  return one
}

describe('standing agreements at their payer', () => {
  it('ask for one voucher for all that is due in the same moment, folded in its order', () => {
    const one = agreed(8)
    const calls = ['b', 'c', 'd']
    for (const name of calls) one.send(want(name))
    const asked = calls.map((name, place) => one.send({ type: 'pay', agreement: hash(0), call: place + 1, tell: `step/r/${name}`, delivery: hash(place + 2), amount: '4' }).effects.map(({ kind }) => kind))
    expect(asked).toEqual([['group.close'], [], []])
    const { tells } = one.send({ type: 'group.close.done', agreement: hash(0) })
    const group = [2, 3, 4].map((n) => ({ delivery: hash(n), amount: '4' }))
    expect(tells).toMatchObject([{ to: 'purse', event: { type: 'pay', group } }])
    const paid = one.send({ type: 'paid', lane: '0xaa.0', group, previousRef: `0x${'0'.repeat(64)}`, voucher: {}, left: '300' }).tells
    expect(paid.map(({ to, event }) => [to, foldedItems((event['after'] as string | undefined) ?? '')])).toEqual([['step/r/b', group.slice(1)], ['step/r/c', group.slice(2)], ['step/r/d', []]])
    expect(foldedItems(foldedText(group as never))).toEqual(group)
  })

  it.each(['want', 'pay'])('%s: what many steps tell together is what each would have told by itself', (type) => {
    const events = Array.from({ length: 9 }, (_, n) => (type === 'want' ? want(`w${n}`) : { type, agreement: hash(0), call: n, tell: `step/r/${n}`, delivery: hash(n + 2), amount: '4' }))
    const [together, apart] = [agreed(6), agreed(6)]
    for (const one of [together, apart]) for (let n = 0; type === 'pay' && n < 4; n++) one.send(want(`b${n}`))
    const { tells, effects, timers } = together.send(gather(events))
    const each = events.map((event) => apart.send(event))
    expect(together.context()).toEqual(apart.context())
    expect({ tells, effects, timers }).toEqual({ tells: each.flatMap((one) => one.tells), effects: each.flatMap((one) => one.effects), timers: each.flatMap((one) => one.timers) })
    expect(tells.length + effects.length, 'something was asked for').toBeGreaterThan(0)
  })

  it('take back what many steps return together, and make no further call where one of them was disappointed', () => {
    const one = agreed(6)
    for (const name of ['b', 'c', 'd']) one.send(want(name))
    one.send(gather([1, 2, 3].map((call) => ({ type: 'return', agreement: hash(0), call, how: call === 2 ? 'failed' : 'spare' }))))
    expect(one.context().agreements[hash(0) as never], 'nothing is under way: it is over').toBeUndefined()
    expect(one.told('release')).toEqual(['purse'])
  })

  it('give a call that came before a voucher had arrived to the first who waited, once it has', () => {
    const one = handing()
    for (const name of ['b', 'c', 'd']) {
      one.send(want(name))
      expect(one.told('start')).toEqual([])
    }
    one.send({ type: 'handed', lane: '0xaa.0', count: 1, window: 2 })
    expect(one.told('agreed')).toEqual(['step/r/b', 'step/r/c'])
    expect(one.told('start'), 'the window is full of calls at work: it waits for none of those').toEqual(['negotiation/r/d/0'])
    expect(one.context().waiting).toEqual([])
  })

  it('let who waited in vain negotiate for itself, each after its own time', () => {
    const one = handing()
    const { timers } = one.send(want('b'), 10)
    expect(timers).toMatchObject([{ id: 'tired', dueAt: 10 + PATIENCE_MS }])
    one.send(want('c'), 30)
    const { timers: next } = one.send({ type: 'tired' }, 10 + PATIENCE_MS)
    expect([one.told('start'), next]).toMatchObject([['negotiation/r/b/0'], [{ id: 'tired', dueAt: 30 + PATIENCE_MS }]])
    one.send({ type: 'tired' }, 30 + PATIENCE_MS)
    expect([one.told('start'), one.context().waiting, one.context().watching]).toEqual([['negotiation/r/c/0'], [], undefined])
  })

  it('hand nothing to a step that has stopped waiting: its number would be open for ever', () => {
    const one = handing()
    one.send(want('b'))
    one.send(want('c'))
    one.send({ type: 'unwant', step: 'step/r/b' })
    one.send({ type: 'handed', lane: '0xaa.0', count: 1, window: 1 })
    expect([one.told('agreed'), one.context().agreements[hash(0) as never]!.open]).toEqual([['step/r/c'], [1]])
  })

  it('let nobody wait for a call at work, for an agreement that would not do, or for one that is looked for', () => {
    const working = agreed(1)
    working.send(want('b'))
    expect(working.told('start')).toEqual(['negotiation/r/b/0'])
    const one = handing()
    one.send(want('b', { cap: '3' }))
    expect(one.told('start'), 'it may pay less than the agreement costs').toEqual(['negotiation/r/b/0'])
    one.send(want('c'))
    one.send({ type: 'doubt', agreement: hash(0) })
    expect([one.told('start'), Object.keys(one.context().seeking)], 'the provider disappointed: another agreement is looked for').toEqual([['negotiation/r/c/0'], ['negotiation/r/c/0']])
    one.send(want('d'))
    expect([one.told('start'), one.context().waiting]).toEqual([['negotiation/r/d/0'], []])
  })

  it('keep a bounded number waiting', () => {
    const one = handing()
    for (let n = 0; n < WAITING_MAX; n++) one.send(want(`w${n}`))
    one.send(want('late'))
    expect([one.told('start'), one.context().waiting!.length]).toEqual([['negotiation/r/late/0'], WAITING_MAX])
  })
})
