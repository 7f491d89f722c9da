/**
 * Puts the test dollar, the vault and the passes on a development chain, always at the same addresses: they are
 * created by the devnet's deployer key at nonces 0, 1 and 2. Also hands out gas there. Used by
 * `examples/devnet` and by tests; on any other chain the addresses are configuration.
 */
import { createHash } from 'node:crypto'
import { encodeDeployData, getContractAddress, type PublicClient } from 'viem'
import { AigenError } from '../../schemas/error.ts'
import type { Hex, WalletSigner } from '../ports/signer.ts'
import { chainClient, onChain, type ClientOptions } from './client.ts'
import { passAbi, passBytecode } from './contracts/pass.gen.ts'
import { testDollarAbi, testDollarBytecode } from './contracts/test-dollar.gen.ts'
import { vaultAbi, vaultBytecode } from './contracts/vault.gen.ts'
import { nativeSigner } from './native-signer.ts'
import { signTransaction } from './transaction.ts'

export interface Deployment {
  /** The vault contract. */
  readonly contract: Hex
  readonly token: Hex
  /** The pass contract. */
  readonly passes: Hex
}

/** A public key of no worth: whoever reads this can sign with it, on development chains only. */
export const devnetDeployer = (): WalletSigner => nativeSigner(createHash('sha256').update('aigen devnet deployer').digest())

const TEN_COINS = 10n ** 19n
const DEPLOY_GAS = 8_000_000n
const RECEIPT_MS = 15_000

/**
 * Addresses of the contracts, deployed if they are not there yet; repeatable.
 * `chain.reverted` when the chain is not a development chain (it must grant balances).
 */
export async function deployDevnet(options: ClientOptions): Promise<Deployment> {
  const client = chainClient(options)
  const deployer = devnetDeployer()
  const token = getContractAddress({ from: deployer.address, nonce: 0n }).toLowerCase() as Hex
  const contract = getContractAddress({ from: deployer.address, nonce: 1n }).toLowerCase() as Hex
  const passes = getContractAddress({ from: deployer.address, nonce: 2n }).toLowerCase() as Hex
  const nonce = await onChain(() => client.getTransactionCount({ address: deployer.address }))
  if (nonce < 3) await grantGas(client, deployer.address)
  if (nonce < 1) await create(client, options, deployer, 0, encodeDeployData({ abi: testDollarAbi, bytecode: testDollarBytecode }))
  if (nonce < 2) await create(client, options, deployer, 1, encodeDeployData({ abi: vaultAbi, bytecode: vaultBytecode }))
  if (nonce < 3) await create(client, options, deployer, 2, encodeDeployData({ abi: passAbi, bytecode: passBytecode, args: [] }))
  for (const address of [token, contract, passes]) {
    if (await onChain(() => client.getCode({ address })) === undefined) {
      throw new AigenError('chain.reverted', `There is no contract at ${address}: the deployer key was used for something else.`)
    }
  }
  return { contract, token, passes }
}

async function create(client: PublicClient, options: ClientOptions, deployer: WalletSigner, nonce: number, data: Hex): Promise<void> {
  await onChain(async () => {
    const fees = await client.estimateFeesPerGas()
    const { bytes } = signTransaction({ type: 'eip1559', chainId: options.chainId, nonce, data, gas: DEPLOY_GAS, ...fees }, deployer)
    const hash = await client.sendRawTransaction({ serializedTransaction: bytes })
    const receipt = await client.waitForTransactionReceipt({ hash, timeout: RECEIPT_MS, pollingInterval: 50 })
    if (receipt.status !== 'success') throw new AigenError('chain.reverted', 'The contract could not be created.')
  })
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
