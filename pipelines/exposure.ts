/**
 * What a plan may cost at worst by capability: what the wallet holds spending policies against before
 * a run spends (I4). A step that may hire one of several counts in full with each, so that no part is
 * ever too small. Pure; told to the wallet by the run.
 */
import { ESCROW_CAPABILITY } from '../runtime/market/escrow-agent.ts'
import { HUB_CAPABILITY } from '../runtime/market/grant.ts'
import type { RunPlan, StepPlan } from './plan.ts'

/** Atomic, by capability; sub-pipelines included. @example exposureOf(plan) // { 'vision.ocr@1': '40000' } */
export function exposureOf(plan: RunPlan): Record<string, string> {
  const parts = new Map<string, bigint>()
  add(plan, parts)
  return Object.fromEntries([...parts].map(([id, amount]) => [id, amount.toString()]))
}

function add(plan: RunPlan, parts: Map<string, bigint>): void {
  for (const step of Object.values(plan.steps)) {
    if (step.nested) add(step.nested.plan, parts)
    for (const id of hiredBy(step)) parts.set(id, (parts.get(id) ?? 0n) + BigInt(step.worst))
  }
}

/** Every capability that the step may hire itself. */
function hiredBy({ uses, nested, wait, approve, cases, fallback, compensate, escrow, through }: StepPlan): Set<string> {
  const own = nested || wait || approve || cases ? [] : [uses]
  const others = [...(cases ?? []).map((one) => one.uses), fallback?.uses, compensate?.uses, escrow ? ESCROW_CAPABILITY : undefined, through ? HUB_CAPABILITY : undefined]
  return new Set([...own, ...others].filter((id): id is string => typeof id === 'string'))
}
