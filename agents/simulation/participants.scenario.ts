/**
 * How each participant of the simulated network is opened: a production node, with what a liar's owner
 * has put before it and what a mutation replaces. Used by `network.scenario`.
 */
import type { GuardianSet, PlainVoucher } from '../../schemas/documents.gen.ts'
import { seededRandom } from '../../runtime/memory/random.ts'
import { openNode, type Node, type NodeOptions, type Room } from '../../runtime/node/node.ts'
import { toRail } from '../../runtime/payments/voucher.ts'
import type { Random } from '../../runtime/ports/random.ts'
import { evaluateHere, keysOf } from '../memory-network.fixture.ts'
import { openGuardian } from '../guardian/guardian.ts'
import { openAlone } from '../payments/alone.ts'
import { openPayments } from '../payments/open.ts'
import { prepareWatchtower, watchtowerRoom } from '../payments/watchtower.ts'
import { prepareShop, providerRooms, readyToSell } from '../provider/provide.ts'
import { openUser, type User } from '../user/user.ts'
import type { NetworkBooks } from './books.ts'
import { homeOf } from './names.ts'
import { lyingHub, lyingJudge, lyingNode, lyingReport, lyingRoom, lyingTower, type Liars } from './lies.ts'
import type { Mutation } from './mutation.ts'
import { ARBITER, GUARDIAN, SHOUT, sold, TELL, TOWER, type Seller, type Work } from './work.ts'

/** Opens a process's node; `rooms` are what a mutation puts into it. */
export type Open<Running extends { readonly node: Node }> = (options: Omit<NodeOptions, 'rooms'>, rooms: readonly Room[]) => Promise<Running>

/** What everybody is opened in. */
export interface Scene {
  readonly seed: number
  readonly work: Work
  readonly liars: Liars
  readonly mutation: Mutation | undefined
  readonly books: NetworkBooks
}

/** Everybody goes by this guardian, where there is one: whatever it says is what all guardians agreed on. */
export const GUARDIANS: GuardianSet = { participants: [keysOf(GUARDIAN).participant], quorum: 1, epochMs: 10_000 }
const STANDARD = new Map([SHOUT, TELL].map((capability) => [capability.id, capability]))

/** What a liar decides by. */
const luck = ({ seed }: Scene, name: string): Random => seededRandom(`${seed} ${name} lies`)

export function openSeller(scene: Scene, seller: Seller, name: string): Open<{ readonly node: Node }> {
  const { seed, work, liars, mutation, books } = scene
  return async (options, rooms) => {
    const lie = liars.get(seller.name)
    const selling = sold(lie === 'signs for rubbish' ? { ...seller, manner: 'poor' } : seller, seed, options.ports.clock, (output) => books.losses.made(output))
    await readyToSell(selling)
    const node = await openNode({ ...options, rooms: [...providerRooms(selling, lyingJudge(lie, evaluateHere)), ...rooms] })
    const heard = lyingNode(lie, books.overhear(node, name), luck(scene, name))
    const shop = await prepareShop(mutation?.node?.(heard, name) ?? heard, selling, undefined, work.tower ? [keysOf(TOWER).participant] : [])
    await node.start()
    await shop.open()
    return { node }
  }
}

export function openArbiter(scene: Scene): Open<User> {
  return async (options, rooms) => {
    const { user } = await openPayments({
      ...options, rooms: [...rooms, ...lyingHub(scene.liars.get(ARBITER), luck(scene, ARBITER))],
      name: ARBITER, fee: '0.001', challengeMs: 20_000, evaluate: evaluateHere, deposit: 1_000_000n, faucet: true, standard: STANDARD,
    })
    return user
  }
}

export function openTower({ liars }: Scene): Open<{ readonly node: Node }> {
  return (options) => {
    const { rail } = options.ports
    const { wallet, participant } = options.keys
    const claim = async (vouchers: readonly PlainVoucher[]): Promise<unknown> =>
      rail.broadcast((await rail.prepare({ kind: 'claim', claims: vouchers.map((voucher) => ({ voucher: toRail(voucher), signature: voucher.signature })) }, wallet, await rail.nonce(participant))).bytes)
    return openAlone({ ...options, name: TOWER }, watchtowerRoom, (node) => prepareWatchtower(lyingTower(liars.get(TOWER), node, claim)))
  }
}

/** It measures who is there, and buys nothing: one that hires is never at rest. */
export function openOverseer({ liars }: Scene): Open<{ readonly node: Node }> {
  return (options) => openGuardian({
    ...options, name: GUARDIAN, set: GUARDIANS, book: {}, evaluate: evaluateHere, deposit: 0n, faucet: false,
    report: (entries) => lyingReport(liars.get(GUARDIAN), entries),
  })
}

export function openBuyer(scene: Scene, name: string): Open<User> {
  const { work, liars, mutation } = scene
  const lie = liars.get(homeOf(name))
  return (options, rooms) => openUser({
    ...options, rooms: [...rooms, ...lyingRoom(lie, luck(scene, name))], evaluate: lyingJudge(lie, mutation?.judge?.(evaluateHere) ?? evaluateHere),
    deposit: work.deposit, faucet: true, standard: STANDARD, shareEvidence: work.guardian, ...(work.standing ? { standing: { calls: 5, forMs: 20_000 } } : {}),
  })
}
