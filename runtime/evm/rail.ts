/**
 * The payment rail on an EVM chain (port `rail.ts`): the Vault contract behind viem. Digests and
 * signatures are local and native; only reads and writes touch the chain. Used by `runtime/node`.
 */
import {
  BlockNotFoundError, keccak256, parseEventLogs, TransactionNotFoundError, TransactionReceiptNotFoundError, type PublicClient,
  type TransactionReceipt,
} from 'viem'
import { AigenError, asError } from '../../schemas/error.ts'
import { REFUSALS, type PaidRow, type Rail, type RailTerms, type RailWrite, type RefusedRow, type WriteOutcome } from '../ports/rail.ts'
import type { Hex } from '../ports/signer.ts'
import { chainClient, onChain, revertReason, type ClientOptions } from './client.ts'
import { evmProofs } from './chain-proofs.ts'
import { testDollarAbi } from './contracts/test-dollar.gen.ts'
import { vaultAbi } from './contracts/vault.gen.ts'
import { fromHex } from './hex.ts'
import { laneFacts } from './lane-facts.ts'
import { evmPasses } from './passes.ts'
import { railSigning } from './rail-signing.ts'
import { revealedKey } from './revealed.ts'
import { evmSubscriptions } from './subscriptions.ts'
import { callOf, signTransaction, type LaneFacts } from './transaction.ts'

export interface EvmRailOptions extends ClientOptions {
  readonly contract: Hex
  readonly token: Hex
  /** The pass contract; without it nothing is sold by subscription. */
  readonly passes?: Hex
  /** The subscription contract; without it none are sold that can be given away. */
  readonly subscriptions?: Hex
}

/** Room above the estimate: a batch whose rows change until it is mined must not run out. */
const GAS_MARGIN = 1.3
const GAS_EXTRA = 30_000n
/** A replacement at the same nonce must raise the fees by at least a tenth. */
const BUMP_PERCENT = 125n

const ZERO_HASH = `0x${'00'.repeat(32)}`

const lower = (hex: string): Hex => hex.toLowerCase() as Hex

/**
 * Opens the rail of a vault contract and token: asks the chain for its id and the token for its
 * symbol and decimals. `chain.unreachable` when it does not answer, `chain.reverted` when chain or
 * contracts are not the expected ones.
 */
export async function evmRail(options: EvmRailOptions): Promise<Rail> {
  const client = chainClient(options)
  const token = { address: options.token, abi: testDollarAbi } as const
  const [chainId, code, decimals, symbol, domain, passCode, subscriptionCode] = await onChain(() => Promise.all([
    client.getChainId(),
    client.getCode({ address: options.contract }),
    client.readContract({ ...token, functionName: 'decimals' }),
    client.readContract({ ...token, functionName: 'symbol' }),
    // A token without a domain (EIP-5267) of its own takes no signed authorisations that we could make.
    client.readContract({ ...token, functionName: 'eip712Domain' }).catch(() => undefined),
    options.passes === undefined ? undefined : client.getCode({ address: options.passes }),
    options.subscriptions === undefined ? undefined : client.getCode({ address: options.subscriptions }),
  ]))
  if (chainId !== options.chainId) throw new AigenError('chain.reverted', `The chain is ${chainId}, not ${options.chainId}.`)
  if (code === undefined) throw new AigenError('chain.reverted', `There is no contract at ${options.contract}.`)
  if (options.passes !== undefined && passCode === undefined) throw new AigenError('chain.reverted', `There is no contract at ${options.passes}.`)
  if (options.subscriptions !== undefined && subscriptionCode === undefined) throw new AigenError('chain.reverted', `There is no contract at ${options.subscriptions}.`)
  const terms: RailTerms = {
    chainId, contract: lower(options.contract), token: lower(options.token), decimals, symbol,
    ...(domain === undefined ? {} : { tokenDomain: { name: domain[1], version: domain[2] } }),
    asset: `eip155:${chainId}/erc20:${lower(options.token)}`,
    ...(options.passes === undefined ? {} : { passes: lower(options.passes) }),
    ...(options.subscriptions === undefined ? {} : { subscriptions: lower(options.subscriptions) }),
  }
  const sold = {
    ...(terms.passes === undefined ? {} : { passes: evmPasses(client, terms.passes) }),
    ...(terms.subscriptions === undefined ? {} : { subscriptions: evmSubscriptions(client, terms.subscriptions) }),
  }
  return { terms, ...sold, proofs: evmProofs(client), ...railSigning(terms), ...reads(client, terms), ...writes(client, terms) }
}

function reads(client: PublicClient, terms: RailTerms) {
  const vault = { address: terms.contract, abi: vaultAbi } as const
  const at = async (depth: number): Promise<{ blockNumber?: bigint }> => {
    if (depth === 0) return {}
    const head = await client.getBlockNumber()
    return { blockNumber: head > BigInt(depth) ? head - BigInt(depth) : 0n }
  }
  return {
    lane: (id, depth = 0) => onChain(async () => {
      const [lane, of] = await client.readContract({ ...vault, functionName: 'laneOf', args: [id], ...await at(depth) })
      // One contract serves every token: who reserves worthless ones has reserved nothing here.
      if (lane.vaultId === ZERO_HASH || lower(of.token) !== terms.token) return undefined
      return {
        id: lower(id), vault: lane.vaultId, owner: lower(of.owner), voucherKey: lower(of.voucherKey), payee: lower(lane.payee), number: Number(lane.number),
        reserved: lane.reserved, claimed: lane.claimed, delay: of.delay, exitAt: lane.exitAt, closed: lane.closed,
      }
    }),
    vault: (id, depth = 0) => onChain(async () => {
      const state = await client.readContract({ ...vault, functionName: 'vaultOf', args: [id], ...await at(depth) })
      if (BigInt(state.owner) === 0n || lower(state.token) !== terms.token) return undefined
      return {
        id: lower(id), owner: lower(state.owner), voucherKey: lower(state.voucherKey), delay: state.delay,
        number: Number(state.number), free: state.free,
      }
    }),
    balance: (account) => onChain(() =>
      client.readContract({ address: terms.token, abi: testDollarAbi, functionName: 'balanceOf', args: [account] })),
    permitNonce: (account) => onChain(() =>
      client.readContract({ address: terms.token, abi: testDollarAbi, functionName: 'nonces', args: [account] })),
    credit: (account) => onChain(() => client.readContract({ ...vault, functionName: 'creditOf', args: [terms.token, account] })),
    ruling: (voucher) => onChain(async () => {
      const [ruled, payeeAmount] = await client.readContract({ ...vault, functionName: 'rulingOf', args: [voucher] })
      return ruled ? payeeAmount : undefined
    }),
    revealed: (voucher) => onChain(() => revealedKey(client, terms.contract, voucher)),
    head: () => onChain(async () => {
      const block = await client.getBlock()
      return { block: Number(block.number), time: Number(block.timestamp) }
    }),
  } satisfies Partial<Rail>
}

function writes(client: PublicClient, terms: RailTerms) {
  const factsOf = laneFacts(client, terms.contract)
  return {
    nonce: (account) => onChain(() => client.getTransactionCount({ address: account, blockTag: 'latest' })),
    prepare: async (write, signer, nonce, bump = 0, signal) => {
      const { to, data } = encoded(write, signer.address, terms, write.kind === 'claim' ? await factsOf(write.claims) : undefined)
      const [gas, fees] = await onChain(() => Promise.all([
        client.estimateGas({ account: signer.address, to, data }), client.estimateFeesPerGas(),
      ]))
      const raised = (fee: bigint): bigint => fee * BUMP_PERCENT ** BigInt(bump) / 100n ** BigInt(bump) + BigInt(bump)
      return signTransaction({
        kind: 'transaction', chainId: terms.chainId, nonce, to, data,
        gas: BigInt(Math.ceil(Number(gas) * GAS_MARGIN)) + GAS_EXTRA,
        maxFeePerGas: raised(fees.maxFeePerGas), maxPriorityFeePerGas: raised(fees.maxPriorityFeePerGas),
      }, signer, signal)
    },
    broadcast: async (bytes) => {
      try {
        return await client.sendRawTransaction({ serializedTransaction: bytes })
      } catch (thrown) {
        const hash = keccak256(bytes)
        const text = thrown instanceof Error ? `${thrown.message} ${(thrown as { details?: string }).details ?? ''}` : ''
        // Known or mined already; whether it was ours that used up the nonce, `outcome` tells.
        if (/already known|already imported|nonce too low|nonce is too low|lower than the current nonce/i.test(text)) return hash
        return await onChain<Hex>(() => Promise.reject(thrown))
      }
    },
    outcome: (hash) => onChain(async () => {
      try {
        return await doneOutcome(client, terms, await client.getTransactionReceipt({ hash }))
      } catch (thrown) {
        if (!(thrown instanceof TransactionReceiptNotFoundError || thrown instanceof BlockNotFoundError)) throw thrown
      }
      try {
        await client.getTransaction({ hash })
        return { state: 'pending' }
      } catch (thrown) {
        if (thrown instanceof TransactionNotFoundError) return { state: 'unknown' }
        throw thrown
      }
    }),
  } satisfies Partial<Rail>
}

/**
 * The call, or `input.invalid` for a field that does not fit its type, before the chain is asked:
 * viem lets text that is no hex through, and the chain's complaint about it looks like an outage.
 */
function encoded(write: RailWrite, from: Hex, terms: RailTerms, facts?: ReadonlyMap<Hex, LaneFacts>): ReturnType<typeof callOf> {
  try {
    const call = callOf(write, from, terms, facts)
    fromHex(call.data)
    return call
  } catch (thrown) {
    throw asError(thrown, 'input.invalid')
  }
}

async function doneOutcome(client: PublicClient, terms: RailTerms, receipt: TransactionReceipt): Promise<WriteOutcome> {
  const block = Number(receipt.blockNumber)
  if (receipt.status !== 'success') {
    return { state: 'done', ok: false, block, reason: await replayReason(client, receipt), paid: [], refused: [] }
  }
  const logs = receipt.logs.filter((log) => lower(log.address) === terms.contract)
  const paid: PaidRow[] = []
  const refused: RefusedRow[] = []
  for (const { eventName, args } of parseEventLogs({ abi: vaultAbi, logs, eventName: ['Claimed', 'Refused'] })) {
    if (eventName === 'Claimed') paid.push({ lane: args.laneId, payee: lower(args.payee), paid: args.paid, claimed: args.claimed, ref: args.ref })
    else refused.push({ row: Number(args.row), lane: args.laneId, reason: REFUSALS[args.reason] ?? 'malformed' })
  }
  return { state: 'done', ok: true, block, paid, refused }
}

/** A receipt does not say why it reverted: the call is made again on the block before. */
async function replayReason(client: PublicClient, receipt: TransactionReceipt): Promise<string> {
  try {
    const { from, to, input, gas } = await client.getTransaction({ hash: receipt.transactionHash })
    await client.call({ account: from, to, data: input, gas, blockNumber: receipt.blockNumber - 1n })
    return 'reverted'
  } catch (thrown) {
    return revertReason(thrown) ?? 'reverted'
  }
}

