/** What the NATS client throws, as codes of the error table. The table's only translator. */
import { JetStreamApiError } from '@nats-io/jetstream'
import {
  AuthorizationError, ClosedConnectionError, ConnectionError, DrainingConnectionError, errors, NoRespondersError,
  PermissionViolationError, RequestError, TimeoutError, UserAuthenticationExpiredError,
} from '@nats-io/nats-core'
import { AigenError } from '../../schemas/error.ts'
import type { ErrorCode } from '../../schemas/error.ts'

/** `detail` says what was tried, like the subject. */
export function natsError(thrown: unknown, detail: string): AigenError {
  if (thrown instanceof AigenError) return thrown
  const code = codeOf(thrown)
  const message = thrown instanceof Error ? thrown.message : String(thrown)
  return new AigenError(code, code === 'internal' || code === 'network.unreachable' ? `${detail}: ${message}` : detail, { cause: thrown })
}

function codeOf(thrown: unknown): ErrorCode {
  for (let error = thrown, depth = 0; error instanceof Error && depth < 5; error = error.cause, depth++) {
    if (error instanceof NoRespondersError) return 'network.no-responders'
    if (error instanceof TimeoutError) return 'network.timeout'
    if (error instanceof PermissionViolationError || error instanceof AuthorizationError) return 'network.denied'
    if (error instanceof UserAuthenticationExpiredError) return 'network.denied'
    if (error instanceof ClosedConnectionError || error instanceof DrainingConnectionError) return 'network.closed'
    if (error instanceof ConnectionError) return 'network.unreachable'
    if (error instanceof errors.InvalidSubjectError || error instanceof errors.InvalidArgumentError) return 'input.invalid'
    // what waits for an answer when the connection closes is cancelled
    if (error instanceof RequestError && error.message === 'cancelled') return 'network.closed'
    // what was on its way when the server went; the connection comes back by itself
    if (error instanceof RequestError && error.message === 'connection disconnected') return 'network.unreachable'
    if (error instanceof Error && 'code' in error && /^(ECONN|EPIPE|ENOTFOUND|EAI_|ETIMEDOUT|EHOST)/.test(String(error.code))) return 'network.unreachable'
  }
  return 'internal'
}

/** Whether the server was there and cut the connection. */
export function wasCut(thrown: unknown): boolean {
  for (let error = thrown, depth = 0; error instanceof Error && depth < 5; error = error.cause, depth++) {
    if ('code' in error && (error.code === 'EPIPE' || error.code === 'ECONNRESET')) return true
  }
  return false
}

/** JetStream's own error number (like 10071), `undefined` for any other error. */
export function apiCode(thrown: unknown): number | undefined {
  for (let error = thrown, depth = 0; error instanceof Error && depth < 5; error = error.cause, depth++) {
    if (error instanceof JetStreamApiError) return error.code
  }
  return undefined
}
