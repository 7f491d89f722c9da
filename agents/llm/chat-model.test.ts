import { HumanMessage } from '@langchain/core/messages'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { virtualClock, type VirtualClock } from '../../runtime/memory/clock.ts'
import { MemoryWorld } from '../memory-network.fixture.ts'
import { openAllowance } from '../user/allowance.ts'
import type { User } from '../user/user.ts'
import { available, type WalletContext } from '../user/wallet.machine.ts'
import { NetworkChatModel, type NetworkChatModelOptions } from './chat-model.ts'
import { chatProvider, type ChatProviderOptions, type ChatScript } from './chat-provider.fixture.ts'

describe('a chat model hired on the network', () => {
  let world: MemoryWorld
  let clock: VirtualClock
  let user: User
  beforeEach(async () => {
    world = new MemoryWorld({ clock: (clock = virtualClock()) })
    user = await world.drive(world.user('alice'))
  })
  afterEach(() => world.close())

  const model = (options: Partial<NetworkChatModelOptions> = {}): NetworkChatModel => new NetworkChatModel({ user, maxTokens: 50, ...options })
  const sell = async (name: string, script: ChatScript, options: ChatProviderOptions = {}): Promise<ReturnType<typeof chatProvider>> => {
    const provider = chatProvider(name, script, options)
    await world.drive(world.provider(provider))
    return provider
  }
  const left = (): bigint => available(user.node.host.context<WalletContext>('wallet')!)

  it('answers, and says what was used, who did it and what it cost', async () => {
    await sell('parrot', ({ messages }) => `you said ${messages.at(-1)!.content}`)
    const answer = await world.drive(model().invoke('hello there'))
    expect(answer.text).toBe('you said hello there')
    expect(answer.usage_metadata).toEqual({ input_tokens: 2, output_tokens: 4, total_tokens: 6 })
    expect(answer.response_metadata).toMatchObject({ provider: 'parrot', price: '0.000018', model_name: 'scripted', finish_reason: 'stop', run: expect.stringMatching(/^run_/) })
    expect(left()).toBe(10_000_000n - 18n)
  })

  it('streams the answer; the pieces make it up, the last one counts it', async () => {
    await sell('parrot', ['one two three'])
    const read = async (): Promise<any[]> => {
      const chunks = []
      for await (const chunk of await model().stream('go')) chunks.push(chunk)
      return chunks
    }
    const chunks = await world.drive(read())
    const whole = chunks.reduce((sum, chunk) => sum.concat(chunk))
    expect(whole.content).toBe('one two three')
    expect(whole.usage_metadata).toMatchObject({ input_tokens: 1, output_tokens: 3, total_tokens: 4 })
    expect(chunks.at(-1).response_metadata).toMatchObject({ provider: 'parrot' })
  })

  it('passes a word on when it is said, not when all are', async () => {
    await sell('slow', ['one two three four'], { clock, wordMs: 1_000 })
    const heard: [string, number][] = []
    const start = clock.monotonic()
    const read = async (): Promise<void> => {
      for await (const { text } of await model().stream('go')) if (text !== '') heard.push([text, Math.round((clock.monotonic() - start) / 1_000)])
    }
    await world.drive(read())
    expect(heard.map(([text]) => text)).toEqual(['one', ' two', ' three', ' four'])
    expect(heard[2]![1]).toBeGreaterThan(heard[0]![1])
    expect(heard[3]![1]).toBeGreaterThan(heard[1]![1])
  })

  it('calls tools, whole and in pieces, and hands their answers back', async () => {
    const provider = await sell('caller', (input) => (input.messages.at(-1)!.role === 'tool' ? 'it is 3' : { toolCalls: [{ name: 'add', arguments: { a: 1, b: 2 } }] }))
    const bound = model().bindTools([{ name: 'add', description: 'Adds.', schema: z.object({ a: z.number(), b: z.number() }) }])
    const called = await world.drive(bound.invoke('1 + 2?'))
    expect(called.tool_calls).toEqual([{ id: 'call_0_0', name: 'add', args: { a: 1, b: 2 }, type: 'tool_call' }])
    expect(provider.asked[0]!.tools).toMatchObject([{ name: 'add', description: 'Adds.', parameters: { type: 'object', required: ['a', 'b'] } }])
    const read = async (): Promise<any> => {
      let whole: any
      for await (const chunk of await bound.stream('1 + 2?')) whole = whole === undefined ? chunk : whole.concat(chunk)
      return whole
    }
    expect((await world.drive(read())).tool_calls).toMatchObject([{ name: 'add', args: { a: 1, b: 2 } }])
    const done = await world.drive(bound.invoke([new HumanMessage('1 + 2?'), called, { role: 'tool', content: '3', tool_call_id: 'call_0_0' }]))
    expect(done.text).toBe('it is 3')
    expect(provider.asked.at(-1)!.messages).toEqual([
      { role: 'user', content: '1 + 2?' }, { role: 'assistant', content: '', toolCalls: [{ id: 'call_0_0', name: 'add', arguments: '{"a":1,"b":2}' }] }, { role: 'tool', content: '3', toolCallId: 'call_0_0' },
    ])
  })

  it('arguments that are no JSON become an invalid tool call, not a loss', async () => {
    await sell('sloppy', [{ toolCalls: [{ name: 'add', arguments: '{"a":' }] }])
    const called = await world.drive(model().invoke('go'))
    expect(called.tool_calls).toEqual([])
    expect(called.invalid_tool_calls).toMatchObject([{ name: 'add', args: '{"a":' }])
  })

  it('gives structured output by a forced call and by JSON', async () => {
    const schema = z.object({ river: z.string(), km: z.number() })
    const provider = await sell('formal', (input) => (input.json === undefined ? { toolCalls: [{ name: input.toolChoice!, arguments: { river: 'Elbe', km: 1094 } }] } : '{"river":"Elbe","km":1094}'))
    for (const method of ['functionCalling', 'jsonSchema', 'jsonMode']) {
      expect(await world.drive(model().withStructuredOutput(schema, { name: 'river', method }).invoke('which?'))).toEqual({ river: 'Elbe', km: 1094 })
    }
    expect(provider.asked.map(({ json, toolChoice }) => [typeof json, toolChoice])).toEqual([['undefined', 'river'], ['object', undefined], ['boolean', undefined]])
    expect(() => model().withStructuredOutput(schema, { strict: true })).toThrow(expect.objectContaining({ code: 'usage.invalid' }))
  })

  it('what the call says counts before what the model was made with', async () => {
    const provider = await sell('p', ['ok'])
    await world.drive(model({ temperature: 0, stop: ['A'], seed: 1, model: 'big' }).invoke('x', { stop: ['B'], temperature: 1, maxTokens: 7, tool_choice: 'any', tools: [{ name: 'f', input_schema: { type: 'object' } }] }))
    expect(provider.asked[0]).toEqual({
      messages: [{ role: 'user', content: 'x' }], maxTokens: 7, temperature: 1, stop: ['B'], seed: 1, model: 'big', toolChoice: 'required', tools: [{ name: 'f', parameters: { type: 'object' } }],
    })
  })

  it('an aborted call is given up; what had been made is paid, and nothing more', async () => {
    const provider = await sell('slow', ['one two three four five six'], { clock, wordMs: 1_000 })
    const abort = new AbortController()
    const asked = model().invoke('x', { signal: abort.signal })
    const timer = clock.timer(clock.now() + 2_500, () => abort.abort())
    await expect(world.drive(asked)).rejects.toThrow()
    timer.cancel()
    await world.drive(user.node.host.until([...user.node.host.list('run')].at(-1)!.id, ({ status }) => status === 'done', 120_000))
    expect(provider.asked).toHaveLength(1)
    // One word read and one, two or three of six written: a whole answer would have been 25 units.
    expect([5n, 9n, 13n]).toContain(10_000_000n - left())
    const gone = new AbortController()
    gone.abort()
    await expect(model().invoke('x', { signal: gone.signal })).rejects.toThrow()
    expect(provider.asked).toHaveLength(1)
  })

  it('whoever stops reading gives the call up', async () => {
    await sell('slow', ['one two three four five six seven eight'], { clock, wordMs: 1_000 })
    const read = async (): Promise<void> => {
      for await (const _chunk of await model().stream('x')) return
    }
    await world.drive(read())
    const run = [...user.node.host.list('run')].at(-1)!
    await world.drive(user.node.host.until(run.id, ({ status }) => status === 'done', 120_000))
    expect(10_000_000n - left()).toBeLessThanOrEqual(34n)
  })

  it('goes elsewhere where nothing was said, and says why nobody could', async () => {
    await sell('broken', [{ error: new Error('down') as never }], { price: { list: '0.0005' } })
    await expect(world.drive(model().invoke('x'))).rejects.toMatchObject({ code: 'step.failed' })
    await sell('sound', ['here'])
    expect((await world.drive(model().invoke('x'))).response_metadata).toMatchObject({ provider: 'sound' })
    await expect(world.drive(model({ maxPrice: '0.000001' }).invoke('x'))).rejects.toMatchObject({ code: 'market.no-provider' })
  })

  it('a picture is refused before anything is spent', async () => {
    await sell('p', ['ok'])
    const picture = new HumanMessage({ content: [{ type: 'text', text: 'what is it?' }, { type: 'image_url', image_url: { url: 'data:image/png;base64,AA==' } }] })
    await expect(world.drive(model().invoke([picture]))).rejects.toMatchObject({ code: 'step.input', path: 'messages.0.content.1' })
    expect(left()).toBe(10_000_000n)
  })

  it('stays within an allowance', async () => {
    await sell('p', ['one two three'])
    const allowance = await openAllowance(user, { limit: '0.0401' })
    const frugal = model({ allowance })
    await world.drive(frugal.invoke('x'))
    await world.drive(frugal.invoke('x'))
    expect(allowance.state()).toEqual({ limit: '0.0401', spent: '0.000026', reserved: '0', left: '0.040074' })
    await expect(world.drive(model({ allowance, maxPrice: '0.03' }).invoke('x'))).rejects.toMatchObject({ code: 'budget.exhausted' })
  })
})
