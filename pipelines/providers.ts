/**
 * Who may do a step, who never, who is preferred, and whose providers it must not share: what the step
 * says, and where it says nothing the document around it, of a sub-pipeline the one that runs it.
 * Used by the plan, so that quotes and hiring follow the same.
 */
import type { Address, PipelineProviders } from '../schemas/documents.gen.ts'
import type { Choice } from '../runtime/market/strategy.ts'

export interface ProvidersPlan {
  /** Null for anybody. */
  readonly only: readonly Address[] | null
  readonly not: readonly Address[]
  readonly choose?: Choice
}

/**
 * The rules that hold for a step, from the outermost document to the step itself. The inner `only` and
 * `choose` stand instead of the outer ones; who is in any `not` is never asked.
 */
export function providersOf(...given: readonly (PipelineProviders | undefined)[]): ProvidersPlan {
  const inner = <K extends 'only' | 'choose'>(field: K): PipelineProviders[K] => given.findLast((one) => one?.[field] !== undefined)?.[field]
  const choose = inner('choose')
  return {
    only: inner('only') ?? null,
    not: [...new Set(given.flatMap((one) => one?.not ?? []))],
    ...(choose === undefined ? {} : { choose }),
  }
}
