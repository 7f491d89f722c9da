/**
 * Proofs from an EVM node (port `chain-proofs.ts`): `eth_getProof` at the latest block or below it, and
 * that block's header as the RLP that hashes to its hash. Used by `rail.ts`, for relays,
 * and for the other RPC addresses that `runtime/light/proven-rail.ts` asks.
 */
import { RLP } from '@ethereumjs/rlp'
import type { PublicClient } from 'viem'
import { AigenError } from '../../schemas/error.ts'
import type { ChainProof, ChainProofs } from '../ports/chain-proofs.ts'
import type { Hex } from '../ports/signer.ts'
import { chainClient, onChain, type ClientOptions } from './client.ts'
import { fromHex, toHex } from './hex.ts'
import { keccak } from './keccak.ts'

/** A block may be mined between two questions; then both are asked again. */
const TRIES_MAX = 5

/** Fields of a header in their order, as `eth_getBlockByNumber` names them; whether they are numbers. */
const FIELDS: readonly (readonly [name: string, numeric: boolean])[] = [
  ['parentHash', false], ['sha3Uncles', false], ['miner', false], ['stateRoot', false], ['transactionsRoot', false], ['receiptsRoot', false],
  ['logsBloom', false], ['difficulty', true], ['number', true], ['gasLimit', true], ['gasUsed', true], ['timestamp', true], ['extraData', false],
  ['mixHash', false], ['nonce', false], ['baseFeePerGas', true], ['withdrawalsRoot', false], ['blobGasUsed', true], ['excessBlobGas', true],
  ['parentBeaconBlockRoot', false], ['requestsHash', false],
]

type RawBlock = Readonly<Record<string, Hex | undefined>>
interface RawProof { readonly accountProof: readonly Hex[], readonly storageProof: readonly { readonly proof: readonly Hex[] }[] }

export function evmProofs(client: PublicClient): ChainProofs {
  const ask = (method: string, params: readonly unknown[]): Promise<unknown> => onChain(() => client.request({ method, params } as never))
  return {
    prove: async (reads, depth = 0) => {
      for (let tries = 1; ; tries += 1) {
        const at = depth === 0 ? 'latest' : numbered(Math.max(0, Number(await ask('eth_blockNumber', [])) - depth))
        const block = await ask('eth_getBlockByNumber', [at, false]) as RawBlock
        const header = headerOf(block)
        const accounts: ChainProof['accounts'][number][] = []
        for (const { account, slots } of reads) {
          const { accountProof, storageProof } = await ask('eth_getProof', [account, slots, at]) as RawProof
          accounts.push({ account, proof: accountProof, slots: slots.map((slot, row) => ({ slot, proof: storageProof[row]?.proof ?? [] })) })
        }
        // The root of each proof is the block's own, or the block is not the one that was proven.
        if (accounts.every(({ proof }) => proof[0] !== undefined && toHex(keccak(fromHex(proof[0]))) === block['stateRoot'])) return { header, accounts }
        if (tries >= TRIES_MAX) throw new AigenError('chain.unreachable', 'The chain moves faster than it proves.')
      }
    },
    block: async (number) => {
      const [block, head] = await Promise.all([ask('eth_getBlockByNumber', [numbered(number), false]), ask('eth_blockNumber', [])])
      const hash = (block as RawBlock | null)?.['hash']
      return { head: Number(head), ...(hash === undefined ? {} : { hash }) }
    },
  }
}

const numbered = (block: number): Hex => `0x${block.toString(16)}`

/** Proofs from the node behind `url`, for who asks more than one. No request is made before the first proof. */
export function proofsFrom(options: ClientOptions): ChainProofs {
  return evmProofs(chainClient(options))
}

function headerOf(block: RawBlock): Hex {
  const fields = FIELDS.flatMap(([name, numeric]) => {
    const value = block[name]
    if (value === undefined || value === null) return []
    return [numeric ? (BigInt(value) === 0n ? new Uint8Array() : fromHex(even(BigInt(value)))) : fromHex(value)]
  })
  const rlp = RLP.encode(fields)
  if (toHex(keccak(rlp)) !== block['hash']) throw new AigenError('chain.unreachable', 'The chain\'s header has fields that are not known here.')
  return toHex(rlp)
}

function even(value: bigint): string {
  const digits = value.toString(16)
  return `0x${digits.length % 2 === 0 ? '' : '0'}${digits}`
}
