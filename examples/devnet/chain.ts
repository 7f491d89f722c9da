/**
 * The devnet's chain: anvil under its data folder, or the development chain that AIGEN_RPC_URL
 * names, with the test dollar and the vault deployed and gas for whoever joins.
 */
import { join } from 'node:path'
import { chainIdOf } from '../../runtime/evm/client.ts'
import { deployDevnet, fundGas } from '../../runtime/evm/deploy.ts'
import { startAnvil } from '../../runtime/evm/anvil.ts'
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
      chain: { ...options, ...contracts },
      pid: anvil?.pid() ?? 0,
      fund: (account) => fundGas(options, [account]),
      stop: async () => anvil?.stop(),
    }
  } catch (error) {
    await anvil?.stop()
    throw error
  }
}
