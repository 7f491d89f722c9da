/** Over a real NATS server: a run is followed by its journal and steered over the wire, and its node stays its owner. */
import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { rehearse } from '../../runtime/actors/rehearse.ts'
import { authorise } from '../../runtime/identity/authorisation.ts'
import { nodeSigner } from '../../runtime/identity/ed25519.ts'
import { createWire, type Wire } from '../../runtime/identity/wire.ts'
import { participantId } from '../../schemas/id.ts'
import { KINDS } from '../kinds.ts'
import { SHOUT, shouter } from '../memory-network.fixture.ts'
import { RealWorld } from '../real-network.fixture.ts'
import { controlFrom } from './control.ts'
import { followRun, type StepRow } from './follow.ts'
import { runReport } from './inspect.ts'
import { readRuns } from './read.ts'
import { finishRun, startRun } from './run.ts'
import { runLine } from './run-line.ts'

const step = (text: string): object => ({ uses: SHOUT.id, with: { text }, price: { max: '0.02' }, sla: { deadline: '20s' } })
const document = {
  name: 'shout', version: '1.0.0', input: { type: 'object' }, budget: { max: '0.10' },
  steps: { a: step('a'), b: step('${steps.a.text + "b"}'), c: step('${steps.b.text + "c"}') }, output: '${steps.c.text}',
}

describe('on a real NATS server', () => {
  let world: RealWorld
  const worked: string[] = []
  /** Lets the provider go on with the text it works on. */
  let go = (): void => undefined
  beforeAll(async () => {
    world = await RealWorld.open()
    await world.provider(shouter('one', '0.01', 90, {
      handler: async ({ text }: { text: string }) => {
        if (text === 'a') await new Promise<void>((resolve) => (go = resolve))
        worked.push(text)
        return { output: { text: text.toUpperCase(), quality: 90 }, units: { call: 1 } }
      },
    }))
  })
  afterAll(() => world?.close())

  async function asker(name: string): Promise<{ wire: Wire; ports: Awaited<ReturnType<RealWorld['beside']>>['ports'] }> {
    const { keys, ports } = await world.beside(name)
    const { bus, clock, random } = ports
    const node = nodeSigner(createHash('sha256').update(`${name} asker`).digest())
    return { ports, wire: createWire({ bus, clock, random, node, authorisation: await authorise(keys.wallet, node.publicKey, { notBefore: clock.now() - 1_000, notAfter: clock.now() + 86_400_000 }, clock.now()) }) }
  }

  it('a run is watched, paused, signalled, asked and resumed from beside, and nobody else is heard', async () => {
    const user = await world.user('alice')
    const run = await startRun(user, { document, inputs: {} })
    await user.node.host.until(`step/${run}/a`, ({ value }) => value === 'invoking', 30_000)
    const { wire, ports } = await asker('alice')
    const read = await readRuns(ports)
    const rows: StepRow[] = []
    const followed = await followRun(read, run, (row) => void rows.push(row))
    const until = async (state: string): Promise<void> => {
      for (let look = 0; (await runLine(read, run)).state !== state; look++) {
        expect(look, `${state}, at last; it is ${(await runLine(read, run)).state}`).toBeLessThan(300)
        await ports.clock.sleep(100)
        await read.refresh()
      }
    }
    const say = (want: 'pause' | 'resume' | 'signal' | 'query', more: object = {}) => controlFrom(wire, { run, want, ...more }, ports.random.bytes(16))

    const stranger = await asker('mallory')
    await expect(stranger.wire.call(participantId(user.node.participant), 'control', { run, want: 'cancel' }, { callId: 'm-1', timeoutMs: 5_000, validate: (value) => value })).rejects.toMatchObject({ code: 'auth.unauthorised' })
    expect(await say('pause')).toEqual({ state: 'pausing' })
    await until('pausing')
    go()
    await until('paused')
    await say('signal', { name: 'note', data: { by: 'ann' } })
    expect(await say('query', { name: 'steps.a.output.text' })).toEqual({ state: 'paused', value: 'A' })
    await read.refresh()
    expect(await runReport(read, run)).toEqual(await runReport(user.node.host, run))
    expect(await runReport(read, run)).toMatchObject({ state: 'paused', spent: '0.01', signals: [{ name: 'note', data: { by: 'ann' } }], steps: [{ step: 'a', state: 'done', provider: 'one', attempts: [{ charged: '0.01' }] }, { state: 'waiting' }, { state: 'waiting' }] })
    expect(worked).toEqual(['a'])

    expect(await say('resume')).toEqual({ state: 'running' })
    await until('done')
    followed.stop()
    expect(rows.filter(({ state }) => state === 'done').map(({ step: name, charged }) => [name, charged])).toEqual([['a', '0.01'], ['b', '0.01'], ['c', '0.01']])
    const { output, bill } = await finishRun(user, run, 10_000)
    expect([output, bill.settled, worked]).toEqual(['ABC', '0.03', ['a', 'Ab', 'ABc']])

    const { last, epoch } = user.node.host.stats()
    const found = await rehearse({ journal: ports.journal, clock: ports.clock, kinds: KINDS })
    expect(found).toMatchObject({ breaks: [], parked: [], changed: 0 })
    expect(user.node.host.stats(), 'whoever looked wrote nothing and took nothing over').toMatchObject({ last, epoch })
  })
})
