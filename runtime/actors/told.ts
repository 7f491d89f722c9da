/**
 * What actors of a partition tell one that gathers it (`ActorKind.gathers`): it waits for the end of the
 * record, or until order would suffer, and what is of one type is one event by then. Many who finish in
 * the same moment so cost those whom all of them tell one step. Used by `stage` only.
 */
import { gather, type ActorEvent, type ActorId } from './actor.ts'
import type { Item } from './item.ts'

interface Waiting {
  readonly events: ActorEvent[]
  readonly tellers: Set<ActorId>
}

export class Told {
  readonly #waiting = new Map<ActorId, Waiting>()
  /** Of who gathers: events that are on their way to it and did not wait. */
  readonly #ahead = new Map<ActorId, number>()
  /** What has waited. */
  readonly #taken = new WeakSet<Item>()

  get size(): number {
    return this.#waiting.size
  }

  /** Whether what `teller` tells waits here, as it may; else it is to be taken in its turn, and so is what comes behind it. */
  waits(teller: ActorId, to: ActorId, event: ActorEvent, may: boolean): boolean {
    const ahead = this.#ahead.get(to)
    if (!may || ahead !== undefined) {
      this.#ahead.set(to, (ahead ?? 0) + 1)
      return false
    }
    const known = this.#waiting.get(to)
    if (known) {
      known.events.push(event)
      known.tellers.add(teller)
    } else this.#waiting.set(to, { events: [event], tellers: new Set([teller]) })
    return true
  }

  /** One that did not wait has its turn. */
  turn(actor: ActorId): void {
    const ahead = this.#ahead.get(actor)
    if (ahead === undefined) return
    if (ahead > 1) this.#ahead.set(actor, ahead - 1)
    else this.#ahead.delete(actor)
  }

  /** What must be taken before `item`: what its actor was told before, and what it told before. */
  before(item: Item): Item[] {
    if (this.#waiting.size === 0) return []
    const { actor } = item
    // What waits for whoever takes what had waited was told since.
    const own = !this.#taken.has(item)
    return [...this.#waiting].flatMap(([to, { tellers }]) => ((own && to === actor) || (to !== actor && tellers.has(actor)) ? this.#take(to) : []))
  }

  /** All that waits for the actor whose waits longest. */
  next(): Item[] {
    const [first] = this.#waiting.keys()
    return first === undefined ? [] : this.#take(first)
  }

  /** Of one type what follows one another; those of others keep their order. */
  #take(actor: ActorId): Item[] {
    const { events } = this.#waiting.get(actor)!
    this.#waiting.delete(actor)
    const items: Item[] = []
    for (let from = 0, to = 1; from < events.length; from = to++) {
      while (to < events.length && events[to]!.type === events[from]!.type) to++
      const item = { actor, event: gather(events.slice(from, to)) }
      this.#taken.add(item)
      items.push(item)
    }
    return items
  }
}
