/**
 * Streaming and giving up, between two nodes: pieces come in order and before the answer, whatever
 * the network does; what was made before a caller gave up is delivered and paid once, and no more.
 */
import { afterEach, describe, expect, it } from 'vitest'
import type { Capability } from '../schemas/documents.gen.ts'
import { virtualClock } from '../runtime/memory/clock.ts'
import { seededRandom } from '../runtime/memory/random.ts'
import { flowSubject } from '../runtime/identity/flow.ts'
import { MemoryWorld } from './memory-network.fixture.ts'
import type { HandlerContext, ProviderDefinition } from './provider/define.ts'
import { hire } from './user/hire.ts'
import { available, type WalletContext } from './user/wallet.machine.ts'

const TELL: Capability = {
  id: 'text.tell@1', title: 'Tell', description: 'Tells a story word by word.', unit: 'word',
  estimate: { expression: '1.0 * input.words.size()' },
  input: { type: 'object', required: ['words'], properties: { words: { type: 'array', items: { type: 'string' } } } },
  output: { type: 'object', required: ['words', 'whole'], properties: { words: { type: 'array' }, whole: { type: 'boolean' } } },
  chunk: { type: 'object', additionalProperties: false, required: ['word'], properties: { word: { type: 'string' } } },
}
const story = ['once', 'upon', 'a', 'time', 'there', 'was']

/** Tells the words one by one; `pause` waits between them and throws when the caller is gone. */
function teller(name: string, { pauseMs = 0, change = {}, partial = true }: { pauseMs?: number; partial?: boolean; change?: Partial<ProviderDefinition> } = {}, world?: MemoryWorld): ProviderDefinition {
  return {
    name, capability: TELL, price: { list: '0.01' }, latencyMs: 1_000,
    handler: async ({ words }: { words: string[] }, { emit, signal }: HandlerContext) => {
      const told: string[] = []
      for (const word of words) {
        if (pauseMs > 0) await world!.clock.sleep(pauseMs, signal).catch(() => undefined)
        if (signal.aborted) {
          if (!partial) throw new Error('stopped')
          return { output: { words: told, whole: false }, units: { word: told.length } }
        }
        await emit({ word })
        told.push(word)
      }
      return { output: { words: told, whole: true }, units: { word: told.length } }
    },
    ...change,
  }
}
const OPTIONS = { capability: TELL.id, input: { words: story }, maxPrice: '0.10', deadlineMs: 60_000 }
const spentOf = (user: { node: { host: { context<C>(id: string): C | undefined } } }): bigint => 10_000_000n - available(user.node.host.context<WalletContext>('wallet')!)

describe('streaming', () => {
  let world: MemoryWorld
  afterEach(() => world.close())

  it('brings each piece before the answer, in order', async () => {
    world = new MemoryWorld({ clock: virtualClock() })
    await world.drive(world.provider(teller('p1')))
    const user = await world.drive(world.user('alice'))
    const heard: unknown[] = []
    const { output, charged } = await world.drive(hire(user, { ...OPTIONS, onChunk: (chunk) => heard.push(chunk) }))
    expect(heard).toEqual(story.map((word) => ({ word })))
    expect([output, charged]).toEqual([{ words: story, whole: true }, '0.06'])
    expect(user.listeners.size).toBe(0)
  })

  it('on a network that loses, repeats and delays pieces, the same', async () => {
    const random = seededRandom('flow')
    world = new MemoryWorld({ clock: virtualClock(), network: { deliver: (hop, go) => {
      if (!hop.message.subject.startsWith('aigen.v1.flow.')) return go()
      const chance = random.fraction()
      if (chance < 0.25) return
      go()
      if (chance > 0.75) go()
    } } })
    await world.drive(world.provider(teller('p1')))
    const user = await world.drive(world.user('alice'))
    for (let round = 0; round < 5; round++) {
      const heard: any[] = []
      const { output } = await world.drive(hire(user, { ...OPTIONS, onChunk: (chunk) => heard.push(chunk) }))
      expect(output).toEqual({ words: story, whole: true })
      expect(heard.map(({ word }) => word)).toEqual(story.slice(0, heard.length))
    }
  })

  it('a piece outside of the contract never reaches the listener, and the provider fails by its own rule', async () => {
    world = new MemoryWorld({ clock: virtualClock() })
    await world.drive(world.provider(teller('p1', { change: { handler: async (_input, { emit }) => {
      await emit({ wrod: 'x' })
      return { output: { words: [], whole: true }, units: { word: 0 } }
    } } })))
    const user = await world.drive(world.user('alice'))
    const heard: unknown[] = []
    await expect(world.drive(hire(user, { ...OPTIONS, attempts: 1, onChunk: (chunk) => heard.push(chunk) }))).rejects.toMatchObject({ code: 'step.failed' })
    expect([heard, spentOf(user)]).toEqual([[], 0n])
  })

  it('once pieces were heard, the call goes nowhere else; without, it does', async () => {
    world = new MemoryWorld({ clock: virtualClock() })
    const broken = (name: string): ProviderDefinition => teller(name, { change: { price: { list: '0.005' }, handler: async (_input, { emit }) => {
      await emit({ word: 'once' })
      throw new Error('broken off')
    } } })
    await world.drive(world.provider(broken('cheap')))
    await world.drive(world.provider(teller('dear')))
    const user = await world.drive(world.user('alice'))
    const heard: unknown[] = []
    await expect(world.drive(hire(user, { ...OPTIONS, onChunk: (chunk) => heard.push(chunk) }))).rejects.toMatchObject({ code: 'step.failed' })
    expect(heard).toEqual([{ word: 'once' }])
    const { provider } = await world.drive(hire(user, OPTIONS))
    expect(provider).toBe('dear')
  })

  it('a stranger who knows the agreement cannot put a word in', async () => {
    world = new MemoryWorld({ clock: virtualClock() })
    await world.drive(world.provider(teller('p2', { pauseMs: 200 }, world)))
    const user = await world.drive(world.user('alice'))
    const stranger = world.ports('mallory').bus
    const heard: any[] = []
    const call = hire(user, { ...OPTIONS, onChunk: (chunk) => {
      heard.push(chunk)
      for (const { snapshot } of user.node.host.list('step')) stranger.publish(flowSubject((snapshot.context as any).agreementId, 0), new Uint8Array(64))
    } })
    await world.drive(call)
    expect(heard.map(({ word }) => word)).toEqual(story)
  })

  it('the payer killed in mid-stream pays once when it is back', async () => {
    world = new MemoryWorld({ clock: virtualClock() })
    await world.drive(world.provider(teller('p1', { pauseMs: 300 }, world)))
    const user = await world.drive(world.user('alice'))
    const heard: unknown[] = []
    hire(user, { ...OPTIONS, key: 'k', onChunk: (chunk) => heard.push(chunk) }).catch(() => undefined)
    await world.drive((async () => { while (heard.length < 2) await world.clock.sleep(50) })())
    await user.kill()
    const again = await world.drive(world.user('alice'))
    const { output, charged } = await world.drive(hire(again, { ...OPTIONS, key: 'k' }))
    expect([output, charged, spentOf(again)]).toEqual([{ words: story, whole: true }, '0.06', 60_000n])
  })

  it('the provider killed in mid-stream starts anew: the listener keeps what it heard, the answer is whole, paid once', async () => {
    world = new MemoryWorld({ clock: virtualClock() })
    const definition = teller('p1', { pauseMs: 300 }, world)
    const provider = await world.drive(world.provider(definition))
    const user = await world.drive(world.user('alice'))
    const heard: any[] = []
    const call = hire(user, { ...OPTIONS, onChunk: (chunk) => heard.push(chunk) })
    call.catch(() => undefined)
    await world.drive((async () => { while (heard.length < 2) await world.clock.sleep(50) })())
    await provider.kill()
    await world.drive(world.provider(definition))
    const { output } = await world.drive(call)
    expect([output, spentOf(user)]).toEqual([{ words: story, whole: true }, 60_000n])
    expect(heard.map(({ word }) => word)).toEqual(story.slice(0, heard.length))
  })
})

describe('giving up', () => {
  let world: MemoryWorld
  afterEach(() => world.close())

  async function givenUp(after: number, options: Parameters<typeof teller>[1] = {}, change: object = {}) {
    world = new MemoryWorld({ clock: virtualClock() })
    const provider = await world.drive(world.provider(teller('p1', { pauseMs: 300, ...options }, world)))
    const user = await world.drive(world.user('alice'))
    const gone = new AbortController()
    const heard: unknown[] = []
    const call = hire(user, { ...OPTIONS, ...change, signal: gone.signal, onChunk: (chunk) => {
      heard.push(chunk)
      if (heard.length === after) gone.abort()
    } })
    if (after === 0) gone.abort()
    const outcome = await world.drive(call.then((hired) => hired, (error) => error))
    return { outcome, user, heard, provider }
  }

  it('pays for what had been made, and the receipt says how much', async () => {
    const { outcome, user } = await givenUp(3)
    expect(outcome).toMatchObject({ cancelled: true, output: { words: ['once', 'upon', 'a'], whole: false }, charged: '0.03', provider: 'p1', bill: { spent: '0.03', settled: '0.03' } })
    expect(spentOf(user)).toBe(30_000n)
  })

  it('a handler that hands nothing over is paid nothing', async () => {
    const { outcome, user } = await givenUp(3, { partial: false })
    expect([outcome.code, spentOf(user)]).toEqual(['step.cancelled', 0n])
  })

  it('a part that fails the signed clause is not paid', async () => {
    const { outcome, user } = await givenUp(3, {}, { expect: 'output.whole' })
    expect([outcome.code, spentOf(user)]).toEqual(['step.cancelled', 0n])
  })

  it('a handler that does not listen has a second, then its work is worth nothing', async () => {
    const { outcome, user } = await givenUp(1, { change: { handler: async ({ words }, { emit }) => {
      await emit({ word: words[0] })
      await world.clock.sleep(5_000)
      return { output: { words, whole: true }, units: { word: words.length } }
    } } })
    expect([outcome.code, spentOf(user)]).toEqual(['step.cancelled', 0n])
  })

  it('before anything was hired it costs nothing', async () => {
    const { outcome, user } = await givenUp(0)
    expect([outcome.code, spentOf(user)]).toEqual(['step.cancelled', 0n])
  })

  it('a provider killed while it is asked to stop comes back to nothing owed', async () => {
    world = new MemoryWorld({ clock: virtualClock() })
    const definition = teller('p1', { change: { handler: async ({ words }, { emit }) => {
      await emit({ word: words[0] })
      return new Promise(() => undefined)
    } } })
    const provider = await world.drive(world.provider(definition))
    const user = await world.drive(world.user('alice'))
    const gone = new AbortController()
    const call = hire(user, { ...OPTIONS, signal: gone.signal, onChunk: () => gone.abort() }).catch((error) => error.code)
    await world.drive((async () => { while (![...provider.node.host.list('call')].some(({ snapshot }) => snapshot.value === 'stopping')) await world.clock.sleep(20) })())
    await provider.kill()
    const again = await world.drive(world.provider(definition))
    expect(await world.drive(call)).toBe('step.cancelled')
    expect([[...again.node.host.list('call')].map(({ snapshot }) => snapshot.value), spentOf(user)]).toEqual([['cancelled'], 0n])
  })
})

describe('work that must not be done twice', () => {
  let world: MemoryWorld
  afterEach(() => world.close())

  it('killed in mid-stream is not begun again: nothing is charged, and heard pieces keep the call from going elsewhere', async () => {
    world = new MemoryWorld({ clock: virtualClock() })
    let begun = 0
    const definition = teller('p1', { change: { idempotent: false, handler: async ({ words }, { emit }) => {
      begun++
      await emit({ word: words[0] })
      return new Promise(() => undefined)
    } } })
    const provider = await world.drive(world.provider(definition))
    await world.drive(world.provider(teller('dear', { change: { price: { list: '0.012' } } })))
    const user = await world.drive(world.user('alice'))
    const heard: unknown[] = []
    const call = hire(user, { ...OPTIONS, onChunk: (chunk) => heard.push(chunk) }).catch((error) => error.code)
    await world.drive((async () => { while (heard.length < 1) await world.clock.sleep(20) })())
    await provider.kill()
    await world.drive(world.provider(definition))
    expect(await world.drive(call)).toBe('step.failed')
    expect([begun, heard.length, spentOf(user)]).toEqual([1, 1, 0n])
  })

  it('that waited past its deadline is never begun', async () => {
    world = new MemoryWorld({ clock: virtualClock() })
    const begun: string[] = []
    await world.drive(world.provider(teller('p1', { change: { concurrency: 1, handler: async ({ words }) => {
      begun.push(words[0]!)
      await world.clock.sleep(10_000)
      return { output: { words, whole: true }, units: { word: words.length } }
    } } })))
    const user = await world.drive(world.user('alice'))
    const first = hire(user, { ...OPTIONS, input: { words: ['first'] } })
    await world.drive((async () => { while (begun.length < 1) await world.clock.sleep(20) })())
    const second = hire(user, { ...OPTIONS, input: { words: ['second'] }, attempts: 1, deadlineMs: 2_000 }).catch((error) => error.code)
    expect(await world.drive(second)).toBe('step.timeout')
    expect((await world.drive(first)).output).toMatchObject({ words: ['first'] })
    await world.drive(world.clock.sleep(30_000))
    expect([begun, spentOf(user)]).toEqual([['first'], 10_000n])
  })
})
