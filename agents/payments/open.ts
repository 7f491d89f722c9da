/**
 * A payment provider at work: a node that sells `payment.escrow@1`, hears complaints and rules, and
 * says on its card on which terms (payments.md); it never holds the funds it decides about. It also
 * pays on behalf of accounts that have bought credit with it. Used by
 * `aigen payments` and the devnet.
 */
import capability from '../../schemas/capabilities/payment.escrow@1.json' with { type: 'json' }
import type { Address, Capability, Hash } from '../../schemas/documents.gen.ts'
import { AigenError } from '../../schemas/error.ts'
import type { ParticipantId } from '../../schemas/id.ts'
import { parseMoney } from '../../schemas/money.ts'
import type { Host } from '../../runtime/actors/host.ts'
import { escrowFault } from '../../runtime/payments/escrow.ts'
import type { Room } from '../../runtime/node/node.ts'
import { openUser, type User, type UserOptions } from '../user/user.ts'
import type { ProviderDefinition } from '../provider/define.ts'
import { prepareShop, providerRooms, readyToSell, type Provider, type Shop } from '../provider/provide.ts'
import { caseActor, escrowCase } from './case.machine.ts'
import { creditEffects, depositDefinition, FEE_PERCENT, serveCredit, watchDeposits } from './credit.ts'
import { credits } from './credits.machine.ts'
import { hop } from './hop.machine.ts'
import { hopEffects, HUB_FEE, hubDefinition, hubPrice, serveRoutes } from './hub.ts'
import { hearingEffects } from './hearing.ts'
import { creditOffer, serveInvoices, type Accepted } from './invoice.ts'
import { purchase } from './purchase.machine.ts'
import { finishRefunds, serveRefunds } from './refund.ts'
import { serveCases } from './verbs.ts'

export interface PaymentsOptions extends Omit<UserOptions, 'rooms' | 'prepare'> {
  /** Name on the card. */
  readonly name: string
  /** Price of one case, decimal string of the dollar (default 0.001). */
  readonly fee?: string
  /** Time from the latest delivery that counts in which complaints are heard and ruled, in ms (default 60,000). */
  readonly challengeMs?: number
  /** Time from the latest delivery that counts in which the provider must claim, in ms (default a day). */
  readonly expiryMs?: number
  /** Fee of the hub for one dollar that it pays on, decimal string (default 0.005). */
  readonly hubFee?: string
  /** Fee on what is bought on credit, in percent of what it cost (default 2). */
  readonly creditFee?: number
  /** What credit is sold for by invoice, besides the network's dollar (default nothing). */
  readonly accepted?: readonly Accepted[]
  /** Participants whose word it is that an invoice was paid (default nobody). */
  readonly operators?: readonly Address[]
  /** Are handed the vouchers, to claim them while this payment provider is away. */
  readonly watchtowers?: readonly ParticipantId[]
  /** What else its node does (default nothing). */
  readonly rooms?: readonly Room[]
}

export interface Payments {
  readonly user: User
  readonly provider: Provider
  /** Key that signs the rulings. */
  readonly arbiter: Address
  /** Says goodbye, lets the work under way end for `drainMs`, stops. */
  stop(drainMs?: number): Promise<void>
}

/** Cases are taken for challenges that end within this time, in ms. */
const CASE_MS_MAX = 32 * 86_400_000

/** Opens it. Errors: those of `openUser`; `input.invalid` for terms that no provider would work under. */
export async function openPayments(options: PaymentsOptions): Promise<Payments> {
  const { name, keys, evaluate, fee = '0.001', challengeMs = 60_000, expiryMs = 86_400_000, hubFee = HUB_FEE, creditFee = FEE_PERCENT, accepted = [], operators = [], rooms = [] } = options
  const arbiter = keys.voucher.address.toLowerCase() as Address
  const terms = { arbiter, challengeMs, expiryMs }
  const fault = escrowFault({ ...terms, agent: keys.participant })
  if (fault !== undefined) throw new AigenError('input.invalid', fault)
  const opened: { host?: Host; shop?: Shop; user?: User } = {}
  const definition: ProviderDefinition = {
    name, capability: capability as unknown as Capability, price: { list: fee }, latencyMs: 2_000, concurrency: 64, queue: 512,
    handler: async ({ agreement, until }: { agreement: Hash; until: number }) => {
      const now = options.ports.clock.now()
      if (until <= now || until > now + CASE_MS_MAX) throw new AigenError('step.input', 'the challenge ends too soon or too late', { path: 'until' })
      await opened.host!.start(caseActor(agreement), { agreement, until })
      return { output: { agreement, arbiter }, units: { case: 1 } }
    },
  }
  const selling = [definition, depositDefinition(name, () => opened.host!), hubDefinition(name, hubPrice(parseMoney(hubFee)), () => opened.user!.node)]
  await readyToSell(selling)
  const cases: Room = (parts) => ({ actors: [escrowCase], effects: hearingEffects({ ...parts, evaluate, arbiter: keys.voucher }) })
  const account: Room = () => ({ actors: [credits, purchase], effects: creditEffects(() => opened.user!, creditFee) })
  const hub: Room = (parts) => ({ actors: [hop], effects: hopEffects(parts) })
  const user = await openUser({
    ...options,
    rooms: [...providerRooms(selling, evaluate), cases, account, hub, ...rooms],
    prepare: async (node, self) => {
      opened.host = node.host
      opened.user = self
      opened.shop = await prepareShop(node, selling, undefined, options.watchtowers)
      serveCases({ ...node, host: () => node.host }, arbiter)
      serveCredit(node, creditFee)
      serveRoutes(node)
      serveInvoices(node, accepted, operators)
      serveRefunds(node)
      await watchDeposits(node.host)
    },
  })
  const provider = await opened.shop!.open({ roles: ['payment-provider', 'service-provider'], escrow: { ...terms, fee }, credit: creditOffer(creditFee, accepted) })
  void finishRefunds(user.node)
  return { user, provider, arbiter, stop: (drainMs) => provider.stop(drainMs) }
}
