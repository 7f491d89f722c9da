/** A stream between steps outlives a death: the payer's, whenever it is back, and the provider's, where it says the same words again. */
import { afterEach, describe, expect, it } from 'vitest'
import { virtualClock } from '../runtime/memory/clock.ts'
import { MemoryWorld, SHOUT } from './memory-network.fixture.ts'
import type { ProviderDefinition } from './provider/define.ts'
import { finishRun, startRun } from './user/run.ts'

const TELL = { ...SHOUT, id: 'text.tell@1', chunk: { type: 'object', required: ['word'], properties: { word: { type: 'string' } } } }
const STANDARD = new Map([SHOUT, TELL].map((one) => [one.id, one]))
const WORDS = ['once', 'upon', 'a', 'time', 'there', 'was']
const call = (uses: string, text: string, more: object = {}): object => ({ uses, with: { text }, price: { max: '0.02' }, sla: { deadline: '20s', grace: '1s' }, ...more })
const DOCUMENT = {
  name: 'case', version: '1.0.0', budget: { max: '5' }, output: '${steps.each.map(one, one.text)}',
  steps: { told: call(TELL.id, 'story'), each: call(SHOUT.id, '${item.word}', { forEach: '${chunks.told}', maxItems: 10 }) },
}
const START = { document: DOCUMENT, inputs: {}, key: 'k' }

describe('a stream between steps', () => {
  let world: MemoryWorld
  afterEach(() => world.close())

  /** Tells its words, `pauseMs` before each and after the last; of the `turn`-th time that the work is begun. */
  function selling(words: (turn: number) => readonly string[], begun: { turns: number }, pauseMs = 300): ProviderDefinition[] {
    return [TELL, SHOUT].map((capability): ProviderDefinition => ({
      name: 'p1', capability, price: { list: '0.01' }, latencyMs: 100, concurrency: 8,
      handler: async ({ text }: { text: string }, { emit, signal }) => {
        if (capability === TELL) {
          for (const word of words(begun.turns++)) {
            await world.clock.sleep(pauseMs, signal)
            await emit({ word })
          }
          await world.clock.sleep(pauseMs, signal)
        }
        return { output: { text: text.toUpperCase(), quality: 90 }, units: { call: 1 } }
      },
    }))
  }
  const after = (ms: number): Promise<void> => world.drive(world.clock.sleep(ms))

  it.each([['in the middle, back at once', 1_000, 100], ['in the middle, back long after the stream has ended', 1_000, 60_000], ['after the last piece', 2_000, 5_000]])('payer killed %s: each piece is taken once, all is paid once', async (_when, at, goneMs) => {
    world = new MemoryWorld({ clock: virtualClock() })
    await world.drive(world.provider(selling(() => WORDS, { turns: 0 }) as never))
    // A dead process writes nothing, however long nobody takes its place.
    let dead = false
    const user = await world.drive(world.user('alice', { standard: STANDARD }, { beforeAppend: () => (dead ? new Promise<never>(() => undefined) : undefined) }))
    const run = await world.drive(startRun(user, START))
    finishRun(user, run, 60_000).catch(() => undefined)
    await after(at)
    dead = true
    await user.kill()
    await after(goneMs)
    const again = await world.drive(world.user('alice', { standard: STANDARD }))
    const { output, bill } = await world.drive(finishRun(again, await world.drive(startRun(again, START)), 60_000))
    expect(output).toEqual(WORDS.map((word) => word.toUpperCase()))
    expect([bill.spent, bill.settled]).toEqual(['0.07', '0.07'])
  })

  async function providerDies(words: (turn: number) => readonly string[]) {
    world = new MemoryWorld({ clock: virtualClock() })
    const begun = { turns: 0 }
    const provider = await world.drive(world.provider(selling(words, begun) as never))
    const user = await world.drive(world.user('alice', { standard: STANDARD }))
    const run = await world.drive(startRun(user, START))
    const finished = finishRun(user, run, 60_000)
    await after(1_000)
    await provider.kill()
    await world.drive(world.provider(selling(words, begun) as never))
    const { output, error, bill } = await world.drive(finished)
    expect(begun.turns).toBe(2)
    expect(bill.settled).toBe(bill.spent)
    expect(bill.steps.find(({ step }) => step === 'told')).toMatchObject({ state: 'done', charged: '0.01' })
    return { output, error }
  }

  it('provider killed in the middle, and says the same words again: the stream goes on', async () => {
    const { output } = await providerDies(() => WORDS)
    expect(output).toEqual(WORDS.map((word) => word.toUpperCase()))
  })

  it('provider killed in the middle, and says other words then: who takes them fails, for pieces of two stories are none', async () => {
    const { error } = await providerDies((turn) => (turn === 0 ? WORDS : [...WORDS].reverse()))
    expect(error).toMatchObject({ code: 'step.failed', path: 'steps.each' })
  })
})
