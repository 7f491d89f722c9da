/**
 * A real nats-server of a benchmark with one account, in a temporary folder: what `durable` and
 * `actors` stand on. Ends with `end`; after SIGKILL the server's watcher ends it.
 */
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Credentials } from '../runtime/nats/credentials.ts'
import type { NatsServer } from '../runtime/nats/nats-server.ts'
import { startServer } from '../runtime/nats/server.ts'
import { systemRandom } from '../runtime/node/system-random.ts'

export interface Broker {
  readonly nats: NatsServer
  /** For both sides of a request and for the journal. */
  readonly credentials: Credentials
  /** Of this benchmark alone; other users may pass through, not look. */
  readonly folder: string
  /** What is called at the end before the server stops, the last one first. */
  beforeEnd(stop: () => Promise<void>): void
  end(): Promise<void>
}

/** Errors: `nats.*`. */
export async function openBroker(): Promise<Broker> {
  const folder = await mkdtemp(join(tmpdir(), 'aigen-bench-'))
  await chmod(folder, 0o711)
  let nats: NatsServer | undefined
  const stops: (() => Promise<void>)[] = []
  const end = async (): Promise<void> => {
    for (let stop = stops.pop(); stop; stop = stops.pop()) await stop().catch((error: Error) => void process.stderr.write(`${error.message}\n`))
    await nats?.stop()
    await rm(folder, { recursive: true, force: true })
  }
  try {
    nats = await startServer({ dataDir: join(folder, 'nats'), random: systemRandom })
    const { journal } = await nats.admit('bench')
    return { nats, credentials: journal, folder, beforeEnd: (stop) => void stops.push(stop), end }
  } catch (error) {
    await end()
    throw error
  }
}
