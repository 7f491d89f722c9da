/**
 * How a participant is seen: its signed card, renewed while it is there, and a sign of life every
 * two seconds (DESIGN, Wire). Several nodes of a participant share one card, which lists the keys of all
 * of them; each says itself that it is alive. Used by every role that others look for.
 */
import { canonicalBytes } from '../schemas/canonical.ts'
import type { Alive, CardBody, NodeAuthorisation } from '../schemas/documents.gen.ts'
import { aliveSubject, cardSubject, signCard } from '../runtime/market/card.ts'
import { BEAT_MS } from '../runtime/market/liveness.ts'
import type { Node } from '../runtime/node/node.ts'

/** How long a card stands without being renewed, and how often it is, in ms. */
const CARD_MS = 3_600_000
const RENEW_MS = 600_000
/** Node keys on one card: those of the nodes that are there, then of those that were, since what they signed is still asked for. */
const KEYS_MAX = 16

/** What the card says besides who signs it and when. */
export type Description = Pick<CardBody, 'name' | 'roles' | 'offers'> & Partial<Pick<CardBody, 'doors' | 'escrow' | 'relay' | 'credit'>>

export interface Presence {
  /** Publishes the card anew, after what it says has changed. */
  renew(): Promise<void>
  /** Says goodbye for now, and is back after `stay`. */
  pause(): void
  stay(): void
  /** Says goodbye: who hires looks elsewhere at once. */
  leave(): void
}

/** Publishes the card that `describe` gives and goes on doing so. Errors: `network.*`, `input.invalid`. */
export async function announcePresence(node: Node, describe: () => Description): Promise<Presence> {
  const { clock, bus, participant, wire, rail, authorisation, host, directory } = node
  const known = (): CardBody | undefined => directory.entry(participant)?.card.body
  /** This node's key, and where there are others theirs: a card that is renewed takes nobody's away. */
  const authorisations = (now: number): NodeAuthorisation[] => {
    const there = host.nodes
    const others = there ? (known()?.authorisations ?? []).filter(({ node: key, notAfter }) => key !== wire.node && notAfter > now) : []
    const lives = ({ node: key }: NodeAuthorisation): boolean => there!.includes(key)
    return [authorisation, ...others.filter(lives), ...others.filter((one) => !lives(one))].slice(0, KEYS_MAX)
  }
  const renew = async (): Promise<void> => {
    const now = clock.now()
    // Another node's clock may be ahead: of two cards the later one counts.
    const issuedAt = Math.max(now, (known()?.issuedAt ?? 0) + 1)
    const body: CardBody = { ...describe(), participant, payee: participant, authorisations: authorisations(now), asset: rail.terms.asset, issuedAt, expiresAt: now + CARD_MS }
    await bus.keep(cardSubject(participant), canonicalBytes(signCard(body, wire.credentials)))
  }
  const say = (partitions: string[]): void => bus.publish(aliveSubject(participant), canonicalBytes({ node: wire.node, partitions } satisfies Alive))
  const beat = (): void => {
    const { partitions } = host
    // Of several one may hold nothing for a while: that is no goodbye.
    if (partitions.length > 0 || !host.nodes) say(partitions)
  }
  await renew()
  beat()
  const stopped = new AbortController()
  const every = async (ms: number, act: () => void | Promise<void>): Promise<void> => {
    while (!stopped.signal.aborted) {
      try {
        await clock.sleep(ms, stopped.signal)
      } catch {
        return
      }
      // A beat or a card that cannot be sent now is sent the next time; the connection reconnects by itself.
      try {
        await act()
      } catch {
        continue
      }
    }
  }
  let away = false
  void every(BEAT_MS, async () => {
    if (!away) beat()
    // Of two that renewed the card at one moment, one knew nothing of the other.
    if (host.nodes && known()?.authorisations.every(({ node: key }) => key !== wire.node)) await renew()
  })
  void every(RENEW_MS, renew)
  const unwatch = host.onShare(() => void (away || beat()))
  return {
    renew,
    pause: () => {
      if (!away) say([])
      away = true
    },
    stay: () => {
      if (away) beat()
      away = false
    },
    leave: () => {
      stopped.abort()
      unwatch()
      say([])
    },
  }
}
