/**
 * A pipeline whose shape is wrong in some steps, made whole with stand-ins for those, so that what is
 * wrong in the others is told in the same report. Used by the checker only; never run.
 */
import type { Pipeline } from '../schemas/documents.gen.ts'
import { parseDocument, type PlacedIssue } from './document.ts'
import type { Graph } from './graph.ts'
import { splitPath } from './positions.ts'

export interface Salvaged {
  readonly pipeline: Pipeline
  /** Steps that a stand-in was put in for: of them, and of who uses them, nothing can be said. */
  readonly unknown: ReadonlySet<string>
}

/** Undefined where more than single steps is wrong: what is said of the rest would be a guess. */
export function salvage(value: object, issues: readonly PlacedIssue[]): Salvaged | undefined {
  const unknown = new Set<string>()
  const rest: Record<string, unknown> = { ...value }
  for (const { path } of issues) {
    const [part, step] = splitPath(path)
    if (part === 'steps' && typeof step === 'string') unknown.add(step)
    // Nothing in a step says anything of these.
    else if (part === 'name') rest['name'] = 'unnamed'
    else if (part === 'version') rest['version'] = '0.0.0'
    else if (part === 'title' || part === 'description' || part === 'budget') delete rest[part]
    else return undefined
  }
  const steps = rest['steps'] as Readonly<Record<string, unknown>>
  const standIn = (id: string): unknown => (unknown.has(id) ? { wait: { for: '1s' } } : steps[id])
  // A plain assignment would lose a step named __proto__.
  const whole = { ...rest, steps: Object.fromEntries(Object.keys(steps).map((id) => [id, standIn(id)])) }
  const { pipeline } = parseDocument(whole)
  return pipeline && { pipeline, unknown }
}

/** Whether what is found at `path` stands although nothing is known of the unknown steps. */
export function stands(path: string, { unknown }: Salvaged, graph: Graph): boolean {
  const [part, step] = splitPath(path)
  if (part !== 'steps' || typeof step !== 'string' || unknown.has(step)) return false
  return graph.nodes.get(step)?.dependsOn.every((one) => !unknown.has(one)) ?? false
}
