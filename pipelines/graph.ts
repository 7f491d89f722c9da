/**
 * Who waits for whom: a step depends on the steps in `needs` and on every step that any expression
 * of it names (D8: data flow decides the order), and on those whose providers it must not share. Used by the checker, the plan and drawings.
 * Nothing here recurses over steps: a chain of 10,000 is walked, not called.
 */
import type { Pipeline, PipelineStep } from '../schemas/documents.gen.ts'
import { compileTemplate, type PlacedReference, type Template } from './template.ts'

/** A template that is judged apart, since it names no step: an acceptance, or a quorum's rule. */
export interface Judged {
  /** Where it stands in the step. */
  readonly path: readonly (string | number)[]
  readonly template: Template
}

/** The templates of a step, by the field they stand in; acceptances and the quorum's rule stand apart. */
export interface StepTemplates {
  readonly fields: ReadonlyMap<(typeof FIELDS)[number], Template>
  /** Over `output`: the step's own, or those of a switch's cases. */
  readonly accepts: readonly Judged[]
  /** Over `a` and `b`. */
  readonly rule: Judged | undefined
}

const FIELDS = ['with', 'switch', 'if', 'forEach', 'fallback', 'compensate', 'approve', 'wait'] as const

export function templatesOf(step: PipelineStep): StepTemplates {
  const fields = FIELDS.filter((field) => step[field] !== undefined).map((field) => [field, compileTemplate(field === 'switch' ? step.switch!.map(({ expect: _judged, ...one }) => one) : step[field])] as const)
  const accepts = [
    ...(step.expect === undefined ? [] : [{ path: ['expect'], template: compileTemplate(step.expect) }]),
    ...(step.switch ?? []).flatMap(({ expect }, index) => (expect === undefined ? [] : [{ path: ['switch', index, 'expect'], template: compileTemplate(expect) }])),
  ]
  const rule = step.quorum?.rule
  return { fields: new Map(fields), accepts, rule: rule === undefined ? undefined : { path: ['quorum', 'rule'], template: compileTemplate(rule) } }
}

/** The step whose pieces a forEach goes over, where it is `${chunks.<step>}`. */
export function chunksOf(step: PipelineStep): string | undefined {
  if (step.forEach === undefined) return undefined
  const plain = compileTemplate(step.forEach).single?.plain
  return (plain?.root as string | undefined) === 'chunks' && plain?.path.length === 1 && typeof plain.path[0] === 'string' ? plain.path[0] : undefined
}

export interface GraphNode {
  readonly id: string
  readonly templates: StepTemplates
  /** What it waits for, in the order named; only steps that exist. */
  readonly dependsOn: readonly string[]
  /** Those of them whose `meta` it tests: it runs although they were skipped or failed. */
  readonly tests: readonly string[]
  /** Those of them that it names in `differ` only: it waits for them, however they end. */
  readonly apart: readonly string[]
  /** The one of them whose pieces it takes as they come: it starts when that one has begun. */
  readonly chunksOf: string | undefined
}

export interface Graph {
  readonly nodes: ReadonlyMap<string, GraphNode>
  readonly output: Template
  /** Each step after all it depends on, otherwise in document order; steps on or behind a cycle are missing. */
  readonly order: readonly string[]
  /** Steps by the length of the longest way to them, for drawing. */
  readonly levels: readonly (readonly string[])[]
  /** Each cycle as the way around, first step repeated at the end: a → b → a. At most 10. */
  readonly cycles: readonly (readonly string[])[]
  /** Steps that no other step and no output names. */
  readonly unused: readonly string[]
}

/** Steps that a set of references names, `steps.x` and `meta.x` alike. */
export function stepsNamed(references: readonly PlacedReference[], root?: 'steps' | 'meta'): string[] {
  const named = new Set<string>()
  for (const reference of references) {
    const [step] = reference.path
    const counts = root ? reference.root === root : reference.root === 'steps' || reference.root === 'meta'
    if (counts && typeof step === 'string') named.add(step)
  }
  return [...named]
}

/** The graph of a document that fits the schema; names of unknown steps are left to the checker. */
export function graphOf(pipeline: Pipeline): Graph {
  const nodes = new Map<string, GraphNode>()
  for (const [id, step] of Object.entries(pipeline.steps)) nodes.set(id, nodeOf(id, step, pipeline))
  const output = compileTemplate(pipeline.output)
  const { order, level } = sorted(nodes)
  const levels: string[][] = []
  for (const id of order) (levels[level.get(id)!] ??= []).push(id)
  const used = new Set(stepsNamed(output.references))
  for (const node of nodes.values()) for (const id of node.dependsOn) used.add(id)
  return {
    nodes, output, order, levels,
    cycles: order.length === nodes.size ? [] : cyclesIn(nodes, new Set(order)),
    unused: [...nodes.keys()].filter((id) => !used.has(id)),
  }
}

function nodeOf(id: string, step: PipelineStep, pipeline: Pipeline): GraphNode {
  const templates = templatesOf(step)
  // What undoes a step may name it: it has ended by then.
  const references = [...templates.fields].flatMap(([field, template]) => (field === 'compensate' ? template.references.filter(({ path }) => path[0] !== id) : template.references))
  const exists = (name: string): boolean => Object.hasOwn(pipeline.steps, name)
  const chunks = chunksOf(step)
  const source = chunks !== undefined && exists(chunks) ? chunks : undefined
  const named = new Set([...(step.needs ?? []), ...stepsNamed(references), ...(source === undefined ? [] : [source])].filter(exists))
  const apart = (step.providers?.differ ?? []).filter((name) => exists(name) && !named.has(name))
  return { id, templates, dependsOn: [...named, ...apart], tests: stepsNamed(references, 'meta').filter(exists), apart, chunksOf: source }
}

/** The steps that depend on each step. */
export function dependentsOf(nodes: ReadonlyMap<string, GraphNode>): Map<string, string[]> {
  const dependents = new Map<string, string[]>([...nodes.keys()].map((id) => [id, []]))
  for (const node of nodes.values()) for (const id of node.dependsOn) dependents.get(id)!.push(node.id)
  return dependents
}

function sorted(nodes: ReadonlyMap<string, GraphNode>): { order: string[]; level: Map<string, number> } {
  const waiting = new Map([...nodes.values()].map((node) => [node.id, node.dependsOn.length]))
  const level = new Map<string, number>()
  const dependents = dependentsOf(nodes)
  const order = [...nodes.keys()].filter((id) => waiting.get(id) === 0)
  for (const id of order) level.set(id, 0)
  for (let next = 0; next < order.length; next++) {
    const id = order[next]!
    for (const dependent of dependents.get(id)!) {
      level.set(dependent, Math.max(level.get(dependent) ?? 0, level.get(id)! + 1))
      const left = waiting.get(dependent)! - 1
      waiting.set(dependent, left)
      if (left === 0) order.push(dependent)
    }
  }
  return { order, level }
}

const CYCLES_MAX = 10

/** Every step that was not sorted has a dependency that was not: following those comes round. */
function cyclesIn(nodes: ReadonlyMap<string, GraphNode>, done: ReadonlySet<string>): string[][] {
  const cycles: string[][] = []
  const seen = new Set<string>()
  for (const start of nodes.keys()) {
    if (done.has(start) || seen.has(start) || cycles.length >= CYCLES_MAX) continue
    const way: string[] = []
    const place = new Map<string, number>()
    let id = start
    while (!place.has(id) && !seen.has(id)) {
      place.set(id, way.length)
      way.push(id)
      id = nodes.get(id)!.dependsOn.find((other) => !done.has(other))!
    }
    for (const each of way) seen.add(each)
    const from = place.get(id)
    // followed backwards, so turned round: each step is named before the one that waits for it
    if (from !== undefined) cycles.push([...way.slice(from), id].reverse())
  }
  return cycles
}
