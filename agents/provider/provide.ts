/**
 * A provider at work: a node that sells one definition. Publishes its card, says that it is alive,
 * quotes, works, is paid and claims. Used by `aigen provide` and the devnet.
 */
import type { Alive, CardBody } from '../../schemas/documents.gen.ts'
import { canonicalBytes } from '../../schemas/canonical.ts'
import { validate } from '../../schemas/validate.ts'
import type { Evaluate } from '../../pipelines/prepare.ts'
import { experience } from '../../runtime/market/experience.machine.ts'
import { aliveSubject, cardSubject, signCard } from '../../runtime/market/card.ts'
import { BEAT_MS } from '../../runtime/market/liveness.ts'
import { openNode, PARTITION, type Node, type NodeOptions, type Room } from '../../runtime/node/node.ts'
import { claimEffects } from '../../runtime/payments/claim.ts'
import { settler } from '../../runtime/payments/settler.machine.ts'
import { till } from '../../runtime/payments/till.machine.ts'
import { call } from './call.machine.ts'
import type { ProviderDefinition } from './define.ts'
import { openQuoting } from './quoting.ts'
import { serveVerbs } from './verbs.ts'
import { workEffects } from './work.ts'

/** How long a card stands without being renewed, and how often it is, in ms. */
const CARD_MS = 3_600_000
const RENEW_MS = 600_000

export interface Provider {
  readonly node: Node
  readonly definition: ProviderDefinition
  /** Calls under way, for admission, `aigen doctor` and NATS micro stats. */
  stats(): { readonly working: number; readonly calls: number }
  /** Says goodbye, takes no more, lets the work under way end for `drainMs` (default 5,000), stops. */
  stop(drainMs?: number): Promise<void>
}

/** What a provider's node is made of besides what every node has. */
export function providerRooms(definition: ProviderDefinition, evaluate: Evaluate): Room[] {
  return [
    (parts) => ({ actors: [call, till], effects: workEffects(parts, definition, evaluate) }),
    (parts) => ({ actors: [settler, experience], effects: claimEffects({ ...parts, wallet: parts.participant }) }),
  ]
}

/**
 * Starts selling. Models are loaded (`definition.start`) before the card is published.
 * Errors: those of `openNode`; whatever `definition.start` throws; `input.invalid` for a capability
 * or price that does not fit its schema.
 */
export async function provide(definition: ProviderDefinition, options: Omit<NodeOptions, 'rooms'>, evaluate: Evaluate): Promise<Provider> {
  validate('Capability', definition.capability)
  validate('Money', definition.price.list)
  await definition.start?.()
  const node = await openNode({ ...options, rooms: providerRooms(definition, evaluate) })
  const { clock, bus, participant, host, wire, rail } = node
  await host.start('settler', {})

  let draining = false
  const most = (definition.concurrency ?? 2) + (definition.queue ?? 16)
  const busy = (): boolean => draining || under.size >= most
  // Counted from the journal once, then kept by watching: a scan of all calls per quote would grow without end.
  const under = new Set<string>()
  let calls = 0
  for (const actor of host.list('call')) {
    calls++
    if (actor.snapshot.value === 'working') under.add(actor.id)
  }
  const unwatch = host.watch((actor, entry) => {
    if (actor.kind.name !== 'call') return
    if (entry.number === 1) calls++
    if (actor.snapshot.value === 'working') under.add(actor.id)
    else under.delete(actor.id)
  })

  const quoting = await openQuoting({ ...node, host: () => host }, definition, busy)
  serveVerbs({ ...node, host: () => host }, definition, quoting, busy)
  await node.start()

  const publish = async (): Promise<void> => {
    const now = clock.now()
    const body: CardBody = {
      participant, name: definition.name, roles: ['service-provider'], payee: participant, authorisations: [node.authorisation],
      offers: [{ capability: definition.capability, list: definition.price.list, latencyMs: definition.latencyMs, concurrency: definition.concurrency ?? 2 }],
      asset: rail.terms.asset, issuedAt: now, expiresAt: now + CARD_MS,
    }
    await bus.keep(cardSubject(participant), canonicalBytes(signCard(body, wire.credentials)))
  }
  const beat = (partitions: string[] = [PARTITION]): void => bus.publish(aliveSubject(participant), canonicalBytes({ node: wire.node, partitions } satisfies Alive))
  await publish()
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
  void every(BEAT_MS, () => beat())
  void every(RENEW_MS, publish)

  return {
    node,
    definition,
    stats: () => ({ working: under.size, calls }),
    stop: async (drainMs = 5_000) => {
      draining = true
      stopped.abort()
      // Owns nothing any more: who hires looks elsewhere at once.
      beat([])
      await quoting.stop()
      const until = clock.monotonic() + drainMs
      while (under.size > 0 && clock.monotonic() < until) await clock.sleep(20)
      unwatch()
      await node.close()
      await definition.stop?.()
    },
  }
}
