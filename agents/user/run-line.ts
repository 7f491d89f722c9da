/**
 * Where a run stands, in one line and one word: for lists, displays and whoever decides whether to
 * wait for it. Read from the fold, live or not.
 */
import type { RunContext } from '../../pipelines/run.machine.ts'
import { stepId, type StepContext } from '../../pipelines/step.ts'
import type { LiveActor } from '../../runtime/actors/fold.ts'
import type { Actors } from '../../runtime/actors/read-actors.ts'
import { AigenError } from '../../schemas/error.ts'
import { formatMoney } from '../../schemas/money.ts'

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
  for await (const actor of actors.all('run')) lines.push(await lineIn(actors, actor))
  return lines.sort((one, other) => one.startedAt - other.startedAt || (one.run < other.run ? -1 : 1))
}

/** One of them. Error `run.unknown`. */
export async function runLine(actors: Pick<Actors, 'load' | 'look'>, run: string): Promise<RunLine> {
  const actor = await actors.load(`run/${run}`)
  if (!actor) throw new AigenError('run.unknown', run)
  return lineIn(actors, actor)
}

async function lineIn(actors: Pick<Actors, 'look'>, actor: LiveActor): Promise<RunLine> {
  const { run, paused, running } = actor.snapshot.context as RunContext
  const steps = new Map<string, StepContext | undefined>()
  // Only of a paused run they decide what it is called.
  if (paused) for (const name of running) steps.set(name, await actors.look<StepContext>(stepId(run, name, null)))
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
export function lineOf({ snapshot, parked }: LiveActor, stepOf: (name: string) => StepContext | undefined): RunLine {
  const context = snapshot.context as RunContext
  const { run, pipeline, spent, startedAt } = context
  const state = snapshot.status === 'done' ? endOf(context) : parked !== undefined ? 'parked' : stateOf(String(snapshot.value), context, stepOf)
  return { run, pipeline, state, spent: formatMoney(BigInt(spent)), startedAt }
}

function endOf({ cancelled, error }: RunContext): string {
  return cancelled ? 'cancelled' : error ? 'failed' : 'done'
}

function stateOf(value: string, { paused, running }: RunContext, stepOf: (name: string) => StepContext | undefined): string {
  // Once it answers there is nothing left to pause.
  if (!paused || (value !== 'holding' && value !== 'running')) return value
  const moves = (name: string): boolean => {
    const step = stepOf(name)
    // A forEach between two items is still running, and nothing of it is under way.
    return !step?.paused || step.items === 0 || step.started > step.ended
  }
  return running.some(moves) ? 'pausing' : 'paused'
}
