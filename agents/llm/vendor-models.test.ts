/** Vendors' wire formats over real HTTP: what is asked of them, what they answer, how they fail. */
import { afterEach, describe, expect, it } from 'vitest'
import { compileSchema } from '../../schemas/compile-schema.ts'
import { AigenError } from '../../schemas/error.ts'
import { systemClock } from '../../runtime/node/system-clock.ts'
import type { Clock } from '../../runtime/ports/clock.ts'
import type { HandlerContext } from '../provider/define.ts'
import { TEXT_CHAT, TEXT_GENERATE, type ChatInput } from './chat.ts'
import { scriptedVendor, type ScriptedVendor, type ScriptedVendorOptions } from './scripted-vendor.fixture.ts'
import { vendorsIn } from './vendor-environment.ts'
import { vendorModels, type VendorModelsOptions } from './vendor-models.ts'
import type { VendorId } from './vendors.ts'

const VENDOR_IDS: readonly VendorId[] = ['openai', 'anthropic', 'ollama']
const ASK: ChatInput = { messages: [{ role: 'system', content: 'be brief' }, { role: 'user', content: 'hello' }], maxTokens: 50 }
const ADD = { name: 'add', description: 'Adds.', parameters: { type: 'object', properties: { a: { type: 'integer' }, b: { type: 'integer' } }, required: ['a', 'b'] } }

let open: ScriptedVendor | undefined
afterEach(() => open?.close())

/** The system's clock, but a sleep is only written down. */
function hasty(): Clock & { slept: number[] } {
  const slept: number[] = []
  return { ...systemClock, slept, sleep: async (ms, signal) => { signal?.throwIfAborted(); slept.push(ms) } }
}

function context(signal = new AbortController().signal, heard?: (chunk: any) => void): HandlerContext & { chunks: any[] } {
  const chunks: any[] = []
  const never = (): never => { throw new Error('not used') }
  return { chunks, signal, callId: 'test', unitPrice: 0n, emit: async (chunk) => { chunks.push(chunk); heard?.(chunk) }, load: never, store: never }
}

async function models(vendor: VendorId, script: ScriptedVendorOptions, more: Partial<VendorModelsOptions> = {}): Promise<{ server: ScriptedVendor; chat: any; generate: any; clock: ReturnType<typeof hasty> }> {
  const server = (open = await scriptedVendor(script))
  const clock = hasty()
  const [chat, generate] = await vendorModels({ vendor, key: 'test-key', url: server.urls[vendor], models: ['model-a', 'model-b'], clock, ...more })
  return { server, chat, generate, clock }
}

describe.each(VENDOR_IDS)('%s', (vendor) => {
  it('answers piece by piece, and is billed by what it counted', async () => {
    const { server, chat } = await models(vendor, { answers: ['one two three'] })
    const here = context()
    const { output, units } = await chat.handler({ ...ASK, model: 'model-b' }, here)
    expect(output).toEqual({ message: { role: 'assistant', content: 'one two three' }, finish: 'stop', model: 'model-b', usage: { inputTokens: 7, outputTokens: 5 } })
    expect(units).toEqual({ token: 7 + 4 * 5 })
    expect(here.chunks.map((chunk) => chunk.content)).toEqual(['one', ' two', ' three'])
    expect(compileSchema(TEXT_CHAT.output).issues(output)).toEqual([])
    for (const chunk of here.chunks) expect(compileSchema(TEXT_CHAT.chunk!).issues(chunk)).toEqual([])
    expect(server.requests).toHaveLength(1)
    expect(server.requests[0]!.body.model).toBe('model-b')
  })

  it('calls tools, several at once, and takes their answers', async () => {
    const { server, chat } = await models(vendor, { answers: [{ text: 'let me see', toolCalls: [{ name: 'add', arguments: { a: 1, b: 2 } }, { name: 'add', arguments: { a: 30, b: 4 } }] }, '37 in all'] })
    const here = context()
    const { output } = await chat.handler({ ...ASK, tools: [ADD], toolChoice: 'required' }, here)
    expect(output.finish).toBe('tool-calls')
    expect(output.message.toolCalls.map((one: any) => [one.name, JSON.parse(one.arguments)])).toEqual([['add', { a: 1, b: 2 }], ['add', { a: 30, b: 4 }]])
    expect(compileSchema(TEXT_CHAT.output).issues(output)).toEqual([])
    // The pieces make up the calls.
    const pieced: string[] = []
    for (const part of here.chunks.flatMap((chunk) => chunk.toolCalls ?? [])) pieced[part.index] = (pieced[part.index] ?? '') + (part.arguments ?? '')
    expect(pieced.map((text) => JSON.parse(text))).toEqual([{ a: 1, b: 2 }, { a: 30, b: 4 }])
    for (const chunk of here.chunks) expect(compileSchema(TEXT_CHAT.chunk!).issues(chunk)).toEqual([])

    const [first, second] = output.message.toolCalls
    const history: ChatInput['messages'] = [...ASK.messages, output.message, { role: 'tool', content: '3', toolCallId: first.id }, { role: 'tool', content: '34', toolCallId: second.id }]
    expect((await chat.handler({ ...ASK, messages: history, tools: [ADD] }, context())).output.message.content).toBe('37 in all')
    const sent = JSON.stringify(server.requests[1]!.body.messages)
    for (const part of ['let me see', '34']) expect(sent).toContain(part)
    expect(sent).toMatch(/"b\\?":\s*4/)
  })

  it('passes on how it is to be asked', async () => {
    const { server, chat } = await models(vendor, { answers: [{ text: '{}', toolCalls: [{ name: 'add', arguments: {} }] }] })
    await chat.handler({ ...ASK, tools: [ADD], toolChoice: 'add', stop: ['END'], seed: 5, temperature: 0.5 }, context())
    await chat.handler({ ...ASK, tools: [ADD], toolChoice: 'none' }, context())
    await chat.handler({ ...ASK, json: { type: 'object', properties: { a: { type: 'string' } } } }, context())
    await chat.handler({ ...ASK, json: true, topP: 0.25 }, context())
    const [forced, none, schema, json] = server.requests.map(({ body }) => body)
    const expected = {
      openai: [{ max_tokens: 50, stop: ['END'], seed: 5, temperature: 0.5, tool_choice: { type: 'function', function: { name: 'add' } } }, { tool_choice: 'none' }, { response_format: { type: 'json_schema', json_schema: { name: 'answer', schema: { type: 'object' } } } }, { response_format: { type: 'json_object' }, top_p: 0.25 }],
      anthropic: [{ max_tokens: 50, stop_sequences: ['END'], temperature: 0.5, tool_choice: { type: 'tool', name: 'add' } }, { tool_choice: { type: 'none' } }, { output_config: { format: { type: 'json_schema', schema: { type: 'object' } } } }, { top_p: 0.25 }],
      ollama: [{ options: { num_predict: 50, stop: ['END'], seed: 5, temperature: 0.5 } }, {}, { format: { type: 'object' } }, { format: 'json', options: { top_p: 0.25 } }],
    }[vendor]
    for (const [index, body] of [forced, none, schema, json].entries()) expect(body).toMatchObject(expected[index]!)
    expect(JSON.stringify(forced)).toContain('Adds.')
    if (vendor === 'ollama') expect(none.tools).toBeUndefined()
    expect(JSON.stringify(json)).toContain('JSON')
  })

  it('waits where it is told to and asks again; the answer is said once', async () => {
    const { server, chat, clock } = await models(vendor, { answers: [{ status: 429, headers: { 'retry-after': '3' } }, { status: 503 }, 'ready now'] })
    const here = context()
    expect((await chat.handler(ASK, here)).output.message.content).toBe('ready now')
    expect(server.requests).toHaveLength(3)
    expect(clock.slept).toEqual([3_000, 1_000])
    expect(here.chunks.map((chunk) => chunk.content).join('')).toBe('ready now')
  })

  it('gives up on a vendor that goes on failing, or asks for too long a wait', async () => {
    const { server, chat, clock } = await models(vendor, { answers: [{ status: 500 }, { status: 500 }, { status: 500 }, { status: 500 }, { status: 429, headers: { 'retry-after': '3600' } }] })
    await expect(chat.handler(ASK, context())).rejects.toMatchObject({ code: 'step.failed' })
    expect(server.requests).toHaveLength(4)
    expect(clock.slept).toEqual([500, 1_000, 2_000])
    await expect(chat.handler(ASK, context())).rejects.toMatchObject({ code: 'step.failed' })
    expect(server.requests).toHaveLength(5)
  })

  it.each(['tear', 'end', 'error'] as const)('a stream that breaks off in the middle (%s) is not an answer', async (how) => {
    const { server, chat } = await models(vendor, { answers: [{ text: 'one two three four', after: { pieces: 3, do: how } }] })
    const here = context()
    await expect(chat.handler(ASK, here)).rejects.toMatchObject({ code: 'step.failed' })
    expect(here.chunks.length).toBeGreaterThan(0)
    // Something was passed on, so it is not asked again.
    expect(server.requests).toHaveLength(1)
  })

  it('an answer that nobody counted is not sold', async () => {
    const { chat } = await models(vendor, { answers: [{ text: 'free', usage: null }] })
    await expect(chat.handler(ASK, context())).rejects.toMatchObject({ code: 'step.failed', message: expect.stringContaining('tokens') })
  })

  it('a cancel ends the vendor\'s work and gives what was said; a deadline gives nothing', async () => {
    for (const reason of ['step.cancelled', 'step.timeout'] as const) {
      const abort = new AbortController()
      const stuck = new Promise<never>(() => undefined)
      const { server, chat } = await models(vendor, { answers: [{ text: 'one two three four five six', pause: (piece) => (piece >= 5 ? stuck : undefined) }] })
      const done = chat.handler(ASK, context(abort.signal, ({ content }) => content === ' two' && abort.abort(new AigenError(reason))))
      if (reason === 'step.timeout') await expect(done).rejects.toMatchObject({ code: 'step.timeout' })
      else {
        const { output, units } = await done
        expect(output).toMatchObject({ finish: 'cancelled', message: { content: 'one two' }, usage: { outputTokens: 2 } })
        expect(output.usage.inputTokens).toBe(vendor === 'anthropic' ? 7 : 4)
        expect(units.token).toBe(output.usage.inputTokens + 8)
        expect(compileSchema(TEXT_CHAT.output).issues(output)).toEqual([])
      }
      await server.dropped(1)
      await server.close()
    }
  })

  it('a cancel while it waits to ask again gives an empty answer at once', async () => {
    const abort = new AbortController()
    const { chat, clock } = await models(vendor, { answers: [{ status: 429, headers: { 'retry-after': '5' } }] })
    clock.sleep = (_ms, signal) => new Promise((_resolve, reject) => {
      signal!.addEventListener('abort', () => reject(signal!.reason as Error))
      abort.abort(new AigenError('step.cancelled'))
    })
    expect((await chat.handler(ASK, context(abort.signal))).output).toMatchObject({ finish: 'cancelled', message: { content: '' }, usage: { outputTokens: 0 } })
  })

  it('what the vendor cannot work with is the caller\'s to mend', async () => {
    const { chat, server } = await models(vendor, { answers: [{ status: 400, error: { message: 'too long, said test-key' } }] })
    await expect(chat.handler(ASK, context())).rejects.toMatchObject({ code: 'step.input', message: expect.stringContaining('too long, said') })
    await expect(chat.handler(ASK, context())).rejects.toMatchObject({ message: expect.not.stringContaining('test-key') })
    await expect(chat.handler({ ...ASK, model: 'model-x' }, context())).rejects.toMatchObject({ code: 'step.input', path: 'model' })
    const broken: ChatInput['messages'] = [{ role: 'assistant', content: '', toolCalls: [{ id: 'a', name: 'add', arguments: '{"a":' }] }]
    await expect(chat.handler({ ...ASK, messages: broken }, context())).rejects.toMatchObject({ code: 'step.input', path: 'messages.0.toolCalls.0.arguments' })
    expect(server.requests).toHaveLength(2)
  })

  it('a model that was told to call a tool and did not is not sold', async () => {
    const { chat } = await models(vendor, { answers: ['no'] })
    await expect(chat.handler({ ...ASK, tools: [ADD], toolChoice: 'required' }, context())).rejects.toMatchObject({ code: 'step.failed' })
  })

  it('ends at its length', async () => {
    const finish = { openai: 'length', anthropic: 'max_tokens', ollama: 'length' }[vendor]
    const { chat, generate } = await models(vendor, { answers: [{ text: 'one two', finish }] })
    expect((await chat.handler(ASK, context())).output.finish).toBe('length')
    const { output, units } = await generate.handler({ prompt: 'go on', system: 'be brief', maxTokens: 2 }, context())
    expect(output).toEqual({ text: 'one two', finish: 'length', model: 'model-a', usage: { inputTokens: 7, outputTokens: 5 } })
    expect(units).toEqual({ token: 27 })
    expect(compileSchema(TEXT_GENERATE.output).issues(output)).toEqual([])
  })

  it('does not run on for ever', async () => {
    const { chat, server } = await models(vendor, { answers: [{ text: 'x'.repeat(120_000).concat(' ').repeat(10) }] })
    const here = context()
    const { output } = await chat.handler(ASK, here)
    expect(output.finish).toBe('length')
    expect(output.message.content.length).toBeGreaterThan(150_000)
    expect(compileSchema(TEXT_CHAT.output).issues(output)).toEqual([])
    for (const chunk of here.chunks) expect(compileSchema(TEXT_CHAT.chunk!).issues(chunk)).toEqual([])
    expect(here.chunks.map((chunk) => chunk.content).join('')).toBe(output.message.content)
    await server.close()
  })
})

describe('keys and models', () => {
  it.each(['openai', 'anthropic'] as const)('a wrong key of %s is said at the start, without the key', async (vendor) => {
    open = await scriptedVendor({ answers: ['x'] })
    const error: AigenError = await vendorModels({ vendor, key: 'sk-very-secret', url: open.urls[vendor] }).then(() => undefined as never, (thrown: AigenError) => thrown)
    expect(error).toMatchObject({ code: 'vendor.denied' })
    expect(JSON.stringify(error) + error.stack).not.toContain('sk-very-secret')
    await expect(vendorModels({ vendor })).rejects.toMatchObject({ code: 'vendor.denied' })
  })

  it('a key that stops working makes the provider unwell until it works again', async () => {
    const server = (open = await scriptedVendor({ answers: ['fine'] }))
    const [chat] = (await vendorModels({ vendor: 'openai', key: 'test-key', url: server.urls.openai, models: ['model-a'], clock: hasty() })) as any[]
    expect(await chat.health()).toBe(true)
    server.refuse(true)
    const error: AigenError = await chat.handler(ASK, context()).catch((thrown: AigenError) => thrown)
    expect(error).toMatchObject({ code: 'step.failed' })
    expect(JSON.stringify(error)).not.toContain('test-key')
    expect(await chat.health()).toBe(false)
    server.refuse(false)
    expect(await chat.health()).toBe(true)
    expect((await chat.handler(ASK, context())).output.message.content).toBe('fine')
  })

  it('a server that is gone makes the provider unwell', async () => {
    const { chat, server, clock } = await models('ollama', { answers: ['x'] })
    await server.close()
    await expect(chat.handler(ASK, context())).rejects.toMatchObject({ code: 'step.failed' })
    expect(clock.slept).toEqual([500, 1_000, 2_000])
    expect(await chat.health()).toBe(false)
  })

  it('an account without credit is not asked again and again', async () => {
    let now = 0
    const clock = { ...hasty(), monotonic: () => now }
    const { chat, server } = await models('openai', { answers: [{ status: 429, error: { message: 'You exceeded your current quota', code: 'insufficient_quota' } }] }, { clock })
    await expect(chat.handler(ASK, context())).rejects.toMatchObject({ code: 'step.failed' })
    expect(server.requests).toHaveLength(1)
    expect(await chat.health()).toBe(false)
    now += 299_000
    expect(await chat.health()).toBe(false)
    now += 2_000
    expect(await chat.health()).toBe(true)
  })

  it('serves the models that the server has, or says which it has not', async () => {
    open = await scriptedVendor({ answers: ['x'], models: ['llama3:8b', 'qwen3:4b'] })
    const [chat, generate] = (await vendorModels({ vendor: 'ollama', url: open.urls.ollama })) as any[]
    expect([chat.models, generate.models]).toEqual([['llama3:8b', 'qwen3:4b'], ['llama3:8b', 'qwen3:4b']])
    expect((await chat.handler(ASK, context())).output.model).toBe('llama3:8b')
    await expect(vendorModels({ vendor: 'ollama', url: open.urls.ollama, models: ['gpt-4o'] })).rejects.toMatchObject({ code: 'vendor.models', message: expect.stringContaining('gpt-4o') })
    await open.close()
    await expect(vendorModels({ vendor: 'ollama', url: open.urls.ollama })).rejects.toMatchObject({ code: 'vendor.unreachable' })
  })

  it('sells what the environment names', () => {
    expect(vendorsIn({})).toEqual([])
    expect(vendorsIn({ OPENAI_API_KEY: '' , OPENAI_BASE_URL: 'http://x/v1' })).toEqual([])
    expect(vendorsIn({ OPENAI_API_KEY: 'k', OPENAI_BASE_URL: 'http://x/v1', AIGEN_OPENAI_MODELS: 'a, b', AIGEN_OPENAI_PRICE: '0.01' })).toEqual([{ vendor: 'openai', key: 'k', url: 'http://x/v1', models: ['a', 'b'], price: '0.01' }])
    expect(vendorsIn({ ANTHROPIC_API_KEY: 'k' })).toEqual([{ vendor: 'anthropic', key: 'k' }])
    expect(vendorsIn({ OLLAMA_HOST: '0.0.0.0' })).toEqual([{ vendor: 'ollama', url: 'http://127.0.0.1:11434' }])
    expect(vendorsIn({ OLLAMA_HOST: 'https://models.example:8443/' })).toEqual([{ vendor: 'ollama', url: 'https://models.example:8443' }])
  })
})
