/**
 * The connection to a chain: viem's client over HTTP with bounded waits, and the one place where
 * its errors become ours. Used by `rail.ts` and `deploy.ts`.
 */
import { BaseError, createPublicClient, decodeErrorResult, defineChain, http, type PublicClient } from 'viem'
import { AigenError } from '../../schemas/error.ts'
import type { Hex } from '../ports/signer.ts'
import { passAbi } from './contracts/pass.gen.ts'
import { subscriptionAbi } from './contracts/subscription.gen.ts'
import { testDollarAbi } from './contracts/test-dollar.gen.ts'
import { vaultAbi } from './contracts/vault.gen.ts'

export interface ClientOptions {
  readonly url: string
  readonly chainId: number
  /** Milliseconds for one request; default 5,000. */
  readonly timeoutMs?: number
  /** Times a request is repeated when the chain does not answer; default 2. */
  readonly retries?: number
}

/** A client that polls and batches nothing and holds no connection open when idle. */
export function chainClient(options: ClientOptions): PublicClient {
  const chain = defineChain({
    id: options.chainId,
    name: `eip155:${options.chainId}`,
    nativeCurrency: { name: 'Gas', symbol: 'GAS', decimals: 18 },
    rpcUrls: { default: { http: [options.url] } },
  })
  return createPublicClient({
    chain,
    cacheTime: 0,
    transport: http(options.url, { timeout: options.timeoutMs ?? 5_000, retryCount: options.retries ?? 2, retryDelay: 100 }),
  }) as PublicClient
}

/** The id of the chain behind `url`. Error `chain.unreachable`. */
export function chainIdOf(url: string): Promise<number> {
  return onChain(() => createPublicClient({ transport: http(url, { timeout: 5_000, retryCount: 2 }) }).getChainId())
}

const ERRORS_ABI = [...vaultAbi, ...testDollarAbi, ...passAbi, ...subscriptionAbi].filter((entry) => entry.type === 'error')

/** The revert in words, like `InsufficientFree(5, 3)`, or undefined when `thrown` is not a revert. */
export function revertReason(thrown: unknown): string | undefined {
  if (!(thrown instanceof BaseError)) return undefined
  let data: Hex | undefined
  let reverted = false
  thrown.walk((cause) => {
    const { data: found, code } = cause as { data?: unknown, code?: unknown }
    const raw = typeof found === 'object' && found !== null ? (found as { data?: unknown }).data : found
    if (typeof raw === 'string' && raw.startsWith('0x')) data = raw as Hex
    if (code === 3 || /revert/i.test((cause as Error).message)) reverted = true
    return false
  })
  if (data !== undefined && data.length >= 10) {
    try {
      const { errorName, args } = decodeErrorResult({ abi: ERRORS_ABI, data })
      return `${errorName}(${(args ?? []).map(String).join(', ')})`
    } catch {
      return `revert ${data.slice(0, 74)}`
    }
  }
  return reverted ? thrown.shortMessage : undefined
}

/** Answers by which a node says that these bytes can never be mined as things stand. */
const REJECTED = /insufficient funds|intrinsic gas|exceeds block gas|invalid sender|invalid chain|fee too low|less than block base fee/i

/** Runs a request; what it throws becomes `chain.reverted` (with the reason) or `chain.unreachable`. */
export async function onChain<T>(request: () => Promise<T>): Promise<T> {
  try {
    return await request()
  } catch (thrown) {
    if (thrown instanceof AigenError) throw thrown
    const reason = revertReason(thrown)
    if (reason !== undefined) throw new AigenError('chain.reverted', reason, { cause: thrown })
    const message = thrown instanceof BaseError ? `${thrown.shortMessage} ${thrown.details}` : String(thrown)
    if (REJECTED.test(message)) throw new AigenError('chain.reverted', message, { cause: thrown })
    throw new AigenError('chain.unreachable', message, { cause: thrown })
  }
}
