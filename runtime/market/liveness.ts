/**
 * Who is alive: each node of a participant says so every two seconds, and once more, with no
 * partitions, before it stops. Fed by the directory from subjects that only their owner may publish
 * to (D4), so a sign of life speaks for nobody else. Bounded; what is no `Alive` document is ignored.
 */
import type { Alive } from '../../schemas/documents.gen.ts'
import { decodeJson } from '../../schemas/decode.ts'
import { fits } from '../../schemas/validate.ts'
import type { Clock } from '../ports/clock.ts'

/** A participant that was not heard of for this long is not alive, in ms. */
export const ALIVE_MS = 6_000
/** How often a node says that it is alive, in ms. */
export const BEAT_MS = 2_000
/** Who died is expected back for this long, in ms. */
const RETURN_MS = 60_000
const ALIVE_BYTES_MAX = 4_096
const NODES_MAX = 64

export interface Liveness {
  /** Takes a sign of life; anything else changes nothing. */
  hear(participant: string, data: Uint8Array): void
  isAlive(participant: string): boolean
  /** Whether it is worth waiting for: alive, or silent since not long without having said goodbye. */
  mayReturn(participant: string): boolean
  /** When it was heard of last, by the monotonic clock; 0 when it never was. */
  heardAt(participant: string): number
}

/** Remembers `participantsMax` at most. */
export function makeLiveness(clock: Pick<Clock, 'monotonic'>, participantsMax: number): Liveness {
  /** Participant → node → when. A participant without nodes has said goodbye. */
  const heard = new Map<string, Map<string, number>>()
  // Who has just come to the network has heard nobody yet: until all could have beaten, a card speaks for its node.
  const openedAt = clock.monotonic()
  const within = (ms: number) => (at: number): boolean => clock.monotonic() - at < ms
  const recent = within(ALIVE_MS)
  const heardWithin = (ms: number, participant: string): boolean => {
    const nodes = heard.get(participant)
    return nodes ? [...nodes.values()].some(within(ms)) : within(ms)(openedAt)
  }

  return {
    hear: (participant, data) => {
      const alive = read(data)
      if (!alive) return
      const nodes = heard.get(participant) ?? new Map<string, number>()
      if (!heard.has(participant) && heard.size >= participantsMax) return
      heard.set(participant, nodes)
      if (alive.partitions.length === 0) {
        nodes.delete(alive.node)
        return
      }
      if (nodes.size >= NODES_MAX && !nodes.has(alive.node)) {
        for (const [node, at] of nodes) if (!recent(at)) nodes.delete(node)
        if (nodes.size >= NODES_MAX) return
      }
      nodes.set(alive.node, clock.monotonic())
    },
    isAlive: (participant) => heardWithin(ALIVE_MS, participant),
    mayReturn: (participant) => heardWithin(RETURN_MS, participant),
    heardAt: (participant) => Math.max(0, ...(heard.get(participant)?.values() ?? [])),
  }
}

function read(data: Uint8Array): Alive | undefined {
  try {
    const document = decodeJson(data, { bytesMax: ALIVE_BYTES_MAX })
    return fits('Alive', document) ? document : undefined
  } catch {
    return undefined
  }
}
