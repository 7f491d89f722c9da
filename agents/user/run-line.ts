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
export function runsIn(actors: Pick<Actors, 'list' | 'context'>): RunLine[] {
  return [...actors.list('run')].map((actor) => lineOf(actors, actor))
}

/** One of them. Error `run.unknown`. */
export function runLine(actors: Pick<Actors, 'peek' | 'context'>, run: string): RunLine {
  const actor = actors.peek(`run/${run}`)
  if (!actor) throw new AigenError('run.unknown', run)
  return lineOf(actors, actor)
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

function lineOf(actors: Pick<Actors, 'context'>, { snapshot, parked }: LiveActor): RunLine {
  const context = snapshot.context as RunContext
  const { run, pipeline, spent, startedAt } = context
  const state = snapshot.status === 'done' ? endOf(context) : parked !== undefined ? 'parked' : stateOf(actors, String(snapshot.value), context)
  return { run, pipeline, state, spent: formatMoney(BigInt(spent)), startedAt }
}

function endOf({ cancelled, error }: RunContext): string {
  return cancelled ? 'cancelled' : error ? 'failed' : 'done'
}

function stateOf(actors: Pick<Actors, 'context'>, value: string, { run, paused, running }: RunContext): string {
  // Once it answers there is nothing left to pause.
  if (!paused || (value !== 'holding' && value !== 'running')) return value
  const moves = (name: string): boolean => {
    const step = actors.context<StepContext>(stepId(run, name, null))
    // A forEach between two items is still running, and nothing of it is under way.
    return !step?.paused || step.items === 0 || step.started > step.ended
  }
  return running.some(moves) ? 'pausing' : 'paused'
}
