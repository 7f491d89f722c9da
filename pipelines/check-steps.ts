/**
 * The rules of a single step that its schema cannot say: names, needs, forEach, capability, price,
 * and what this version does not run; those of the constructs are in `check-constructs.ts`. Part of `check.ts`.
 */
import type { Pipeline, PipelineStep, Settle } from '../schemas/documents.gen.ts'
import { AigenError } from '../schemas/error.ts'
import { parseMoney } from '../schemas/money.ts'
import { checkConstructs, checkOffered, type Checked } from './check-constructs.ts'
import { didYouMean, type Findings, type Path } from './findings.ts'
import { providersOf } from './providers.ts'

/** Whether every amount can be counted in the dollar's smallest unit; without that there is no worst case. */
export function checkAmounts(pipeline: Pipeline, findings: Findings): boolean {
  const amounts: [Path, string][] = []
  for (const [id, step] of Object.entries(pipeline.steps)) {
    const priced: [Path, { readonly price?: { readonly max: string } } | undefined][] = [[[], step], [['fallback'], step.fallback], [['compensate'], step.compensate], ...(step.switch ?? []).map((one, index): [Path, typeof one] => [['switch', index], one])]
    for (const [inside, one] of priced) if (one?.price) amounts.push([['steps', id, ...inside, 'price', 'max'], one.price.max])
    if (step.escrow?.fee) amounts.push([['steps', id, 'escrow', 'fee', 'max'], step.escrow.fee.max])
    if (step.through?.fee) amounts.push([['steps', id, 'through', 'fee', 'max'], step.through.fee.max])
  }
  if (pipeline.budget) amounts.push([['budget', 'max'], pipeline.budget.max])
  let fine = true
  for (const [path, amount] of amounts) {
    try {
      parseMoney(amount)
    } catch (error) {
      fine = false
      findings.error(path, error instanceof AigenError ? error.message : String(error))
    }
  }
  return fine
}

/** Names that a plain object already has, or that CEL reads as something else. */
function isTaken(id: string): boolean {
  return id in {} || ['in', 'true', 'false', 'null', 'prototype'].includes(id)
}

export function checkSteps(checked: Checked): void {
  const { pipeline, findings } = checked
  if (pipeline.providers?.differ !== undefined) findings.error(['providers', 'differ'], 'differ belongs to a step')
  for (const [id, step] of Object.entries(pipeline.steps)) {
    const path = ['steps', id]
    if (isTaken(id)) findings.error(path, `${id} cannot be the name of a step`, 'Choose another name.')
    checkNeeds(id, step, pipeline, findings)
    checkForEach(step, path, findings)
    checkSupport(step, path, findings)
    checkProviders(id, checked)
    if (step.uses !== undefined) checkOffered(step.uses, [...path, 'uses'], checked)
    checkConstructs(id, step, checked)
  }
}

function checkNeeds(id: string, step: PipelineStep, pipeline: Pipeline, findings: Findings): void {
  for (const [index, needed] of (step.needs ?? []).entries()) {
    const path = ['steps', id, 'needs', index]
    if (needed === id) findings.error(path, 'a step cannot need itself')
    else if (!Object.hasOwn(pipeline.steps, needed)) {
      findings.error(path, `there is no step ${needed}`, didYouMean(needed, Object.keys(pipeline.steps)))
    }
  }
}

function checkForEach(step: PipelineStep, path: readonly string[], findings: Findings): void {
  if (step.forEach !== undefined && step.maxItems === undefined) {
    findings.error([...path, 'forEach'], 'forEach needs maxItems, or the worst case has no bound', 'Add "maxItems": 20.')
  }
  if (step.forEach !== undefined) return
  for (const field of ['maxItems', 'parallel', 'tolerate'] as const) {
    if (step[field] !== undefined) findings.error([...path, field], `${field} belongs to a step with forEach`)
  }
}

/** Items of a step that another differs from. */
const DIFFER_ITEMS_MAX = 256

/** Whether anybody is left of those who may do it, and whose providers it must not share. */
function checkProviders(id: string, { pipeline, findings }: Checked): void {
  const { only, not } = providersOf(pipeline.providers, pipeline.steps[id]!.providers)
  const path = ['steps', id, 'providers']
  if (only?.every((one) => not.includes(one))) findings.error(path, 'nobody may do it: everyone in only is in not')
  for (const [index, other] of (pipeline.steps[id]!.providers?.differ ?? []).entries()) {
    const at = [...path, 'differ', index]
    const step = Object.hasOwn(pipeline.steps, other) ? pipeline.steps[other]! : undefined
    if (other === id) findings.error(at, 'a step cannot differ from itself')
    else if (!step) findings.error(at, `there is no step ${other}`, didYouMean(other, Object.keys(pipeline.steps)))
    else if (step.uses === undefined && step.switch === undefined) findings.error(at, `nobody is hired for ${other}`)
    else if ((step.maxItems ?? 1) > DIFFER_ITEMS_MAX) findings.error(at, `${other} may hire for ${step.maxItems} items, and every provider of them is looked up: at most ${DIFFER_ITEMS_MAX}`)
  }
}

/** Settlements that are run. */
const RUN: readonly Settle[] = ['postpaid', 'prepaid', 'locked', 'streamed', 'escrow']

/** Constructs of the language that are checked but not run yet: said, never ignored. */
function checkSupport(step: PipelineStep, path: readonly string[], findings: Findings): void {
  if (step.settle !== undefined && !RUN.includes(step.settle)) {
    findings.error([...path, 'settle'], `the settlement ${step.settle} is not run by this version`, `Use ${RUN.slice(0, -1).join(', ')} or ${RUN.at(-1)}.`)
  }
  if (step.escrow !== undefined && step.settle !== 'escrow') findings.error([...path, 'escrow'], 'escrow belongs to a step that settles in escrow', 'Add "settle": "escrow".')
  if (step.through !== undefined && step.settle !== 'locked') findings.error([...path, 'through'], 'a hub pays for what settles locked', 'Add "settle": "locked".')
}
