/**
 * From a participant's configuration to the ports of a node: NATS for bus, journal and blobs, an EVM
 * chain for the rail. Used by the roles' command lines and by the devnet.
 */
import type { Credentials } from '../nats/credentials.ts'
import { ownBlobs, natsBlobs } from '../nats/blobs.ts'
import { natsBus } from '../nats/bus.ts'
import { connectNats, type Connection } from '../nats/connection.ts'
import { natsJournal } from '../nats/journal.ts'
import { proofsFrom } from '../evm/chain-proofs.ts'
import { evmRail } from '../evm/rail.ts'
import { provenRail } from '../light/proven-rail.ts'
import type { Rail } from '../ports/rail.ts'
import type { GuardianSet } from '../../schemas/documents.gen.ts'
import type { NodePorts } from './node.ts'
import { systemClock } from './system-clock.ts'
import { systemRandom } from './system-random.ts'

/** Where a participant's node meets the network, keeps its journal and finds its money. Plain JSON. */
export interface Connections {
  readonly network: Credentials
  readonly journal: Credentials
  /** `passes` and `subscriptions` are the contracts of what is sold for a time, where the network has them. */
  readonly chain: {
    readonly url: string; readonly chainId: number; readonly contract: `0x${string}`; readonly token: `0x${string}`; readonly passes?: `0x${string}`; readonly subscriptions?: `0x${string}`
    /** More RPC addresses of the chain: what `url` says of lanes then counts only as far as two of all these name the same block and it is proven under it. */
    readonly witnesses?: readonly string[]
    /** Blocks on top before a chain write or a payer's reservation counts; default 0, for a chain that loses none. */
    readonly confirmations?: number
  }
  /** The guardians of the network, from genesis. */
  readonly guardians?: GuardianSet
}

export interface ConnectedPorts extends NodePorts {
  /** The network connection itself, for NATS micro discovery. */
  readonly connection: Connection
  close(): Promise<void>
}

/** Errors: `network.unreachable`, `network.denied`, `chain.*`. */
export async function connectPorts(connections: Connections, participant: string): Promise<ConnectedPorts> {
  const opened: Connection[] = []
  try {
    const network = await connectNats(connections.network, `aigen ${participant}`)
    opened.push(network)
    const own = await connectNats(connections.journal, `aigen journal ${participant}`)
    opened.push(own)
    const rail = await railOf(connections.chain)
    const blobs = await ownBlobs(own)
    const bus = natsBus(network)
    const ownBus = natsBus(own)
    const journal = natsJournal(own)
    return {
      bus, own: ownBus, journal, blobs, transfer: natsBlobs(network, participant), rail, clock: systemClock, random: systemRandom, connection: network, ...(connections.chain.confirmations === undefined ? {} : { confirmations: connections.chain.confirmations }), ...(connections.guardians ? { guardians: connections.guardians } : {}),
      close: async () => {
        await journal.close()
        await bus.close()
        await ownBus.close()
        for (const connection of opened) await connection.close()
      },
    }
  } catch (error) {
    for (const connection of opened) await connection.close()
    throw error
  }
}

/** The chain's rail; with witnesses, one that believes no single address. Errors `chain.*`. */
async function railOf({ witnesses = [], ...chain }: Connections['chain']): Promise<Rail> {
  const rail = await evmRail(chain)
  if (witnesses.length === 0) return rail
  return provenRail(rail, { witnesses: witnesses.map((url) => proofsFrom({ url, chainId: chain.chainId })), clock: systemClock })
}
