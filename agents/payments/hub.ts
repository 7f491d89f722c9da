/**
 * A hub: pays providers on its own lanes for payers that have a lane to it alone (payments.md). `route`
 * grants one of its lanes for one call; the payer and the provider agree on it, and the hub learns
 * neither input nor output. What the payer pays is a call of `payment.hub@1` that settles locked, under the
 * lock of the provider's output, with the hub's fee in its price. Worst loss: the hub nothing, the
 * provider the work of one call, the payer one call.
 */
import capability from '../../schemas/capabilities/payment.hub@1.json' with { type: 'json' }
import type { Address, Capability, Delivery, LaneGrant, LockedVoucher } from '../../schemas/documents.gen.ts'
import { AigenError, fromBody } from '../../schemas/error.ts'
import { formatMoney } from '../../schemas/money.ts'
import { validate } from '../../schemas/validate.ts'
import type { EffectKind } from '../../runtime/actors/effects.ts'
import type { Host } from '../../runtime/actors/host.ts'
import { agreementId, verifyAgreement } from '../../runtime/market/agreement.ts'
import { signGrant } from '../../runtime/market/grant.ts'
import type { Node, NodeParts } from '../../runtime/node/node.ts'
import { deliveryHash, verifyStatement } from '../../runtime/payments/delivery.ts'
import { keyFor } from '../../runtime/payments/key.ts'
import type { CallContext } from '../provider/call.machine.ts'
import type { ProviderDefinition } from '../provider/define.ts'
import { hopActor, type HopContext } from './hop.machine.ts'

/** Fee on what is paid on, for one dollar, where the operator says nothing else. */
export const HUB_FEE = '0.005'
/** Most that one call may cost, atomic. */
const AMOUNT_MAX = 1_000_000n
/** Lanes granted at once, in all and to one payer. */
const ROUTES_MAX = 1_000
const ROUTES_PER_PAYER_MAX = 32
/** Longest time until a delivery that a lane is granted for, in ms. */
const FOR_MS_MAX = 600_000
/** After the delivery a payer has until here to lock, longer than its provider waits for it, in ms. */
const ROOM_MS = 180_000
const HOLD_MS = 2_500
const ONE = 1_000_000n

/** What one dollar paid on costs, decimal string. @example hubPrice(5_000n) // '1.005' */
export const hubPrice = (fee: bigint): string => formatMoney(ONE + fee)

type Input = { readonly route: string; readonly amount: number; readonly agreement: unknown; readonly delivery: unknown; readonly authorisations: readonly unknown[] }

/** What sells the second half of a payment; `node` is there once the node is open. */
export function hubDefinition(name: string, list: string, node: () => Node): ProviderDefinition {
  return {
    name, capability: capability as unknown as Capability, price: { list }, latencyMs: 2_000, concurrency: 64, queue: 512,
    // What is not locked is no payment for a key.
    quote: async ({ settle }) => (settle === 'locked' ? list : undefined),
    handler: async (input: Input, { callId }) => {
      const { host } = node()
      const { caller, lane } = host.context<CallContext>(callId)!
      const hop = hopActor(caller, input.route)
      const delivery = check(node(), await host.look<HopContext>(hop), input)
      const till = `till/${lane}`
      await host.send(hop, { type: 'bind', delivery, till })
      const bound = await host.look<HopContext>(hop)
      if (bound?.till !== till || bound.delivery === null || deliveryHash(bound.delivery) !== deliveryHash(delivery)) throw new AigenError('step.input', 'the lane was granted for another delivery, or no longer', { path: 'route' })
      return { output: { agreement: delivery.body.agreement, delivery: deliveryHash(delivery) }, units: { micro: input.amount }, lock: { hash: delivery.body.sealed!.lockHash, keeper: hop } }
    },
  }
}

/** The delivery that is to be paid, signed on the lane that was granted. Errors `step.input`, `auth.*`. */
function check({ wire, clock }: Pick<Node, 'wire' | 'clock'>, hop: HopContext | undefined, { amount, ...input }: Input): Delivery {
  const refuse = (why: string, path: string): never => {
    throw new AigenError('step.input', why, { path })
  }
  if (!hop?.lane) return refuse('no lane was granted', 'route')
  const { verifier } = wire.credentials
  const agreement = validate('Agreement', input.agreement)
  const delivery = validate('Delivery', input.delivery)
  for (const one of input.authorisations) verifier.authorisations.admit(validate('NodeAuthorisation', one))
  verifyAgreement(agreement, verifier, clock.now())
  const { terms, lane } = agreement
  if (lane !== hop.lane.id || terms.payer !== hop.payer || terms.payee !== hop.payee) return refuse('it is agreed on another lane, or by others', 'agreement')
  verifyStatement(delivery, { terms, agreement: agreementId(agreement), call: 0, inputHash: delivery.body.inputHash }, verifier, clock.now())
  if (!delivery.body.sealed || delivery.body.sealed.open) return refuse('its output is not sealed', 'delivery.body.sealed')
  if (delivery.body.amount !== String(amount) || BigInt(amount) > BigInt(hop.amount)) return refuse(`it costs ${delivery.body.amount}, at most ${hop.amount} were granted`, 'amount')
  return delivery
}

/** The effect `hop.ask`: the provider's key for the hub's own lock, from the provider or from the chain. */
export function hopEffects({ wire, clock, rail, host }: Pick<NodeParts, 'wire' | 'clock' | 'rail' | 'host'>): Record<string, EffectKind> {
  const ask: EffectKind = {
    mode: 'idempotent',
    attempts: 1,
    concurrency: 1_000,
    run: async ({ to }: { to: Address }, { actor, signal }) => {
      const { voucher, delivery } = host().context<HopContext>(actor)!
      const found = await keyFor({ wire, clock, rail }, { to, voucher: voucher as LockedVoucher, delivery: deliveryHash(delivery!), until: 0, patient: true }, signal)
      if (found.how === 'gone') return { type: 'hop.ask.gone' }
      return found.how === 'given' ? { type: 'hop.ask.done', key: found.key } : { type: 'hop.ask.taken', key: found.key }
    },
  }
  return { 'hop.ask': ask }
}

/** Registers `route`. Errors `node.busy`, `market.refused`, `run.conflict`, those of the lane. */
export function serveRoutes({ wire, host, clock, directory }: Pick<Node, 'wire' | 'host' | 'clock' | 'directory'>): void {
  /** Hops that are begun and not journaled yet, with their payers: many may be asked for at the same time. */
  const beginning = new Map<string, Address>()
  wire.serve('route', (body) => validate('RouteRequest', body), async ({ key, payee, amount, forMs }, { caller }) => {
    const self = hopActor(caller, key)
    let known = await host.look<HopContext>(self)
    if (!known) {
      if (payee === caller || payee === wire.participant || directory.entry(payee)?.alive !== true) throw new AigenError('market.refused', 'no such provider', { path: 'payee' })
      if (BigInt(amount) > AMOUNT_MAX || forMs > FOR_MS_MAX) throw new AigenError('market.refused', `at most ${AMOUNT_MAX} and ${FOR_MS_MAX} ms`, { path: BigInt(amount) > AMOUNT_MAX ? 'amount' : 'forMs' })
      if (!beginning.has(self)) checkRoom(host, beginning, caller)
      beginning.set(self, caller)
      const grantedUntil = clock.now() + forMs
      try {
        await host.start(self, { self, payer: caller, payee, amount, grantedUntil, until: grantedUntil + forMs + ROOM_MS })
      } finally {
        beginning.delete(self)
      }
      known = (await host.look<HopContext>(self))!
    }
    if (known.payee !== payee || known.amount !== amount) throw new AigenError('run.conflict', 'another route')
    await host.until(self, ({ value }) => value !== 'routing', HOLD_MS).catch(() => undefined)
    const { lane, error, voucher } = (await host.look<HopContext>(self))!
    if (error) throw fromBody(error)
    if (!lane) return { state: 'pending' }
    if (voucher) throw new AigenError('run.conflict', 'it was used')
    return { state: 'ready', grant: grantOf(known, lane, wire.credentials) }
  })
}

function grantOf({ payer, payee, amount, grantedUntil }: HopContext, { id, number, vault, voucherKey }: NonNullable<HopContext['lane']>, credentials: Node['wire']['credentials']): LaneGrant {
  return signGrant({ hub: credentials.participant, payer, payee, amount, lane: id, vault, number, voucherKey, until: grantedUntil }, credentials)
}

/** Error `node.busy`: too many lanes are granted. */
function checkRoom(host: Host, beginning: ReadonlyMap<string, Address>, payer: Address): void {
  const payers = new Map(beginning)
  for (const { id, snapshot } of host.list('hop')) if (snapshot.value !== 'closed') payers.set(id, (snapshot.context as HopContext).payer)
  const own = [...payers.values()].filter((one) => one === payer).length
  if (payers.size >= ROUTES_MAX || own >= ROUTES_PER_PAYER_MAX) throw new AigenError('node.busy', 'too many lanes are granted')
}
