import { expect, test } from 'vitest'
import type { Pipeline } from '../schemas/documents.gen.ts'
import { forecastOf, hiringsOf, picksOf, type Pick } from './forecast.ts'
import { planOf } from './plan.ts'

const price = { max: '0.01' }
const plan = planOf({
  name: 'any', version: '1.0.0', budget: { max: '5' },
  pipelines: { inner: { name: 'inner', version: '1.0.0', steps: { a: { uses: 'a@1', price }, b: { uses: 'b@1', price, needs: ['a'] } }, output: {} } },
  steps: {
    read: { uses: 'a@1', price },
    other: { uses: 'a@1', price, providers: { differ: ['read'] }, fallback: { uses: 'c@1', price }, compensate: { uses: 'd@1', price } },
    rows: { uses: 'b@1', price, needs: ['read'], forEach: '${[1, 2]}', maxItems: 20 },
    vote: { uses: 'a@1', price, quorum: { providers: 3, agree: 2 } },
    fast: { uses: 'a@1', price, race: { providers: 2 } },
    pick: { switch: [{ when: '${true}', uses: 'a@1', price }, { uses: 'b@1', price }, { value: 1 }], needs: ['rows'] },
    below: { pipeline: 'inner', needs: ['pick'] },
    nap: { wait: { for: '2s' }, needs: ['below'] },
  },
  output: {},
} as unknown as Pipeline)

/** By capability, best first. */
const OFFERS: Readonly<Record<string, readonly Pick[]>> = {
  'a@1': [{ provider: 'p1', price: 10n, latencyMs: 500 }, { provider: 'p2', price: 20n, latencyMs: 100 }, { provider: 'p3', price: 30n, latencyMs: 300 }],
  'b@1': [{ provider: 'p1', price: 7n, latencyMs: 50 }],
}
const hirings = hiringsOf(plan)
const picks = picksOf(hirings, ({ uses }) => OFFERS[uses] ?? [])
const pickedFor = (step: string): readonly string[][] => [...picks].filter(([one]) => one.step === step && one.role !== 'fallback' && one.role !== 'compensate').map(([, chosen]) => chosen.map(({ provider }) => provider))

test('every hiring of a plan is known: cases, fallbacks, compensations and those of sub-pipelines', () => {
  expect(hirings.map(({ step, role, uses, cap }) => `${step} ${role} ${uses} ${cap}`).toSorted()).toEqual([
    'below.a work a@1 10000', 'below.b work b@1 10000', 'fast work a@1 10000', 'other compensate d@1 10000', 'other fallback c@1 10000', 'other work a@1 10000',
    'pick case a@1 10000', 'pick case b@1 10000', 'read work a@1 10000', 'rows work b@1 10000', 'vote work a@1 10000',
  ])
})

test('the best is picked, as many as work at once, and nobody whom the step must differ from', () => {
  expect(pickedFor('read')).toEqual([['p1']])
  expect(pickedFor('other')).toEqual([['p2']])
  expect(pickedFor('vote')).toEqual([['p1', 'p2', 'p3']])
  expect(pickedFor('fast')).toEqual([['p1', 'p2']])
})

test('what to expect: a quorum is paid whole and ends with its last needed answer, a race by its fastest, a switch by its dearest, items apart', () => {
  const { price: expected, perItem, timeMs, criticalPath } = forecastOf(plan, picks)
  // read 10 + other 20 + vote 60 + fast 20 + pick 10 + below 10 and 7
  expect(expected).toBe(137n)
  expect([...perItem]).toEqual([['rows', 7n]])
  // read 500 → rows 50 → pick 500 → below 500 + 50 → nap 2,000
  expect({ timeMs, criticalPath }).toEqual({ timeMs: 3_600, criticalPath: ['read', 'rows', 'pick', 'below', 'nap'] })
})

test('what nobody offers costs and takes nothing here: who asks sees that nobody was picked', () => {
  expect(forecastOf(plan, picksOf(hirings, () => []))).toMatchObject({ price: 0n, timeMs: 2_000 })
})
