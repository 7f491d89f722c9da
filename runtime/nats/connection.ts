/**
 * One connection to a NATS account (DESIGN D4): it reconnects for ever, with bounded waits, and
 * tells who asks when it was lost, so that an append need not wait for its time-out. Bus, journal,
 * blobs and discovery stand on it.
 */
import { connect } from '@nats-io/transport-node'
import { AigenError } from '../../schemas/error.ts'
import { natsError, wasCut } from './nats-error.ts'
import type { NatsConnection } from '@nats-io/nats-core'
import type { Credentials } from './credentials.ts'

const CONNECT_MS = 5_000
const RECONNECT_WAIT_MS = 100
const RECONNECT_JITTER_MS = 100
/** Connections cut while they are made, in a row, before that is told. */
const CUTS_MAX = 5

export interface Connection {
  /** The client; only the files of this folder touch it. */
  readonly nc: NatsConnection
  readonly credentials: Credentials
  /** The server's version. */
  readonly version: string
  readonly closed: boolean
  /** Publishes and subscriptions the server refused. */
  readonly denied: number
  /** How often the connection came back. */
  readonly reconnects: number
  /** Calls `listener` each time the connection is lost or closed; returns how to stop that. */
  onLost(listener: () => void): () => void
  /** Ends it, what was published so far sent first. Idempotent. */
  close(): Promise<void>
}

/** Connects. Errors: `network.unreachable`, `network.denied` for a wrong password. */
export async function connectNats(credentials: Credentials, name: string, options: { readonly reconnect?: boolean } = {}): Promise<Connection> {
  const open = (): Promise<NatsConnection> => connect({
    servers: credentials.url.split(','), name, noAsyncTraces: true, timeout: CONNECT_MS,
    ...(credentials.user === '' ? {} : { user: credentials.user, pass: credentials.pass }),
    ...(credentials.inboxPrefix === undefined ? {} : { inboxPrefix: credentials.inboxPrefix }),
    reconnect: options.reconnect ?? true, maxReconnectAttempts: -1, ignoreAuthErrorAbort: true,
    reconnectTimeWait: RECONNECT_WAIT_MS, reconnectJitter: RECONNECT_JITTER_MS, reconnectJitterTLS: RECONNECT_JITTER_MS,
    pingInterval: 20_000, maxPingOut: 2,
  })
  for (let cuts = 0; ; cuts++) {
    try {
      return new NatsLink(await open(), credentials)
    } catch (thrown) {
      // A server that reads its configuration anew, because somebody was taken in, cuts whoever is in the middle of connecting.
      if (cuts >= CUTS_MAX || !wasCut(thrown)) throw natsError(thrown, credentials.url)
      await new Promise((resolve) => setTimeout(resolve, RECONNECT_WAIT_MS))
    }
  }
}

class NatsLink implements Connection {
  readonly nc: NatsConnection
  readonly credentials: Credentials
  denied = 0
  reconnects = 0
  readonly #lost = new Set<() => void>()
  #closing: Promise<void> | undefined

  constructor(nc: NatsConnection, credentials: Credentials) {
    this.nc = nc
    this.credentials = credentials
    void this.#follow()
  }

  get version(): string {
    return this.nc.info?.version ?? '0.0.0'
  }

  get closed(): boolean {
    return this.#closing !== undefined || this.nc.isClosed()
  }

  onLost(listener: () => void): () => void {
    this.#lost.add(listener)
    return () => { this.#lost.delete(listener) }
  }

  close(): Promise<void> {
    this.#closing ??= this.#end()
    return this.#closing
  }

  async #end(): Promise<void> {
    this.#tellLost()
    if (this.nc.isClosed()) return
    // draining waits for the server; a server that is away must not hold up the end
    await Promise.race([this.nc.flush().catch(() => {}), new Promise((resolve) => setTimeout(resolve, 1_000).unref())])
    await this.nc.close()
  }

  async #follow(): Promise<void> {
    for await (const status of this.nc.status()) {
      if (status.type === 'disconnect') this.#tellLost()
      else if (status.type === 'reconnect') this.reconnects++
      else if (status.type === 'error' && status.error.name === 'PermissionViolationError') this.denied++
    }
    this.#tellLost()
  }

  #tellLost(): void {
    for (const listener of [...this.#lost]) listener()
  }
}

/** Throws `network.closed` when `connection` is. */
export function checkOpen(connection: Connection): void {
  if (connection.closed) throw new AigenError('network.closed')
}
