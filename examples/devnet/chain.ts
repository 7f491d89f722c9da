/**
 * The devnet's chain: anvil under its data folder, or the development chain that AIGEN_RPC_URL
 * names, with the test dollar and the vault deployed and gas for whoever joins. AIGEN_RPC_WITNESSES names
 * more addresses of that chain, between commas, and AIGEN_CONFIRMATIONS how deep a reservation must be.
 */
import { join } from 'node:path'
import { chainIdOf } from '../../runtime/evm/client.ts'
import { deployDevnet, fundGas } from '../../runtime/evm/deploy.ts'
import { startAnvil } from '../../runtime/evm/anvil.ts'
import { AigenError } from '../../schemas/error.ts'
import type { Connections } from '../../runtime/node/connect.ts'
import type { Hex } from '../../runtime/ports/signer.ts'

export interface DevnetChain {
  readonly chain: Connections['chain']
  /** Process id of anvil; 0 for a chain that was not started here. */
  readonly pid: number
  fund(account: Hex): Promise<void>
  stop(): Promise<void>
}

/** Starts or finds the chain. Errors: `anvil.*`, `chain.*`. */
export async function startChain(data: string): Promise<DevnetChain> {
  const url = process.env['AIGEN_RPC_URL']?.trim()
  const anvil = url ? undefined : await startAnvil({ data: join(data, 'chain'), history: false })
  try {
    const options = { url: anvil?.url ?? url!, chainId: anvil ? 31_337 : await chainIdOf(url!) }
    const contracts = await deployDevnet(options)
    return {
      chain: { ...options, ...contracts, ...(url ? trustOf(process.env) : {}) },
      pid: anvil?.pid() ?? 0,
      fund: (account) => fundGas(options, [account]),
      stop: async () => anvil?.stop(),
    }
  } catch (error) {
    await anvil?.stop()
    throw error
  }
}

/** How far the chain is trusted, from the environment. Error `usage.invalid`. */
function trustOf({ AIGEN_RPC_WITNESSES: addresses = '', AIGEN_CONFIRMATIONS: depth = '0' }: NodeJS.ProcessEnv): Pick<Connections['chain'], 'witnesses' | 'confirmations'> {
  const witnesses = addresses.split(',').map((one) => one.trim()).filter((one) => one !== '')
  const confirmations = Number(depth)
  if (!Number.isInteger(confirmations) || confirmations < 0 || confirmations > 100) throw new AigenError('usage.invalid', `AIGEN_CONFIRMATIONS is ${depth}, not a number of blocks up to 100`)
  return { ...(witnesses.length > 0 ? { witnesses } : {}), ...(confirmations > 0 ? { confirmations } : {}) }
}
