/**
 * Passes on an EVM chain (port `passes.ts`): the Pass contract behind viem, and the calldata of its
 * writes. Used by `rail.ts` and `transaction.ts`.
 */
import { encodeFunctionData, type PublicClient } from 'viem'
import { AigenError } from '../../schemas/error.ts'
import type { Passes, PassWrite } from '../ports/passes.ts'
import type { RailTerms } from '../ports/rail.ts'
import type { Hex } from '../ports/signer.ts'
import { onChain } from './client.ts'
import { passAbi } from './contracts/pass.gen.ts'
import { testDollarAbi } from './contracts/test-dollar.gen.ts'
import { passId } from './pass-id.ts'

const lower = (hex: string): Hex => hex.toLowerCase() as Hex

export function evmPasses(client: PublicClient, contract: Hex): Passes {
  const pass = { address: contract, abi: passAbi } as const
  return {
    contract: lower(contract),
    id: passId,
    passClass: (id) => onChain(async () => {
      const { provider, token, price, period, ahead, quota } = await client.readContract({ ...pass, functionName: 'classOf', args: [BigInt(id)] })
      return BigInt(provider) === 0n ? undefined : { id: lower(id), provider: lower(provider), token: lower(token), price, period, ahead, quota: Number(quota) }
    }),
    pass: (id, holder) => onChain(async () => ({ expiresAt: await client.readContract({ ...pass, functionName: 'expiresAt', args: [BigInt(id), holder] }) })),
  }
}

/** Whom the write calls and with what. `chain.reverted` where the rail knows no pass contract. */
export function passCall(write: PassWrite, { token, passes }: Pick<RailTerms, 'token' | 'passes'>): { readonly to: Hex, readonly data: Hex } {
  if (passes === undefined) throw new AigenError('chain.reverted', 'No pass contract is known on this chain.')
  switch (write.kind) {
    case 'pass-class': {
      const { number, price, period, ahead, quota } = write
      return { to: passes, data: encodeFunctionData({ abi: passAbi, functionName: 'register', args: [BigInt(number), token, price, period, ahead, BigInt(quota)] }) }
    }
    case 'pass-approve':
      return { to: token, data: encodeFunctionData({ abi: testDollarAbi, functionName: 'approve', args: [passes, write.amount] }) }
    case 'pass-buy':
      return { to: passes, data: encodeFunctionData({ abi: passAbi, functionName: 'buy', args: [BigInt(write.pass), write.periods] }) }
  }
}
