/**
 * A relay: what any full node can do for light nodes (DESIGN Words). It carries words that their
 * owners signed to the chain, at its own gas, and proves the chain's state. It cannot change, redirect
 * or repeat anything: the contract checks each signature, and light nodes check each proof. Part of a
 * payment provider; used by `aigen relay` and whoever adds it to a node.
 *
 * Bounds: own orders only, known kinds only, simulated first, so many an hour and pending in all.
 */
import type { RelayStatus, RelayWrite } from '../../schemas/documents.gen.ts'
import { canonicalBytes } from '../../schemas/canonical.ts'
import { AigenError } from '../../schemas/error.ts'
import { validate } from '../../schemas/validate.ts'
import { toHex } from '../../runtime/evm/hex.ts'
import { orderId } from '../../runtime/light/rail.ts'
import type { Node, NodeOptions, Room } from '../../runtime/node/node.ts'
import { senderActor } from '../../runtime/payments/write.ts'
import type { ChainProofs } from '../../runtime/ports/chain-proofs.ts'
import { decodeWrite } from '../../runtime/ports/rail-json.ts'
import type { Hex } from '../../runtime/ports/signer.ts'
import { openAlone, type Alone } from './alone.ts'
import { HOURLY_MAX, recentOrders, relay, type RelayContext, type RelayOrderState } from './relay.machine.ts'

/** Orders under way in all. */
const PENDING_MAX = 200

/** What the card says of it. */
export const RELAY_OFFER = { relay: { fee: '0' } } as const

/** The relay's actor, for the node's rooms. */
export const relayRoom: Room = () => ({ actors: [relay], effects: {} })

/** Answers light nodes from now on; call it before the node starts. `chain.unreachable` on a node that is light itself. */
export async function prepareRelay(node: Node): Promise<void> {
  const { rail, wire, host, clock, keys, participant } = node
  if (!rail.proofs) throw new AigenError('chain.unreachable', 'A relay needs a chain of its own.')
  // Asked of the rail each time: a chain that was set back proves anew.
  const proofs = (): ChainProofs => rail.proofs!
  const ours = new Set<string>([rail.terms.contract, rail.terms.token])
  await host.start('relay', { sender: senderActor(participant) })
  const book = (): RelayContext => host.context<RelayContext>('relay')!

  wire.serve('prove', (body) => validate('ProveRequest', body), async ({ reads }) => {
    if (!reads.every(({ account }) => ours.has(account))) throw new AigenError('input.invalid', 'only the vault contract and its token are proven', { path: 'reads' })
    return proofs().prove(reads)
  })
  wire.serve('block', (body) => validate('BlockRequest', body), ({ number }) => proofs().block(number))
  wire.serve('relay-status', (body) => validate('RelayStatusRequest', body), async ({ id }, { caller }) => {
    const order = book().orders[id]
    return order?.account === caller ? statusOf(order) : { state: 'unknown' }
  })
  wire.serve('relay', (body) => validate('RelayRequest', body), async ({ order }, { caller }): Promise<RelayStatus> => {
    if (order.account !== caller) throw new AigenError('auth.unauthorised', 'an order of another participant', { path: 'order.account' })
    const id = orderId(toHex(canonicalBytes(order)))
    const known = book().orders[id]
    if (known && known.state !== 'failed') return statusOf(known)
    checkOwn(order.write, caller)
    const { orders } = book()
    if (Object.values(orders).filter(({ state }) => state === 'pending').length >= PENDING_MAX) throw new AigenError('node.busy', 'too many orders are under way')
    if (recentOrders(book(), caller as Hex, clock.now()) >= HOURLY_MAX) throw new AigenError('node.busy', `${HOURLY_MAX} orders an hour`)
    // What would fail costs no gas: the chain says so now.
    await rail.prepare(decodeWrite(order.write), keys.wallet, await rail.nonce(keys.wallet.address))
    await host.send('relay', { type: 'order', id, account: caller, at: clock.now(), write: order.write })
    const taken = book().orders[id]
    if (!taken) throw new AigenError('node.busy', `${HOURLY_MAX} orders an hour`)
    return statusOf(taken)
  })
}

/** A node that does nothing else, with its card out. Errors: those of `openNode`. */
export const openRelay = (options: Omit<NodeOptions, 'rooms'> & { readonly name: string }): Promise<Alone> => openAlone(options, relayRoom, prepareRelay, RELAY_OFFER)

/** A relay's gas is for the asker's own money. Error `auth.unauthorised`. */
function checkOwn(write: RelayWrite, caller: string): void {
  const account = write.kind === 'mint' ? write.to : write.kind === 'open-authorised' ? write.authorisation.from : caller
  if (account !== caller) throw new AigenError('auth.unauthorised', 'the money of another participant', { path: 'order.write' })
}

function statusOf({ state, transaction, error }: RelayOrderState): RelayStatus {
  return { state, ...(transaction === null ? {} : { transaction }), ...(error === null ? {} : { reason: error.message.slice(0, 500) }) }
}
