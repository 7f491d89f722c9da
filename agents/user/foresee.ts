/**
 * What of a run need not be hired, as far as that can be said before it starts: of a fork what the run
 * before paid for, of any run what cards allow to be used again. Used by `planFork` and by
 * `aigen quote --input`. The steps look again when they begin, so a run may take over more, not less,
 * unless what it would take over has expired by then.
 */
import { hashOf } from '../../schemas/canonical.ts'
import { AigenError } from '../../schemas/error.ts'
import { formatMoney } from '../../schemas/money.ts'
import type { Context, StepMeta } from '../../pipelines/expression.ts'
import { itemId } from '../../pipelines/item-id.ts'
import type { RunPlan, StepPlan } from '../../pipelines/plan.ts'
import { prepare, type Evaluate } from '../../pipelines/prepare.ts'
import type { FindKnown, Known, Reuse } from '../../pipelines/reused.ts'
import { workOf } from '../../pipelines/step.ts'

export interface Looking {
  /** Checked, defaults filled in. */
  readonly inputs: unknown
  readonly evaluate: Evaluate
  readonly find: FindKnown
  /** Of a fork. */
  readonly reuse?: Reuse
}

export interface Outlook {
  /** Calls known beforehand to be taken over, with what they had cost. */
  readonly reused: readonly { readonly step: string; readonly providerName: string; readonly paid: string }[]
  /** Steps of which something may have to be hired, each with the most that costs. */
  readonly anew: readonly { readonly step: string; readonly worst: string }[]
  /** Most that the run costs then, and what was paid for what it takes over. */
  readonly worst: string
  readonly saved: string
}

/** What a step stands at before the run: its output and how it ended, as expressions read them. */
interface Foreseen {
  readonly output: unknown
  readonly meta: StepMeta
}

interface StepOutlook {
  readonly found: readonly { readonly step: string; readonly known: Known }[]
  readonly left: bigint
  readonly end?: Foreseen
}

/** Nothing is started and nothing journaled. */
export async function foresee(plan: RunPlan, looking: Looking): Promise<Outlook> {
  const foreseen = new Map<string, Foreseen>()
  const reused: Outlook['reused'][number][] = []
  const anew: Outlook['anew'][number][] = []
  let worst = 0n
  let saved = 0n
  for (const name of plan.order) {
    const { found, left, end } = await foreseeStep(looking, foreseen, plan.steps[name]!)
    for (const { step, known: { reused: { providerName, paid } } } of found) {
      reused.push({ step, providerName, paid: formatMoney(BigInt(paid)) })
      saved += BigInt(paid)
    }
    if (end) foreseen.set(name, end)
    if (left === 0n) continue
    anew.push({ step: name, worst: formatMoney(left) })
    worst += left
  }
  return { reused, anew, worst: formatMoney(worst), saved: formatMoney(saved) }
}


/** What of a step is taken over, and what it costs at most besides. Where that depends on what is not known yet, all of it is anew. */
async function foreseeStep({ inputs, evaluate, reuse, find }: Looking, foreseen: ReadonlyMap<string, Foreseen>, step: StepPlan): Promise<StepOutlook> {
  const worst = BigInt(step.worst)
  const anew: StepOutlook = { found: [], left: worst }
  const waits = step.nested || step.many || step.wait || step.approve || step.chunksOf !== undefined || step.reads.run
  if (waits || reuse?.except.includes(step.name) || step.dependsOn.some((name) => !foreseen.has(name))) return anew
  const skipped: StepOutlook = { found: [], left: 0n, end: { output: null, meta: metaOf('skipped', undefined) } }
  if (step.dependsOn.some((name) => foreseen.get(name)!.meta.state === 'skipped' && !step.tests.includes(name) && !step.apart?.includes(name))) return skipped
  const context: Context = {
    input: inputs,
    steps: Object.fromEntries(step.reads.steps.map((name) => [name, foreseen.get(name)!.output])),
    meta: Object.fromEntries(step.reads.meta.map((name) => [name, foreseen.get(name)!.meta])),
  }
  const look = async (more: Context, by: 'step' | 'fan'): Promise<{ readonly known?: Known; readonly value?: { readonly output: unknown }; readonly items?: readonly unknown[]; readonly skip?: true }> => {
    const prepared = await prepare(step, { ...context, ...more }, evaluate, { by })
    if (prepared.kind === 'skip') return { skip: true }
    if (prepared.kind === 'items') return { items: prepared.items }
    if (prepared.kind === 'value') return { value: { output: prepared.value } }
    if (prepared.kind !== 'input') return {}
    const known = await find(reuse, step, workOf({ plan: step, choice: prepared.choice ?? null, fallback: false }), hashOf(prepared.input))
    return known ? { known, value: { output: known.output } } : {}
  }
  try {
    const whole = await look({}, step.forEach === null ? 'step' : 'fan')
    if (whole.skip) return skipped
    if (!whole.items) return whole.value ? { found: whole.known ? [{ step: step.name, known: whole.known }] : [], left: 0n, end: { output: whole.value.output, meta: metaOf('done', whole.known) } } : anew
    const items = await Promise.all(whole.items.map((item, index) => look({ item, index }, 'step')))
    const found = items.flatMap(({ known }, index) => (known ? [{ step: itemId(step.name, index), known }] : []))
    const missing = items.filter(({ value }) => value === undefined).length
    if (missing > 0) return { found, left: (worst / BigInt(step.maxItems)) * BigInt(missing) }
    return { found, left: 0n, end: { output: items.map(({ value }) => value!.output), meta: metaOf('done', undefined) } }
  } catch (thrown) {
    // What cannot be prepared fails when its turn comes, or something else comes before it.
    if (thrown instanceof AigenError && thrown.code === 'step.expression') return anew
    throw thrown
  }
}

function metaOf(state: 'done' | 'skipped', known: Known | undefined): StepMeta {
  return { state, provider: known?.reused.provider ?? null, providerName: known?.reused.providerName ?? null, price: '0', attempts: 0, error: null, fallback: false, failed: 0 }
}
