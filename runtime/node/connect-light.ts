/**
 * The ports of a light node: the network's NATS as a guest, a journal and a shelf in files, a rail
 * that asks relays. It is given no journal account and no address of a chain. Used by the command line
 * and by programs.
 */
import { join } from 'node:path'
import type { GuardianSet } from '../../schemas/documents.gen.ts'
import { TEST_DOLLAR_LAYOUT, type TokenLayout } from '../evm/storage.ts'
import { fileBlobs } from '../files/blobs.ts'
import { fileJournal } from '../files/journal.ts'
import { lightRail, type LightRail } from '../light/rail.ts'
import { natsBlobs } from '../nats/blobs.ts'
import { natsBus } from '../nats/bus.ts'
import { connectNats } from '../nats/connection.ts'
import type { Credentials } from '../nats/credentials.ts'
import type { RailTerms } from '../ports/rail.ts'
import type { ConnectedPorts, Connections } from './connect.ts'
import { askDoor } from './guardian-door.ts'
import { systemClock } from './system-clock.ts'
import { systemRandom } from './system-random.ts'

/** What a light node is told: where the network is, and which contract on which chain holds its money. */
export interface LightConnections {
  readonly network: Credentials
  readonly terms: RailTerms
  /** Where the token keeps its balances (default: the devnet's dollar). */
  readonly layout?: TokenLayout
  /** The guardians of the network, from genesis. */
  readonly guardians?: GuardianSet
}

export interface ConnectedLightPorts extends Omit<ConnectedPorts, 'rail'> {
  readonly rail: LightRail
}

/** The devnet's money as a light node has to know it beforehand, of what its network takes a participant in with. */
export function devnetLight({ network, guardians, chain: { chainId, contract, token } }: Connections): LightConnections {
  return {
    network, ...(guardians ? { guardians } : {}),
    terms: {
      chainId, contract, token, asset: `eip155:${chainId}/erc20:${token.toLowerCase()}`, decimals: 6, symbol: 'USDC',
      tokenDomain: { name: 'AIGEN Test Dollar', version: '1' },
    },
  }
}

/** Errors: `network.unreachable`, `network.denied`. `home` is a folder of this participant alone. */
export async function connectLightPorts({ network: credentials, terms, guardians, layout = TEST_DOLLAR_LAYOUT }: LightConnections, participant: string, home: string): Promise<ConnectedLightPorts> {
  const connection = await connectNats(credentials, `aigen light ${participant}`)
  try {
    const bus = natsBus(connection)
    const journal = fileJournal(join(home, 'journal'))
    return {
      bus, journal, blobs: await fileBlobs(join(home, 'blobs')), transfer: natsBlobs(connection, participant), connection,
      rail: lightRail({ terms, layout, clock: systemClock, random: systemRandom }), clock: systemClock, random: systemRandom, ...(guardians ? { guardians, askDoor } : {}),
      close: async () => {
        await journal.close()
        await bus.close()
        await connection.close()
      },
    }
  } catch (error) {
    await connection.close()
    throw error
  }
}
