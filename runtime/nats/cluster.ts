/**
 * A NATS cluster on this machine: servers that share accounts and keep every stream in as many
 * copies, so that one of them may die without a record lost or a write refused for long (D4). For
 * tests and the chaos run; in production a cluster is configured (AIGEN_NATS_URL), not started here.
 */
import { mkdir, readFile, statfs, writeFile } from 'node:fs/promises'
import { join, resolve as absolute } from 'node:path'
import { jetstreamManager } from '@nats-io/jetstream'
import { AigenError, asError } from '../../schemas/error.ts'
import { inboxPrefix } from '../ports/network-permissions.ts'
import { newAccounts, withParticipant, type Accounts } from './accounts.ts'
import { connectNats, type Connection } from './connection.ts'
import type { Credentials } from './credentials.ts'
import { findServer, thisMachine } from './find-server.ts'
import type { NatsServer } from './nats-server.ts'
import { openNetwork, openShelf } from './network-streams.ts'
import type { Random } from '../ports/random.ts'
import { limitsFor, renderConfig, weaknesses, type ServerLimits } from './server-config.ts'
import { freePort, ServerProcess } from './server-process.ts'
import type { FoundServer } from './sources/source.ts'

/** A leader is elected in about two seconds; a machine at work may leave it waiting. */
const READY_MS = 40_000
/** The first leader of a new cluster, whose servers have nothing to read. */
const BEGUN_MS = 25_000
/** A new cluster that does not come together is begun anew, with other ports: another program may have taken one of them meanwhile. */
const BEGINNINGS = 3
const LOOK_MS = 50

export interface ClusterOptions {
  /** Directory of everything the servers keep; must be empty. */
  readonly dataDir: string
  /** How many, an odd number; also the copies of each stream. */
  readonly servers: number
  readonly random: Random
}

export interface NatsCluster extends NatsServer {
  /** Process ids of the servers running now, in their order. */
  pids(): readonly number[]
}

interface Member {
  readonly name: string
  readonly dataDir: string
  readonly port: number
  readonly routePort: number
}

/**
 * Starts a new cluster and makes the network's streams. Errors: `nats.missing`, `nats.failed`.
 *
 * @example const cluster = await startCluster({ dataDir, servers: 3, random: systemRandom })
 */
export async function startCluster({ dataDir, servers, random }: ClusterOptions): Promise<NatsCluster> {
  const found = await findServer(thisMachine(() => {}))
  for (let beginning = 1; ; beginning++) {
    const folder = join(absolute(dataDir), `cluster-${beginning}`)
    const members: Member[] = []
    for (let at = 1; at <= servers; at++) {
      const own = join(folder, `server-${at}`)
      await mkdir(own, { recursive: true, mode: 0o700 })
      members.push({ name: `aigen-${at}`, dataDir: own, port: await freePort(), routePort: await freePort() })
    }
    const cluster = new Cluster(folder, members, found, random)
    try {
      await cluster.start()
      return cluster
    } catch (thrown) {
      await cluster.stop()
      if (beginning < BEGINNINGS) continue
      const logs = await Promise.all(members.map(async ({ name, dataDir: own }) => `${name}: ${await lastWarnings(join(own, 'nats.log'))}`))
      throw new AigenError('nats.failed', `${asError(thrown).message} ${logs.join('; ')}`, { cause: thrown })
    }
  }
}

/** The last warnings and errors of a server's log, for people. */
async function lastWarnings(file: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch(() => '')
  return text.split('\n').filter((line) => /\[(WRN|ERR|FTL)\]/.test(line)).slice(-3).join(' | ') || 'no warning'
}

class Cluster implements NatsCluster {
  readonly dataDir: string
  readonly version: string
  readonly source: FoundServer['source']
  readonly warnings: readonly string[]
  readonly url: string
  readonly #members: readonly Member[]
  readonly #random: Random
  readonly #processes: readonly ServerProcess[]
  #accounts: Accounts
  #limits: ServerLimits | undefined
  #operator: Connection | undefined
  #admitting: Promise<unknown> = Promise.resolve()

  constructor(dataDir: string, members: readonly Member[], found: FoundServer, random: Random) {
    this.dataDir = dataDir
    this.version = found.version
    this.source = found.source
    this.warnings = weaknesses(found.version)
    this.url = members.map(({ port }) => `nats://127.0.0.1:${port}`).join(',')
    this.#members = members
    this.#random = random
    this.#accounts = newAccounts(random)
    this.#processes = members.map(({ dataDir: folder, port }) => new ServerProcess({
      binary: found.path, configFile: join(folder, 'nats.conf'), pidFile: join(folder, 'nats.pid'), logFile: join(folder, 'nats.log'), port,
      events: { died: () => {}, restarted: () => {}, gaveUp: () => {} },
    }))
  }

  get pid(): number {
    return this.#processes[0]!.pid
  }

  get operator(): Credentials {
    return { url: this.url, ...this.#accounts.operator, inboxPrefix: '_INBOX.operator', replicas: this.#members.length }
  }

  pids(): readonly number[] {
    return this.#processes.map(({ pid }) => pid)
  }

  async start(): Promise<void> {
    // Once: a server takes no other limits while it runs.
    const space = await statfs(this.dataDir)
    this.#limits = limitsFor(space.bavail * space.bsize / this.#members.length)
    await this.#save()
    await Promise.all(this.#processes.map((one) => one.start()))
    const operator = await connectNats(this.operator, 'operator')
    this.#operator = operator
    await soon(() => openNetwork(operator), 'the cluster elects no leader', BEGUN_MS)
  }

  async admit(participant: string, options: { readonly guardian?: boolean } = {}): Promise<{ network: Credentials; journal: Credentials }> {
    this.#accounts = withParticipant(this.#accounts, participant, this.#random, options.guardian ?? false)
    const { network, journal } = this.#accounts.participants[participant]!
    this.#admitting = this.#admitting.catch(() => {}).then(async () => {
      await this.#save()
      for (const one of this.#processes) one.reload()
    })
    await this.#admitting
    const own = { url: this.url, ...journal, replicas: this.#members.length }
    // Each server takes the participant in by itself.
    for (const { port } of this.#members) await soon(() => answers({ ...own, url: `nats://127.0.0.1:${port}` }), 'a server does not take a new participant')
    await soon(() => openShelf(this.#operator!, participant), 'the cluster makes no shelf')
    return { network: { url: this.url, ...network, inboxPrefix: inboxPrefix(participant), replicas: this.#members.length }, journal: own }
  }

  async stop(): Promise<void> {
    await this.#operator?.close().catch(() => {})
    await Promise.all(this.#processes.map((one) => one.stop()))
  }

  async #save(): Promise<void> {
    for (const { name, dataDir, port, routePort } of this.#members) {
      const routes = this.#members.map((one) => one.routePort).filter((one) => one !== routePort)
      const text = renderConfig({ name, port, dataDir, version: this.version, limits: this.#limits!, accounts: this.#accounts, cluster: { port: routePort, routes } })
      await writeFile(join(dataDir, 'nats.conf'), text, { mode: 0o600 })
    }
  }
}

/** Connects and sees that JetStream answers. */
async function answers(credentials: Credentials): Promise<void> {
  const connection = await connectNats(credentials, 'admission', { reconnect: false })
  try {
    await (await jetstreamManager(connection.nc, { checkAPI: false })).getAccountInfo()
  } finally {
    await connection.close()
  }
}

/** Tries until it works; error `nats.failed` after a while. */
async function soon(act: () => Promise<void>, otherwise: string, withinMs = READY_MS): Promise<void> {
  const until = performance.now() + withinMs
  for (;;) {
    try {
      return await act()
    } catch (thrown) {
      if (performance.now() > until) throw new AigenError('nats.failed', otherwise, { cause: thrown })
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
  }
}
