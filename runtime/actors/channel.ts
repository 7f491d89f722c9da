/**
 * What the actors of one partition tell those of another: a journaled outbox on the one side, the
 * number of the last message heard on the other (D2). Messages of a channel are numbered from 1 and
 * heard in order, each once, whoever dies in between. Part of a fold.
 */
import type { Send } from './record.ts'

/** A partition's channels as plain data, for checkpoints. */
export interface ChannelState {
  readonly outbox: readonly Send[]
  readonly last: readonly (readonly [number, number])[]
  readonly heard: readonly (readonly [number, number])[]
}

export class Channels {
  /** Not known to be heard, by partition, oldest first. */
  readonly outbox = new Map<number, Send[]>()
  /** Number of the last message sent to, and heard from, each partition. */
  readonly #last = new Map<number, number>()
  readonly #heard = new Map<number, number>()

  lastTo(partition: number): number {
    return this.#last.get(partition) ?? 0
  }

  heardFrom(partition: number): number {
    return this.#heard.get(partition) ?? 0
  }

  /** Takes messages of a line; those that are there already are passed over. */
  send(sends: readonly Send[]): void {
    for (const send of sends) {
      if (send.number <= this.lastTo(send.at)) continue
      this.#last.set(send.at, send.number)
      const queue = this.outbox.get(send.at)
      if (queue) queue.push(send)
      else this.outbox.set(send.at, [send])
    }
  }

  /** The other side has heard up to `through`. */
  sent(partition: number, through: number): void {
    const queue = this.outbox.get(partition)
    if (!queue) return
    queue.splice(0, queue.findIndex(({ number }) => number > through) >>> 0)
    if (queue.length === 0) this.outbox.delete(partition)
  }

  hear(partition: number, number: number): void {
    if (number > this.heardFrom(partition)) this.#heard.set(partition, number)
  }

  state(): ChannelState {
    return { outbox: [...this.outbox.values()].flat(), last: [...this.#last], heard: [...this.#heard] }
  }

  restore({ outbox, last, heard }: ChannelState): void {
    for (const send of outbox) this.outbox.set(send.at, [...(this.outbox.get(send.at) ?? []), send])
    for (const [partition, number] of last) this.#last.set(partition, number)
    for (const [partition, number] of heard) this.#heard.set(partition, number)
  }
}
