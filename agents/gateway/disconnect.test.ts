import OpenAI from 'openai'
import { afterEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../runtime/node/system-clock.ts'
import { chatProvider } from '../llm/chat-provider.fixture.ts'
import { MemoryWorld } from '../memory-network.fixture.ts'
import { openTestGateway, type TestGateway } from './gateway.fixture.ts'
import { HOUSE } from './postings.ts'

const WORDS = 200

describe('a client that hangs up', () => {
  let world: MemoryWorld
  let gateway: TestGateway
  afterEach(async () => {
    await gateway.stop()
    await world.close()
  })

  async function open(): Promise<OpenAI> {
    world = new MemoryWorld()
    gateway = await openTestGateway(world)
    await world.provider(chatProvider('slow', [Array.from({ length: WORDS }, (_, index) => `word${index}`).join(' ')], { clock: systemClock, wordMs: 15 }))
    const { key } = await gateway.account('ann@example.org', '1')
    return new OpenAI({ apiKey: key, baseURL: `${gateway.door.url}/v1`, maxRetries: 0 })
  }

  /** What the network was paid once everything is closed; the ledger balances. */
  async function paid(): Promise<bigint> {
    for (let turn = 0; turn < 200 && (await gateway.ledger.open()).length > 0; turn++) await systemClock.sleep(25)
    const { sum, wrong, balances } = await gateway.ledger.audit()
    expect([sum, wrong, await gateway.ledger.open()]).toEqual([0n, [], []])
    expect(gateway.node.node.host.context<any>('wallet')).toMatchObject({ spent: (balances[HOUSE.network] ?? 0n).toString(), holds: {} })
    return balances[HOUSE.network] ?? 0n
  }

  it('in the middle of a stream cancels the call and pays what was delivered', async () => {
    const openai = await open()
    const stream = await openai.chat.completions.create({ model: 'text.chat@1', messages: [{ role: 'user', content: 'talk' }], stream: true })
    let heard = ''
    for await (const chunk of stream) {
      heard += chunk.choices[0]?.delta.content ?? ''
      if (heard.includes('word5')) break
    }
    // A token in, and four units for each token out: at least those that were heard, not all two hundred.
    const amount = await paid()
    expect(amount).toBeGreaterThanOrEqual(1n + 4n * 6n)
    expect(amount).toBeLessThan(4n * BigInt(WORDS))
  }, 20_000)

  it('before a whole answer cancels it too; with an Idempotency-Key it comes back for it, and pays once', async () => {
    const openai = await open()
    const request = { model: 'text.chat@1', messages: [{ role: 'user' as const, content: 'talk' }] }
    const hangUp = async (headers: Record<string, string>): Promise<void> => {
      const gone = new AbortController()
      const asked = openai.chat.completions.create(request, { signal: gone.signal, headers })
      await systemClock.sleep(1_000)
      gone.abort()
      await expect(asked).rejects.toThrow()
    }
    await hangUp({})
    const partly = await paid()
    expect(partly).toBeLessThan(4n * BigInt(WORDS))
    await hangUp({ 'idempotency-key': 'again' })
    await paid()
    const answer = await openai.chat.completions.create(request, { headers: { 'idempotency-key': 'again' } })
    expect(answer.usage?.completion_tokens).toBe(WORDS)
    expect(await paid()).toBe(partly + 1n + 4n * BigInt(WORDS))
  }, 30_000)
})
