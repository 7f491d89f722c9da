/**
 * Reads single messages of a stream without a consumer, by the direct API that permissions can
 * allow subject by subject. Used by the bus (kept values), blobs and the journal.
 */
import { AigenError } from '../../schemas/error.ts'
import { natsError } from './nats-error.ts'
import { requestsOf } from './requests.ts'
import type { Msg } from '@nats-io/nats-core'
import type { Connection } from './connection.ts'

const TIMEOUT_MS = 5_000

export interface DirectMessage {
  readonly subject: string
  readonly sequence: number
  readonly data: Uint8Array
  readonly headers: Readonly<Record<string, string>>
}

/** The last message of `subject`, or `undefined`. Errors: those of a request. */
export function lastOf(connection: Connection, stream: string, subject: string): Promise<DirectMessage | undefined> {
  return ask(connection, `$JS.API.DIRECT.GET.${stream}.${subject}`, '')
}

/** The message at `sequence`, or `undefined`. */
export function at(connection: Connection, stream: string, sequence: number): Promise<DirectMessage | undefined> {
  return ask(connection, `$JS.API.DIRECT.GET.${stream}`, JSON.stringify({ seq: sequence }))
}

/** The first message from `sequence` on whose subject matches `filter`, or `undefined`. */
export function next(connection: Connection, stream: string, sequence: number, filter: string): Promise<DirectMessage | undefined> {
  return ask(connection, `$JS.API.DIRECT.GET.${stream}`, JSON.stringify({ seq: sequence, next_by_subj: filter }))
}

async function ask(connection: Connection, subject: string, body: string): Promise<DirectMessage | undefined> {
  let message: Msg
  try {
    message = await requestsOf(connection).request(subject, Buffer.from(body), TIMEOUT_MS)
  } catch (thrown) {
    throw natsError(thrown, subject)
  }
  const code = message.headers?.code ?? 0
  if (code === 404) return undefined
  if (code !== 0) throw new AigenError('internal', `${subject}: ${code} ${message.headers?.description ?? ''}`)
  const headers: Record<string, string> = {}
  for (const [name, values] of message.headers ?? []) headers[name] = values.at(-1) ?? ''
  return { subject: headers['Nats-Subject'] ?? '', sequence: Number(headers['Nats-Sequence']), data: message.data, headers }
}
