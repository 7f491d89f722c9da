/**
 * Subscriptions on an EVM chain (port `subscriptions.ts`): the Subscription contract behind viem, its
 * events, and the calldata of its writes. Used by `rail.ts` and `transaction.ts`.
 */
import { encodeFunctionData, parseEventLogs, type PublicClient } from 'viem'
import { AigenError } from '../../schemas/error.ts'
import type { RailTerms } from '../ports/rail.ts'
import type { Hex } from '../ports/signer.ts'
import { CHANGED_BLOCKS_MAX, type Subscriptions, type SubscriptionWrite } from '../ports/subscriptions.ts'
import { onChain } from './client.ts'
import { subscriptionAbi as abi } from './contracts/subscription.gen.ts'
import { testDollarAbi } from './contracts/test-dollar.gen.ts'
import { planId, subscriptionId } from './subscription-id.ts'

const lower = (hex: string): Hex => hex.toLowerCase() as Hex
const word = (value: bigint): Hex => `0x${value.toString(16).padStart(64, '0')}`

export function evmSubscriptions(client: PublicClient, contract: Hex): Subscriptions {
  const book = { address: contract, abi } as const
  return {
    contract: lower(contract),
    planId,
    id: subscriptionId,
    plan: (id) => onChain(async () => {
      const { provider, token, price, period, ahead, quota, closed } = await client.readContract({ ...book, functionName: 'planOf', args: [BigInt(id)] })
      if (BigInt(provider) === 0n) return undefined
      return { id: lower(id), provider: lower(provider), token: lower(token), price, period, ahead, quota: Number(quota), closed }
    }),
    subscription: (id) => onChain(async () => {
      const [holder, plan, expiresAt, cancelled] = await client.readContract({ ...book, functionName: 'subscriptionOf', args: [BigInt(id)] })
      return plan === 0n ? undefined : { id: lower(id), plan: word(plan), holder: lower(holder), expiresAt, cancelled }
    }),
    changed: (since) => onChain(async () => {
      const head = Number(await client.getBlockNumber())
      if (head <= since) return { at: head, ids: [] }
      const at = Math.min(head, since + CHANGED_BLOCKS_MAX)
      const logs = await client.getLogs({ address: contract, fromBlock: BigInt(since + 1), toBlock: BigInt(at) })
      const events = parseEventLogs({ abi, logs, eventName: ['SubscriptionUpdate', 'Cancelled', 'Transfer'] })
      return { at, ids: [...new Set(events.map(({ args }) => word(args.tokenId)))] }
    }),
  }
}

/** Whom the write calls and with what. `chain.reverted` where the rail knows no subscription contract. */
export function subscriptionCall(write: SubscriptionWrite, from: Hex, { token, subscriptions }: Pick<RailTerms, 'token' | 'subscriptions'>): { readonly to: Hex, readonly data: Hex } {
  if (subscriptions === undefined) throw new AigenError('chain.reverted', 'No subscription contract is known on this chain.')
  const to = subscriptions
  switch (write.kind) {
    case 'subscription-plan': {
      const { number, price, period, ahead, quota } = write
      return { to, data: encodeFunctionData({ abi, functionName: 'register', args: [BigInt(number), token, price, period, ahead, BigInt(quota)] }) }
    }
    case 'subscription-close':
      return { to, data: encodeFunctionData({ abi, functionName: 'close', args: [BigInt(write.number)] }) }
    case 'subscription-approve':
      return { to: token, data: encodeFunctionData({ abi: testDollarAbi, functionName: 'approve', args: [to, write.amount] }) }
    case 'subscription-buy':
      return { to, data: encodeFunctionData({ abi, functionName: 'subscribe', args: [BigInt(write.plan), BigInt(write.number), write.periods] }) }
    case 'subscription-renew':
      return { to, data: encodeFunctionData({ abi, functionName: 'renewSubscription', args: [BigInt(write.subscription), BigInt(write.seconds)] }) }
    case 'subscription-cancel':
      return { to, data: encodeFunctionData({ abi, functionName: 'cancelSubscription', args: [BigInt(write.subscription)] }) }
    case 'subscription-give':
      return { to, data: encodeFunctionData({ abi, functionName: 'transferFrom', args: [from, write.to, BigInt(write.subscription)] }) }
  }
}
