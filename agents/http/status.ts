/**
 * HTTP statuses of the error table: one place, so that every door answers the same code alike
 * (RFC 9110; 402 and 429 as API clients expect them). Used by every role's door.
 */
import { ERRORS, type ErrorCode } from '../../schemas/error.ts'

const STATUS: Partial<Record<ErrorCode, number>> = {
  'input.too-large': 413, 'blob.too-large': 413, 'blob.quota': 413,
  'step.input': 422, 'pipeline.invalid': 422,
  'auth.forged': 401, 'auth.expired': 401, 'auth.unauthorised': 403, 'input.unparsable': 400, 'key.revoked': 401, 'key.scope': 403, 'key.quota': 402, 'key.rate': 429,
  'gateway.key': 401, 'gateway.denied': 403, 'gateway.credit': 402, 'gateway.budget': 402, 'gateway.rate': 429, 'gateway.parallel': 429,
  'gateway.repeat': 422, 'gateway.pending': 409, 'gateway.model': 404, 'gateway.unknown': 404, 'gateway.account': 404,
  'budget.too-small': 402, 'wallet.empty': 402, 'policy.refused': 402,
  'market.conflict': 409, 'run.conflict': 409, 'run.ended': 409, 'run.unknown': 404, 'pipeline.unknown': 404, 'blob.missing': 404, 'reputation.unknown': 404,
  'node.busy': 503, 'market.no-provider': 503, 'step.timeout': 504, 'step.cancelled': 499,
}

/** The status for an error code: 400 where the caller must change something, 502 where the other side failed, 500 else. */
export function httpStatus(code: ErrorCode): number {
  return STATUS[code] ?? { caller: 400, provider: 502, network: 503, config: 500, bug: 500 }[ERRORS[code].fault]
}
