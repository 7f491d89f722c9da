/**
 * The floor that our step is measured against (DESIGN, Cost of one step): one request and reply with
 * another process, then one append to a stream by compare-and-swap, one append in flight, what
 * arrives meanwhile grouped into the next. The raw NATS client and nothing of ours.
 */
import { headers, type NatsConnection } from '@nats-io/nats-core'
import { jetstreamManager } from '@nats-io/jetstream'
import { connectNats } from '../runtime/nats/connection.ts'
import { ownCpuMs, startChild } from './child.ts'
import type { Ground } from './ground.ts'
import type { Measured } from './line.ts'
import { cpuMsOf } from './samples.ts'

const STREAM = 'BENCH_FLOOR'
const ECHO = 'bench.echo'
const GROUP_MAX = 512
/** Bytes of a request and of one step's part of a record: about those of a small call. */
const PAYLOAD = new Uint8Array(256).fill(120)

/** One append in flight; resolves once the caller's bytes are durable. */
class GroupedAppends {
  readonly #nc: NatsConnection
  #waiting: { readonly data: Uint8Array; readonly done: () => void; readonly fail: (error: unknown) => void }[] = []
  #working = false
  #last: number

  constructor(nc: NatsConnection, last: number) {
    this.#nc = nc
    this.#last = last
  }

  append(data: Uint8Array): Promise<void> {
    return new Promise((done, fail) => {
      this.#waiting.push({ data, done, fail })
      if (!this.#working) void this.#work()
    })
  }

  async #work(): Promise<void> {
    this.#working = true
    while (this.#waiting.length > 0) {
      const group = this.#waiting.splice(0, GROUP_MAX)
      const set = headers()
      set.append('Nats-Expected-Last-Sequence', `${this.#last}`)
      try {
        const answer = await this.#nc.request('bench.floor', Buffer.concat(group.map(({ data }) => data)), { timeout: 5_000, headers: set })
        const ack = answer.json<{ seq?: number; error?: { description: string } }>()
        if (ack.seq === undefined) throw new Error(`append: ${ack.error?.description ?? 'no sequence'}`)
        this.#last = ack.seq
        for (const { done } of group) done()
      } catch (error) {
        for (const { fail } of group) fail(error)
      }
    }
    this.#working = false
  }
}

/** `concurrency` workers, each doing steps one after another for `seconds`. */
export async function measureFloor(ground: Ground, concurrency: number, seconds: number): Promise<Measured> {
  const { seat } = await ground.seat('floor')
  // both sides on one account, as caller and callee are
  const network = await connectNats(seat.connections.journal, 'bench floor')
  const journal = await connectNats(seat.connections.journal, 'bench floor journal')
  const responder = await startChild('responder', { credentials: seat.connections.journal, subject: ECHO })
  try {
    const jsm = await jetstreamManager(journal.nc, { checkAPI: false })
    await jsm.streams.delete(STREAM).catch(() => false)
    await jsm.streams.add({ name: STREAM, subjects: ['bench.floor'] })
    const appends = new GroupedAppends(journal.nc, 0)
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
