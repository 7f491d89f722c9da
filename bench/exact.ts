/**
 * x402's `exact` on the same chain in the same run: each step is paid by a transfer of its own. Its scheme
 * for EVM by hand, with viem as its packages use it: the payer signs EIP-3009 `TransferWithAuthorization`, the
 * facilitator checks signature and balance, sends it at its own gas, and the step counts when it is
 * mined. No HTTP and no facilitator's door are in the time, which flatters it. Used by `payments.ts`.
 */
import { encodeFunctionData, recoverTypedDataAddress, type PublicClient } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { testDollarAbi } from '../runtime/evm/contracts/test-dollar.gen.ts'
import { fundGas } from '../runtime/evm/deploy.ts'
import type { ClientOptions } from '../runtime/evm/client.ts'
import { toHex } from '../runtime/evm/hex.ts'
import { generateWalletKey } from '../runtime/evm/native-signer.ts'
import { systemRandom } from '../runtime/node/system-random.ts'
import type { RailTerms } from '../runtime/ports/rail.ts'
import { median, rounded } from './samples.ts'

export interface ExactLine {
  readonly measure: 'exact'
  readonly system: 'x402-exact'
  readonly concurrency: number
  readonly stepsPerSecond: number
  readonly gasPerPayment: number
}

const CONCURRENCIES = [1, 32] as const
const LATE = 2 ** 40
const PRICE = 10n
const GAS = 120_000n
const POLL_MS = 2
const TYPES = {
  TransferWithAuthorization: [
    { name: 'from', type: 'address' }, { name: 'to', type: 'address' }, { name: 'value', type: 'uint256' }, { name: 'validAfter', type: 'uint256' },
    { name: 'validBefore', type: 'uint256' }, { name: 'nonce', type: 'bytes32' },
  ],
} as const

/** Pays steps for `seconds` at each concurrency. The payee holds tokens already, as one in business does. */
export async function measureExact(client: PublicClient, options: ClientOptions, terms: RailTerms, mint: (to: `0x${string}`, amount: bigint) => Promise<unknown>, seconds: number): Promise<ExactLine[]> {
  const [payer, facilitator] = [generateWalletKey(systemRandom), generateWalletKey(systemRandom)].map((key) => privateKeyToAccount(toHex(key))) as [ReturnType<typeof privateKeyToAccount>, ReturnType<typeof privateKeyToAccount>]
  const payTo = privateKeyToAccount(toHex(generateWalletKey(systemRandom))).address
  await fundGas(options, [facilitator.address])
  await mint(payer.address, 1_000_000n)
  await mint(payTo, 1n)
  if (!terms.tokenDomain) throw new Error('the token takes no authorisations')
  const domain = { ...terms.tokenDomain, chainId: terms.chainId, verifyingContract: terms.token }
  const fees = await client.estimateFeesPerGas()
  let nonce = await client.getTransactionCount({ address: facilitator.address })

  const step = async (): Promise<bigint> => {
    const message = { from: payer.address, to: payTo, value: PRICE, validAfter: 0n, validBefore: BigInt(LATE), nonce: toHex(systemRandom.bytes(32)) }
    const signature = await payer.signTypedData({ domain, types: TYPES, primaryType: 'TransferWithAuthorization', message })
    // The facilitator's check, then its settlement.
    const by = await recoverTypedDataAddress({ domain, types: TYPES, primaryType: 'TransferWithAuthorization', message, signature })
    const balance = await client.readContract({ address: terms.token, abi: testDollarAbi, functionName: 'balanceOf', args: [payer.address] })
    if (by !== payer.address || balance < PRICE) throw new Error('the authorisation does not hold')
    const [r, s, v] = [`0x${signature.slice(2, 66)}`, `0x${signature.slice(66, 130)}`, Number(`0x${signature.slice(130)}`)] as [`0x${string}`, `0x${string}`, number]
    const data = encodeFunctionData({ abi: testDollarAbi, functionName: 'transferWithAuthorization', args: [message.from, message.to, message.value, message.validAfter, message.validBefore, message.nonce, v, r, s] })
    const mine = nonce++
    const hash = await client.sendRawTransaction({ serializedTransaction: await facilitator.signTransaction({ type: 'eip1559', chainId: terms.chainId, nonce: mine, to: terms.token, data, gas: GAS, ...fees }) })
    for (;;) {
      const receipt = await client.getTransactionReceipt({ hash }).catch(() => undefined)
      if (receipt?.status === 'reverted') throw new Error('a payment was reverted')
      if (receipt) return receipt.gasUsed
      await new Promise((resolve) => setTimeout(resolve, POLL_MS))
    }
  }

  const lines: ExactLine[] = []
  for (const concurrency of CONCURRENCIES) {
    await Promise.all(Array.from({ length: concurrency }, step))
    const gas: number[] = []
    const from = performance.now()
    const until = from + seconds * 1_000
    await Promise.all(Array.from({ length: concurrency }, async () => {
      while (performance.now() < until) gas.push(Number(await step()))
    }))
    lines.push({ measure: 'exact', system: 'x402-exact', concurrency, stepsPerSecond: rounded(gas.length / ((performance.now() - from) / 1_000), 0), gasPerPayment: rounded(median(gas), 0) })
  }
  return lines
}
