import { afterEach, describe, expect, it } from 'vitest'
import { virtualClock } from '../../runtime/memory/clock.ts'
import { compileSchema } from '../../schemas/compile-schema.ts'
import { AigenError } from '../../schemas/error.ts'
import { MemoryWorld } from '../memory-network.fixture.ts'
import { hire } from '../user/hire.ts'
import { TEXT_CHAT, tokenUnits, type ChatInput } from './chat.ts'
import { chatProvider, toolAnswer } from './chat-provider.fixture.ts'

const ask = (content: string, more: Partial<ChatInput> = {}): ChatInput => ({ messages: [{ role: 'user', content }], maxTokens: 50, ...more })

/** A handler's context that writes down what is emitted. */
function context(signal = new AbortController().signal): { chunks: any[]; signal: AbortSignal; callId: string; unitPrice: bigint; emit: (chunk: unknown) => Promise<void>; load: any; store: any } {
  const chunks: unknown[] = []
  return { chunks, signal, callId: 'test', unitPrice: 0n, emit: async (chunk) => void chunks.push(chunk), load: undefined, store: undefined }
}

describe('the scripted provider of text.chat@1', () => {
  let world: MemoryWorld | undefined
  afterEach(() => world?.close())

  it('is hired and paid by the tokens it counted', async () => {
    world = new MemoryWorld({ clock: virtualClock() })
    await world.drive(world.provider(chatProvider('parrot', ({ messages }) => `you said: ${messages.at(-1)!.content}`)))
    const user = await world.drive(world.user('alice'))
    const { output, charged } = await world.drive(hire(user, { capability: TEXT_CHAT.id, input: { ...ask('hello there') }, maxPrice: '0.01' }))
    expect(output).toEqual({ message: { role: 'assistant', content: 'you said: hello there' }, finish: 'stop', model: 'scripted', usage: { inputTokens: 2, outputTokens: 4 } })
    // (2 + 4 × 4) of 1,000 at 0.001
    expect(charged).toBe('0.000018')
  })

  it('streams pieces that make up the answer, and fits the capability', async () => {
    const provider = chatProvider('p', [{ content: 'one  two\nthree ', toolCalls: [{ name: 'add', arguments: { a: 1 } }] }])
    const here = context()
    const { output, units } = await provider.handler(ask('x'), here)
    expect(here.chunks.map((one) => one.content ?? '').join('')).toBe('one  two\nthree ')
    expect(here.chunks.flatMap((one) => one.toolCalls ?? []).map((one) => one.arguments).join('')).toBe('{"a":1}')
    expect(output).toMatchObject({ finish: 'tool-calls', message: { toolCalls: [{ id: 'call_0_0', name: 'add', arguments: '{"a":1}' }] } })
    expect(compileSchema(TEXT_CHAT.output).issues(output)).toEqual([])
    for (const chunk of here.chunks) expect(compileSchema(TEXT_CHAT.chunk!).issues(chunk)).toEqual([])
    expect(units).toEqual(tokenUnits((output as any).usage))
  })

  it('ends at maxTokens, at a cancel with what was said, and at anything else with an error', async () => {
    const clock = virtualClock()
    const provider = chatProvider('p', ['one two three four'], { clock, wordMs: 10 })
    const cut = provider.handler(ask('x', { maxTokens: 2 }), context())
    for (let turn = 0; turn < 20; turn++) await clock.advance(10)
    expect(await cut).toMatchObject({ output: { finish: 'length', message: { content: 'one two' } } })
    for (const [reason, outcome] of [['step.cancelled', { output: { finish: 'cancelled', message: { content: 'one' }, usage: { outputTokens: 1 } } }], ['step.timeout', 'step.timeout']] as const) {
      const abort = new AbortController()
      const said = provider.handler(ask('x'), context(abort.signal)).catch((error: AigenError) => error.code)
      await clock.advance(10)
      await clock.advance(5)
      abort.abort(new AigenError(reason))
      const got = await said
      if (typeof outcome === 'string') expect(got).toBe(outcome)
      else expect(got).toMatchObject(outcome)
    }
  })

  it('knows a tool\'s answer', () => {
    expect(toolAnswer({ maxTokens: 1, messages: [{ role: 'tool', content: '3', toolCallId: 'a' }] })).toBe('3')
    expect(toolAnswer(ask('x'))).toBeUndefined()
  })
})
