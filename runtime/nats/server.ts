/**
 * The embedded NATS server (DESIGN D4): a real nats-server child with JetStream on a loopback port,
 * its accounts, its data directory. Where AIGEN_NATS_URL is set nothing is started and the server
 * there is used as it is. Used by the node's wiring and by every NATS test.
 */
import { createHash } from 'node:crypto'
import { chmod, mkdir, readFile, rename, rm, statfs, writeFile } from 'node:fs/promises'
import { join, resolve as absolute } from 'node:path'
import { jetstreamManager } from '@nats-io/jetstream'
import { AigenError } from '../../schemas/error.ts'
import { inboxPrefix } from '../ports/network-permissions.ts'
import { newAccounts, withParticipant } from './accounts.ts'
import { configuredServer } from './configured-server.ts'
import { connectNats } from './connection.ts'
import { configuredUrl, findServer, thisMachine } from './find-server.ts'
import { openNetwork, openShelf } from './network-streams.ts'
import { endOrphan } from './orphan.ts'
import { freePort, ServerProcess } from './server-process.ts'
import { limitsFor, renderConfig, weaknesses } from './server-config.ts'
import type { Clock } from '../ports/clock.ts'
import type { Random } from '../ports/random.ts'
import type { Accounts } from './accounts.ts'
import type { Connection } from './connection.ts'
import type { Credentials } from './credentials.ts'
import type { NatsServer } from './nats-server.ts'
import type { FoundServer } from './sources/source.ts'

export type ServerEvent =
  | { readonly type: 'fetching'; readonly what: string }
  | { readonly type: 'ended-orphan'; readonly pid: number }
  | { readonly type: 'died'; readonly reason: string; readonly waitMs: number }
  | { readonly type: 'restarted'; readonly pid: number }
  | { readonly type: 'gave-up'; readonly error: AigenError }

export interface ServerOptions {
  /** Directory of everything the server keeps; made when it is not there. */
  readonly dataDir: string
  /** Preferred port; another free one when it is taken. By default the one of the last run. */
  readonly port?: number
  readonly clock?: Clock
  readonly random: Random
  readonly onEvent?: (event: ServerEvent) => void
  /** The server to run, instead of finding one. */
  readonly binary?: FoundServer
}

const ADMIT_MS = 15_000

/**
 * Starts the server of `dataDir`, or takes the configured one, and makes the network's streams.
 * Errors: `nats.missing`, `nats.failed`, `node.locked` when another process runs it.
 *
 * @example
 * const server = await startServer({ dataDir: '.aigen/nats', random: systemRandom })
 * const { network, journal } = await server.admit('0xab…')
 */
export async function startServer(options: ServerOptions): Promise<NatsServer> {
  const url = options.binary === undefined ? configuredUrl() : undefined
  const dataDir = absolute(options.dataDir)
  if (url !== undefined) return configuredServer(url, dataDir)
  const tell = options.onEvent ?? (() => {})
  const found = options.binary ?? await findServer(thisMachine((what) => tell({ type: 'fetching', what })))
  await mkdir(dataDir, { recursive: true, mode: 0o700 })
  await chmod(dataDir, 0o700)
  const orphan = await endOrphan(join(dataDir, 'nats.pid'), join(dataDir, 'nats.conf'))
  if (orphan !== undefined) tell({ type: 'ended-orphan', pid: orphan })
  const server = new EmbeddedServer(dataDir, found, options.random, tell)
  await server.start(options.port)
  return server
}

class EmbeddedServer implements NatsServer {
  readonly dataDir: string
  readonly version: string
  readonly source: FoundServer['source']
  readonly warnings: readonly string[]
  readonly #binary: string
  readonly #random: Random
  readonly #tell: (event: ServerEvent) => void
  #port = 0
  #accounts!: Accounts
  #saved: Accounts | undefined
  #config: (accounts: Accounts) => string = () => ''
  #process!: ServerProcess
  #operator!: Connection
  #admitting: Promise<unknown> = Promise.resolve()

  constructor(dataDir: string, found: FoundServer, random: Random, tell: (event: ServerEvent) => void) {
    this.dataDir = dataDir
    this.version = found.version
    this.source = found.source
    this.warnings = weaknesses(found.version)
    this.#binary = found.path
    this.#random = random
    this.#tell = tell
  }

  get url(): string {
    return `nats://127.0.0.1:${this.#port}`
  }

  get pid(): number {
    return this.#process.pid
  }

  get operator(): Credentials {
    return { url: this.url, ...this.#accounts.operator, inboxPrefix: '_INBOX.operator' }
  }

  async start(wanted: number | undefined): Promise<void> {
    const kept = await this.#load()
    this.#accounts = kept?.accounts ?? newAccounts(this.#random)
    this.#port = await freePort(wanted ?? kept?.port)
    const space = await statfs(this.dataDir)
    const limits = limitsFor(space.bavail * space.bsize)
    const name = `aigen-${createHash('sha256').update(this.dataDir).digest('hex').slice(0, 12)}`
    this.#config = (accounts) => renderConfig({ name, port: this.#port, dataDir: this.dataDir, version: this.version, limits, accounts })
    await this.#save(this.#accounts)
    this.#process = new ServerProcess({
      binary: this.#binary, configFile: join(this.dataDir, 'nats.conf'), pidFile: join(this.dataDir, 'nats.pid'),
      logFile: join(this.dataDir, 'nats.log'), port: this.#port,
      events: {
        died: (reason, waitMs) => this.#tell({ type: 'died', reason, waitMs }),
        restarted: (pid) => this.#tell({ type: 'restarted', pid }),
        gaveUp: (error) => this.#tell({ type: 'gave-up', error }),
      },
    })
    await this.#process.start()
    try {
      this.#operator = await connectNats(this.operator, 'operator')
      await openNetwork(this.#operator)
    } catch (thrown) {
      await this.stop()
      throw thrown
    }
  }

  async admit(participant: string, options: { readonly guardian?: boolean } = {}): Promise<{ network: Credentials; journal: Credentials }> {
    const guardian = options.guardian ?? this.#accounts.participants[participant]?.guardian ?? false
    const before = this.#accounts
    // at once, so that participants admitted together share one reload
    this.#accounts = withParticipant(before, participant, this.#random, guardian)
    const { network, journal } = this.#accounts.participants[participant]!
    const credentials = {
      network: { url: this.url, ...network, inboxPrefix: inboxPrefix(participant) },
      journal: { url: this.url, ...journal },
    }
    if (this.#accounts !== before) {
      const reload = this.#admitting.catch(() => {}).then(() => this.#reload())
      this.#admitting = reload
      await reload
    } else {
      await this.#admitting
    }
    await this.#accepted(credentials.journal)
    await openShelf(this.#operator, participant)
    return credentials
  }

  async stop(): Promise<void> {
    await this.#operator?.close().catch(() => {})
    await this.#process.stop()
    await rm(join(this.dataDir, 'nats.pid'), { force: true })
  }

  async #reload(): Promise<void> {
    if (this.#saved === this.#accounts) return
    await this.#save(this.#accounts)
    this.#process.reload()
  }

  /** Waits until the server has taken the participant in. */
  async #accepted(credentials: Credentials): Promise<void> {
    const until = performance.now() + ADMIT_MS
    for (;;) {
      try {
        const connection = await connectNats(credentials, 'admission', { reconnect: false })
        try {
          // the account is there a moment before its JetStream
          await (await jetstreamManager(connection.nc, { checkAPI: false })).getAccountInfo()
          return
        } finally {
          await connection.close()
        }
      } catch (thrown) {
        if (performance.now() > until) throw new AigenError('nats.failed', 'the server does not take a new participant', { cause: thrown })
      }
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }

  async #save(accounts: Accounts): Promise<void> {
    await replace(join(this.dataDir, 'accounts.json'), JSON.stringify({ port: this.#port, accounts }, null, 1))
    await replace(join(this.dataDir, 'nats.conf'), this.#config(accounts))
    this.#saved = accounts
  }

  async #load(): Promise<{ port: number; accounts: Accounts } | undefined> {
    const path = join(this.dataDir, 'accounts.json')
    const text = await readFile(path, 'utf8').catch(() => undefined)
    if (text === undefined) return undefined
    try {
      return JSON.parse(text) as { port: number; accounts: Accounts }
    } catch (thrown) {
      throw new AigenError('nats.failed', `${path} cannot be read; without it the journals' accounts are lost`, { cause: thrown })
    }
  }
}

/** Replaces a file by rename, readable by its owner only. */
async function replace(path: string, text: string): Promise<void> {
  await writeFile(`${path}.new`, text, { mode: 0o600 })
  await chmod(`${path}.new`, 0o600)
  await rename(`${path}.new`, path)
}
