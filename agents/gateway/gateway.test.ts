import OpenAI from 'openai'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { systemClock } from '../../runtime/node/system-clock.ts'
import { chatProvider, toolAnswer } from '../llm/chat-provider.fixture.ts'
import { MemoryWorld } from '../memory-network.fixture.ts'
import { embedder, openTestGateway, vectorOf, type TestGateway, type TestGatewayOptions } from './gateway.fixture.ts'
import type { KeyLimits } from './keys.ts'
import { HOUSE } from './postings.ts'

// Real sockets on a machine that may be busy.
vi.setConfig({ testTimeout: 30_000 })

let world: MemoryWorld
let gateway: TestGateway
afterEach(async () => {
  await gateway?.stop()
  await world.close()
})

async function open(options: TestGatewayOptions = {}): Promise<void> {
  world = new MemoryWorld()
  gateway = await openTestGateway(world, options)
}

async function client(credit = '1', limits: KeyLimits = {}, more: object = {}): Promise<OpenAI & { customer: string; keyId: string }> {
  const { key, customer, id } = await gateway.account('ann@example.org', credit, limits)
  return Object.assign(new OpenAI({ apiKey: key, baseURL: `${gateway.door.url}/v1`, maxRetries: 0, ...more }), { customer, keyId: id })
}

const say = (content: string) => [{ role: 'user' as const, content }]

/** The ledger adds up, nothing is held, and providers were paid what the accounts were charged. */
async function settled(): Promise<void> {
  const { sum, wrong, balances } = await gateway.ledger.audit()
  expect([sum, wrong, await gateway.ledger.open()]).toEqual([0n, [], []])
  const { spent, holds } = gateway.node.node.host.context<any>('wallet')
  expect([BigInt(spent), Object.keys(holds)]).toEqual([balances[HOUSE.network] ?? 0n, []])
}

describe('the gateway for the openai client', () => {
  it('lists models, answers, and says what it cost', async () => {
    await open()
    await world.provider(chatProvider('parrot', ({ messages }) => `You said ${messages.at(-1)!.content}`, { models: ['parrot-1', 'parrot-2'] } as never))
    await world.provider(embedder('near', '0.001'))
    const openai = await client()
    const models = (await openai.models.list()).data.map(({ id }) => id)
    expect(models).toEqual(expect.arrayContaining(['text.chat@1', 'text.embed@1']))
    const { data, response } = await openai.chat.completions.create({ model: 'text.chat@1', messages: say('good morning') }).withResponse()
    expect(data.choices[0]).toMatchObject({ finish_reason: 'stop', message: { role: 'assistant', content: 'You said good morning' } })
    expect(data.usage).toEqual({ prompt_tokens: 2, completion_tokens: 4, total_tokens: 6 })
    // 2 + 4 × 4 tokens at 0.001 a thousand
    expect([response.headers.get('x-aigen-price'), response.headers.get('x-aigen-provider')]).toEqual(['0.000018', 'parrot'])
    expect(await gateway.ledger.customer(openai.customer)).toMatchObject({ balance: 1_000_000n - 18n - 1n, held: 0n })
    await settled()
  })

  it('streams, with usage at the end', async () => {
    await open()
    await world.provider(chatProvider('parrot', ['one two three']))
    const openai = await client()
    const stream = await openai.chat.completions.create({ model: 'text.chat@1', messages: say('count'), stream: true, stream_options: { include_usage: true } })
    const chunks = []
    for await (const chunk of stream) chunks.push(chunk)
    expect(chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('')).toBe('one two three')
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { prompt_tokens: 1, completion_tokens: 3, total_tokens: 4 } })
    expect(chunks.at(-2)!.choices[0]!.finish_reason).toBe('stop')
    await settled()
  })

  it('calls tools, streamed and whole, and takes their answers', async () => {
    await open()
    const provider = chatProvider('tooled', (input) => (toolAnswer(input) === undefined ? { toolCalls: [{ name: 'weather', arguments: { city: 'Oslo' }, id: 'c1' }] } : `It is ${toolAnswer(input)}.`))
    await world.provider(provider)
    const openai = await client()
    const tools = [{ type: 'function' as const, function: { name: 'weather', description: 'now', parameters: { type: 'object', properties: { city: { type: 'string' } } } } }]
    const asked = await openai.chat.completions.create({ model: 'text.chat@1', messages: say('how is Oslo'), tools, tool_choice: 'auto' })
    const { message, finish_reason } = asked.choices[0]!
    expect([finish_reason, message.content, message.tool_calls]).toEqual(['tool_calls', null, [{ id: 'c1', type: 'function', function: { name: 'weather', arguments: '{"city":"Oslo"}' } }]])
    const final = await openai.chat.completions.create({ model: 'text.chat@1', messages: [...say('how is Oslo'), message, { role: 'tool', tool_call_id: 'c1', content: 'rainy' }], tools })
    expect(final.choices[0]!.message.content).toBe('It is rainy.')
    const streamed = await openai.chat.completions.stream({ model: 'text.chat@1', messages: say('how is Oslo'), tools }).finalChatCompletion()
    expect(streamed.choices[0]!.message.tool_calls).toMatchObject([{ function: { name: 'weather', arguments: '{"city":"Oslo"}' } }])
    expect(provider.asked[0]).toMatchObject({ toolChoice: 'auto', tools: [{ name: 'weather' }], maxTokens: 1_024 })
    await settled()
  })

  it('embeds, in base64 as the client asks for and as numbers', async () => {
    await open()
    await world.provider(embedder('near', '0.001'))
    const openai = await client()
    const { data } = await openai.embeddings.create({ model: 'text.embed@1', input: ['goose', 'duck'] })
    expect(data.map(({ embedding }) => embedding.map((one) => Math.round(one * 10_000) / 10_000))).toEqual([vectorOf('goose'), vectorOf('duck')])
    const plain = await openai.embeddings.create({ model: 'text.embed@1', input: 'goose', encoding_format: 'float' })
    expect(plain.data[0]!.embedding).toEqual(vectorOf('goose'))
    await settled()
  })

  it.each([
    ['a wrong key', {}, { apiKey: 'ag_wrong' }, { status: 401, code: 'invalid_api_key', type: 'authentication_error' }],
    ['another model', { model: 'text.embde@1' }, {}, { status: 404, code: 'model_not_found', param: 'model' }],
    ['several answers', { n: 2 }, {}, { status: 400, param: 'n', type: 'invalid_request_error' }],
    ['an unknown parameter', { logit_bias: { 5: 1 } }, {}, { status: 400, param: 'logit_bias' }],
  ])('refuses %s', async (_what, change, options, error) => {
    await open()
    await world.provider(embedder('near', '0.001'))
    await world.provider(chatProvider('parrot', ['hi']))
    const openai = await client('1', {}, options)
    await expect(openai.chat.completions.create({ model: 'text.chat@1', messages: say('hi'), ...change } as never)).rejects.toMatchObject(error)
    await settled()
  })

  it('refuses what credit, budget, rate and parallel calls do not allow, so that the client knows what to do', async () => {
    await open()
    await world.provider(embedder('near', '0.001', { handler: async ({ texts }, { signal }) => {
      await systemClock.sleep(100, signal)
      return { output: { vectors: texts.map(vectorOf), model: 'hash/512' }, units: { text: texts.length } }
    } }))
    const ask = (openai: OpenAI) => openai.embeddings.create({ model: 'text.embed@1', input: 'x' })
    await expect(ask(await client('0'))).rejects.toMatchObject({ status: 402, type: 'insufficient_quota' })
    await expect(ask(await client('1', { maxBudget: '0.001' }))).rejects.toMatchObject({ status: 402, code: 'budget_exceeded' })
    const slow = await client('1', { rpm: 1 })
    await ask(slow)
    const refused = await ask(slow).then(() => undefined, (error: InstanceType<typeof OpenAI.APIError>) => error)
    expect([refused?.status, refused?.code, Number(refused?.headers?.get('retry-after')) > 0]).toEqual([429, 'rate_limit_exceeded', true])
    const one = await client('1', { maxParallel: 1 })
    const both = await Promise.allSettled([ask(one), ask(one)])
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    await expect(ask(await client('1', { allowed: ['other'] }))).rejects.toMatchObject({ status: 403 })
    await settled()
  })

  it('twenty clients hammer one key with a budget for ten calls: ten are served, ten get 402', async () => {
    await open()
    const provider = await world.provider(embedder('near', '0.001'))
    const { key } = await gateway.account('ann@example.org', '1', { maxBudget: '0.0105' })
    const clients = Array.from({ length: 20 }, () => new OpenAI({ apiKey: key, baseURL: `${gateway.door.url}/v1`, maxRetries: 0 }))
    const results = await Promise.allSettled(clients.map((openai, index) => openai.embeddings.create({ model: 'text.embed@1', input: `text ${index}` })))
    const statuses = results.map((one) => (one.status === 'fulfilled' ? 200 : (one.reason as { status: number }).status)).sort()
    expect(statuses).toEqual([...Array(10).fill(200), ...Array(10).fill(402)])
    // no provider is unpaid: what it delivered, and no more, is paid
    const calls = [...provider.node.host.list('call')]
    await Promise.all(calls.map(({ id }) => provider.node.host.until(id, ({ status }) => status === 'done', 5_000)))
    expect(calls.map(({ id }) => provider.node.host.peek(id)!.snapshot.value)).toEqual(Array(10).fill('paid'))
    await settled()
    const { balances } = await gateway.ledger.audit()
    expect([balances[HOUSE.network], balances[HOUSE.revenue]]).toEqual([10_000n, 500n])
  })

  it('the same Idempotency-Key is one call, paid once; another request under it is refused', async () => {
    await open()
    let worked = 0
    await world.provider(embedder('near', '0.001', { handler: async ({ texts }) => {
      worked++
      return { output: { vectors: texts.map(vectorOf), model: 'hash/512' }, units: { text: texts.length } }
    } }))
    const openai = await client()
    const ask = (input: string) => openai.embeddings.create({ model: 'text.embed@1', input }, { headers: { 'idempotency-key': 'k1' } })
    const first = await ask('a')
    expect(await ask('a')).toEqual(first)
    expect(worked).toBe(1)
    await expect(ask('b')).rejects.toMatchObject({ status: 422, code: 'idempotency_key_in_use' })
    await settled()
  })
})
