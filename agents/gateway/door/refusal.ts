/**
 * Refusals in OpenAI's shape, made from the one error table: `{error:{message,type,param,code}}`, with
 * the codes that OpenAI's clients know where they know one, `Retry-After` where waiting helps, and
 * `x-should-retry`, which those clients obey. What is our own fault says no particulars.
 */
import { asError, AigenError, type ErrorCode } from '../../../schemas/error.ts'
import { httpStatus } from '../../http/status.ts'
import { MINUTE_MS } from '../keys.ts'

/** What OpenAI's clients call it: type and code. */
const KNOWN: Partial<Record<ErrorCode, readonly [type: string, code: string]>> = {
  'gateway.key': ['authentication_error', 'invalid_api_key'],
  'gateway.denied': ['permission_error', 'permission_denied'],
  'gateway.credit': ['insufficient_quota', 'insufficient_quota'],
  'gateway.budget': ['insufficient_quota', 'budget_exceeded'],
  'gateway.rate': ['rate_limit_error', 'rate_limit_exceeded'],
  'gateway.parallel': ['rate_limit_error', 'too_many_parallel_requests'],
  'gateway.model': ['invalid_request_error', 'model_not_found'],
  'gateway.repeat': ['idempotency_error', 'idempotency_key_in_use'],
}
/** Errors whose message is about the gateway and not about the request. */
const OWN: ReadonlySet<ErrorCode> = new Set(['internal', 'wallet.empty', 'policy.refused', 'chain.unreachable', 'chain.reverted', 'journal.conflict', 'journal.corrupt', 'journal.unknown', 'journal.machine-changed', 'network.denied', 'network.unreachable'])

export interface Refusal {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: { readonly error: { readonly message: string; readonly type: string; readonly param: string | null; readonly code: string } }
}

/** @param now in ms, for how long to wait */
export function refusal(thrown: unknown, now: number): Refusal {
  const error = asError(thrown)
  const { code, rule } = error
  const own = OWN.has(code)
  const status = own ? (code === 'internal' ? 500 : 503) : httpStatus(code)
  const [type, name] = KNOWN[code] ?? [status < 500 ? 'invalid_request_error' : 'server_error', code]
  const wait = code === 'gateway.rate' ? Math.ceil((MINUTE_MS - (now % MINUTE_MS)) / 1_000) : code === 'gateway.parallel' || code === 'gateway.pending' ? 1 : undefined
  // A client that repeats what cannot succeed only costs both sides time.
  const retry = rule.retry && !(error instanceof AigenError && code === 'step.cancelled')
  return {
    status,
    // What is left of a body that is too large is not read: the connection ends with the answer.
    headers: { 'x-should-retry': String(retry), ...(status === 413 ? { connection: 'close' } : {}), ...(wait === undefined ? {} : { 'retry-after': String(wait) }) },
    body: { error: { message: own ? rule.says : `${error.message} ${rule.hint}`, type, param: error.path ?? null, code: name } },
  }
}
