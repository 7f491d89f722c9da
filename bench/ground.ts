/**
 * What a benchmark stands on: a real nats-server and a real chain of its own, in a temporary folder,
 * and the child processes it starts. Everything ends with `end`; after SIGKILL the watchers of
 * server and chain and the children's lifeline (child.ts) do it. Used by every benchmark.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startAnvil, type Anvil } from '../runtime/evm/anvil.ts'
import { deployDevnet, fundGas } from '../runtime/evm/deploy.ts'
import { openKeys, type Keys } from '../runtime/identity/keys.ts'
import { watch } from '../runtime/nats/orphan.ts'
import type { NatsServer } from '../runtime/nats/nats-server.ts'
import { startServer } from '../runtime/nats/server.ts'
import type { Connections } from '../runtime/node/connect.ts'
import { systemRandom } from '../runtime/node/system-random.ts'

const CHAIN_ID = 31_337

/** Who takes part: its keys' folder and where it connects. Plain JSON, so that a child can be told. */
export interface Seat {
  readonly home: string
  readonly participant: string
  readonly connections: Connections
}

export interface Ground {
  readonly nats: NatsServer
  /** Process id of the chain. */
  readonly chainPid: number
  /** Takes a participant in, with an account on NATS and gas on the chain. */
  seat(name: string): Promise<{ seat: Seat; keys: Keys }>
  end(): Promise<void>
}

/** Starts server and chain. Errors: `nats.*`, `anvil.*`, `chain.*`. */
export async function openGround(): Promise<Ground> {
  const folder = await mkdtemp(join(tmpdir(), 'aigen-bench-'))
  let nats: NatsServer | undefined
  let anvil: Anvil | undefined
  let watcher: ReturnType<typeof watch> | undefined
  const end = async (): Promise<void> => {
    await anvil?.stop()
    watcher?.kill('SIGKILL')
    await nats?.stop()
    await rm(folder, { recursive: true, force: true })
  }
  try {
    nats = await startServer({ dataDir: join(folder, 'nats'), random: systemRandom })
    anvil = await startAnvil({ data: join(folder, 'chain'), history: false })
    watcher = watch(anvil.pid()!, join(folder, 'chain', 'anvil-state.json'))
    const options = { url: anvil.url, chainId: CHAIN_ID }
    const chain = { ...options, ...(await deployDevnet(options)) }
    const server = nats
    return {
      nats,
      chainPid: anvil.pid()!,
      seat: async (name) => {
        const home = join(folder, name)
        const keys = await openKeys({ home, random: systemRandom })
        const { network, journal } = await server.admit(keys.participant)
        await fundGas(options, [keys.wallet.address])
        return { keys, seat: { home, participant: keys.participant, connections: { network, journal, chain } } }
      },
      end,
    }
  } catch (error) {
    await end()
    throw error
  }
}
