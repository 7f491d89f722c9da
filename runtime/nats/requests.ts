/**
 * Requests on one connection by one inbox. The client's own `request` makes an error with its stack,
 * two races and a timer for each answer that comes, a quarter of what a busy caller's step costs;
 * here a request is an entry of a map, and one timer watches over all of them. Used by the bus and
 * the journal.
 */
import { createInbox, PermissionViolationError } from '@nats-io/nats-core'
import { AigenError } from '../../schemas/error.ts'
import { natsError } from './nats-error.ts'
import type { Msg, MsgHdrs, Subscription } from '@nats-io/nats-core'
import type { Connection } from './connection.ts'

const NO_RESPONDERS = 503

interface Pending {
  readonly subject: string
  /** By `performance.now()`. */
  readonly deadline: number
  readonly resolve: (message: Msg) => void
  readonly reject: (error: AigenError) => void
}

const ofConnection = new WeakMap<Connection, Requests>()

/** The requests of `connection`: one inbox, however many ask. */
export function requestsOf(connection: Connection): Requests {
  const known = ofConnection.get(connection)
  if (known) return known
  const made = new Requests(connection)
  ofConnection.set(connection, made)
  return made
}

class Requests {
  readonly #connection: Connection
  /** By the last part of the subject that the answer comes on; the oldest first. */
  readonly #pending = new Map<string, Pending>()
  #inbox: { readonly prefix: string; readonly subscription: Subscription } | undefined
  #made = 0
  #timer: NodeJS.Timeout | undefined
  #wakesAt = Infinity

  constructor(connection: Connection) {
    this.#connection = connection
    // a connection that is away may come back, with the answer or in time for the deadline
    connection.onLost(() => { if (connection.closed) this.#failAll(new AigenError('network.closed')) })
    void this.#follow()
  }

  /** The first answer. Errors: `network.no-responders`, `network.timeout`, `network.denied`, `network.closed`, `input.invalid`. */
  request(subject: string, data: Uint8Array, timeoutMs: number, headers?: MsgHdrs): Promise<Msg> {
    return new Promise((resolve, reject) => {
      const token = (this.#made++).toString(36)
      try {
        const reply = this.#listen() + token
        this.#connection.nc.publish(subject, data, headers === undefined ? { reply } : { reply, headers })
      } catch (thrown) {
        return reject(natsError(thrown, subject))
      }
      const deadline = performance.now() + timeoutMs
      this.#pending.set(token, { subject, deadline, resolve, reject })
      if (deadline < this.#wakesAt) this.#wakeAt(deadline)
    })
  }

  /** The prefix that answers come on. */
  #listen(): string {
    if (this.#inbox === undefined || this.#inbox.subscription.isClosed()) {
      const prefix = `${createInbox(this.#connection.credentials.inboxPrefix)}.`
      const subscription = this.#connection.nc.subscribe(`${prefix}*`, {
        callback: (error, message) => (error === null ? this.#take(message.subject.slice(prefix.length), message) : this.#failAll(natsError(error, prefix))),
      })
      this.#inbox = { prefix, subscription }
    }
    return this.#inbox.prefix
  }

  #take(token: string, message: Msg): void {
    const pending = this.#pending.get(token)
    if (pending === undefined) return
    this.#pending.delete(token)
    if (message.data.length === 0 && message.headers?.code === NO_RESPONDERS) pending.reject(new AigenError('network.no-responders', pending.subject))
    else pending.resolve(message)
  }

  /** The server says what it denies on the connection, not to the request: the oldest of that subject is meant. */
  async #follow(): Promise<void> {
    for await (const status of this.#connection.nc.status()) {
      if (status.type !== 'error' || !(status.error instanceof PermissionViolationError) || status.error.operation !== 'publish') continue
      for (const [token, { subject, reject }] of this.#pending) {
        if (subject !== status.error.subject) continue
        this.#pending.delete(token)
        reject(natsError(status.error, subject))
        break
      }
    }
  }

  #wakeAt(deadline: number): void {
    clearTimeout(this.#timer)
    this.#wakesAt = deadline
    this.#timer = setTimeout(() => this.#sweep(), Math.ceil(deadline - performance.now()))
  }

  #sweep(): void {
    const now = performance.now()
    let next = Infinity
    for (const [token, { subject, deadline, reject }] of this.#pending) {
      if (deadline > now) next = Math.min(next, deadline)
      else {
        this.#pending.delete(token)
        reject(new AigenError('network.timeout', subject))
      }
    }
    this.#wakesAt = Infinity
    if (next !== Infinity) this.#wakeAt(next)
  }

  #failAll(error: AigenError): void {
    clearTimeout(this.#timer)
    this.#wakesAt = Infinity
    const pending = [...this.#pending.values()]
    this.#pending.clear()
    for (const { reject } of pending) reject(error)
  }
}
