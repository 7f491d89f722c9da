/** A NATS server for one test file: its own directory and port, gone with everything at `end`. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { seededRandom } from '../memory/random.ts'
import { startServer } from './server.ts'
import type { ServerOptions } from './server.ts'
import type { NatsServer } from './nats-server.ts'

export interface DisposableServer extends NatsServer {
  /** Ends the server and removes its directory. */
  end(): Promise<void>
}

/** Starts one on a free port. The seed of its passwords is its directory's name. */
export async function disposableServer(options: Partial<ServerOptions> = {}): Promise<DisposableServer> {
  const dataDir = options.dataDir ?? await mkdtemp(join(tmpdir(), 'aigen-nats-'))
  const server = await startServer({ random: seededRandom(dataDir), ...options, dataDir })
  return Object.assign(server, {
    end: async () => {
      await server.stop()
      await rm(dataDir, { recursive: true, force: true })
    },
  })
}
