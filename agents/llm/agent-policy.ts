/**
 * An agent's policy with its defaults filled in, and what it makes of a plan that a model wrote: what
 * is forbidden is found, what is limited is written into the document. Used by the agent's effects.
 * The model never sees a way around it: budget, approval and the deny lists are applied here and in
 * the machine, to data (I4, I8).
 */
import { AigenError, type Issue } from '../../schemas/error.ts'
import type { Address, AgentPolicy, Pipeline } from '../../schemas/documents.gen.ts'
import { formatMoney, parseMoney } from '../../schemas/money.ts'
import { validate } from '../../schemas/validate.ts'
import { parseDuration } from '../../pipelines/duration.ts'
import { isBlobRef } from '../../runtime/identity/parcel.ts'

/** Steps of a plan at most: more than a model has a reason to write. */
const STEPS_MAX = 64
/** Providers that one step may exclude (the pipeline's schema). */
const NOT_MAX = 64
const YEAR_MS = 366 * 86_400_000

/** A policy as the machine carries it; amounts are atomic decimal strings, times in ms. */
export interface Terms {
  readonly budget: string
  /** Atomic amount above which the owner is asked; `always` and `never` as they say. */
  readonly approval: 'always' | 'never' | { readonly above: string }
  readonly approvalMs: number
  readonly allow: readonly string[] | null
  readonly deny: readonly string[]
  readonly not: readonly Address[]
  readonly attempts: number
  readonly repairs: number
  readonly deadlineMs: number
  readonly model: string | null
  /** Atomic. */
  readonly modelPrice: string
  readonly modelMs: number
  readonly maxTokens: number
}

/**
 * The terms of `policy` under `budget` (a decimal string; the smaller of both counts).
 * Errors `input.invalid` for a policy that does not fit its schema, `money.invalid`, `budget.too-small` for a budget of nothing.
 */
export function termsOf(policy: AgentPolicy = {}, budget?: string): Terms {
  validate('AgentPolicy', policy)
  const limits = [budget, policy.budget].filter((one): one is string => one !== undefined).map((one) => parseMoney(one))
  if (limits.length === 0) throw new AigenError('budget.too-small', 'an agent needs a budget')
  const least = limits.reduce((one, other) => (one < other ? one : other))
  if (least === 0n) throw new AigenError('budget.too-small', 'an agent needs a budget')
  const { approval = 'always', capabilities = {}, providers = {} } = policy
  const within = (text: string): number => Math.min(YEAR_MS, parseDuration(text))
  return {
    budget: least.toString(),
    approval: typeof approval === 'string' ? approval : { above: parseMoney(approval.above).toString() },
    approvalMs: within(policy.approvalTimeout ?? '1h'),
    allow: capabilities.allow ?? null,
    deny: capabilities.deny ?? [],
    not: providers.deny ?? [],
    attempts: policy.attempts ?? 3,
    repairs: policy.repairs ?? 3,
    deadlineMs: within(policy.deadline ?? '2h'),
    model: policy.model ?? null,
    modelPrice: parseMoney(policy.pricePerModelCall ?? '0.05').toString(),
    modelMs: Math.max(1, within(policy.modelDeadline ?? '60s')),
    maxTokens: policy.maxTokens ?? 2_000,
  }
}

/** Whether the agent's pipelines may hire the capability. */
export function mayHire(terms: Pick<Terms, 'allow' | 'deny'>, capability: string): boolean {
  return !terms.deny.includes(capability) && (terms.allow === null || terms.allow.includes(capability))
}

/**
 * The plan as it may run: the owner's inputs as its input schema, no more budget than `allowed`
 * (atomic), denied providers excluded from every step; and what of it the policy forbids.
 */
export function heldToPolicy(pipeline: Pipeline, terms: Terms, inputs: Readonly<Record<string, unknown>>, allowed: bigint): { readonly document: Pipeline; readonly issues: readonly Issue[] } {
  const issues: Issue[] = []
  const steps: Record<string, Pipeline['steps'][string]> = {}
  const names = Object.keys(pipeline.steps)
  if (names.length > STEPS_MAX) issues.push({ path: 'steps', message: `${names.length} steps, a plan may have ${STEPS_MAX}` })
  for (const name of names.slice(0, STEPS_MAX)) {
    const step = pipeline.steps[name]!
    if (step.uses !== undefined && !mayHire(terms, step.uses)) {
      issues.push({ path: `steps.${name}.uses`, message: `the owner's policy does not allow ${step.uses}`, hint: 'Use what the list of services has.' })
    }
    const only = step.providers?.only?.filter((one) => !terms.not.includes(one))
    if (only?.length === 0) issues.push({ path: `steps.${name}.providers.only`, message: 'the owner\'s policy denies these providers', hint: 'Leave providers out.' })
    // An escrow agent is paid and rules over money: the deny list counts for it too, and so it must be named.
    if (step.settle === 'escrow' && terms.not.length > 0 && (step.escrow?.agent === undefined || terms.not.includes(step.escrow.agent))) {
      issues.push({ path: `steps.${name}.escrow.agent`, message: 'the owner\'s policy denies some participants, and this is one of them or may become one', hint: 'Leave settle and escrow out.' })
    }
    const not = [...new Set([...terms.not, ...(step.providers?.not ?? [])])]
    if (not.length > NOT_MAX) issues.push({ path: `steps.${name}.providers.not`, message: `${not.length} providers with those of the policy, ${NOT_MAX} are allowed` })
    const providers = { ...(only === undefined || only.length === 0 ? {} : { only }), ...(not.length === 0 ? {} : { not: not.slice(0, NOT_MAX) }) }
    const { providers: _asked, ...rest } = step
    steps[name] = step.uses === undefined || Object.keys(providers).length === 0 ? rest : { ...rest, providers }
  }
  const own = pipeline.budget === undefined ? allowed : moneyOr(pipeline.budget.max, allowed)
  const { input: _written, ...rest } = pipeline
  const input = schemaOf(inputs)
  return {
    document: { ...rest, ...(input === undefined ? {} : { input }), budget: { max: formatMoney(own < allowed ? own : allowed) }, steps },
    issues,
  }
}

/** The schema of the inputs that the owner gave; nothing when there are none. */
export function schemaOf(inputs: Readonly<Record<string, unknown>>): Pipeline['input'] {
  const names = Object.keys(inputs)
  if (names.length === 0) return undefined
  return { type: 'object', additionalProperties: false, required: names, properties: Object.fromEntries(names.map((name) => [name, shapeOf(inputs[name])])) }
}

function shapeOf(value: unknown): Record<string, unknown> {
  if (isBlobRef(value)) {
    const kind = /^(image|audio|video|text)\//.exec(value.mediaType)?.[1]
    return { $ref: kind === undefined ? 'aigen:blob' : `aigen:blob#${kind}` }
  }
  if (value === null) return { type: 'null' }
  if (Array.isArray(value)) return { type: 'array' }
  return { type: typeof value }
}

/** An amount that cannot be counted is the checker's to report; until then it allows nothing more. */
function moneyOr(text: string, otherwise: bigint): bigint {
  try {
    return parseMoney(text)
  } catch {
    return otherwise
  }
}
