/**
 * Several nodes of one participant share its partitions (D2, D4): each says twice a second which it
 * holds, on the participant's own account, and from who is heard follows, without anybody deciding,
 * who should hold which (rendezvous hashing; Thaler and Ravishankar, 1998). A node gives up what
 * another should hold, and takes what it should hold once nobody does. That two believe it for a
 * moment costs nothing but an epoch: the journal's fence decides (I6). Used by `host` only.
 */
import { createHash } from 'node:crypto'
import type { Bus, Subscription } from '../ports/bus.ts'
import type { Clock, Timer } from '../ports/clock.ts'
import { decode, encode } from './codec.ts'

/** How often a node says what it holds, in ms. */
const BEAT_MS = 500
/** A node that is not heard for so long is gone, in ms. */
const GONE_MS = 2_500
/** How often a node that writes nothing looks whether another has written, in ms. */
const DOUBT_MS = 2_500
/** A new node listens so long before it takes anything, in ms. */
const LISTEN_MS = 1_200
/** Nodes of one participant. */
const NODES_MAX = 64

export interface FleetOptions {
  readonly bus: Bus
  /** Name of this node: letters, digits, `_` and `-`. */
  readonly node: string
  /** Of the partitions' names. */
  readonly prefix: string
  readonly clock: Clock
  readonly partitions: number
  /** Partitions that this node holds. */
  readonly holds: () => readonly number[]
  readonly take: (partition: number) => Promise<void>
  readonly giveUp: (partition: number) => Promise<void>
  /**
   * What this node holds may be another's by now: ask the journal. `lapsed` when it was stopped for
   * longer than others wait; else now and then, since a node that the others do not hear may not hear it.
   */
  readonly doubt: (lapsed: boolean) => void
}

interface Beat {
  readonly node: string
  readonly holds: readonly number[]
  readonly leaving: boolean
}

export class Fleet {
  readonly #options: FleetOptions
  readonly #others = new Map<string, Beat & { readonly heardAt: number }>()
  readonly #busy = new Set<number>()
  #listening: Subscription | undefined
  #timer: Timer | undefined
  #begunAt = 0
  #tickedAt = 0
  #doubtedAt = 0
  #leaving = false

  constructor(options: FleetOptions) {
    this.#options = options
  }

  get node(): string {
    return this.#options.node
  }

  /** Begins to listen and to be heard; it takes its partitions some time later. */
  async start(): Promise<void> {
    const { bus, clock } = this.#options
    this.#listening = await bus.subscribe(this.#subject, ({ data }) => this.#hear(data))
    this.#begunAt = this.#tickedAt = this.#doubtedAt = clock.monotonic()
    this.#tick()
  }

  /** Those that are there, this one included. */
  get nodes(): readonly string[] {
    return [this.node, ...this.#live().filter(({ leaving }) => !leaving).map(({ node }) => node)]
  }

  /** The node that says it holds the partition; this one included. */
  holderOf(partition: number): string | undefined {
    if (this.#options.holds().includes(partition)) return this.node
    return this.#live().find(({ holds }) => holds.includes(partition))?.node
  }

  /** Gives everything up, so that others take it without waiting for this node to be missed. */
  async stop(): Promise<void> {
    this.#leaving = true
    this.#timer?.cancel()
    await Promise.all(this.#options.holds().map((partition) => this.#options.giveUp(partition)))
    this.#beat()
    await this.#listening?.stop()
  }

  get #subject(): string {
    return `fleet.${this.#options.prefix}.alive`
  }

  #hear(data: Uint8Array): void {
    const beat = decode(data) as Beat
    if (beat.node === this.node || (!this.#others.has(beat.node) && this.#others.size >= NODES_MAX)) return
    this.#others.set(beat.node, { ...beat, heardAt: this.#options.clock.monotonic() })
    if (!this.#leaving) this.#settle()
  }

  #live(): (Beat & { readonly heardAt: number })[] {
    const now = this.#options.clock.monotonic()
    return [...this.#others.values()].filter(({ heardAt }) => now - heardAt <= GONE_MS)
  }

  #tick(): void {
    const { clock, doubt } = this.#options
    const now = clock.monotonic()
    const lapsed = now - this.#tickedAt > GONE_MS
    if (lapsed || now - this.#doubtedAt >= DOUBT_MS) {
      doubt(lapsed)
      this.#doubtedAt = now
    }
    this.#tickedAt = now
    for (const [node, { heardAt }] of this.#others) if (now - heardAt > GONE_MS) this.#others.delete(node)
    this.#beat()
    this.#settle()
    this.#timer = clock.timer(clock.now() + BEAT_MS, () => this.#tick())
  }

  #beat(): void {
    const { bus, node, holds } = this.#options
    try {
      bus.publish(this.#subject, encode({ node, holds: holds(), leaving: this.#leaving } satisfies Beat))
    } catch {
      // Not heard is what the others make of it; whether anything is still owned, the journal says.
    }
  }

  /** Takes what this node should hold and nobody does; gives up what another should. */
  #settle(): void {
    const { clock, partitions, holds, take, giveUp } = this.#options
    if (clock.monotonic() - this.#begunAt < LISTEN_MS) return
    const others = this.#live()
    const nodes = [this.node, ...others.filter(({ leaving }) => !leaving).map(({ node }) => node)]
    const mine = holds()
    for (let partition = 0; partition < partitions; partition++) {
      if (this.#busy.has(partition)) continue
      const first = firstChoice(partition, nodes)
      if (first === this.node && !mine.includes(partition) && !others.some((other) => other.holds.includes(partition))) this.#alone(partition, take)
      if (first !== this.node && mine.includes(partition)) this.#alone(partition, giveUp)
    }
  }

  /** One change of a partition at a time; a failed one is tried again at the next beat. */
  #alone(partition: number, change: (partition: number) => Promise<void>): void {
    this.#busy.add(partition)
    void change(partition).catch(() => undefined).finally(() => {
      this.#busy.delete(partition)
      this.#beat()
    })
  }
}

/** The node that should hold a partition: whose hash with it is the highest. A node that comes or goes moves only its own share. */
export function firstChoice(partition: number, nodes: readonly string[]): string {
  return choices(String(partition), nodes)[0]!
}

/** All of `nodes`, in the order in which they should do what `key` stands for: the same whoever asks. */
export function choices(key: string, nodes: readonly string[]): string[] {
  const weight = (node: string): number => createHash('sha256').update(`${key} ${node}`).digest().readUInt32BE()
  return nodes.map((node) => ({ node, at: weight(node) })).sort((one, other) => other.at - one.at || (other.node > one.node ? 1 : -1)).map(({ node }) => node)
}
