/**
 * Carries what partitions tell each other (D2): in order, a group at a time, until it is durably
 * heard on the other side, and again after a restart. Used by `host` only.
 */
import type { Clock } from '../ports/clock.ts'
import { encode } from './codec.ts'
import type { Partition } from './partition.ts'
import type { Send } from './record.ts'

/** Messages of one channel under way at once, and bytes of them, about: a group is one message between nodes. */
const GROUP_MAX = 512
const GROUP_BYTES = 500_000
/** Pause after a group that did not arrive, in ms. */
const PAUSE_MS = 200

/** Brings messages to a partition, here or on another node; resolves when they are durably heard. */
export type Hear = (to: number, from: number, sends: readonly Send[]) => Promise<void>

export class Courier {
  readonly #clock: Clock
  readonly #hear: Hear
  readonly #owned: (partition: number) => Partition | undefined
  /** Channels that are being served. */
  readonly #busy = new Set<string>()
  #stopped = false

  constructor(clock: Clock, owned: (partition: number) => Partition | undefined, hear: Hear) {
    this.#clock = clock
    this.#owned = owned
    this.#hear = hear
  }

  /** Sees to it that what waits in the outbox of partition `from` arrives, for as long as this node owns it. */
  carry(from: number): void {
    if (this.#stopped) return
    for (const to of this.#owned(from)?.fold.channels.outbox.keys() ?? []) {
      const channel = `${from}>${to}`
      if (this.#busy.has(channel)) continue
      this.#busy.add(channel)
      void this.#serve(from, to).finally(() => {
        this.#busy.delete(channel)
        // Whoever took the partition meanwhile found the channel served.
        if (this.#waits(from, to)) this.carry(from)
      })
    }
  }

  /** Carries nothing more: what waits is in the journal, for whoever owns it next. */
  stop(): void {
    this.#stopped = true
  }

  async #serve(from: number, to: number): Promise<void> {
    const source = this.#owned(from)
    if (!source) return
    for (let heard = source.heardBy(to); this.#owned(from) === source && !this.#stopped;) {
      const group = groupOf((source.fold.channels.outbox.get(to) ?? []).filter(({ number }) => number > heard))
      const last = group.at(-1)?.number
      if (last === undefined) return
      try {
        await this.#hear(to, from, group)
        heard = last
        source.heard(to, last)
      } catch {
        // From the first that is not known to be heard: who has it already passes it over.
        heard = source.heardBy(to)
        await this.#clock.sleep(PAUSE_MS)
      }
    }
  }

  #waits(from: number, to: number): boolean {
    const owned = this.#owned(from)
    return (owned?.fold.channels.outbox.get(to) ?? []).some(({ number }) => number > owned!.heardBy(to))
  }
}

function groupOf(sends: readonly Send[]): readonly Send[] {
  let bytes = 0
  let count = 0
  while (count < sends.length && count < GROUP_MAX && (count === 0 || bytes < GROUP_BYTES)) bytes += encode(sends[count++]!.event).length
  return sends.slice(0, count)
}
