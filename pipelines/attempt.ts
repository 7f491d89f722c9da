/**
 * Attempts of a step: whether another one is allowed, how each is written down, and what the last one
 * comes to. Pure; used by
 * the step machine.
 */
import type { ErrorBody } from '../schemas/error.ts'
import type { Attempt, StepContext } from './step.ts'

/** The word in `retry.on` that an error answers to. */
function retryWord(error: ErrorBody): 'expect' | 'output' | 'timeout' | 'failed' {
  if (error.code === 'step.expect') return 'expect'
  if (error.code === 'step.output') return 'output'
  return error.code === 'step.timeout' || error.code.startsWith('network.') ? 'timeout' : 'failed'
}

/** How the bill calls an attempt that ended so. */
export function stateWord(error: ErrorBody): Attempt['state'] {
  const word = retryWord(error)
  return word === 'output' ? 'failed' : word
}

/** Whether the document allows another attempt after this error; never once pieces of the output were passed on. */
export function mayRetry(context: StepContext, error: ErrorBody, streamed = false): boolean {
  return !streamed && mayHire(context) && context.plan.retryOn.includes(retryWord(error)) && error.code !== 'step.input'
}

/** Whether the document allows to ask again where nobody took it. */
export function mayAskAgain(context: StepContext): boolean {
  return mayHire(context) && context.plan.retryOn.includes('refused')
}

/** Whether an attempt is left after the one under way: one that nobody took counts too. */
function mayHire({ plan, attempts, refusals = 0, pieces, fallback }: StepContext): boolean {
  return pieces.length === 0 && !fallback && attempts.length + refusals + 1 < plan.attempts
}

/** Whether the fallback stands in now, which it does once. */
export function mayStandIn({ plan, fallback, pieces }: StepContext, streamed = false): boolean {
  return plan.fallback !== undefined && !fallback && !streamed && pieces.length === 0
}

/** The attempt under way, as the bill lists it. */
export function attemptOf(context: StepContext, state: Attempt['state'], charged: string, error?: ErrorBody): Attempt {
  const { terms } = context.agreement!
  return {
    provider: terms.provider,
    providerName: context.offer!.name,
    list: context.offer!.list,
    agreed: terms.unitPrice,
    charged,
    state,
    ...(context.fallback ? { fallback: true } : {}),
    ...(context.refusals === undefined ? {} : { refusals: context.refusals }),
    ...(error ? { reason: error.message } : {}),
    ...(state === 'done' ? { latencyMs: context.latencyMs } : {}),
  }
}

/** Why an attempt failed, by the event that said so. */
export function faultOf(event: { readonly error?: ErrorBody; readonly verdict?: { readonly error?: ErrorBody } }): ErrorBody {
  return event.error ?? event.verdict?.error ?? { code: 'step.cancelled', message: 'The step was cancelled.' }
}

/** What a step tells at its end: those who take its pieces how many there were, whoever started it how it ended. */
export function endsOf({ parent, plan, index, member, state, voucher, delivery, fees, attempts, error, listeners, pieces, torn }: StepContext): { readonly to: string; readonly event: object }[] {
  const charged = (BigInt(voucher ? delivery!.body.amount : 0) + BigInt(fees)).toString()
  return [
    ...listeners.map((to) => ({ to, event: { type: 'stream.ended', state: state === 'done' && torn ? 'failed' : state, count: pieces.length } })),
    { to: parent, event: {
      type: 'step.ended', step: plan.name, index, ...(member === undefined ? {} : { member }), state, charged, attempts: attempts.length,
      ...(state === 'done' && plan.compensate ? { done: [index] } : {}), ...(error ? { error } : {}),
    } },
  ]
}
