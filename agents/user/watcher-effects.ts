/**
 * What a watcher's machine asks for, done (D1): the paid call of a look or a run, and weighing what a
 * look found. Registered on a user's node by `watcherRooms`.
 */
import { check } from '../../pipelines/check.ts'
import { checkInputs } from '../../pipelines/input.ts'
import { planOf } from '../../pipelines/plan.ts'
import type { Evaluate } from '../../pipelines/prepare.ts'
import type { EffectKind } from '../../runtime/actors/effects.ts'
import type { LiveActor } from '../../runtime/actors/fold.ts'
import type { NodeParts, Room } from '../../runtime/node/node.ts'
import type { Capability } from '../../schemas/documents.gen.ts'
import { AigenError } from '../../schemas/error.ts'
import { formatMoney } from '../../schemas/money.ts'
import { hireDocument } from './hire.ts'
import { runOnce, userOf } from './keyed-run.ts'
import type { StartOptions } from './run.ts'
import type { WatcherContext } from './watcher.ts'
import { watcher } from './watcher.machine.ts'

export interface WatcherRoomOptions {
  readonly evaluate: Evaluate
  /** Contracts of capabilities that no card has shown yet. */
  readonly standard?: ReadonlyMap<string, Capability>
}

/** Rooms for `openUser({ rooms })` that let a user's node host watchers. */
export function watcherRooms(options: WatcherRoomOptions): Room[] {
  return [(parts) => ({ actors: [watcher], effects: watcherEffects(parts, options) })]
}

function watcherEffects(parts: NodeParts, { evaluate, standard = new Map() }: WatcherRoomOptions): Record<string, EffectKind> {
  /** Of one whose effect runs: it has not ended. */
  const contextOf = (actor: string): WatcherContext => {
    const context = parts.host().context<WatcherContext>(actor)
    if (!context) throw new AigenError('watcher.unknown', actor)
    return context
  }

  const paidCall: EffectKind = {
    mode: 'idempotent',
    attempts: 8,
    concurrency: 256,
    run: async ({ key }: { key: string }, { actor, signal }) => {
      const options = (): StartOptions => {
        const { document, terms, inputs, open } = contextOf(actor)
        const { uses, with: input } = document.look
        const what = open?.purpose === 'run'
          ? { document: document.pipeline, inputs }
          : { document: hireDocument({ capability: uses, input, maxPrice: formatMoney(BigInt(terms.lookPrice)), deadlineMs: terms.lookMs, attempts: 1 }), inputs: {} }
        return { ...what, budget: BigInt(open!.worst) }
      }
      const { output, ...settled } = await runOnce(userOf(parts, standard), { key, payer: actor, stopping: isStopping, options }, signal)
      // A run's answer stays in its run: the watcher needs the looks' only.
      const isRun = contextOf(actor).open?.purpose === 'run'
      return { type: 'watcher.call.done', ...settled, output: isRun ? null : output }
    },
  }

  const weigh: EffectKind = {
    mode: 'idempotent',
    run: async (_params: object, { actor }) => {
      const { document, seen, last } = contextOf(actor)
      const context = { output: seen, steps: { last } }
      const condition = await evaluate(document.when, context)
      if (!condition.ok) throw new AigenError('step.expression', `when: ${condition.message}`, { path: 'when' })
      if (typeof condition.value !== 'boolean') throw new AigenError('step.expression', 'when gave no boolean', { path: 'when' })
      if (!condition.value) return { type: 'watcher.weigh.done', holds: false, inputs: {}, worst: '0' }
      const given = await evaluate(document.inputs ?? {}, context)
      if (!given.ok) throw new AigenError('step.expression', `inputs: ${given.message}`, { path: 'inputs' })
      const report = check(document.pipeline, { capabilities: userOf(parts, standard).capabilities() })
      if (!report.ok || !report.pipeline) throw new AigenError('pipeline.invalid', report.errors[0]?.message, { issues: report.errors.slice(0, 10) })
      const { inputs, issues } = checkInputs(report.pipeline, given.value)
      if (issues.length > 0) throw new AigenError('input.invalid', `inputs.${issues[0]!.path}: ${issues[0]!.message}`, { path: `inputs.${issues[0]!.path}`, issues: issues.slice(0, 10) })
      return { type: 'watcher.weigh.done', holds: true, inputs, worst: planOf(report.pipeline, report.budget, report.graph).worst }
    },
  }
  return { 'watcher.call': paidCall, 'watcher.weigh': weigh }
}

function isStopping({ snapshot }: LiveActor): boolean {
  const { value } = snapshot
  return typeof value === 'object' && value['watching'] === 'stopping'
}
