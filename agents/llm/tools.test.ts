import { AIMessage, type BaseMessage, type ToolMessage } from '@langchain/core/messages'
import { createReactAgent } from '@langchain/langgraph/prebuilt'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Capability } from '../../schemas/documents.gen.ts'
import { virtualClock } from '../../runtime/memory/clock.ts'
import { blobRef } from '../../runtime/identity/parcel.ts'
import { MemoryWorld, SHOUT, shouter } from '../memory-network.fixture.ts'
import { openAllowance } from '../user/allowance.ts'
import type { User } from '../user/user.ts'
import { available, type WalletContext } from '../user/wallet.machine.ts'
import { NetworkChatModel } from './chat-model.ts'
import { chatProvider } from './chat-provider.fixture.ts'
import { networkTools } from './tools.ts'

describe('the network as tools', () => {
  let world: MemoryWorld
  let user: User
  beforeEach(async () => {
    world = new MemoryWorld({ clock: virtualClock() })
    user = await world.drive(world.user('alice'))
  })
  afterEach(() => world.close())

  const left = (): bigint => available(user.node.host.context<WalletContext>('wallet')!)
  const call = (args: object): any => ({ type: 'tool_call', id: 'c1', name: 'text_shout_1', args })

  it('hires what it is called with and says what it cost', async () => {
    await world.drive(world.provider(shouter('p1', '0.01', 90)))
    await world.drive(world.provider(chatProvider('talker', ['x'])))
    const allowance = await openAllowance(user, { limit: '0.1' })
    const [tool, ...others] = networkTools({ user, allowance })
    expect(others).toEqual([])
    expect(tool).toMatchObject({ name: 'text_shout_1', description: 'Shout. Gives the text in capitals. (Each call costs money, at most 0.05.)', schema: SHOUT.input })
    const said: ToolMessage = await world.drive(tool!.invoke(call({ text: 'hi' })))
    expect(JSON.parse(said.content as string)).toEqual({ output: { text: 'HI', quality: 90 }, cost: '0.01', left: '0.09' })
    expect(said).toMatchObject({ status: 'success', tool_call_id: 'c1', artifact: { provider: 'p1', bill: { spent: '0.01' } } })
    expect(await world.drive(tool!.invoke({ text: 'ho' }))).toContain('"HO"')
  })

  it('tells the model what went wrong', async () => {
    await world.drive(world.provider(shouter('p1', '0.01', 90, { handler: async () => { throw new Error('no voice') } })))
    const allowance = await openAllowance(user, { limit: '0.05' })
    const [tool] = networkTools({ user, allowance })
    const failed: ToolMessage = await world.drive(tool!.invoke(call({ text: 'hi' })))
    expect(failed).toMatchObject({ status: 'error', tool_call_id: 'c1' })
    expect(JSON.parse(failed.content as string)).toEqual({ error: { code: 'step.failed', message: expect.stringContaining('no voice'), hint: expect.any(String) }, left: '0.05' })
    const [dear] = networkTools({ user, allowance, maxPrice: () => '0.06' })
    expect(JSON.parse((await world.drive(dear!.invoke(call({ text: 'hi' }))) as ToolMessage).content as string)).toMatchObject({ error: { code: 'budget.exhausted', hint: expect.stringContaining('Stop') } })
    await expect(world.drive(tool!.invoke(call({ txt: 'hi' })))).rejects.toThrow('schema')
    expect(left()).toBe(10_000_000n)
  })

  it('arguments that only the whole schema refuses cost nothing, and a stranger\'s pattern stalls nobody', async () => {
    const capability: Capability = { ...SHOUT, input: { type: 'object', required: ['text'], properties: { text: { type: 'string', pattern: '^(a+)+$' } } } }
    await world.drive(world.provider(shouter('p1', '0.01', 90, { capability })))
    const [tool] = networkTools({ user, allowance: await openAllowance(user, { limit: '0.1' }) })
    expect(tool!.schema).toEqual({ type: 'object', required: ['text'], properties: { text: { type: 'string', description: 'must match ^(a+)+$' } } })
    const refused: ToolMessage = await world.drive(tool!.invoke(call({ text: `${'a'.repeat(40)}!` })))
    expect(JSON.parse(refused.content as string)).toMatchObject({ error: { code: 'step.input', issues: [{ path: 'text' }] } })
    expect(left()).toBe(10_000_000n)
  })

  it('takes files it was given, by reference', async () => {
    const capability: Capability = {
      ...SHOUT, id: 'blob.size@1', input: { type: 'object', required: ['file'], properties: { file: { $ref: 'aigen:blob#image', description: 'to weigh' } } },
      output: { type: 'object', required: ['bytes'], properties: { bytes: { type: 'integer' } } },
    }
    await world.drive(world.provider(shouter('scales', '0.01', 90, { capability, handler: async ({ file }, { load }) => ({ output: { bytes: (await load(file)).length }, units: { call: 1 } }) })))
    const bytes = Buffer.from('a picture')
    const [tool] = networkTools({ user, allowance: await openAllowance(user, { limit: '0.1' }), blobs: [{ bytes, mediaType: 'image/png' }] })
    expect(tool!.schema).toMatchObject({ properties: { file: { required: ['$blob', 'size', 'mediaType'], description: expect.stringContaining('to weigh; reference to a image') } } })
    expect(await world.drive(tool!.invoke({ file: blobRef(bytes, 'image/png') }))).toContain('"bytes":9')
    const made = blobRef(Buffer.from('unknown'), 'image/png')
    expect(await world.drive(tool!.invoke({ file: made }))).toContain('blob.missing')
  })

  it('leaves out what is not sold or not asked for, and says so', async () => {
    const gone = await world.drive(world.provider(shouter('p1', '0.01', 90)))
    const twin: Capability = { ...SHOUT, id: 'text.shout-1@1' }
    await world.drive(world.provider(shouter('p2', '0.01', 90, { capability: twin })))
    await world.drive(gone.stop(0))
    const out: [string, string][] = []
    const onLeftOut = (id: string, reason: string): void => void out.push([id, reason])
    const allowance = await openAllowance(user, { limit: '0.1' })
    expect(networkTools({ user, allowance, onLeftOut }).map(({ name }) => name)).toEqual(['text_shout-1_1'])
    expect(out).toEqual([['text.shout@1', 'nobody sells it now']])
    expect(networkTools({ user, allowance, capabilities: ['data.query@1'] })).toEqual([])
  })

  it('fifty calls of tools and model at once stay within one allowance (I4)', async () => {
    await world.drive(world.provider(shouter('p1', '0.01', 90, { concurrency: 64, queue: 64 })))
    await world.drive(world.provider(chatProvider('talker', ['one two three'])))
    const allowance = await openAllowance(user, { limit: '0.2' })
    const [tool] = networkTools({ user, allowance, maxPrice: '0.02' })
    const model = new NetworkChatModel({ user, allowance, maxPrice: '0.01', attempts: 2, maxTokens: 10 })
    const before = left()
    const calls = Array.from({ length: 25 }, (_, place) => [
      tool!.invoke({ text: `${place}` }).then((said: string) => (said.includes('budget.exhausted') ? 'exhausted' : 'served')),
      model.invoke('go').then(() => 'served', (error) => (error.code === 'budget.exhausted' ? 'exhausted' : error.code as string)),
    ]).flat()
    const outcomes = await world.drive(Promise.all(calls))
    // A fiftieth each at worst: ten of fifty fit.
    expect(outcomes.toSorted()).toEqual([...Array<string>(40).fill('exhausted'), ...Array<string>(10).fill('served')])
    const { spent, reserved } = allowance.state()
    expect([reserved, BigInt(Math.round(Number(spent) * 1e6))]).toEqual(['0', before - left()])
    expect(before - left()).toBeLessThanOrEqual(200_000n)
  })

  it('a LangGraph agent reaches its goal with a hired model and hired tools, and reads that its budget is out', async () => {
    await world.drive(world.provider(shouter('p1', '0.01', 90)))
    const provider = chatProvider('mind', ({ messages }) => {
      const answers = messages.filter(({ role }) => role === 'tool').map(({ content }) => JSON.parse(content))
      if (answers.length === 0) return { toolCalls: [{ name: 'text_shout_1', arguments: { text: 'hello' } }] }
      if (answers.length === 1) return { content: 'once more', toolCalls: [{ name: 'text_shout_1', arguments: { text: 'again' } }] }
      return `It says ${answers[0].output.text}; then ${answers[1].error?.code ?? answers[1].output.text}.`
    })
    await world.drive(world.provider(provider))
    const ask = async (limit: string): Promise<BaseMessage[]> => {
      const allowance = await openAllowance(user, { limit })
      const agent = createReactAgent({ llm: new NetworkChatModel({ user, allowance, maxPrice: '0.005', attempts: 1, maxTokens: 100 }), tools: networkTools({ user, allowance, maxPrice: '0.02' }) })
      const { messages } = await world.drive(agent.invoke({ messages: [{ role: 'user', content: 'Shout hello.' }] }))
      expect(Number(allowance.state().spent)).toBeLessThanOrEqual(Number(limit))
      return messages
    }
    expect((await ask('0.06')).at(-1)).toMatchObject({ content: 'It says HELLO; then AGAIN.' })
    expect((await ask('0.026')).at(-1)).toMatchObject({ content: 'It says HELLO; then budget.exhausted.' })
    expect((await ask('0.026')).filter((one) => one instanceof AIMessage)).toHaveLength(3)
    expect(provider.asked[0]!.tools).toMatchObject([{ name: 'text_shout_1', parameters: { type: 'object', required: ['text'] } }])
  })
})
