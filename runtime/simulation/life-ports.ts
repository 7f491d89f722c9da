/**
 * The ports of one life: those of `runtime/memory`, slow by what the seed says, with the faults of the
 * plan in between (D10). A crash at a point is a promise that never comes. Used by `world`.
 */
import { AigenError } from '../../schemas/error.ts'
import { memoryBlobs, type MemoryShelves } from '../memory/blobs.ts'
import { memoryJournal, type MemoryDisk, type MemoryRecord } from '../memory/journal.ts'
import type { MemoryRail } from '../memory/rail.ts'
import type { OwnBlobs } from '../ports/blobs.ts'
import type { Bus, BusMessage } from '../ports/bus.ts'
import type { Journal } from '../ports/journal.ts'
import type { Rail } from '../ports/rail.ts'
import type { Hex } from '../ports/signer.ts'
import type { Point } from './faults.ts'
import type { Life } from './life.ts'
import type { FaultPlan } from './plan.ts'

/** Signs of life: so many, and so little depends on one, that no fault strikes them but a cut. */
export const BEATS = 'aigen.v1.alive.'
const beats = (subject: string): boolean => subject.startsWith(BEATS) || /^fleet\.[^.]+\.alive$/.test(subject)
/** How long an answer that never comes is waited for, in ms. */
const UNHEARD_MS = 250

/** What a life's ports need of the world. */
export interface Surroundings {
  readonly life: Life
  readonly plan: FaultPlan
  /** Virtual time, in ms. */
  now(): number
  /** Resolves after a time drawn from the seed, of at most `most` ms. */
  pause(most: number): Promise<void>
  /** The process comes to a point: resolves at once, when it moves again, or never. */
  at(point: Point): Promise<void>
  /** A record has been stored. */
  appended(partition: string, record: MemoryRecord): void
  /** The chain has taken a transaction. */
  mined(bytes: Hex): void
  /** A request has been answered. */
  answered(request: BusMessage, answer: Uint8Array): void
}

/** The connection of one life. */
export function lifeBus(bus: Bus, around: Surroundings): Bus {
  const { life } = around
  const send = async <T>(act: () => Promise<T>): Promise<T> => {
    await around.at('send')
    return life.hold(act())
  }
  return {
    get maxPayload() { return bus.maxPayload },
    publish: (subject, data, options) => { if (life.running) bus.publish(subject, data, options) },
    subscribe: (subject, handler, options) => life.hold(bus.subscribe(subject, async (message) => {
      if (beats(message.subject)) return life.run(() => void handler(message))
      await around.at('receive')
      const answer = await handler(message)
      if (!answer) return
      await around.at('send')
      around.answered(message, answer.data)
      return answer
    }, options)),
    request: (subject, data, options) => send(() => bus.request(subject, data, options)),
    async *gather(subject, data, options) {
      await around.at('send')
      for await (const message of bus.gather(subject, data, options)) {
        await life.awake()
        yield message
      }
      await life.awake()
    },
    keep: (subject, data) => send(() => bus.keep(subject, data)),
    kept: (filter) => bus.kept(filter),
    flush: () => life.hold(bus.flush()),
    close: () => bus.close(),
  }
}

/** The journal of one life over its participant's disk. */
export function lifeJournal(disk: MemoryDisk, around: Surroundings): Journal {
  const { life, plan } = around
  const unheard = new Set<string>()
  /** Stored, and not acknowledged: its owner hears of it when it asks again. */
  const lost = new Set<string>()
  const unknown = async (partition: string): Promise<never> => {
    await around.pause(UNHEARD_MS)
    await life.awake()
    throw new AigenError('journal.unknown', partition)
  }
  return memoryJournal(disk, {
    beforeAppend: async (partition, id) => {
      await around.at('append.before')
      await around.pause(3)
      await life.awake()
      const fault = plan.append(life.process)
      if (fault?.stored === false) return unknown(partition)
      if (lost.delete(id)) life.unheard--
      else if (fault?.stored) unheard.add(id)
    },
    afterAppend: async (partition, id) => {
      around.appended(partition, disk.get(partition)!.at(-1)!)
      life.unheard++
      if (unheard.delete(id)) {
        lost.add(id)
        await unknown(partition)
      }
      await around.pause(1)
      await around.at('append.after')
      life.unheard--
    },
  })
}

const ASKED = new Set(['lane', 'vault', 'balance', 'credit', 'ruling', 'head', 'nonce', 'prepare', 'outcome'])

/** The chain as one life reaches it. */
export function lifeRail(rail: MemoryRail, around: Surroundings): Rail {
  const { life, plan } = around
  const reach = async (): Promise<void> => {
    await around.pause(4)
    await life.awake()
    if (plan.chainAway(life.process, around.now())) throw new AigenError('chain.unreachable')
  }
  const broadcast = async (bytes: Hex): Promise<Hex> => {
    await around.at('rail.before')
    await reach()
    const fault = plan.broadcast(life.process)
    if (fault?.stored === false) throw new AigenError('chain.unreachable')
    const hash = await rail.broadcast(bytes)
    around.mined(bytes)
    await around.at('rail.after')
    if (fault?.stored) throw new AigenError('chain.unreachable')
    return hash
  }
  /** The block that this process takes for the newest. */
  const newest = (head: number): number => Math.max(0, head - plan.chainLag(life.process, around.now()))
  const lagging: Partial<Rail> = {
    lane: async (id, depth = 0) => rail.lane(id, depth + plan.chainLag(life.process, around.now())),
    vault: async (id, depth = 0) => rail.vault(id, depth + plan.chainLag(life.process, around.now())),
    head: async () => {
      const { block, time } = await rail.head()
      return { block: newest(block), time }
    },
    outcome: async (hash) => {
      const outcome = await rail.outcome(hash)
      return outcome.state === 'done' && outcome.block > newest((await rail.head()).block) ? { state: 'pending' } : outcome
    },
  }
  return new Proxy(rail, {
    get(target, name) {
      if (name === 'broadcast') return broadcast
      const old = plan.looksBack ? lagging[name as keyof Rail] : undefined
      if (old) {
        return async (...args: unknown[]) => {
          await reach()
          return life.hold((old as (...args: unknown[]) => Promise<unknown>)(...args))
        }
      }
      const value = Reflect.get(target, name, target) as unknown
      if (typeof value !== 'function') return value
      const call = value.bind(target) as (...args: unknown[]) => Promise<unknown>
      if (!ASKED.has(String(name))) return call
      return async (...args: unknown[]) => {
        await reach()
        return life.hold(call(...args))
      }
    },
  }) as Rail
}

/** A shelf as one life reaches it. */
export function lifeBlobs(shelves: MemoryShelves, shelf: string, life: Life): OwnBlobs {
  return memoryBlobs({ shelves, shelf, before: () => life.awake() })
}
