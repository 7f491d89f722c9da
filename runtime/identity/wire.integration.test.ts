/** The wire on a real NATS server, with each participant's own credentials (D4, D5). */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { seededRandom } from '../memory/random.ts'
import { natsBus } from '../nats/bus.ts'
import { connectNats } from '../nats/connection.ts'
import { disposableServer, type DisposableServer } from '../nats/disposable-server.fixture.ts'
import { virtualClock } from '../memory/clock.ts'
import type { Bus } from '../ports/bus.ts'
import type { Clock } from '../ports/clock.ts'
import { memoryExporter } from '../telemetry/exporter.ts'
import { createTelemetry } from '../telemetry/trace.ts'
import { codeOfAsync, party, START } from './two-nodes.fixture.ts'
import { createWire, type Wire } from './wire.ts'

const alice = party('alice')
const bob = party('bob')
const to = bob.self.participant
const any = (body: unknown): unknown => body

describe('wire on NATS', () => {
  let server: DisposableServer
  const buses: Bus[] = []
  const exporter = memoryExporter()
  // the time of the keys' authorisations, which stands still; the bus keeps its own
  const clock: Clock = virtualClock(START)
  let [a, b]: Wire[] = []

  beforeAll(async () => {
    server = await disposableServer()
    const wires = await Promise.all([alice, bob].map(async (who) => {
      const id = who.self.participant
      const bus = natsBus(await connectNats((await server.admit(id)).network, id))
      buses.push(bus)
      const telemetry = createTelemetry({ clock, random: seededRandom(id), processor: exporter.processor })
      return createWire({ bus, clock, random: who.random, node: who.node, authorisation: who.authorisation, telemetry })
    }))
    a = wires[0]
    b = wires[1]
    b!.serve('echo', any, async (body) => body)
    await b!.start()
    await buses[1]!.flush()
  }, 60_000)

  afterAll(async () => {
    await b?.stop()
    await Promise.all(buses.map((bus) => bus.close()))
    await server?.end()
  })

  it('calls, 64 at a time, in one session and one trace each', async () => {
    const answers = await Promise.all(Array.from({ length: 64 }, (_, n) => a!.call(to, 'echo', { n }, { callId: `c${n}`, timeoutMs: 5_000 })))
    expect(answers).toEqual(Array.from({ length: 64 }, (_, n) => ({ n })))
    const traces = new Map<string, number>()
    for (const span of exporter.spans()) {
      const { traceId } = span.spanContext()
      traces.set(traceId, (traces.get(traceId) ?? 0) + 1)
    }
    expect([...traces.values()]).toEqual(Array.from({ length: 64 }, () => 2))
  })

  it('carries a body of nearly 1 MB and refuses more before it leaves', async () => {
    const body = 'x'.repeat(1_000_000)
    expect(await a!.call(to, 'echo', body, { callId: 'big', timeoutMs: 5_000 })).toBe(body)
    expect(await codeOfAsync(a!.call(to, 'echo', `${body}${body}`, { callId: 'bigger', timeoutMs: 5_000 }))).toBe('input.too-large')
  })

  it('heals a session that the other side lost, and meets a node by name', async () => {
    b!.forget()
    expect(await a!.call(to, 'echo', 1, { callId: 'again', timeoutMs: 5_000 })).toBe(1)
    a!.forget()
    expect(await a!.call(to, 'echo', 2, { callId: 'named', timeoutMs: 5_000, node: b!.node })).toBe(2)
    expect(await codeOfAsync(b!.call(alice.self.participant, 'echo', 1, { callId: 'nobody', timeoutMs: 2_000 }))).toBe('network.no-responders')
  })
})
