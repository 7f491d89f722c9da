/**
 * The floor's journal: appends to a stream by compare-and-swap, one in flight, what arrives meanwhile
 * grouped into the next. The raw NATS client and nothing of ours. Used by `floor`, `floor-worker`
 * and `actors`.
 */
import { headers, type NatsConnection } from '@nats-io/nats-core'
import { jetstreamManager } from '@nats-io/jetstream'

const STREAM = 'BENCH_FLOOR'
const SUBJECT = 'bench.floor'
const GROUP_MAX = 512

/** One append in flight; resolves once the caller's bytes are durable. */
export class GroupedAppends {
  readonly #nc: NatsConnection
  #waiting: { readonly data: Uint8Array; readonly done: () => void; readonly fail: (error: unknown) => void }[] = []
  #working = false
  #last = 0

  private constructor(nc: NatsConnection) {
    this.#nc = nc
  }

  /** On an empty stream. */
  static async open(nc: NatsConnection): Promise<GroupedAppends> {
    const jsm = await jetstreamManager(nc, { checkAPI: false })
    await jsm.streams.delete(STREAM).catch(() => false)
    await jsm.streams.add({ name: STREAM, subjects: [SUBJECT] })
    return new GroupedAppends(nc)
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
        const answer = await this.#nc.request(SUBJECT, Buffer.concat(group.map(({ data }) => data)), { timeout: 5_000, headers: set })
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
