/**
 * How a participant is seen: its signed card, renewed while it is there, and a sign of life every
 * two seconds (DESIGN, Wire). Used by every role that others look for.
 */
import { canonicalBytes } from '../schemas/canonical.ts'
import type { Alive, CardBody } from '../schemas/documents.gen.ts'
import { aliveSubject, cardSubject, signCard } from '../runtime/market/card.ts'
import { BEAT_MS } from '../runtime/market/liveness.ts'
import type { Node } from '../runtime/node/node.ts'

/** How long a card stands without being renewed, and how often it is, in ms. */
const CARD_MS = 3_600_000
const RENEW_MS = 600_000

/** What the card says besides who signs it and when. */
export type Description = Pick<CardBody, 'name' | 'roles' | 'offers'> & Partial<Pick<CardBody, 'doors' | 'escrow' | 'relay'>>

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
  const { clock, bus, participant, wire, rail, authorisation } = node
  const renew = async (): Promise<void> => {
    const now = clock.now()
    const body: CardBody = { ...describe(), participant, payee: participant, authorisations: [authorisation], asset: rail.terms.asset, issuedAt: now, expiresAt: now + CARD_MS }
    await bus.keep(cardSubject(participant), canonicalBytes(signCard(body, wire.credentials)))
  }
  const beat = (partitions: string[] = node.host.partitions): void => bus.publish(aliveSubject(participant), canonicalBytes({ node: wire.node, partitions } satisfies Alive))
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
  void every(BEAT_MS, () => void (away || beat()))
  void every(RENEW_MS, renew)
  return {
    renew,
    pause: () => {
      if (!away) beat([])
      away = true
    },
    stay: () => {
      if (away) beat()
      away = false
    },
    leave: () => {
      stopped.abort()
      beat([])
    },
  }
}
