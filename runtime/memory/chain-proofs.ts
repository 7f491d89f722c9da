/**
 * Proofs of the chain in memory (port `chain-proofs.ts`): its ledger as the storage of the Vault
 * contract and the token, in real Merkle tries under a real header, so that a light node checks the
 * same things here as on an EVM (D10). Used by `rail.ts`.
 */
import { createMerkleProof, MerklePatriciaTrie } from '@ethereumjs/mpt'
import { RLP } from '@ethereumjs/rlp'
import { fromHex, toHex } from '../evm/hex.ts'
import { keccak } from '../evm/keccak.ts'
import { authorisationSlot, balanceSlot, creditSlot, laneSlots, laneWords, nonceSlot, rulingSlot, TEST_DOLLAR_LAYOUT, vaultSlots, vaultWords } from '../evm/storage.ts'
import type { ChainProofs } from '../ports/chain-proofs.ts'
import type { Hex } from '../ports/signer.ts'
import type { Ledger } from './ledger.ts'

/** Hashes of earlier blocks that are remembered. */
const BLOCKS_MAX = 1_000

export interface MemoryChain {
  readonly contract: Hex
  readonly token: Hex
  ledger(): Ledger
  block(): number
  /** Seconds. */
  now(): number
}

export function memoryProofs(chain: MemoryChain): ChainProofs {
  const blocks = new Map<number, { readonly header: Hex, readonly state: MerklePatriciaTrie, readonly storage: ReadonlyMap<Hex, MerklePatriciaTrie> }>()
  /** The latest block: made when it is first asked for, and the same ever after. */
  const latest = async () => {
    const number = chain.block()
    const known = blocks.get(number)
    if (known) return known
    const time = chain.now()
    const ledger = structuredClone(chain.ledger())
    const storage = new Map<Hex, MerklePatriciaTrie>()
    const state = new MerklePatriciaTrie({ useKeyHashing: true })
    for (const [account, words] of [[chain.contract, vaultStorage(ledger, chain.token)], [chain.token, tokenStorage(ledger)]] as const) {
      const trie = new MerklePatriciaTrie({ useKeyHashing: true })
      for (const [slot, value] of words) if (value !== 0n) await trie.put(fromHex(slot, 32), RLP.encode(bytesOf(value)))
      storage.set(account, trie)
      await state.put(fromHex(account, 20), RLP.encode([bytesOf(1n), new Uint8Array(), trie.root(), keccak(fromHex(account))]))
    }
    const zero = new Uint8Array(32)
    const header = toHex(RLP.encode([
      zero, zero, new Uint8Array(20), state.root(), zero, zero, new Uint8Array(256), new Uint8Array(), bytesOf(BigInt(number)), bytesOf(30_000_000n),
      new Uint8Array(), bytesOf(BigInt(time)), new Uint8Array(), zero, new Uint8Array(8),
    ]))
    // Two may have made it at once, at different seconds: the first one counts.
    const block = blocks.get(number) ?? { header, state, storage }
    blocks.set(number, block)
    if (blocks.size > BLOCKS_MAX) blocks.delete(blocks.keys().next().value!)
    return block
  }
  return {
    prove: async (reads) => {
      const { header, state, storage } = await latest()
      const accounts = await Promise.all(reads.map(async ({ account, slots }) => ({
        account, proof: await proofOf(state, fromHex(account, 20)),
        slots: await Promise.all(slots.map(async (slot) => ({ slot, proof: await proofOf(storage.get(account.toLowerCase() as Hex), fromHex(slot, 32)) }))),
      })))
      return { header, accounts }
    },
    block: async (number) => {
      await latest()
      const header = blocks.get(number)?.header
      return { head: chain.block(), ...(header === undefined ? {} : { hash: toHex(keccak(fromHex(header))) }) }
    },
  }
}

async function proofOf(trie: MerklePatriciaTrie | undefined, key: Uint8Array): Promise<Hex[]> {
  return trie === undefined ? [] : (await createMerkleProof(trie, key)).map(toHex)
}

function vaultStorage(ledger: Ledger, token: Hex): [Hex, bigint][] {
  return [
    ...[...ledger.vaults.values()].flatMap((vault) => paired(vaultSlots(vault.id), vaultWords(vault, token))),
    ...[...ledger.lanes.values()].flatMap((lane) => paired(laneSlots(lane.id), laneWords(lane))),
    ...[...ledger.credits].map(([account, amount]): [Hex, bigint] => [creditSlot(token, account), amount]),
    ...[...ledger.rulings].map(([voucher, amount]): [Hex, bigint] => [rulingSlot(voucher), amount + 1n]),
  ]
}

function tokenStorage(ledger: Ledger): [Hex, bigint][] {
  return [
    ...[...ledger.balances].map(([account, amount]): [Hex, bigint] => [balanceSlot(TEST_DOLLAR_LAYOUT, account), amount]),
    ...[...ledger.permits].map(([account, nonce]): [Hex, bigint] => [nonceSlot(TEST_DOLLAR_LAYOUT, account), nonce]),
    ...[...ledger.authorisations].map((used): [Hex, bigint] => {
      const [account, nonce] = used.split('.') as [Hex, Hex]
      return [authorisationSlot(TEST_DOLLAR_LAYOUT, account, nonce), 1n]
    }),
  ]
}

const paired = (slots: readonly Hex[], words: readonly bigint[]): [Hex, bigint][] => slots.map((slot, i) => [slot, words[i]!])

/** A number as RLP has it: no leading zeros. */
function bytesOf(value: bigint): Uint8Array {
  if (value === 0n) return new Uint8Array()
  const digits = value.toString(16)
  return fromHex(`0x${digits.length % 2 === 0 ? '' : '0'}${digits}`)
}
