/**
 * The cases of LangChain's standard tests for chat models, asked of NetworkChatModel over a hired
 * provider. The package is `@langchain/standard-tests` in langchain-ai/langchainjs under
 * internal/standard-tests (0.0.23 at 62fc484); it is private there and on no registry, so the cases
 * are written here anew, under the names its vitest suite gives them.
 *
 * Exceptions: image, audio and file content, since `text.chat@1` carries text only (refused before
 * anything is spent, which is tested in their place); usage details of caches, audio and reasoning,
 * which the capability does not report.
 */
import { AIMessage, AIMessageChunk, HumanMessage, SystemMessage, ToolMessage, type BaseMessage } from '@langchain/core/messages'
import { ChatPromptTemplate } from '@langchain/core/prompts'
import { RunnableLambda } from '@langchain/core/runnables'
import { tool } from '@langchain/core/tools'
import { BaseCallbackHandler } from '@langchain/core/callbacks/base'
import { toJsonSchema } from '@langchain/core/utils/json_schema'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { MemoryWorld } from '../memory-network.fixture.ts'
import type { User } from '../user/user.ts'
import { NetworkChatModel, type NetworkChatModelOptions } from './chat-model.ts'
import { chatProvider, type ChatProvider } from './chat-provider.fixture.ts'
import { obedientMind } from './obedient-mind.fixture.ts'

const world = new MemoryWorld()
let user: User
let provider: ChatProvider
const make = (more: Partial<NetworkChatModelOptions> & Record<string, unknown> = {}): NetworkChatModel => new NetworkChatModel({ user, maxTokens: 100, temperature: 0, ...more })

const addends = z.object({ a: z.number().int().describe('one'), b: z.number().int().describe('the other') }).describe('Adds two integers')
const adder = tool(({ a, b }) => JSON.stringify({ result: a + b }), { name: 'adder', description: 'Adds two integers', schema: addends })
const place = z.object({ location: z.string().describe('a city') })
const weather = tool(() => 'sunny, 70 degrees', { name: 'get_current_weather', description: 'The weather somewhere', schema: place })
const time = tool(() => '12:02', { name: 'get_current_time', description: 'The time somewhere', schema: place })
const SUM = ChatPromptTemplate.fromMessages([['system', 'Always call {toolName}.'], ['human', 'What is the sum of 1836281973 and 19973286?']])

async function whole(stream: AsyncIterable<AIMessageChunk>): Promise<AIMessageChunk> {
  let all: AIMessageChunk | undefined
  for await (const chunk of stream) {
    expect(chunk).toBeInstanceOf(AIMessageChunk)
    all = all === undefined ? chunk : all.concat(chunk)
  }
  return all!
}

/** What tracing is told of a call. */
class Trace extends BaseCallbackHandler {
  name = 'trace'
  options: any
  override handleChatModelStart(_llm: unknown, _messages: unknown, _run: string, _parent?: string, extra?: Record<string, any>): void {
    this.options = extra?.['options']
  }
}

beforeAll(async () => {
  provider = chatProvider('mind', obedientMind)
  await world.provider(provider)
  user = await world.user('alice')
}, 60_000)
afterAll(() => world.close())

describe('ChatModelUnitTests', () => {
  test('should initialize chat model successfully', () => expect(make()).toBeInstanceOf(NetworkChatModel))
  test('should initialize chat model with API key', () => expect(make({ apiKey: 'test' })).toBeInstanceOf(NetworkChatModel))
  test('should initialize chat model with streaming enabled', () => expect(make({ streaming: true })).toBeInstanceOf(NetworkChatModel))
  test('should bind tools when tool calling is supported', () => expect(make().bindTools([adder])).toBeDefined())
  test('should work with structured output when supported', () => expect(make().withStructuredOutput(addends)).toBeDefined())
  test('should return standard LangSmith parameters', () => {
    expect(Object.keys(make().getLsParams({} as any)).toSorted()).toEqual(['ls_max_tokens', 'ls_model_name', 'ls_model_type', 'ls_provider', 'ls_stop', 'ls_temperature'])
  })
  test('invoke should throw when signal is already aborted', async () => {
    await expect(make().invoke('Hello', { signal: AbortSignal.abort() })).rejects.toThrow()
  })
  test('stream should handle aborted signal correctly', async () => {
    const asked = provider.asked.length
    await expect((async () => whole(await make().stream('Hello', { signal: AbortSignal.abort() })))()).rejects.toThrow()
    expect(provider.asked).toHaveLength(asked)
  })
})

describe('ChatModelIntegrationTests', () => {
  test('should invoke model and return valid response', async () => {
    const answer = await make().invoke('Hello')
    expect(answer).toBeInstanceOf(AIMessage)
    expect(answer.text).not.toBe('')
  })
  test('should stream response tokens successfully', async () => expect((await whole(await make().stream('Hello'))).text).toBe('Hello, you said: Hello'))
  test('should process multiple inputs in batch', async () => {
    const answers = await make().batch(['Hello', 'Hey'])
    expect(answers.map(({ text }) => text)).toEqual(['Hello, you said: Hello', 'Hello, you said: Hey'])
  })
  test('should stream events', async () => {
    const events = []
    for await (const event of make().streamEvents('Hello', { version: 'v2' })) events.push(event)
    expect(events[0]!.event).toBe('on_chat_model_start')
    expect(events.at(-1)!.event).toBe('on_chat_model_end')
    const streamed = events.filter(({ event }) => event === 'on_chat_model_stream').map(({ data }) => data.chunk.text).join('')
    expect(events.at(-1)!.data.output.text).toBe(streamed)
  })
  test('should handle multi-message conversation', async () => {
    expect((await make().invoke([new HumanMessage('hello'), new AIMessage('hello'), new HumanMessage('how are you')])).text).not.toBe('')
  })
  test('should handle double messages of each role', async () => {
    const twice = [SystemMessage, HumanMessage, AIMessage].flatMap((Kind) => [new Kind('hello'), new Kind('hello')])
    expect((await make().invoke([...twice, new HumanMessage('how are you')])).text).not.toBe('')
  })
  test('should return usage metadata for invoke', async () => {
    const { usage_metadata: usage, response_metadata: meta } = await make().invoke('Hello')
    expect(usage).toEqual({ input_tokens: 1, output_tokens: 4, total_tokens: 5 })
    expect(meta['model']).toBe('scripted')
  })
  test('should return usage metadata for streaming', async () => {
    expect((await whole(await make().stream('Hello'))).usage_metadata).toMatchObject({ input_tokens: 1, output_tokens: 4, total_tokens: 5 })
  })
  test('should stop at stop sequences', async () => {
    expect((await make().invoke('Hello', { stop: ['you'] })).text.trim()).toBe('Hello,')
    expect((await make({ stop: ['you'] }).invoke('Hello')).text.trim()).toBe('Hello,')
  })
  test('should call tools', async () => {
    expect((await make().bindTools([adder]).invoke('Add 1 and 2.')).tool_calls).toEqual([{ name: 'adder', args: { a: 1, b: 2 }, id: expect.any(String), type: 'tool_call' }])
  })
  test('should handle tool message histories with string content', async () => {
    const called = new AIMessage({ content: '', tool_calls: [{ name: 'adder', args: { a: 1, b: 2 }, id: 'abc123', type: 'tool_call' }] })
    expect((await make().bindTools([adder]).invoke([new HumanMessage('1 + 2?'), called, new ToolMessage('3', 'abc123', 'adder')])).text).toBe('I am told: 3')
  })
  test('should handle tool message histories with list content', async () => {
    const called = new AIMessage({
      content: [{ type: 'text', text: 'some text' }, { type: 'tool_use', id: 'abc123', name: 'adder', input: { a: 1, b: 2 } }], tool_calls: [{ name: 'adder', args: { a: 1, b: 2 }, id: 'abc123', type: 'tool_call' }],
    })
    expect((await make().bindTools([adder]).invoke([new HumanMessage('1 + 2?'), called, new ToolMessage('3', 'abc123', 'adder')])).text).toBe('I am told: 3')
    expect(provider.asked.at(-1)!.messages[1]).toEqual({ role: 'assistant', content: 'some text', toolCalls: [{ id: 'abc123', name: 'adder', arguments: '{"a":1,"b":2}' }] })
  })
  test('should handle structured few shot examples', async () => {
    const called = new AIMessage({ content: '', tool_calls: [{ name: 'adder', args: { a: 1, b: 2 }, id: 'abc123', type: 'tool_call' }] })
    const history = [new HumanMessage('1 + 2?'), called, new ToolMessage('3', 'abc123', 'adder'), new AIMessage('3'), new HumanMessage('3 + 4?')]
    expect(await make().bindTools([adder]).invoke(history)).toBeInstanceOf(AIMessage)
  })
  test('should work with structured output', async () => {
    const trace = new Trace()
    const made = await SUM.pipe(make().withStructuredOutput(addends, { name: 'math_addition' })).invoke({ toolName: 'math_addition' }, { callbacks: [trace] })
    expect(made).toEqual({ a: expect.any(Number), b: expect.any(Number) })
    expect(trace.options.ls_structured_output_format).toEqual({ kwargs: { method: 'functionCalling' }, schema: toJsonSchema(addends) })
  })
  test('should work with structured output including raw', async () => {
    const { raw, parsed } = await SUM.pipe(make().withStructuredOutput(addends, { name: 'math_addition', includeRaw: true })).invoke({ toolName: 'math_addition' }) as any
    expect(raw).toBeInstanceOf(AIMessage)
    expect(parsed).toEqual({ a: expect.any(Number), b: expect.any(Number) })
  })
  test('should bind tools with OpenAI formatted tools', async () => {
    const given = { type: 'function', function: { name: 'math_addition', description: 'Adds', parameters: toJsonSchema(addends) } }
    expect((await SUM.pipe(make().bindTools([given])).invoke({ toolName: 'math_addition' })).tool_calls?.[0]?.name).toBe('math_addition')
  })
  test('should bind tools with runnable tool-like objects', async () => {
    const like = RunnableLambda.from((_: z.infer<typeof addends>) => undefined).asTool({ name: 'math_addition', description: 'Adds', schema: addends as any })
    expect((await SUM.pipe(make().bindTools([like])).invoke({ toolName: 'math_addition' })).tool_calls).toEqual([{ name: 'math_addition', args: { a: expect.any(Number), b: expect.any(Number) }, id: expect.any(String), type: 'tool_call' }])
  })
  test('should cache complex message types', async () => {
    const model = make({ cache: true })
    const message = new HumanMessage({ content: [{ type: 'text', text: 'Hello there!' }] })
    const asked = provider.asked.length
    const first = await model.invoke([message])
    const again = await model.invoke([message])
    expect(again.content).toEqual(first.content)
    // The second answer was not bought.
    expect(provider.asked).toHaveLength(asked + 1)
  })
  test('should stream tokens with tool calls', async () => {
    const answer = await whole(await SUM.pipe(make().bindTools([adder])).stream({ toolName: 'adder' }))
    expect(answer.tool_calls?.[0]).toBeDefined()
    expect(answer.usage_metadata!.input_tokens).toBeGreaterThan(0)
    expect(answer.usage_metadata!.output_tokens).toBeGreaterThan(0)
  })
  test.each(['should use tool use AI message in conversation', 'should use tool use AI message with streaming'])('%s', async (name) => {
    const model = make().bindTools([weather])
    const ask = async (messages: BaseMessage[]): Promise<AIMessage> => (name.endsWith('streaming') ? whole(await model.stream(messages)) : model.invoke(messages))
    const question = new HumanMessage('What is the weather in San Francisco?')
    const called = await ask([question])
    expect(called.tool_calls?.[0]?.name).toBe('get_current_weather')
    const answer = new ToolMessage({ tool_call_id: called.tool_calls![0]!.id!, name: 'get_current_weather', content: (await weather.invoke(called.tool_calls![0]!.args as any)) as string })
    expect((await ask([question, called, answer])).content).toContain('sunny')
  })
  test('should invoke model with more complex tools', async () => {
    const schema = z.object({
      decision: z.enum(['UseAPI', 'UseFallback']), explanation: z.string(), apiDetails: z.object({ serviceName: z.string(), parameters: z.record(z.string(), z.unknown()), extractionPath: z.string() }),
    })
    expect(await make().withStructuredOutput(schema, { name: 'service_tool' }).invoke('Use the API.')).toMatchObject({ decision: 'UseAPI', apiDetails: { serviceName: expect.any(String) } })
  })
  test('should handle parallel tool calling', async () => {
    const model = make().bindTools([weather, time])
    const question = new HumanMessage('Weather and time in San Francisco?')
    const names = (answer: AIMessage): (string | undefined)[] => (answer.tool_calls ?? []).map((call) => call.name).toSorted()
    const called = await model.invoke([question])
    expect(names(called)).toEqual(['get_current_time', 'get_current_weather'])
    expect(names(await whole(await model.stream([question])))).toEqual(['get_current_time', 'get_current_weather'])
    const answers = called.tool_calls!.map(({ id, name }) => new ToolMessage({ tool_call_id: id!, name, content: `${name} says so` }))
    const done = await model.invoke([question, called, ...answers])
    expect(done.tool_calls).toEqual([])
    expect(done.text).not.toBe('')
  })
  test.each(['should accept structured tool params schema', 'should stream tools successfully'])('%s', async (name) => {
    const model = make().bindTools([{ name: 'get_current_weather', description: 'The weather', schema: place }])
    const answer = name.includes('stream') ? await whole(await model.stream('Weather?')) : await model.invoke('Weather?')
    expect(answer.tool_calls).toMatchObject([{ name: 'get_current_weather', args: { location: expect.any(String) } }])
  })
  test('should handle standard text content blocks', async () => {
    expect((await make().invoke([new HumanMessage({ content: [{ type: 'text', source_type: 'text', text: 'Hello from a block!' }] as any })])).text).toContain('Hello from a block!')
  })
  test.each(['image', 'audio', 'file'])('should handle standard %s content blocks: refused, nothing spent', async (type) => {
    const asked = provider.asked.length
    const message = new HumanMessage({ content: [{ type, source_type: 'base64', data: 'AA==', mime_type: 'application/octet-stream' }] as any })
    await expect(make().invoke([message])).rejects.toMatchObject({ code: 'step.input', path: 'messages.0.content.0' })
    expect(provider.asked).toHaveLength(asked)
  })
})
