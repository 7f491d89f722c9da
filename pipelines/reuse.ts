/**
 * What an earlier run paid for and a fork of it takes over (D8): the delivery of a call of the same
 * capability with the same input, which the step would still accept. Nothing is paid again. Used by
 * `step.prepare` and by the fork's price difference.
 *
 * Never taken over: a provider's part of a race or a quorum, whose point is that it is done anew; what
 * passes its pieces on; what has a compensation, which a run that failed has undone; what must differ.
 */
import { LRUCache } from 'lru-cache'
import type { Capability } from '../schemas/documents.gen.ts'
import type { Actors } from '../runtime/actors/read-actors.ts'
import { makeReceipt } from '../runtime/payments/receipt.ts'
import { judge } from './evaluate-step.ts'
import type { Evaluate } from './prepare.ts'
import type { FindKnown, Reused } from './reused.ts'
import type { RunContext } from './run.machine.ts'
import type { StepContext } from './step.ts'
import { stepsOf } from './steps-of.ts'

/** Runs whose deliveries are kept in mind. */
const RUNS_KEPT = 16

type Reading = Pick<Actors, 'look' | 'lookEach'>

export interface ReuseOptions {
  readonly host: () => Reading
  readonly evaluate: Evaluate
  readonly capability: (id: string) => Capability | undefined
}

export function openReuse({ host, evaluate, capability }: ReuseOptions): FindKnown {
  /** Of runs that have ended, which never change: the step by capability and input. */
  const runs = new LRUCache<string, Promise<ReadonlyMap<string, string>>>({ max: RUNS_KEPT })
  const deliveriesOf = (run: string): Promise<ReadonlyMap<string, string>> => {
    const known = runs.get(run)
    if (known) return known
    const found = index(host(), run)
    found.catch(() => runs.delete(run))
    runs.set(run, found)
    return found
  }
  return async (reuse, plan, { uses, expect }, inputHash) => {
    if (!reuse || uses === null || plan.many || plan.feeds || plan.compensate || plan.differ) return undefined
    const id = (await deliveriesOf(reuse.run)).get(`${uses} ${inputHash}`)
    const contract = capability(uses)
    if (id === undefined || !contract) return undefined
    const step = (await host().look<StepContext>(id))!
    const reused = step.reused ?? takeOver(step)
    if (plan.not.includes(reused.provider) || (plan.only && !plan.only.includes(reused.provider))) return undefined
    return (await judge(step.output, contract.output, expect, evaluate)) ? undefined : { reused, output: step.output }
  }
}

async function index(host: Reading, id: string): Promise<ReadonlyMap<string, string>> {
  const run = await host.look<RunContext>(`run/${id}`)
  const found = new Map<string, string>()
  if (!run) return found
  for await (const { context, plan, undoes } of stepsOf(host, run)) {
    if (!context || undoes !== undefined || plan.compensate || context.state !== 'done' || context.inputHash === null) continue
    if (!context.reused && !(context.voucher && context.delivery && context.previousRef && context.lane)) continue
    const uses = context.reused ? usesOf(context) : context.agreement!.terms.capability
    const key = `${uses} ${context.inputHash}`
    if (!found.has(key)) found.set(key, context.self)
  }
  return found
}

/** What a step that hired nobody would have hired. */
function usesOf({ plan, choice, fallback }: StepContext): string | null {
  return (fallback ? plan.fallback! : choice === null ? plan : plan.cases![choice]!).uses
}

/** What is taken over of a step that was paid for, and until when that is allowed, where its provider's card says so. */
export function takeOver({ run, agreement, delivery, voucher, previousRef, parts = [], lane, offer, inputHash }: StepContext, until?: number): Reused {
  const { id } = makeReceipt({ agreement: agreement!, delivery: delivery!, voucher: voucher!, previousRef: previousRef!, parts, voucherKey: lane!.voucherKey, authorisations: [] })
  return {
    run: run.split('/', 1)[0]!, receipt: id, provider: agreement!.terms.provider, providerName: offer!.name, inputHash: inputHash!, outputHash: delivery!.body.outputHash, paid: delivery!.body.amount,
    ...(until === undefined ? {} : { until }),
  }
}
