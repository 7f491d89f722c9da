/**
 * What a run did, step by step: its steps with their items, providers, sub-pipelines and
 * compensations, in the order of the plan, read from the journal's actors. Used by the bill, by
 * displays and by whoever looks for what was hired.
 */
import type { Actors } from '../runtime/actors/read-actors.ts'
import { isMany, type FanContext } from './fan.ts'
import type { GateContext } from './gate.machine.ts'
import type { NestContext } from './nest.machine.ts'
import type { StepPlan } from './plan.ts'
import type { RunContext } from './run.machine.ts'
import { undoName } from './saga.machine.ts'
import { actorOf, stepId, unitName, type StepContext } from './step.ts'

/** Actors read at once. */
const TOGETHER = 256

export interface StepRecord {
  /** `read`, an item `rows[3]`, a provider of a race `read#0`, a step of a sub-pipeline `sub.read`, a compensation `book/undo`. */
  readonly name: string
  readonly plan: StepPlan
  /** What hired; undefined for what hires nothing, or has not begun. */
  readonly context: StepContext | undefined
  /** Undefined for what has not begun. */
  readonly state: StepContext['state'] | undefined
  /** Of a compensation: what it undoes. */
  readonly undoes?: string
}

type Reading = Pick<Actors, 'look' | 'lookEach'>
type Unit = { readonly name: string; readonly plan: StepPlan; readonly index: number | null }

/** Steps of a run; those that have not begun, or were skipped because of others, have no state. */
export async function* stepsOf(host: Reading, run: RunContext, before = ''): AsyncGenerator<StepRecord> {
  yield* unitsOf(host, run, run.plan.order.map((name) => ({ name: `${before}${name}`, plan: run.plan.steps[name]!, index: null })))
  for (const done of [...run.undo.toReversed(), ...(run.late ?? []).toReversed()]) {
    const name = undoName(done)
    const context = await host.look<StepContext>(stepId(run.run, name, null))
    if (context) yield { name: `${before}${name}`, plan: context.plan, context, state: context.state, undoes: `${before}${unitName(done.step, done.index)}` }
  }
}

/** In their order, so many at once that those of one record are read together. */
async function* unitsOf(host: Reading, run: RunContext, units: readonly Unit[]): AsyncGenerator<StepRecord> {
  for (let start = 0; start < units.length; start += TOGETHER) {
    const some = units.slice(start, start + TOGETHER)
    const ids = some.map(({ plan, index }) => actorOf(run.run, plan, index))
    const contexts = await host.lookEach<StepContext | FanContext | GateContext | NestContext>(ids)
    for (const [place, unit] of some.entries()) yield* unitOf(host, run, unit, ids[place]!, contexts[place])
  }
}

async function* unitOf(host: Reading, run: RunContext, unit: Unit, id: string, context: StepContext | FanContext | GateContext | NestContext | undefined): AsyncGenerator<StepRecord> {
  const { name, plan, index } = unit
  const alone: StepRecord = { name, plan, context: undefined, state: context?.state }
  if (!context) yield alone
  else if (id.startsWith('step/')) yield { ...alone, context: context as StepContext }
  else if (id.startsWith('nest/')) {
    const below = await host.look<RunContext>(`run/${(context as NestContext).child}`)
    if (below) yield* stepsOf(host, below, `${name}.`)
    else yield alone
  } else if (id.startsWith('fan/') && (context as FanContext).started > 0) {
    const fan = context as FanContext
    const places = Array.from({ length: fan.started }, (_, place) => place)
    if (!isMany(fan)) return yield* unitsOf(host, run, places.map((place) => ({ name: `${name}[${place}]`, plan, index: place })))
    const members = await host.lookEach<StepContext>(places.map((place) => stepId(run.run, plan.name, index, place)))
    for (const [place, member] of members.entries()) yield { name: `${name}#${place}`, plan, context: member, state: member?.state }
  } else yield alone
}
