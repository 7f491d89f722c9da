import { ChatOpenAI, OpenAIEmbeddings } from '@langchain/openai'
import { tool } from '@langchain/core/tools'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { chatProvider } from '../llm/chat-provider.fixture.ts'
import { MemoryWorld } from '../memory-network.fixture.ts'
import { embedder, openTestGateway, vectorOf, type TestGateway } from './gateway.fixture.ts'
import type { KeyLimits } from './keys.ts'

// Real sockets on a machine that may be busy.
vi.setConfig({ testTimeout: 30_000 })

describe('the gateway for LangChain', () => {
  let world: MemoryWorld
  let gateway: TestGateway
  afterEach(async () => {
    await gateway.stop()
    await world.close()
  })

  async function model(script: Parameters<typeof chatProvider>[1], limits: KeyLimits = {}): Promise<{ chat: ChatOpenAI; configuration: object; apiKey: string }> {
    world = new MemoryWorld()
    gateway = await openTestGateway(world)
    await world.provider(chatProvider('parrot', script))
    await world.provider(embedder('near', '0.001'))
    const { key: apiKey } = await gateway.account('ann@example.org', '1', limits)
    const configuration = { baseURL: `${gateway.door.url}/v1` }
    return { chat: new ChatOpenAI({ model: 'text.chat@1', apiKey, configuration, maxRetries: 0 }), configuration, apiKey }
  }

  it('ChatOpenAI answers, streams with usage, and calls tools', async () => {
    const { chat } = await model(({ messages, tools }) => (tools ? { toolCalls: [{ name: 'weather', arguments: { city: 'Oslo' } }] } : `You said ${messages.at(-1)!.content}`))
    const whole = await chat.invoke('good morning')
    expect([whole.content, whole.usage_metadata]).toMatchObject(['You said good morning', { input_tokens: 2, output_tokens: 4, total_tokens: 6 }])
    let text = ''
    let usage: unknown
    for await (const chunk of await chat.stream('good morning')) {
      text += chunk.content as string
      usage = chunk.usage_metadata ?? usage
    }
    expect([text, usage]).toMatchObject(['You said good morning', { total_tokens: 6 }])
    const weather = tool(async () => 'rainy', { name: 'weather', description: 'now', schema: z.object({ city: z.string() }) })
    expect((await chat.bindTools([weather]).invoke('how is Oslo')).tool_calls).toMatchObject([{ name: 'weather', args: { city: 'Oslo' } }])
  })

  it('OpenAIEmbeddings embeds', async () => {
    const { configuration, apiKey } = await model(['hi'])
    const vectors = await new OpenAIEmbeddings({ model: 'text.embed@1', apiKey, configuration, maxRetries: 0 }).embedDocuments(['goose', 'duck'])
    expect(vectors.map((vector) => vector.map((one) => Math.round(one * 10_000) / 10_000))).toEqual([vectorOf('goose'), vectorOf('duck')])
  })

  it('says what is wrong: the key, the budget, the rate', async () => {
    const { chat, configuration } = await model(['hi'], { rpm: 1 })
    await chat.invoke('one')
    await expect(chat.invoke('two')).rejects.toMatchObject({ status: 429 })
    await expect(new ChatOpenAI({ model: 'text.chat@1', apiKey: 'ag_wrong', configuration, maxRetries: 0 }).invoke('x')).rejects.toMatchObject({ status: 401 })
    const { key } = await gateway.account('bob@example.org', '1', { maxBudget: '0.000001' })
    await expect(new ChatOpenAI({ model: 'text.chat@1', apiKey: key, configuration, maxRetries: 0 }).invoke('x')).rejects.toMatchObject({ status: 402 })
  })
})
