/**
 * What a fan actor is made of, and what it decides. A fan has a step done several times: once for
 * each item of a forEach, or by several providers at once for a race or a quorum. Pure; the machine
 * is in `fan.machine.ts`.
 */
import type { Address, Hash } from '../schemas/documents.gen.ts'
import type { ErrorBody } from '../schemas/error.ts'
import type { Growing } from './growing.ts'
import { actorOf, stepId, type StepEnded, type StepInput } from './step.ts'

/** What a provider of a quorum delivered. */
export interface Answer {
  readonly member: number
  /** Null for a constant. */
  readonly provider: Address | null
  readonly outputHash: Hash
}

export interface FanContext extends StepInput {
  readonly self: string
  readonly state: 'running' | 'done' | 'skipped' | 'failed' | 'cancelled'
  readonly error: ErrorBody | null
  /** Of a forEach: its items. Of a race or a quorum empty. */
  readonly list: Growing<unknown>
  /** How many there are, as far as is known, how many are started, have ended, have failed. */
  readonly items: number
  readonly started: number
  readonly ended: number
  readonly failed: number
  /** Whether pieces may come that make further items. */
  readonly open: boolean
  /** What all that have ended cost, atomic, and how many calls they took. */
  readonly spent: string
  readonly attempts: number
  /** Whether the run is: then no further item begins. */
  readonly paused: boolean
  /** Places of the items that were done, in that order; kept where they are undone when the run fails. */
  readonly done: Growing<number>
  /** Of a race or a quorum: whose turn to hire it is, who waits for it, who does it and who has ended. */
  readonly hiring: number | null
  readonly queue: readonly number[]
  readonly providers: Readonly<Record<string, Address>>
  readonly over: Readonly<Record<string, StepEnded['state']>>
  /** What the providers of a quorum delivered, and which of them agree. */
  readonly answers: readonly Answer[]
  readonly pairs: readonly (readonly [number, number])[]
  /** The provider whose output is the step's. */
  readonly winner: number | null
}

export type FanEvent = { at: number } & (
  | { type: 'step.prepare.done'; skip?: true; go?: true; items?: readonly unknown[]; heard?: { readonly pieces: readonly unknown[]; readonly state: StepEnded['state']; readonly torn: boolean } }
  | { type: 'step.prepare.failed'; error: ErrorBody }
  | { type: 'pieces'; from: number; pieces: readonly unknown[] }
  | { type: 'stream.ended'; state: StepEnded['state']; count: number }
  | StepEnded
  | { type: 'hire.wanted'; member: number }
  | { type: 'hired'; member: number; provider: Address }
  | { type: 'quorum.compare.done'; answer: Answer; agrees: readonly number[] }
  | { type: 'quorum.compare.failed'; error: ErrorBody }
  | { type: 'over' }
  | { type: 'cancel' }
  | { type: 'pause' }
  | { type: 'resume' }
)

/** Actor id of one item, or of one provider. */
export function childId({ run, plan, index }: FanContext, place: number): string {
  return isMany({ plan, index }) ? stepId(run, plan.name, index, place) : actorOf(run, plan, place)
}

/** Whether it is for several providers of one piece of work, not for the items of a forEach. */
export function isMany({ plan, index }: Pick<FanContext, 'plan' | 'index'>): boolean {
  return plan.many !== undefined && (plan.forEach === null || index !== null)
}

/**
 * How a quorum stands: the largest group that agrees pairwise, the one of the lowest places among
 * several, and how large one can still become when `pending` more deliver.
 */
export function quorumOf(answers: readonly Answer[], pairs: readonly (readonly [number, number])[], pending: number): { readonly group: readonly number[]; readonly most: number } {
  const members = answers.map(({ member }) => member).sort((a, b) => a - b)
  const agree = (a: number, b: number): boolean => pairs.some(([one, other]) => (one === a && other === b) || (one === b && other === a))
  let best: readonly number[] = []
  // At most seven: every group is tried.
  const grow = (group: readonly number[], rest: readonly number[]): void => {
    if (group.length > best.length) best = group
    rest.forEach((member, at) => {
      if (group.every((other) => agree(other, member))) grow([...group, member], rest.slice(at + 1))
    })
  }
  grow([], members)
  return { group: best, most: best.length + pending }
}

/** What the end of the stream changes: an incomplete one fails the step once what is under way has ended. */
export function closed(context: FanContext, state: StepEnded['state'], pieces: number): Partial<FanContext> {
  if (context.state !== 'running' || (state === 'done' && pieces === context.list.length)) return { open: false }
  if (state === 'skipped' && context.list.length === 0) return { open: false, state: 'skipped' }
  const message = state === 'done' ? 'Pieces were lost on the way.' : `${context.plan.chunksOf} has ended, and its pieces are not complete.`
  return { open: false, items: context.started, state: 'failed', error: { code: 'step.failed', message } }
}
