/**
 * A provider at work: a node that sells what is defined. Publishes its card, says that it is alive,
 * quotes, works, is paid and claims. Used by `aigen provide` and the devnet.
 */
import type { Capability, CardBody } from '../../schemas/documents.gen.ts'
import { AigenError } from '../../schemas/error.ts'
import type { ParticipantId } from '../../schemas/id.ts'
import { validate } from '../../schemas/validate.ts'
import type { Evaluate } from '../../pipelines/prepare.ts'
import { experience } from '../../runtime/market/experience.machine.ts'
import { openNode, type Node, type NodeOptions, type Room } from '../../runtime/node/node.ts'
import { claimEffects } from '../../runtime/payments/claim.ts'
import { checkMeter } from '../../runtime/payments/count.ts'
import { settler, settlerActor } from '../../runtime/payments/settler.machine.ts'
import { till } from '../../runtime/payments/till.machine.ts'
import { verdict } from '../../runtime/payments/verdict.machine.ts'
import { verdictEffects } from '../../runtime/payments/verdict.ts'
import { announcePresence, type Description } from '../presence.ts'
import { recallLanes } from './catch-up.ts'
import { CONCURRENCY, openAdmission, type Admission } from './admission.ts'
import { call } from './call.machine.ts'
import type { ProviderDefinition } from './define.ts'
import { drain } from './drain.ts'
import { openGate, type Gate } from './gate.ts'
import { handOver } from './hand-over.ts'
import { watchHealth } from './health.ts'
import { openDesk } from './desk.ts'
import { checkPass } from './pass.ts'
import { openQuoting, type Quoting } from './quoting.ts'
import { checkCredit, openCredit } from './credit.ts'
import { checkStanding, openStandingDesk } from './standing.ts'
import { checkPlans } from './subscription.ts'
import { checkPrice } from './tariff.ts'
import { serveVerbs } from './verbs.ts'
import { workEffects } from './work.ts'

export interface Provider {
  readonly node: Node
  readonly definitions: readonly ProviderDefinition[]
  /** Calls under way, for `aigen doctor` and NATS micro stats. */
  stats(): { readonly working: number; readonly calls: number }
  /**
   * Says goodbye, takes no more, lets the work under way end and what was delivered be paid and
   * claimed, for `drainMs` (default 5,000), stops.
   */
  stop(drainMs?: number): Promise<void>
}

/** What one participant sells: one definition, or several under one name, wallet and journal. */
export type Selling = ProviderDefinition | readonly ProviderDefinition[]

export const listOf = (selling: Selling): readonly ProviderDefinition[] => ('handler' in selling ? [selling] : selling)

/** What a provider's node is made of besides what every node has; `gate` bounds the work of all its doors. */
export function providerRooms(selling: Selling, evaluate: Evaluate, gate: Gate = openGate(listOf(selling))): Room[] {
  return [
    (parts) => ({ actors: [call, till], effects: workEffects(parts, listOf(selling), evaluate, gate) }),
    (parts) => ({ actors: [settler, experience], effects: claimEffects({ ...parts, wallet: parts.participant }) }),
    (parts) => ({ actors: [verdict], effects: verdictEffects(parts) }),
  ]
}

/**
 * Starts selling. Models are loaded (`start` of each definition) before the card is published. The
 * `watchtowers` are handed the vouchers, to claim them while this provider is away.
 * Errors: those of `openNode` and `readyToSell`.
 */
export async function provide(selling: Selling, { watchtowers = [], ...options }: Omit<NodeOptions, 'rooms'> & { readonly watchtowers?: readonly ParticipantId[] }, evaluate: Evaluate): Promise<Provider> {
  await readyToSell(selling)
  const node = await openNode({ ...options, rooms: providerRooms(selling, evaluate) })
  const shop = await prepareShop(node, selling, () => [], watchtowers)
  await node.start()
  return shop.open()
}

/**
 * Checks the definitions and loads what they work with. Errors: `input.invalid` for a capability or
 * price that does not fit its schema, a capability that stands twice, or definitions of which only
 * some may be repeated; whatever a `start` throws.
 */
export async function readyToSell(selling: Selling): Promise<void> {
  const definitions = listOf(selling)
  const [first] = definitions
  if (!first) throw new AigenError('input.invalid', 'nothing is sold')
  for (const { capability, price, pass, subscription, meter, idempotent = true, cacheMs, standing, credit } of definitions) {
    if (pass) checkPass(pass)
    if (subscription) checkPass(subscription, 'subscription')
    validate('Capability', capability)
    checkPrice(price)
    if (meter) checkMeter(validate('Meter', meter))
    if (cacheMs !== undefined) checkCaching(capability, cacheMs)
    if (standing) checkStanding(standing)
    if (credit) checkCredit(credit)
    if (idempotent !== (first.idempotent ?? true)) throw new AigenError('input.invalid', 'what one participant sells is idempotent or not, all of it', { path: 'idempotent' })
  }
  checkPlans(definitions)
  if (new Set(definitions.map(({ capability }) => capability.id)).size < definitions.length) throw new AigenError('input.invalid', 'a capability is sold twice', { path: 'capability.id' })
  await Promise.all(definitions.map(async (one) => one.start?.()))
}

/** Error `input.invalid`: a result that may be another the next time, or that is heard in pieces, is not used again. */
function checkCaching({ id, pure, chunk }: Capability, cacheMs: number): void {
  validate('DurationMs', cacheMs)
  if (pure !== true || chunk) throw new AigenError('input.invalid', `cacheMs belongs to a pure capability without pieces, and ${id} is ${pure === true ? 'streamed' : 'not pure'}`, { path: 'cacheMs' })
}

/** A provider whose verbs are registered, and that nobody knows of yet. */
export interface Shop {
  /** Publishes the card, with what `more` adds to it, and says that it is alive; the node must have started. */
  open(more?: Partial<Description>): Promise<Provider>
  readonly admission: Admission
}

/** Registers what a provider answers on a node that has `providerRooms` and has not started. */
export async function prepareShop(node: Node, selling: Selling, doors: () => NonNullable<CardBody['doors']> = () => [], watchtowers: readonly ParticipantId[] = []): Promise<Shop> {
  const { clock, host } = node
  const definitions = listOf(selling)
  for (let partition = 0; partition < host.width; partition++) {
    await host.start(settlerActor(partition), {})
    await host.send(settlerActor(partition), { type: 'sweep' })
  }
  const admission = openAdmission(node, definitions)
  const parts = { ...node, host: () => host }
  const desk = await openDesk(parts, definitions)
  const quotings = new Map<string, Quoting>()
  for (const one of definitions) quotings.set(one.capability.id, await openQuoting(parts, one, (caller) => admission.busy(one.capability.id, caller), desk))
  const credit = openCredit(parts, definitions)
  const standing = openStandingDesk(parts, definitions, credit)
  serveVerbs(parts, definitions, quotings, admission, desk, standing, credit)

  const open = async (more: Partial<Description> = {}): Promise<Provider> => {
    await desk.register()
    const presence = await announcePresence(node, () => ({
      name: definitions[0]!.name, roles: ['service-provider'],
      offers: definitions.map((one) => {
        const { capability, latencyMs, concurrency = CONCURRENCY, models, cacheMs, standing } = one
        return { capability, ...desk.offer(one), latencyMs, concurrency, ...(cacheMs === undefined ? {} : { cacheMs }), ...(models === undefined ? {} : { models: [...models] }), ...(standing === undefined ? {} : { standing: standing.calls }) }
      }),
      ...(doors().length === 0 ? {} : { doors: doors() }),
      ...more,
    }))
    const stopRecalling = recallLanes(node)
    const endHandOver = watchtowers.length > 0 ? handOver(node, watchtowers) : undefined
    const unwatch = watchHealth(clock, definitions, (capability, well, any) => {
      admission.setWell(capability, well)
      if (any) presence.stay()
      else presence.pause()
    })
    return {
      node,
      definitions,
      stats: () => admission.stats(),
      stop: async (drainMs = 5_000) => {
        unwatch()
        stopRecalling()
        admission.drain()
        presence.leave()
        for (const quoting of quotings.values()) await quoting.stop()
        await drain(node, admission, drainMs)
        await endHandOver?.()
        admission.close()
        desk.close()
        credit.close()
        await node.close()
        for (const one of definitions) await one.stop?.()
      },
    }
  }
  return { open, admission }
}
