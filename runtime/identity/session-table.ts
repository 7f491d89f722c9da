/**
 * The sessions a node answers in (D5): checks hellos, makes sessions, finds them for envelopes.
 *
 * Bounded on every side, because a wallet costs a stranger nothing: sessions that nobody confirmed
 * yet stand apart, so that a flood of hellos cannot push out a session in use; one participant has
 * at most `PEER_SESSIONS_MAX`; hellos beyond `hellosPerSecond` are refused before anything costly.
 * A session that is pushed out costs its caller one new hello.
 */
import { LRUCache } from 'lru-cache'
import { AigenError } from '../../schemas/error.ts'
import type { ParticipantId } from '../../schemas/id.ts'
import { SKEW_MS } from './authorisation.ts'
import type { Header } from './envelope.ts'
import { checkHello, isCurrent, SESSION_GRACE_MS, type Exchange, type Session } from './session.ts'

export const SESSIONS_MAX = 4_096
export const UNCONFIRMED_MAX = 1_024
export const PEER_SESSIONS_MAX = 64
/** A hello is remembered for as long as it is fresh; beyond this many, new ones must wait. */
export const HELLOS_KEPT_MAX = 65_536

export interface SessionTable {
  /** Answers a hello with a welcome. Errors as `checkHello`, `auth.replayed`, `node.busy`. */
  welcome(hello: Uint8Array): Uint8Array
  /** The session that an envelope names; error `auth.unknown-session`. */
  find(header: Header): Session
  /** An envelope of the session opened: its caller holds the key. */
  confirm(session: Session): void
  /** Forgets all, as a restart does. */
  clear(): void
  readonly size: number
}

export function createSessionTable(exchange: Exchange, partitions: () => readonly string[], hellosPerSecond = 200): SessionTable {
  const { clock } = exchange
  const unconfirmed = new LRUCache<string, Session>({ max: UNCONFIRMED_MAX })
  const confirmed = new LRUCache<string, Session>({ max: SESSIONS_MAX, dispose: (session, _, why) => void (why === 'evict' && leave(session)) })
  const byPeer = new Map<ParticipantId, Set<string>>()
  /** Hash of each hello taken → until when it could be played again; insertion order is nearly that of time. */
  const taken = new Map<string, number>()
  let second = Number.NEGATIVE_INFINITY
  let hellos = 0

  const leave = (session: Session): void => {
    const ids = byPeer.get(session.peer)
    ids?.delete(session.id)
    if (ids?.size === 0) byPeer.delete(session.peer)
  }
  const drop = (session: Session): void => {
    unconfirmed.delete(session.id)
    if (confirmed.delete(session.id)) leave(session)
  }
  const forgetStale = (now: number): void => {
    for (const [hash, staleAt] of taken) {
      // entries may be out of order by the allowed skew; that only keeps a few longer
      if (staleAt >= now) break
      taken.delete(hash)
    }
  }
  return {
    welcome: (bytes) => {
      const at = clock.monotonic()
      if (at - second >= 1_000) {
        second = at
        hellos = 0
      }
      hellos += 1
      if (hellos > hellosPerSecond) throw new AigenError('node.busy', 'Too many hellos.')
      const hello = checkHello(exchange, bytes)
      forgetStale(clock.now())
      if (taken.has(hello.hash)) throw new AigenError('auth.replayed', 'This hello was answered before.')
      if (taken.size >= HELLOS_KEPT_MAX) throw new AigenError('node.busy', 'Too many hellos.')
      taken.set(hello.hash, hello.staleAt)
      const { session, welcome } = hello.accept(partitions())
      unconfirmed.set(session.id, session)
      return welcome
    },
    find: (header) => {
      const session = confirmed.get(header.session) ?? unconfirmed.peek(header.session)
      if (!session) throw new AigenError('auth.unknown-session')
      const unused = !confirmed.peek(header.session) && clock.monotonic() - session.startedAt > SKEW_MS
      if (unused || !isCurrent(session, clock, SESSION_GRACE_MS)) {
        drop(session)
        throw new AigenError('auth.unknown-session', 'The session has ended.')
      }
      return session
    },
    confirm: (session) => {
      if (!unconfirmed.delete(session.id)) return
      let ids = byPeer.get(session.peer)
      if (!ids) byPeer.set(session.peer, (ids = new Set()))
      if (ids.size >= PEER_SESSIONS_MAX) {
        for (const oldest of ids) {
          confirmed.delete(oldest)
          ids.delete(oldest)
          break
        }
      }
      ids.add(session.id)
      confirmed.set(session.id, session)
    },
    clear: () => {
      unconfirmed.clear()
      confirmed.clear()
      byPeer.clear()
    },
    get size() {
      return confirmed.size + unconfirmed.size
    },
  }
}
