/**
 * Carries what partitions of one host tell each other (D2): in order, a group at a time, until it is
 * durably heard on the other side, and again after a restart. Used by `host` only.
 */
import type { Partition } from './partition.ts'

/** Messages of one channel under way at once. */
const GROUP_MAX = 512

export class Courier {
  readonly #partitions: readonly Partition[]
  /** By channel: whether it is being served, and the last message that was heard. */
  readonly #busy = new Set<string>()
  readonly #heard = new Map<string, number>()

  constructor(partitions: readonly Partition[]) {
    this.#partitions = partitions
  }

  /** Sees to it that what waits in the outbox of partition `from` arrives. */
  carry(from: number): void {
    for (const to of this.#partitions[from]!.fold.channels.outbox.keys()) {
      const channel = `${from}>${to}`
      if (this.#busy.has(channel)) continue
      this.#busy.add(channel)
      void this.#serve(from, to, channel).finally(() => this.#busy.delete(channel))
    }
  }

  async #serve(from: number, to: number, channel: string): Promise<void> {
    const source = this.#partitions[from]!
    for (;;) {
      const heard = this.#heard.get(channel) ?? 0
      const group = (source.fold.channels.outbox.get(to) ?? []).filter(({ number }) => number > heard).slice(0, GROUP_MAX)
      const last = group.at(-1)?.number
      if (last === undefined) return
      await this.#partitions[to]!.hear(from, group)
      this.#heard.set(channel, last)
      source.heard(to, last)
    }
  }
}
