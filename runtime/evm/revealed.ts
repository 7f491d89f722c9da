/**
 * The key by which a locked voucher was claimed, read from the claim's own bytes: the vault takes it as
 * an argument and keeps it nowhere. Found by the words around it, so that a claim which came through
 * another contract shows it too. Used by `rail.ts`.
 */
import { createHash } from 'node:crypto'
import type { PublicClient } from 'viem'
import type { LockedVoucher } from '../ports/rail.ts'
import type { Hex } from '../ports/signer.ts'
import { vaultAbi } from './contracts/vault.gen.ts'
import { fromHex, toHex } from './hex.ts'

/** Blocks looked back through: many times those of a lock's time. */
const BLOCKS_MAX = 10_000n
const WORD = 64

/** The preimage in `data`, where it follows the lock's hash and its expiry; undefined where it is not there. */
export function preimageIn(data: Hex, lockHash: Hex): Hex | undefined {
  const text = data.slice(2).toLowerCase()
  const hash = lockHash.slice(2).toLowerCase()
  for (let at = text.indexOf(hash); at >= 0; at = text.indexOf(hash, at + 1)) {
    const key: Hex = `0x${text.slice(at + 2 * WORD, at + 3 * WORD)}`
    if (key.length === WORD + 2 && toHex(createHash('sha256').update(fromHex(key, 32)).digest()) === lockHash.toLowerCase()) return key
  }
  return undefined
}

/** The key, or undefined while no claim of the voucher is mined. */
export async function revealedKey(client: PublicClient, contract: Hex, { lane, ref, lockHash }: LockedVoucher): Promise<Hex | undefined> {
  const head = await client.getBlockNumber()
  const claims = await client.getContractEvents({
    address: contract, abi: vaultAbi, eventName: 'Claimed', args: { laneId: lane }, fromBlock: head > BLOCKS_MAX ? head - BLOCKS_MAX : 0n, toBlock: head,
  })
  for (const { transactionHash } of claims.filter((one) => one.args.ref?.toLowerCase() === ref.toLowerCase()).reverse()) {
    const key = preimageIn((await client.getTransaction({ hash: transactionHash })).input, lockHash)
    if (key) return key
  }
  return undefined
}
