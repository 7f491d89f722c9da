/**
 * Where a run stands, in one line and one word: for lists, displays and whoever decides whether to
 * wait for it. Read from the fold, live or not.
 */
import type { RunContext } from '../../pipelines/run.machine.ts'
import type { FanContext } from '../../pipelines/fan.ts'
import { actorOf, type StepContext } from '../../pipelines/step.ts'
import type { LiveActor } from '../../runtime/actors/fold.ts'
import type { Actors } from '../../runtime/actors/read-actors.ts'
import { AigenError } from '../../schemas/error.ts'
import { formatMoney } from '../../schemas/money.ts'

/** What does a step: of a forEach a fan. */
export type Head = StepContext | FanContext

/** A run as lists show it. */
export interface RunLine {
  readonly run: string
  /** name@version. */
  readonly pipeline: string
  /** `done`, `failed` or `cancelled`, else where it stands: `pausing` while steps of a paused run end, `parked` when it takes no more events. */
  readonly state: string
  /** Decimal string. */
  readonly spent: string
  /** Milliseconds since the epoch. */
  readonly startedAt: number
}

/** Every run, oldest first, of any actors, live or read. */
export async function runsIn(actors: Pick<Actors, 'all' | 'look'>): Promise<RunLine[]> {
  const lines: RunLine[] = []
  // Of sub-pipelines nobody asked by themselves.
  for await (const actor of actors.all('run')) if (!isNested(actor)) lines.push(await lineIn(actors, actor))
  return lines.sort((one, other) => one.startedAt - other.startedAt || (one.run < other.run ? -1 : 1))
}

/** Whether it is the run of a sub-pipeline, a part of another. */
export function isNested({ snapshot }: LiveActor): boolean {
  return (snapshot.context as RunContext).parent !== undefined
}

/** One of them. Error `run.unknown`. */
export async function runLine(actors: Pick<Actors, 'load' | 'look'>, run: string): Promise<RunLine> {
  const actor = await actors.load(`run/${run}`)
  if (!actor) throw new AigenError('run.unknown', run)
  return lineIn(actors, actor)
}

async function lineIn(actors: Pick<Actors, 'look'>, actor: LiveActor): Promise<RunLine> {
  const { run, paused, running, plan } = actor.snapshot.context as RunContext
  const steps = new Map<string, Head | undefined>()
  // Only of a paused run they decide what it is called.
  if (paused) for (const name of running) steps.set(name, await actors.look<Head>(actorOf(run, plan.steps[name]!, null)))
  return lineOf(actor, (name) => steps.get(name))
}

const ENDED: readonly string[] = ['done', 'failed', 'cancelled']
const HALTED: readonly string[] = ['pausing', 'paused', 'parked']

/** Whether it goes on by itself: it has not ended and waits for nobody's word. */
export function goesOn({ state }: RunLine): boolean {
  return !ENDED.includes(state) && !HALTED.includes(state)
}

export function hasEnded({ state }: RunLine): boolean {
  return ENDED.includes(state)
}

/** The line of a run's actor; `stepOf` finds those of its steps that run. */
export function lineOf({ snapshot, parked }: LiveActor, stepOf: (name: string) => Head | undefined): RunLine {
  const context = snapshot.context as RunContext
  const { run, pipeline, spent, startedAt } = context
  const state = snapshot.status === 'done' ? endOf(context) : parked !== undefined ? 'parked' : stateOf(String(snapshot.value), context, stepOf)
  return { run, pipeline, state, spent: formatMoney(BigInt(spent)), startedAt }
}

function endOf({ cancelled, error }: RunContext): string {
  return cancelled ? 'cancelled' : error ? 'failed' : 'done'
}

function stateOf(value: string, { paused, running }: RunContext, stepOf: (name: string) => Head | undefined): string {
  // Once it answers there is nothing left to pause.
  if (!paused || (value !== 'holding' && value !== 'running')) return value
  const moves = (name: string): boolean => {
    const step = stepOf(name)
    // What waits for a time or a word is at rest; a forEach between two items still runs, and nothing of it is under way.
    if (!step || step.plan.wait || step.plan.approve) return !step
    return !('list' in step) || !step.paused || step.items === 0 || step.started > step.ended
  }
  return running.some(moves) ? 'pausing' : 'paused'
}
