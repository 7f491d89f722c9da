/**
 * Puts the test dollar, the vault, the passes and the subscriptions on a development chain, always at the same
 * addresses: they are created by the devnet's deployer key at nonces 0 to 3. Also hands out gas there. Used by
 * `examples/devnet` and by tests; on any other chain the addresses are configuration.
 */
import { createHash } from 'node:crypto'
import { encodeDeployData, getContractAddress, type PublicClient } from 'viem'
import { AigenError } from '../../schemas/error.ts'
import type { Hex, WalletSigner } from '../ports/signer.ts'
import { chainClient, onChain, type ClientOptions } from './client.ts'
import { passAbi, passBytecode } from './contracts/pass.gen.ts'
import { subscriptionAbi, subscriptionBytecode } from './contracts/subscription.gen.ts'
import { testDollarAbi, testDollarBytecode } from './contracts/test-dollar.gen.ts'
import { vaultAbi, vaultBytecode } from './contracts/vault.gen.ts'
import { testWalletAbi, testWalletBytecode } from './contracts/test-wallet.gen.ts'
import { nativeSigner } from './native-signer.ts'
import { signTransaction } from './transaction.ts'

export interface Deployment {
  /** The vault contract. */
  readonly contract: Hex
  readonly token: Hex
  /** The pass contract. */
  readonly passes: Hex
  /** The subscription contract. */
  readonly subscriptions: Hex
}

/** A public key of no worth: whoever reads this can sign with it, on development chains only. */
export const devnetDeployer = (): WalletSigner => nativeSigner(createHash('sha256').update('aigen devnet deployer').digest())

const TEN_COINS = 10n ** 19n
const DEPLOY_GAS = 8_000_000n
const RECEIPT_MS = 15_000

/** What is created, by nonce. */
const CONTRACTS: readonly Hex[] = [
  encodeDeployData({ abi: testDollarAbi, bytecode: testDollarBytecode }),
  encodeDeployData({ abi: vaultAbi, bytecode: vaultBytecode }),
  encodeDeployData({ abi: passAbi, bytecode: passBytecode, args: [] }),
  encodeDeployData({ abi: subscriptionAbi, bytecode: subscriptionBytecode, args: [] }),
]

/**
 * Addresses of the contracts, deployed if they are not there yet; repeatable.
 * `chain.reverted` when the chain is not a development chain (it must grant balances).
 */
export async function deployDevnet(options: ClientOptions): Promise<Deployment> {
  const client = chainClient(options)
  const deployer = devnetDeployer()
  const nonce = await onChain(() => client.getTransactionCount({ address: deployer.address }))
  if (nonce < CONTRACTS.length) await grantGas(client, deployer.address)
  for (let next = nonce; next < CONTRACTS.length; next += 1) await create(client, options, deployer, next, CONTRACTS[next]!)
  const addresses = CONTRACTS.map((_, at) => getContractAddress({ from: deployer.address, nonce: BigInt(at) }).toLowerCase() as Hex)
  for (const address of addresses) {
    if (await onChain(() => client.getCode({ address })) === undefined) {
      throw new AigenError('chain.reverted', `There is no contract at ${address}: the deployer key was used for something else.`)
    }
  }
  const [token, contract, passes, subscriptions] = addresses as [Hex, Hex, Hex, Hex]
  return { contract, token, passes, subscriptions }
}

async function create(client: PublicClient, options: ClientOptions, deployer: WalletSigner, nonce: number, data: Hex): Promise<void> {
  await onChain(async () => {
    const fees = await client.estimateFeesPerGas()
    const { maxFeePerGas, maxPriorityFeePerGas } = fees
    const { bytes } = await signTransaction({ kind: 'transaction', chainId: options.chainId, nonce, data, gas: DEPLOY_GAS, maxFeePerGas, maxPriorityFeePerGas }, deployer)
    const hash = await client.sendRawTransaction({ serializedTransaction: bytes })
    const receipt = await client.waitForTransactionReceipt({ hash, timeout: RECEIPT_MS, pollingInterval: 50 })
    if (receipt.status !== 'success') throw new AigenError('chain.reverted', 'The contract could not be created.')
  })
}

/** Address of a new contract wallet for which `key` signs (contracts/TestWallet.sol); development chains only. */
export async function deployWallet(options: ClientOptions, key: Hex): Promise<Hex> {
  const client = chainClient(options)
  const deployer = devnetDeployer()
  const nonce = await onChain(() => client.getTransactionCount({ address: deployer.address }))
  await create(client, options, deployer, nonce, encodeDeployData({ abi: testWalletAbi, bytecode: testWalletBytecode, args: [key] }))
  return getContractAddress({ from: deployer.address, nonce: BigInt(nonce) }).toLowerCase() as Hex
}

/** Address of one more test dollar, which is another token and worth nothing to who asks for the first; development chains only. */
export async function deployToken(options: ClientOptions): Promise<Hex> {
  const client = chainClient(options)
  const deployer = devnetDeployer()
  const nonce = await onChain(() => client.getTransactionCount({ address: deployer.address }))
  await create(client, options, deployer, nonce, encodeDeployData({ abi: testDollarAbi, bytecode: testDollarBytecode }))
  return getContractAddress({ from: deployer.address, nonce: BigInt(nonce) }).toLowerCase() as Hex
}

/** Gives each account ten coins for gas where it has fewer than five; development chains only. */
export async function fundGas(options: ClientOptions, accounts: readonly Hex[]): Promise<void> {
  const client = chainClient(options)
  for (const account of accounts) {
    if (await onChain(() => client.getBalance({ address: account })) < TEN_COINS / 2n) await grantGas(client, account)
  }
}

async function grantGas(client: PublicClient, account: Hex): Promise<void> {
  await onChain(() => client.request({ method: 'anvil_setBalance', params: [account, `0x${TEN_COINS.toString(16)}`] } as never))
}
