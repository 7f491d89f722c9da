/** The EVM rail passes the rail's conformance suite on a real anvil with the compiled contracts. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { memoryWallet } from '../memory/signer.ts'
import { passesContract } from '../ports/passes.contract.ts'
import { railContract, type RailHarness } from '../ports/rail.contract.ts'
import { subscriptionsContract } from '../ports/subscriptions.contract.ts'
import { startAnvil } from './anvil.ts'
import { chainClient } from './client.ts'
import { deployDevnet, deployWallet, fundGas } from './deploy.ts'
import { railSigning } from './rail-signing.ts'
import { evmRail } from './rail.ts'

async function harness(): Promise<RailHarness> {
  const data = await mkdtemp(join(tmpdir(), 'aigen-rail-'))
  const anvil = await startAnvil({ data })
  const options = { url: anvil.url, chainId: 31_337 }
  const rail = await evmRail({ ...options, ...await deployDevnet(options) })
  const client = chainClient(options)
  let accounts = 0
  return {
    rail,
    elsewhere: {
      contract: railSigning({ ...rail.terms, contract: rail.terms.token }).signVoucher,
      chain: railSigning({ ...rail.terms, chainId: 1 }).signVoucher,
    },
    account: async () => {
      const signer = memoryWallet(`rail ${accounts += 1}`)
      await fundGas(options, [signer.address])
      return signer
    },
    wallet: (key) => deployWallet(options, key.address),
    // A block at that second, so that estimates see it too, and the next one in the same second.
    at: async (time) => {
      const rpc = (method: string, params: unknown[]) => client.request({ method, params } as never)
      await rpc('evm_setNextBlockTimestamp', [time])
      await rpc('evm_mine', [])
      await rpc('evm_setNextBlockTimestamp', [time])
    },
    stop: async () => {
      await anvil.stop()
      await rm(data, { recursive: true, force: true })
    },
  }
}

railContract('evm', harness)
passesContract('evm', harness)
subscriptionsContract('evm', harness)
