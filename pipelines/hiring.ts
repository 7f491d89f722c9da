/** What a step asks the market for: who does its work, within its price and time. Pure; used by the step machine. */
import { negotiationId, workOf, type StepContext } from './step.ts'

/** The message that starts the hiring of the attempt under way. */
export function hiringOf(context: StepContext): { readonly to: string; readonly event: object } {
  const { plan, units, inputBytes, attempts, avoid, apart = [], fallback } = context
  const work = workOf(context)
  const input = {
    parent: context.self,
    self: negotiationId(context),
    purse: 'purse',
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
  return { to: input.self, event: { type: 'start', input } }
}
