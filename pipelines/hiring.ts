/** What a step asks the market for: who does its work, within its price and time. Pure; used by the step machine. */
import { goesThrough, passageId } from './through.ts'
import { negotiationId, workOf, type StepContext } from './step.ts'

/** The message that starts the hiring of the attempt under way, or asks for a call under a standing agreement. */
export function hiringOf(context: StepContext): { readonly to: string; readonly event: object } {
  const { plan, units, inputBytes, attempts, avoid, apart = [], fallback } = context
  const work = workOf(context)
  const input = {
    parent: context.self,
    self: negotiationId(context),
    // Through a hub, whoever gets its lanes stands for the purse.
    purse: goesThrough(context) ? passageId(negotiationId(context)) : 'purse',
    capability: work.uses,
    units,
    inputBytes,
    cap: work.maxPrice,
    deadlineMs: plan.deadlineMs,
    graceMs: plan.graceMs,
    expect: work.expect,
    settle: fallback ? 'postpaid' : plan.settle,
    escrow: fallback ? null : plan.escrow,
    trace: context.trace,
    only: plan.only,
    ...(plan.choose === undefined ? {} : { choose: plan.choose }),
    // A fallback is another service: whoever failed at the first may do it.
    exclude: [...plan.not, ...avoid, ...apart, ...(plan.elsewhere && !fallback ? attempts.map((one) => one.provider) : [])],
  }
  // Every provider of a race or a quorum is hired by itself.
  if (plan.standing && input.settle === 'postpaid' && !fallback && context.member === undefined) return { to: 'standing', event: { type: 'want', input: { ...input, standing: plan.standing } } }
  return { to: input.self, event: { type: 'start', input } }
}
