/**
 * A rail that believes no single RPC address (reference/payments.md, solvency): lanes, vaults, credits
 * and rulings are read as proven words under a block that a quorum of addresses names. One that lies, or
 * is stuck far behind, delays and never deceives; writes go through the rail's own address, since a write
 * is done when the chain shows it. Made by `runtime/node` where witnesses are configured. Keeps I8.
 */
import { creditSlot, laneOf, laneSlots, rulingSlot, vaultOf, vaultSlots } from '../evm/storage.ts'
import { AigenError } from '../../schemas/error.ts'
import type { ChainProofs } from '../ports/chain-proofs.ts'
import type { Clock } from '../ports/clock.ts'
import type { Rail } from '../ports/rail.ts'
import type { Hex } from '../ports/signer.ts'
import { trustRelays } from './relays.ts'

export interface ProvenRailOptions {
  /** The other addresses, besides the rail's own. */
  readonly witnesses: readonly ChainProofs[]
  /** Addresses that must name the same block (default 2): more than there can be liars. */
  readonly quorum?: number
  readonly clock: Clock
}

/** The rail with its reads proven. Errors: `usage.invalid` for a quorum that cannot be; reads fail with `chain.unproven`. */
export function provenRail(rail: Rail, { witnesses, quorum = 2, clock }: ProvenRailOptions): Rail {
  if (!rail.proofs) throw new AigenError('usage.invalid', 'this rail proves nothing')
  const { contract, token } = rail.terms
  // Asked of the rail each time: a chain that was set back proves anew.
  const own: ChainProofs = { prove: (reads, depth) => rail.proofs!.prove(reads, depth), block: (number) => rail.proofs!.block(number) }
  const trust = trustRelays({ relays: [own, ...witnesses].map((proofs, at) => ({ ...proofs, name: `address ${at}` })), quorum, clock })
  const words = async (slots: readonly Hex[], depth = 0): Promise<readonly bigint[]> => (await trust.read([{ account: contract, slots }], depth)).words[0]!
  const vault: Rail['vault'] = async (id, depth) => {
    const found = vaultOf(await words(vaultSlots(id), depth))
    if (!found || found.token !== token) return undefined
    const { token: _token, ...state } = found
    return { id: id.toLowerCase() as Hex, ...state }
  }
  const proven: Partial<Rail> = {
    vault,
    lane: async (id, depth) => {
      const lane = laneOf(await words(laneSlots(id), depth))
      if (!lane) return undefined
      // What a vault is made of never changes once it is open.
      const of = await vault(lane.vault)
      return of && { id: id.toLowerCase() as Hex, ...lane, owner: of.owner, voucherKey: of.voucherKey, delay: of.delay }
    },
    credit: async (account) => (await words([creditSlot(token, account)]))[0]!,
    ruling: async (voucher) => {
      const [ruled] = await words([rulingSlot(voucher)])
      return ruled === 0n ? undefined : ruled! - 1n
    },
  }
  // A rail may be an object with private state: its own methods are called on itself.
  return new Proxy(rail, {
    get: (target, name) => {
      const value: unknown = name in proven ? proven[name as keyof Rail] : Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) as unknown : value
    },
  })
}
