/** What a payer remembers of providers: each delivery and failure once, told alone or with others. */
import { expect, test } from 'vitest'
import { gather } from '../actors/actor.ts'
import { advance } from '../actors/transition.ts'
import { experience, historyOf, type ExperienceContext } from './experience.machine.ts'

test('counts by provider and capability what one step or many tell', () => {
  const told = (provider: string, type = 'delivered') => ({ type, provider, capability: 'echo@1' })
  let last = advance(experience, undefined, { type: 'start', at: 1, input: {} })
  for (const event of [told('0xaa'), gather([told('0xaa'), told('0xbb'), told('0xaa')]), gather([told('0xbb', 'failed'), told('0xbb', 'failed')])]) last = advance(experience, last.snapshot, { ...event, at: 2 })
  const context = last.snapshot.context as ExperienceContext
  expect(['0xaa', '0xbb', '0xcc'].map((provider) => historyOf(context, provider as never, 'echo@1'))).toEqual([{ delivered: 3, failed: 0 }, { delivered: 1, failed: 2 }, { delivered: 0, failed: 0 }])
})
