/**
 * What every route of the gateway works with: the caller of a request, the promise that
 * `Idempotency-Key` makes, and an answer that is streamed with heartbeats and at the client's pace.
 */
import { createHash } from 'node:crypto'
import type { Context } from 'hono'
import { streamSSE, type SSEStreamingApi } from 'hono/streaming'
import { decodeJson } from '../../../schemas/decode.ts'
import { newId } from '../../../schemas/id.ts'
import type { Gateway } from '../gateway.ts'
import type { KeyLimits } from '../keys.ts'
import type { Caller } from '../perform.ts'
import { AigenError } from '../../../schemas/error.ts'
import type { Accounts } from './accounts.ts'
import { refusal } from './refusal.ts'

/** How often a stream says that it is there, in ms: below what proxies take for dead. */
const HEARTBEAT_MS = 15_000
export const BODY_BYTES_MAX = 2 * 2 ** 20

export interface Door {
  readonly gateway: Gateway
  readonly accounts: Accounts
}

export interface KnownCaller extends Caller {
  readonly limits: KeyLimits
}

/** Whose key the request carries, with what it may do. Error `gateway.key`. */
export async function callerOf({ gateway, accounts }: Door, context: Context): Promise<KnownCaller> {
  const [, key] = /^Bearer ([\x21-\x7e]{1,200})$/.exec(context.req.header('authorization') ?? '') ?? []
  if (key === undefined) throw new AigenError('gateway.key')
  const caller = await accounts.caller(key)
  const { limits, revoked } = await gateway.ledger.key(caller.key)
  if (revoked) throw new AigenError('gateway.key', 'It was revoked.')
  return { ...caller, limits }
}

/** The customer by session or by key. Error `gateway.key`. */
export async function customerOf(door: Door, context: Context): Promise<string> {
  if (context.req.header('authorization')) return (await callerOf(door, context)).customer
  return door.accounts.session(context.req.raw.headers)
}

/** The body as JSON, within limits. Errors `input.*`. */
export async function bodyOf(context: Context, bytesMax = BODY_BYTES_MAX): Promise<unknown> {
  return decodeJson(new Uint8Array(await context.req.arrayBuffer()), { bytesMax })
}

/**
 * Does `work` under a name for its call, once for an `Idempotency-Key`: a repeat gets the answer that
 * was kept. Errors: those of `work`, `gateway.repeat`, `gateway.pending`.
 */
export async function once<Answer>({ gateway }: Door, context: Context, caller: Caller, request: unknown, work: (call: string) => Promise<Answer>): Promise<Answer> {
  const { clock, random } = gateway.user.node
  const idem = context.req.header('idempotency-key')
  if (idem === undefined) return work(newId('req', clock.now(), random.bytes(10)))
  const entry = await gateway.answers.enter<Answer>(caller.key, idem, [context.req.path, request])
  try {
    if (entry.answer !== undefined) {
      context.header('idempotent-replayed', 'true')
      return entry.answer
    }
    let answer: Answer
    try {
      answer = await work(entry.call)
    } catch (error) {
      // A gateway that stops leaves the attempt as it is: the same request goes on with it later.
      if (!gateway.stopping()) await entry.fail()
      throw error
    }
    await entry.keep(answer)
    return answer
  } finally {
    entry.leave()
  }
}

/** An id of OpenAI's kind that is the same for the same call. */
export function answerId(prefix: string, call: string): string {
  return `${prefix}-${createHash('sha256').update(call).digest('base64url').slice(0, 28)}`
}

/** `write` waits for the client; `gone` aborts when it has hung up. */
export interface Live {
  write(data: object | string, event?: string): Promise<void>
  readonly gone: AbortSignal
}

/** Answers with server-sent events; what `tell` throws is said in the stream, in OpenAI's shape. */
export function live({ gateway }: Door, context: Context, gone: AbortController, tell: (live: Live) => Promise<void>): Response {
  const { clock } = gateway.user.node
  context.header('x-accel-buffering', 'no')
  return streamSSE(context, async (stream: SSEStreamingApi) => {
    const ended = new AbortController()
    stream.onAbort(() => gone.abort(new AigenError('step.cancelled')))
    if (context.req.raw.signal.aborted) gone.abort(new AigenError('step.cancelled'))
    const write: Live['write'] = async (data, event) => {
      await stream.writeSSE({ data: typeof data === 'string' ? data : JSON.stringify(data), ...(event === undefined ? {} : { event }) })
    }
    const beat = async (): Promise<void> => {
      for (;;) {
        await clock.sleep(HEARTBEAT_MS, ended.signal)
        await stream.write(': still here\n\n')
      }
    }
    beat().catch(() => undefined)
    try {
      await tell({ write, gone: gone.signal })
    } catch (error) {
      await write(refusal(error, clock.now()).body, undefined)
    } finally {
      ended.abort(new AigenError('step.cancelled'))
    }
  })
}
