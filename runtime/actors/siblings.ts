/**
 * How nodes of one participant reach what another of them holds: an event, a look at an actor, what
 * partitions tell each other (D2). On the participant's own account, where no stranger is; a node
 * that does not hold the partition any more says so. Used by `host` only.
 */
import { AigenError, asError, fromBody, type ErrorBody } from '../../schemas/error.ts'
import type { Bus, Subscription } from '../ports/bus.ts'
import type { Clock } from '../ports/clock.ts'
import type { ActorEvent, ActorId } from './actor.ts'
import { decode, encode } from './codec.ts'
import { encodeImage, imageOf, readImage, revive } from './image.ts'
import type { LiveActor } from './fold.ts'
import type { Kinds } from './kinds.ts'
import type { Partition } from './partition.ts'
import type { Send } from './record.ts'

/** How long one call to another node may take, in ms. */
const CALL_MS = 5_000
/** How long a holder is waited for while a partition changes hands, in ms. */
const HANDS_MS = 30_000
const PAUSE_MS = 50

type Ask =
  | { readonly ask: 'send'; readonly partition: number; readonly actor: ActorId; readonly event: ActorEvent }
  | { readonly ask: 'unpark' | 'load'; readonly partition: number; readonly actor: ActorId }
  | { readonly ask: 'hear'; readonly partition: number; readonly from: number; readonly sends: readonly Send[] }
type Answer = { readonly image?: Uint8Array } | { readonly moved: true } | { readonly error: ErrorBody }

/** An actor that is there is not started again, and a message that was heard is not heard again. */
const repeatable = (ask: Ask): boolean => ask.ask === 'load' || ask.ask === 'hear' || (ask.ask === 'send' && ask.event.type === 'start')

export interface SiblingsOptions {
  readonly bus: Bus
  readonly node: string
  readonly prefix: string
  readonly clock: Clock
  readonly kinds: Kinds
  readonly mine: (partition: number) => Partition | undefined
  readonly holderOf: (partition: number) => string | undefined
}

export class Siblings {
  readonly #options: SiblingsOptions
  #serving: Subscription | undefined

  constructor(options: SiblingsOptions) {
    this.#options = options
  }

  async start(): Promise<void> {
    const { bus, node } = this.#options
    this.#serving = await bus.subscribe(this.#subject(node), async ({ data }) => ({ data: encode(await this.#answer(decode(data) as Ask)) }))
  }

  async stop(): Promise<void> {
    await this.#serving?.stop()
  }

  /** The actor once the event is durable. An answer that did not come leaves it open whether it was taken: `network.timeout`. */
  async send(partition: number, actor: ActorId, event: ActorEvent): Promise<LiveActor> {
    return (await this.#ask({ ask: 'send', partition, actor, event }))!
  }

  async unpark(partition: number, actor: ActorId): Promise<LiveActor> {
    return (await this.#ask({ ask: 'unpark', partition, actor }))!
  }

  load(partition: number, actor: ActorId): Promise<LiveActor | undefined> {
    return this.#ask({ ask: 'load', partition, actor })
  }

  /** Resolves when the messages are durably heard; asked again for as long as it takes, since each is heard once. */
  async hear(partition: number, from: number, sends: readonly Send[]): Promise<void> {
    await this.#ask({ ask: 'hear', partition, from, sends })
  }

  /** Asks whoever holds the partition; waits a while where it changes hands. Errors: `network.moved`, `network.timeout`, the answer's. */
  async #ask(ask: Ask): Promise<LiveActor | undefined> {
    const { bus, clock, kinds, holderOf, mine } = this.#options
    const until = clock.monotonic() + HANDS_MS
    for (;;) {
      const here = mine(ask.partition)
      if (here) return this.#here(here, ask)
      const holder = holderOf(ask.partition)
      if (holder !== undefined) {
        try {
          const { data } = await bus.request(this.#subject(holder), encode(ask), { timeoutMs: CALL_MS })
          const answer = decode(data) as Answer
          if ('error' in answer) throw fromBody(answer.error)
          if (!('moved' in answer)) return answer.image === undefined ? undefined : revive(kinds, readImage(answer.image))
        } catch (thrown) {
          const error = asError(thrown)
          // Nobody has it yet, or once more changes nothing.
          const again = error.code === 'network.no-responders' || error.code === 'network.closed' || (error.code === 'network.timeout' && repeatable(ask))
          if (!again) throw error
        }
      }
      if (clock.monotonic() > until) throw new AigenError('network.moved', `nobody holds partition ${ask.partition} now`)
      await clock.sleep(PAUSE_MS)
    }
  }

  async #here(partition: Partition, ask: Ask): Promise<LiveActor | undefined> {
    if (ask.ask === 'send') return partition.send(ask.actor, ask.event)
    if (ask.ask === 'unpark') return partition.unpark(ask.actor)
    if (ask.ask === 'hear') {
      await partition.hear(ask.from, ask.sends)
      return undefined
    }
    return partition.keeper.fetch(ask.actor)
  }

  async #answer(ask: Ask): Promise<Answer> {
    const here = this.#options.mine(ask.partition)
    if (!here) return { moved: true }
    try {
      const actor = await this.#here(here, ask)
      return actor ? { image: encodeImage(imageOf(here.fold, actor)) } : {}
    } catch (thrown) {
      const error = asError(thrown)
      return error.code === 'network.moved' ? { moved: true } : { error: error.toJSON() }
    }
  }

  #subject(node: string): string {
    return `fleet.${this.#options.prefix}.node.${node}`
  }
}
