/**
 * A provider at work: a node that sells one definition. Publishes its card, says that it is alive,
 * quotes, works, is paid and claims. Used by `aigen provide` and the devnet.
 */
import type { CardBody } from '../../schemas/documents.gen.ts'
import { validate } from '../../schemas/validate.ts'
import type { Evaluate } from '../../pipelines/prepare.ts'
import { experience } from '../../runtime/market/experience.machine.ts'
import { openNode, type Node, type NodeOptions, type Room } from '../../runtime/node/node.ts'
import { claimEffects } from '../../runtime/payments/claim.ts'
import { settler } from '../../runtime/payments/settler.machine.ts'
import { till } from '../../runtime/payments/till.machine.ts'
import { verdict } from '../../runtime/payments/verdict.machine.ts'
import { verdictEffects } from '../../runtime/payments/verdict.ts'
import { call } from './call.machine.ts'
import { announcePresence, type Description } from '../presence.ts'
import type { ProviderDefinition } from './define.ts'
import { openQuoting } from './quoting.ts'
import { serveVerbs } from './verbs.ts'
import { workEffects } from './work.ts'

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
    (parts) => ({ actors: [verdict], effects: verdictEffects(parts) }),
  ]
}

/**
 * Starts selling. Models are loaded (`definition.start`) before the card is published.
 * Errors: those of `openNode`; whatever `definition.start` throws; `input.invalid` for a capability
 * or price that does not fit its schema.
 */
export async function provide(definition: ProviderDefinition, options: Omit<NodeOptions, 'rooms'>, evaluate: Evaluate): Promise<Provider> {
  await readyToSell(definition)
  const node = await openNode({ ...options, rooms: providerRooms(definition, evaluate) })
  const shop = await prepareShop(node, definition)
  await node.start()
  return shop.open()
}

/** Checks the definition and loads what it works with. Errors: `input.invalid`; whatever `definition.start` throws. */
export async function readyToSell(definition: ProviderDefinition): Promise<void> {
  validate('Capability', definition.capability)
  validate('Money', definition.price.list)
  await definition.start?.()
}

/** A provider whose verbs are registered, and that nobody knows of yet. */
export interface Shop {
  /** Publishes the card, with what `more` adds to it, and says that it is alive; the node must have started. */
  open(more?: Partial<Description>): Promise<Provider>
  /** Whether no more is taken now. */
  readonly busy: () => boolean
}

/** Registers what a provider answers on a node that has `providerRooms` and has not started. */
export async function prepareShop(node: Node, definition: ProviderDefinition, doors: () => NonNullable<CardBody['doors']> = () => []): Promise<Shop> {
  const { clock, host } = node
  await host.start('settler', {})

  let draining = false
  const most = (definition.concurrency ?? 2) + (definition.queue ?? 16)
  const busy = (): boolean => draining || under.size >= most
  // Counted from the journal once, then kept by watching: a scan of all calls per quote would grow without end.
  const under = new Set<string>()
  let calls = 0
  for (const actor of host.list('call')) {
    calls++
    if (isAtWork(actor.snapshot.value)) under.add(actor.id)
  }
  const unwatch = host.watch((actor, entry) => {
    if (actor.kind.name !== 'call') return
    if (entry.number === 1) calls++
    if (isAtWork(actor.snapshot.value)) under.add(actor.id)
    else under.delete(actor.id)
  })
  const quoting = await openQuoting({ ...node, host: () => host }, definition, busy)
  serveVerbs({ ...node, host: () => host }, definition, quoting, busy)

  const open = async (more: Partial<Description> = {}): Promise<Provider> => {
    const presence = await announcePresence(node, () => ({
      name: definition.name, roles: ['service-provider'],
      offers: [{ capability: definition.capability, list: definition.price.list, latencyMs: definition.latencyMs, concurrency: definition.concurrency ?? 2 }],
      ...(doors().length === 0 ? {} : { doors: doors() }),
      ...more,
    }))
    return {
      node,
      definition,
      stats: () => ({ working: under.size, calls }),
      stop: async (drainMs = 5_000) => {
        draining = true
        presence.leave()
        await quoting.stop()
        const until = clock.monotonic() + drainMs
        while (under.size > 0 && clock.monotonic() < until) await clock.sleep(20)
        unwatch()
        await node.close()
        await definition.stop?.()
      },
    }
  }
  return { open, busy }
}

const isAtWork = (state: unknown): boolean => state === 'working' || state === 'stopping'
