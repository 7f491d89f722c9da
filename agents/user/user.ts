/**
 * A user's node: vault, purse and wallet, and the rooms that run pipelines. Opens the vault with a
 * first deposit when there is none (on the devnet from the faucet). Used by `aigen run` and by
 * programs.
 */
import type { Address, Capability } from '../../schemas/documents.gen.ts'
import { cache } from '../../pipelines/cache.machine.ts'
import { complainEffects } from '../../pipelines/complain.ts'
import { dispute } from '../../pipelines/dispute.machine.ts'
import { evaluateEffects } from '../../pipelines/evaluate-step.ts'
import { fan } from '../../pipelines/fan.machine.ts'
import { gate } from '../../pipelines/gate.machine.ts'
import { inquiry } from '../../pipelines/inquiry.machine.ts'
import { invokeEffects } from '../../pipelines/invoke.ts'
import type { Evaluate } from '../../pipelines/prepare.ts'
import type { Listeners } from '../../pipelines/listen.ts'
import { passage } from '../../pipelines/passage.machine.ts'
import { passageEffects } from '../../pipelines/passage.ts'
import { nest } from '../../pipelines/nest.machine.ts'
import { openKnown } from '../../pipelines/known.ts'
import { run } from '../../pipelines/run.machine.ts'
import { saga } from '../../pipelines/saga.machine.ts'
import { settleEffects } from '../../pipelines/settle.ts'
import type { StandingPolicy } from '../../pipelines/standing.ts'
import { step } from '../../pipelines/step.machine.ts'
import { streamEffects } from '../../pipelines/stream-call.ts'
import { stream } from '../../pipelines/stream.machine.ts'
import { unlock } from '../../pipelines/unlock.machine.ts'
import { unlockEffects } from '../../pipelines/unlock.ts'
import { experience } from '../../runtime/market/experience.machine.ts'
import type { Credit } from '../../runtime/market/credit.ts'
import { hireEffects } from '../../runtime/market/hire.ts'
import { keepKeys, keyring } from '../../runtime/market/keyring.machine.ts'
import { negotiation } from '../../runtime/market/negotiation.machine.ts'
import { closeGroup } from '../../runtime/market/standing.ts'
import { standing, standingActor } from '../../runtime/market/standing.machine.ts'
import { openNode, type Node, type NodeOptions, type NodeParts, type Room } from '../../runtime/node/node.ts'
import { serveRecall } from '../../runtime/payments/catch-up.ts'
import { unsettledLanes } from '../../runtime/payments/doubt.ts'
import type { PurseContext } from '../../runtime/payments/lane.ts'
import { payEffects } from '../../runtime/payments/pay.ts'
import { purse, purseActor } from '../../runtime/payments/purse.machine.ts'
import { verdictEffects } from '../../runtime/payments/verdict.ts'
import { serveControl } from './control.ts'
import { shareEvidence } from './share-evidence.ts'
import { finishWithdrawals, limitPurses, payIn, vaultOf } from './treasury.ts'
import { renewEffects } from '../../runtime/payments/renew.ts'
import { subscriptions } from '../../runtime/payments/subscriptions.machine.ts'
import { wallet } from './wallet.machine.ts'

export interface UserOptions extends Omit<NodeOptions, 'rooms'> {
  readonly evaluate: Evaluate
  /** Atomic units the vault should have been given in all; opened or topped up to it at start. */
  readonly deposit: bigint
  /** Whether test dollars may be minted for the deposit (devnet only). */
  readonly faucet?: boolean
  /** Contracts of capabilities that no card has shown yet. */
  readonly standard?: ReadonlyMap<string, Capability>
  /** Most that is prepaid in one call, to a stranger and at all, atomic (default 0.05 and 1 of the dollar). */
  readonly prepaid?: Credit
  /**
   * Agreements for many calls with providers that offer them (default none): later steps of the same capability,
   * deadline and acceptance take the next call without a negotiation of their own, while its price fits theirs.
   */
  readonly standing?: StandingPolicy
  /** Whether receipts and complaints are told to the guardians (default false: they say who hired whom). */
  readonly shareEvidence?: boolean
  /** What other roles of the same participant add to its node: one wallet, one journal, one address. */
  readonly rooms?: readonly Room[]
  /** Called with the open node before it listens: other roles register their verbs here. */
  readonly prepare?: (node: Node, user: User) => void | Promise<void>
}

export interface User {
  readonly node: Node
  /** Who hears the pieces of outputs in this process, by run; see `StartOptions.onPiece`. */
  readonly listeners: Listeners
  /** Evaluates a template, in a killable thread where it has no bound. */
  readonly evaluate: Evaluate
  readonly standing?: StandingPolicy
  /** Contracts by id: what live cards say, else the standard ones. */
  capabilities(): Map<string, Capability>
  close(): Promise<void>
}

function userRooms(options: UserOptions, listeners: Listeners): Room[] {
  const { evaluate, standard = new Map<string, Capability>() } = options
  const contractOf = (parts: NodeParts) => (provider: string, id: string): Capability | undefined =>
    parts.directory.entry(provider)?.card.body.offers.find((offer) => offer.capability.id === id)?.capability ?? standard.get(id)
  const contract = (parts: NodeParts) => (id: string): Capability | undefined => parts.directory.capability(id) ?? standard.get(id)
  return [
    (parts) => ({ actors: [negotiation, standing, experience, keyring], effects: { 'group.close': closeGroup, ...hireEffects({
      ...parts, terms: parts.rail.terms, ...(options.prepaid ? { prepaid: options.prepaid } : {}), keep: (hashes) => keepKeys(parts.host(), hashes, parts.wire.credentials.verifier.authorisations),
    }) } }),
    (parts) => ({ actors: [subscriptions], effects: renewEffects(parts) }),
    (parts) => ({ actors: [purse, wallet], effects: payEffects({ ...parts, voucherKey: parts.keys.voucher, wallet: parts.participant }) }),
    (parts) => ({
      actors: [run, step, cache, fan, gate, nest, saga, inquiry, dispute, stream, unlock, passage],
      effects: {
        ...evaluateEffects({ host: parts.host, evaluate, capability: contract(parts), known: openKnown({ ...parts, evaluate, capability: contract(parts) }) }),
        ...invokeEffects({ ...parts, evaluate, listeners, capability: contractOf(parts) }),
        ...streamEffects({ ...parts, evaluate, listeners, capability: contractOf(parts) }),
        ...unlockEffects({ ...parts, evaluate, capability: contractOf(parts) }),
        ...passageEffects({ ...parts, evaluate, capability: contractOf(parts) }),
        ...complainEffects({ ...parts, capability: contractOf(parts) }),
        ...verdictEffects(parts),
        ...settleEffects(parts),
      },
    }),
  ]
}

/**
 * Opens the user's node, with money in its vault, and goes on with every run its journal left open.
 * Errors: those of `openNode`, `chain.*`, `wallet.empty` when the deposit cannot be made.
 */
export async function openUser(options: UserOptions): Promise<User> {
  const listeners: Listeners = new Map()
  const node = await openNode({ ...options, rooms: [...userRooms(options, listeners), ...(options.rooms ?? [])] })
  const stopSharing = options.shareEvidence ? shareEvidence(node) : undefined
  const user: User = {
    node,
    listeners,
    evaluate: options.evaluate,
    ...(options.standing ? { standing: options.standing } : {}),
    capabilities: () => new Map([...(options.standard ?? []), ...node.directory.capabilities()]),
    close: () => {
      stopSharing?.()
      return node.close()
    },
  }
  try {
    serveControl(node)
    serveRecall({ ...node, voucherKey: vaultOf(node).voucherKey as Address })
    await options.prepare?.(node, user)
    await node.start()
    await fund(node, options)
  } catch (error) {
    await node.close()
    throw error
  }
  return user
}

/**
 * Opens the user's node for `act` and closes it again, without going on with anything: its journal is
 * folded and fenced, no run moves. Errors: those of `openNode` and of `act`.
 */
export async function withUserAtRest<T>(options: Pick<UserOptions, 'ports' | 'keys' | 'evaluate'>, act: (node: Node) => Promise<T>): Promise<T> {
  const node = await openNode({ ...options, rooms: userRooms({ ...options, deposit: 0n }, new Map()) })
  try {
    return await act(node)
  } finally {
    await node.close()
  }
}

/** Opens the vault, or tops it up, and tells purse and wallet. Each chain write has a key, so dying here repeats nothing. */
async function fund(node: Node, { deposit, faucet = false }: UserOptions): Promise<void> {
  const { host, rail } = node
  const terms = vaultOf(node)
  const vault = rail.vaultId(terms)
  for (let partition = 0; partition < host.width; partition++) await host.start(purseActor(partition), { vault, voucherKey: terms.voucherKey, partition, partitions: host.width })
  for (let partition = 0; partition < host.width; partition++) await host.start(standingActor(partition), {})
  await host.start('wallet', {})
  await host.start('experience', {})
  await host.start('subscriptions', {})
  const context = (await host.load('wallet'))!.snapshot.context as { deposits: Record<string, string> }
  const given = Object.values(context.deposits).reduce((sum, one) => sum + BigInt(one), 0n)
  if (given < deposit) await payIn(node, { id: `deposit.${deposit}`, amount: deposit - given, faucet })
  await limitPurses(node)
  await finishWithdrawals(node)
  for (const { id, snapshot } of host.list('purse')) {
    if (unsettledLanes(snapshot.context as PurseContext).length > 0) await host.send(id, { type: 'reconcile' })
  }
}
