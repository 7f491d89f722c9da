import { expect, it } from 'vitest'
import { advance, type Outcome } from '../actors/transition.ts'
import { negotiation, type NegotiationContext } from './negotiation.machine.ts'
import { negotiationInput, samples } from './samples.fixture.ts'

it('a lane that one payee is refused is asked for at the next at once', () => {
  let last: Outcome = advance(negotiation, undefined, { type: 'start', at: 1, input: negotiationInput })
  const [, , two] = samples['negotiation']!.answers!['market.ask']!({ context: {}, state: '', now: 1, params: {} })
  for (const event of [two!, ...['0xaa', '0xbb'].map(() => ({ type: 'market.counter.failed' }))]) last = advance(negotiation, last.snapshot, { ...event, at: 1 })
  expect(last.snapshot.value).toBe('securing')
  last = advance(negotiation, last.snapshot, { type: 'lane.refused', error: { code: 'chain.reverted', message: '' }, at: 1 })
  expect((last.snapshot.context as NegotiationContext).chosen?.name).toBe('0xbb')
  expect(last.tells.filter(({ event }) => event.type === 'acquire').map(({ event }) => (event['request'] as { provider: string }).provider)).toEqual(['0xbb'])
  last = advance(negotiation, last.snapshot, { type: 'lane.refused', error: { code: 'chain.reverted', message: '' }, at: 1 })
  expect(last.snapshot.value).toBe('refused')
})
