/**
 * Checks what a relay says of the chain (D9's spirit, on state): the header hashes to the block that
 * is trusted, the account lies under its state root, each word under the account's storage root. Used
 * by `runtime/light`. Trust in the block's hash is its caller's business. Keeps I8.
 */
import { MerklePatriciaTrie, verifyMPTWithMerkleProof } from '@ethereumjs/mpt'
import { RLP } from '@ethereumjs/rlp'
import { AigenError } from '../../schemas/error.ts'
import type { ChainProof, StorageRead } from '../ports/chain-proofs.ts'
import type { Hex } from '../ports/signer.ts'
import { fromHex, toHex } from './hex.ts'
import { keccak } from './keccak.ts'

/** Fields of a header, by EIP-1 order: the state root, the number, the time. */
const STATE_ROOT = 3
const NUMBER = 8
const TIME = 11
const FIELDS_MIN = 15
const EMPTY_ROOT = '0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421'

export interface Header {
  readonly hash: Hex
  readonly number: number
  /** Seconds. */
  readonly time: number
  readonly stateRoot: Uint8Array
}

const unproven = (detail: string): AigenError => new AigenError('chain.unproven', detail)
const number = (bytes: Uint8Array): bigint => bytes.length === 0 ? 0n : BigInt(toHex(bytes))

/** The header in `rlp`, with the hash it really has. Error `chain.unproven`. */
export function readHeader(rlp: Hex): Header {
  try {
    const bytes = fromHex(rlp)
    const fields = RLP.decode(bytes) as Uint8Array[]
    if (!Array.isArray(fields) || fields.length < FIELDS_MIN || fields[STATE_ROOT]?.length !== 32) throw unproven('no header')
    return { hash: toHex(keccak(bytes)), number: Number(number(fields[NUMBER]!)), time: Number(number(fields[TIME]!)), stateRoot: fields[STATE_ROOT] }
  } catch (thrown) {
    throw thrown instanceof AigenError && thrown.code === 'chain.unproven' ? thrown : unproven('the header cannot be read')
  }
}

/** The words asked for, by account and in the order of their slots. Error `chain.unproven`. */
export async function provenWords(proof: ChainProof, { stateRoot }: Header, reads: readonly StorageRead[]): Promise<bigint[][]> {
  const out: bigint[][] = []
  for (const [place, { account, slots }] of reads.entries()) {
    const given = proof.accounts[place]
    if (given?.account.toLowerCase() !== account.toLowerCase()) throw unproven('a proof of another account')
    const state = await under(stateRoot, fromHex(account, 20), given.proof)
    const root = state === null ? undefined : (RLP.decode(state) as Uint8Array[])[2]
    const words: bigint[] = []
    for (const [row, slot] of slots.entries()) {
      const one = given.slots[row]
      if (one?.slot.toLowerCase() !== slot.toLowerCase()) throw unproven('a proof of another word')
      if (root === undefined || toHex(root) === EMPTY_ROOT) words.push(0n)
      else {
        const value = await under(root, fromHex(slot, 32), one.proof)
        words.push(value === null ? 0n : number(RLP.decode(value) as Uint8Array))
      }
    }
    out.push(words)
  }
  return out
}

/** What lies under `root` at `key`; null where the proof shows that nothing does. */
async function under(root: Uint8Array, key: Uint8Array, proof: readonly Hex[]): Promise<Uint8Array | null> {
  if (proof.length === 0) throw unproven('no proof')
  try {
    const trie = new MerklePatriciaTrie({ useKeyHashing: true })
    return await verifyMPTWithMerkleProof(trie, root, key, proof.map((node) => fromHex(node)))
  } catch {
    throw unproven('the proof does not hold')
  }
}
