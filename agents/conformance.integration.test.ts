/**
 * A sample of `pipelines/conformance`, a case or more of every construct, over a real NATS server, real
 * journals and a real chain: the answers, bills and worst cases are those of the memory ports. All cases
 * share one network and one user, and run at once; each has capabilities of its own, so that it is
 * answered by its own providers.
 */
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Address, Capability } from '../schemas/documents.gen.ts'
import { systemClock } from '../runtime/node/system-clock.ts'
import { ALL, CAPABILITIES, definitions, play, type Case, type Expected } from './conformance.fixture.ts'
import type { ProviderDefinition } from './provider/define.ts'
import { RealWorld } from './real-network.fixture.ts'
import { hire } from './user/hire.ts'
import type { User } from './user/user.ts'

const SAMPLE: Readonly<Record<string, readonly string[]>> = {
  approve: ['rejected, and a step that tests it goes on'],
  cache: ['nor is what was done for another document'],
  chunks: ['pieces flow on before the step has ended'],
  compensate: ['what was done is undone when the run fails, the last first'],
  control: ['a cancelled run pays what was delivered'],
  fallback: ['another capability when every attempt failed'],
  foreach: ['a tolerated item is null'],
  nested: ["a sub-pipeline's answer is the step's output, its steps are billed"],
  order: ['what tests meta of a skipped step runs', 'run.spent counts what the steps before cost'],
  providers: ['a step differs from another: it waits for it and hires somebody else'],
  quorum: ['all that delivered are paid, also who disagrees'],
  race: ['the first good answer wins, the other is cancelled and not paid'],
  retry: ['a delivery that fails expect is not paid and tried elsewhere'],
  streamed: ['pieces are paid two by two, the last with the whole', 'others take the pieces that are paid for'],
  switch: ['a later case'],
  timeout: ['a run that takes too long fails, what is under way is cancelled'],
  wait: ["a signal's data is the output"],
}
const cases = Object.entries(SAMPLE).flatMap(([file, names]) => {
  const all = JSON.parse(readFileSync(new URL(`../pipelines/conformance/${file}.json`, import.meta.url), 'utf8')) as Case[]
  return names.map((name) => ({ file, one: all.find((each) => each.name === name)! }))
})

/** What a capability of a case is called: `text.shout@1` of the third is `c2.text.shout@1`. */
const called = (nth: number) => (id: string): string => `c${nth}.${id}`
const inTheNamesOf = (nth: number, one: Case): Case =>
  JSON.parse(JSON.stringify(one), (key, value: unknown) => (key === 'uses' && CAPABILITIES.has(value as string) ? called(nth)(value as string) : value)) as Case

const WARM = 'text.shout@1'
let world: RealWorld
let user: User
const addresses = new Map<string, Address>()

beforeAll(async () => {
  world = await RealWorld.open()
  const selling = new Map<string, ProviderDefinition[]>()
  cases.forEach(({ one }, nth) => {
    for (const [name, provider] of Object.entries(one.providers ?? ALL)) selling.set(name, [...selling.get(name) ?? [], ...definitions(systemClock, name, provider, called(nth))])
  })
  for (const [name, all] of selling) addresses.set(`@${name}`, (await world.provider([...all, ...definitions(systemClock, name, { does: { [WARM]: [{ afterMs: 0 }] } })])).node.participant)
  const standard = new Map<string, Capability>(cases.flatMap((_, nth) => [...CAPABILITIES.values()].map((one): [string, Capability] => [called(nth)(one.id), { ...one, id: called(nth)(one.id) }])))
  user = await world.user('alice', { standard })
  // The first call of two strangers waits for the chain, which no case has time for.
  await Promise.all([...addresses.values()].map((one) => hire(user, { capability: WARM, input: { text: 'hi' }, maxPrice: '0.02', only: [one] })))
})
afterAll(() => world.close())

/** Real time has no exact order of what happens at once, and no exact length. */
const timeless = ({ tookMs: _took, trace, ...rest }: Expected): object => ({ ...rest, trace: trace.toSorted() })

describe.concurrent('on a real network', () => {
  it.each(cases.map(({ file, one }, nth) => [file, one.name, one, nth] as const))('%s: %s', async (_file, _name, one, nth) => {
    const seen = await play(inTheNamesOf(nth, one), {
      clock: systemClock, addresses, user,
      drive: (promise) => promise,
      crash: () => Promise.reject(new Error('no case of the sample has its node die')),
    })
    expect(timeless(seen)).toEqual(timeless(one.expect))
  })
})
