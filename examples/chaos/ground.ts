/**
 * What the chaos run stands on: a real nats-server and a real EVM node of its own, each started again
 * on its data when it dies, and a seat for each participant. Leaves nothing behind. Used by `storm`.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startAnvil } from '../../runtime/evm/anvil.ts'
import { deployDevnet, fundGas } from '../../runtime/evm/deploy.ts'
import { openKeys } from '../../runtime/identity/keys.ts'
import { startCluster } from '../../runtime/nats/cluster.ts'
import type { NatsServer } from '../../runtime/nats/nats-server.ts'
import { startServer } from '../../runtime/nats/server.ts'
import type { Connections } from '../../runtime/node/connect.ts'
import { systemRandom } from '../../runtime/node/system-random.ts'

const CHAIN_ID = 31_337
/** The contracts are in the saved state before the first kill. */
const SAVED_MS = 2_500

/** Who takes part: its keys' folder and where it connects. Plain JSON, so that a child can be told. */
export interface Seat {
  readonly home: string
  readonly participant: `0x${string}`
  readonly connections: Connections
}

export interface Ground {
  readonly chain: Connections['chain']
  /** Processes that a fault may hit, by name. */
  readonly targets: ReadonlyMap<string, () => number | undefined>
  /** Takes a participant in, with an account on NATS and gas on the chain. */
  seat(name: string): Promise<Seat>
  end(): Promise<void>
}

/** One server, or a cluster whose streams are on all of them; and their process ids by name. */
async function startNats(dataDir: string, servers: number): Promise<{ readonly server: NatsServer; readonly pids: readonly (readonly [string, () => number | undefined])[] }> {
  if (servers === 1) {
    const server = await startServer({ dataDir, random: systemRandom })
    return { server, pids: [['nats', () => server.pid]] }
  }
  const server = await startCluster({ dataDir, servers, random: systemRandom })
  return { server, pids: server.pids().map((_, at) => [`nats ${at}`, () => server.pids()[at]] as const) }
}

/** Starts NATS on so many servers, and the chain. Errors: `nats.*`, `anvil.*`, `chain.*`. */
export async function openGround(servers: number): Promise<Ground> {
  const folder = await mkdtemp(join(tmpdir(), 'aigen-chaos-'))
  const undo: (() => Promise<unknown>)[] = [() => rm(folder, { recursive: true, force: true })]
  const end = async (): Promise<void> => {
    for (const step of undo.splice(0).reverse()) await step().catch(() => undefined)
  }
  try {
    const { server, pids } = await startNats(join(folder, 'nats'), servers)
    undo.push(() => server.stop())
    const anvil = await startAnvil({ data: join(folder, 'chain'), history: false })
    undo.push(() => anvil.stop())
    const options = { url: anvil.url, chainId: CHAIN_ID }
    const chain = { ...options, ...(await deployDevnet(options)) }
    await new Promise((resolve) => setTimeout(resolve, SAVED_MS))
    return {
      chain,
      targets: new Map<string, () => number | undefined>([...pids, ['anvil', () => anvil.pid()]]),
      seat: async (name) => {
        const home = join(folder, name)
        const keys = await openKeys({ home, random: systemRandom })
        const { network, journal } = await server.admit(keys.participant)
        await fundGas(options, [keys.wallet.address])
        return { home, participant: keys.participant as `0x${string}`, connections: { network, journal, chain } }
      },
      end,
    }
  } catch (error) {
    await end()
    throw error
  }
}
