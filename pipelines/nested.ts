/**
 * Sub-pipelines by name: where a step's `pipeline` is found, how deep they go, whether they come
 * round to themselves and how many steps they make in all (D8: a document is bounded before anything
 * is made of it). Used by the checker, the price and the plan.
 */
import type { Pipeline } from '../schemas/documents.gen.ts'

/** Levels of pipelines inside each other, and steps of all of them together, a pipeline that is run twice counted twice. */
export const NESTED_MAX = { depth: 8, steps: 10_000 } as const

/** What a name can mean in a document: its own sub-pipelines first, then those around it. */
export type Scope = readonly Readonly<Record<string, Pipeline>>[]

export function scopeOf(pipeline: Pipeline, around: Scope = []): Scope {
  return pipeline.pipelines === undefined ? around : [pipeline.pipelines, ...around]
}

/** The sub-pipeline of that name, and what its own names mean; undefined where there is none. */
export function nested(name: string, scope: Scope): { readonly pipeline: Pipeline; readonly scope: Scope } | undefined {
  const at = scope.findIndex((names) => Object.hasOwn(names, name))
  if (at < 0) return undefined
  const pipeline = scope[at]![name]!
  return { pipeline, scope: scopeOf(pipeline, scope.slice(at)) }
}

/** Names that can be meant in a scope. */
export function namesIn(scope: Scope): string[] {
  return [...new Set(scope.flatMap((names) => Object.keys(names)))]
}

/** Why the sub-pipelines of a document cannot be run, or `undefined`; a name that is unknown is no matter of this. */
export function nestingFault(pipeline: Pipeline): string | undefined {
  /** Steps and levels below a pipeline, itself included; looked at once each. */
  const known = new Map<Pipeline, { readonly size: number; readonly levels: number }>()
  const open: string[] = []
  const tooDeep = (): string => `pipelines run each other deeper than ${NESTED_MAX.depth} levels: ${open.slice(0, 4).join(' → ')} …`
  const walk = (one: Pipeline, scope: Scope): { readonly size: number; readonly levels: number } | string => {
    const before = known.get(one)
    if (before) return open.length + before.levels > NESTED_MAX.depth ? tooDeep() : before
    if (open.length > NESTED_MAX.depth) return tooDeep()
    let size = 0
    let levels = 0
    for (const step of Object.values(one.steps)) {
      size++
      const below = step.pipeline === undefined ? undefined : nested(step.pipeline, scope)
      if (!below) continue
      if (open.includes(step.pipeline!)) return `these pipelines run each other: ${[...open.slice(open.indexOf(step.pipeline!)), step.pipeline!].join(' → ')}`
      open.push(step.pipeline!)
      const inner = walk(below.pipeline, below.scope)
      open.pop()
      if (typeof inner === 'string') return inner
      size += inner.size
      levels = Math.max(levels, inner.levels + 1)
      if (size > NESTED_MAX.steps) return `${size} steps and more with all sub-pipelines, ${NESTED_MAX.steps} are allowed`
    }
    known.set(one, { size, levels })
    return { size, levels }
  }
  const found = walk(pipeline, scopeOf(pipeline))
  return typeof found === 'string' ? found : undefined
}
