import { expect, it } from 'vitest'
import { advance, type Outcome } from '../actors/transition.ts'
import { negotiation, type NegotiationContext } from './negotiation.machine.ts'
import { negotiationInput, samples } from './samples.fixture.ts'

it('a lane that one payee is refused is asked for at the next at once', () => {
  let last: Outcome = advance(negotiation, undefined, { type: 'start', at: 1, input: negotiationInput })
  const [, , , , two] = samples['negotiation']!.answers!['market.ask']!({ context: {}, state: '', now: 1, params: {} })
  for (const event of [two!, ...['0xaa', '0xbb'].map(() => ({ type: 'market.counter.failed' }))]) last = advance(negotiation, last.snapshot, { ...event, at: 1 })
  expect(last.snapshot.value).toBe('securing')
  last = advance(negotiation, last.snapshot, { type: 'lane.refused', error: { code: 'chain.reverted', message: '' }, at: 1 })
  expect((last.snapshot.context as NegotiationContext).chosen?.name).toBe('0xbb')
  expect(last.tells.filter(({ event }) => event.type === 'acquire').map(({ event }) => (event['request'] as { provider: string }).provider)).toEqual(['0xbb'])
  last = advance(negotiation, last.snapshot, { type: 'lane.refused', error: { code: 'chain.reverted', message: '' }, at: 1 })
  expect(last.snapshot.value).toBe('refused')
})

it('where nobody answers, all are asked again for a while: a node that died comes back', () => {
  let last: Outcome = advance(negotiation, undefined, { type: 'start', at: 1, input: negotiationInput })
  const pauses: number[] = []
  for (;;) {
    last = advance(negotiation, last.snapshot, { type: 'market.ask.done', offers: [], silent: 'away', at: 1 })
    if (last.snapshot.status === 'done') break
    const timer = last.timers.find((one) => 'dueAt' in one) as { dueAt: number; event: { type: string } }
    pauses.push(timer.dueAt - 1)
    last = advance(negotiation, last.snapshot, { ...timer.event, at: 1 })
    expect(last.effects.map(({ kind }) => kind)).toEqual(['market.ask'])
  }
  expect(pauses).toEqual([500, 1_000, 2_000, 4_000, 4_000])
  expect(last.tells).toMatchObject([{ to: 'step/r/s', event: { type: 'refused', error: { code: 'market.no-provider' } } }])
})

it('where somebody answers and nothing fits, nobody is asked again', () => {
  const { snapshot } = advance(negotiation, undefined, { type: 'start', at: 1, input: negotiationInput })
  expect(advance(negotiation, snapshot, { type: 'market.ask.done', offers: [], silent: null, at: 1 }).snapshot.value).toBe('refused')
})

it('bargains with whoever may go down, and takes a firm price as it is', () => {
  const [, , , , two, firm] = samples['negotiation']!.answers!['market.ask']!({ context: {}, state: '', now: 1, params: {} })
  const after = (event: { type: string }): Outcome => advance(negotiation, advance(negotiation, undefined, { type: 'start', at: 1, input: negotiationInput }).snapshot, { ...event, at: 1 })
  const of = ({ snapshot, effects }: Outcome): unknown => [snapshot.value, effects.map(({ kind }) => kind)]
  expect(of(after(two!))).toEqual(['bargaining', ['market.counter', 'market.counter']])
  expect(of(after(firm!))).toEqual(['securing', []])
})
