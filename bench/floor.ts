/**
 * The floor that our step is measured against (DESIGN, Cost of one step): one request and reply with
 * another process, then one append to a stream by compare-and-swap, one append in flight, what
 * arrives meanwhile grouped into the next. The raw NATS client and nothing of ours.
 */
import { connectNats } from '../runtime/nats/connection.ts'
import { ownCpuMs, startChild } from './child.ts'
import { GroupedAppends } from './grouped-appends.ts'
import type { Ground } from './ground.ts'
import type { Measured } from './line.ts'
import { cpuMsOf } from './samples.ts'

const ECHO = 'bench.echo'
/** Bytes of a request and of one step's part of a record: about those of a small call. */
const PAYLOAD = new Uint8Array(256).fill(120)

/** `concurrency` workers, each doing steps one after another for `seconds`. */
export async function measureFloor(ground: Ground, concurrency: number, seconds: number): Promise<Measured> {
  const { seat } = await ground.seat('floor')
  // both sides on one account, as caller and callee are
  const network = await connectNats(seat.connections.journal, 'bench floor')
  const journal = await connectNats(seat.connections.journal, 'bench floor journal')
  const responder = await startChild('responder', { credentials: seat.connections.journal, subject: ECHO })
  try {
    const appends = await GroupedAppends.open(journal.nc)
    const step = async (): Promise<void> => {
      await network.nc.request(ECHO, PAYLOAD, { timeout: 5_000 })
      await appends.append(PAYLOAD)
    }
    await Promise.all(Array.from({ length: concurrency }, async () => { for (let at = 0; at < 100; at++) await step() }))
    const cpu = { self: ownCpuMs(), child: await responder.cpuMs(), nats: cpuMsOf(ground.nats.pid) }
    const from = performance.now()
    const latencies: number[] = []
    await Promise.all(Array.from({ length: concurrency }, async () => {
      while (performance.now() - from < seconds * 1_000) {
        const begun = performance.now()
        await step()
        latencies.push(performance.now() - begun)
      }
    }))
    const wallMs = performance.now() - from
    const nats = cpuMsOf(ground.nats.pid)
    return {
      system: 'floor', concurrency, workflows: concurrency, steps: latencies.length, latencies, wallMs,
      cpuMs: ownCpuMs() - cpu.self + (await responder.cpuMs()) - cpu.child,
      natsCpuMs: nats !== undefined && cpu.nats !== undefined ? nats - cpu.nats : undefined,
    }
  } finally {
    await responder.stop()
    await network.close()
    await journal.close()
  }
}
