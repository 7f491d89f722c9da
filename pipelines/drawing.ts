/**
 * A pipeline as nodes and edges, ready to be drawn: what each step hires and may cost, what decides
 * whether and how often it runs, who waits for whom and why, the critical path. Used by `mermaid.ts`,
 * `drawing-svg.ts` and `aigen explain`. Sub-pipelines become groups around their own steps.
 */
import type { Pipeline, PipelineStep, Settle } from '../schemas/documents.gen.ts'
import { formatMoney } from '../schemas/money.ts'
import { dependentsOf, graphOf, stepsNamed, type Graph, type GraphNode } from './graph.ts'
import { nested, scopeOf, type Scope } from './nested.ts'
import { limitsOf, type WorstCase } from './price.ts'

export interface DrawnNode {
  /** The step's name; inside a sub-pipeline behind that of the step which runs it: `below/read`. */
  readonly id: string
  readonly kind: 'input' | 'output' | 'hire' | 'pipeline' | 'switch' | 'wait' | 'approve' | 'undo'
  readonly title: string
  /** Capability, name of the sub-pipeline, or what is waited for. */
  readonly does: string
  /** Most that one call of it may cost, as people write it. */
  readonly cap?: string
  /** What else decides about it, a line each. */
  readonly notes: readonly string[]
  /** Whether several work at once: items, a race, a quorum. */
  readonly many: boolean
  readonly critical: boolean
  readonly group?: string
}

export interface DrawnEdge {
  readonly from: string
  readonly to: string
  /**
   * `data` an expression reads its output · `meta` only how it ended · `needs` it only has to have ended ·
   * `chunks` its pieces flow on as they come · `differ` its provider is not hired again · `undo` it is undone by.
   */
  readonly kind: 'data' | 'meta' | 'needs' | 'chunks' | 'differ' | 'undo'
  readonly critical: boolean
}

/** A sub-pipeline where a step runs it. */
export interface DrawnGroup {
  readonly id: string
  readonly title: string
  readonly parent?: string
}

export interface Drawing {
  /** name@version */
  readonly pipeline: string
  readonly nodes: readonly DrawnNode[]
  readonly edges: readonly DrawnEdge[]
  readonly groups: readonly DrawnGroup[]
}

/** `worst` where the amounts of the document can be counted; its graph has no cycle and its pipelines do not come round. */
export function drawingOf(pipeline: Pipeline, worst: WorstCase | undefined): Drawing {
  const drawn: Drawn = { nodes: [], edges: [], groups: [] }
  const graph = graphOf(pipeline)
  drawn.nodes.push({ id: '/input', kind: 'input', title: 'input', does: inputText(pipeline), notes: [], many: false, critical: true })
  steps({ pipeline, graph, worst, scope: scopeOf(pipeline), prefix: '', critical: true, first: '/input', last: '/output' }, drawn)
  drawn.nodes.push({ id: '/output', kind: 'output', title: 'output', does: '', notes: [], many: false, critical: true })
  return { pipeline: `${pipeline.name}@${pipeline.version}`, ...drawn }
}

interface Drawn {
  readonly nodes: DrawnNode[]
  readonly edges: DrawnEdge[]
  readonly groups: DrawnGroup[]
}

interface Part {
  readonly pipeline: Pipeline
  readonly graph: Graph
  readonly worst: WorstCase | undefined
  readonly scope: Scope
  readonly prefix: string
  /** Whether the step that runs it lies on the critical path. */
  readonly critical: boolean
  /** What its first steps come from, and its last ones lead to. */
  readonly first: string
  readonly last: string
  readonly group?: string
}

function steps(part: Part, drawn: Drawn): void {
  const { pipeline, graph, worst, prefix, critical, first, last, group } = part
  const path = critical ? worst?.criticalPath ?? [] : []
  const within = group === undefined ? {} : { group }
  /** Where what follows a step comes from: of a sub-pipeline its end. */
  const endOf = (name: string): string => (pipeline.steps[name]!.pipeline === undefined || !drawn.groups.some(({ id }) => id === prefix + name) ? prefix + name : `${prefix}${name}/output`)
  for (const name of graph.order) {
    const step = pipeline.steps[name]!
    const id = prefix + name
    const onPath = path.includes(name)
    const below = step.pipeline === undefined ? undefined : nested(step.pipeline, part.scope)
    if (below) drawn.groups.push({ id, title: step.title ?? name, ...(group === undefined ? {} : { parent: group }) })
    drawn.nodes.push({ id, ...nodeOf(name, step, worst), critical: onPath, ...(below ? { group: id } : within) })
    if (below) {
      const inner: Part = { ...below, graph: graphOf(below.pipeline), worst: worst?.steps.get(name)?.nested?.worst, prefix: `${id}/`, critical: onPath, first: id, last: `${id}/output`, group: id }
      steps(inner, drawn)
      drawn.nodes.push({ id: `${id}/output`, kind: 'output', title: `${name} done`, does: '', notes: [], many: false, critical: onPath, group: id })
    }
    const node = graph.nodes.get(name)!
    for (const other of node.dependsOn) drawn.edges.push({ from: endOf(other), to: id, kind: kindOf(node, other), critical: follows(path, other, name) })
    if (node.dependsOn.length === 0) drawn.edges.push({ from: first, to: id, kind: 'data', critical: path[0] === name })
    if (step.compensate) {
      const cap = worst?.steps.get(name)?.compensate
      drawn.nodes.push({ id: `${id}/undo`, kind: 'undo', title: `undo ${name}`, does: step.compensate.uses, ...(cap === undefined ? {} : { cap: formatMoney(cap) }), notes: [], many: false, critical: false, ...within })
      drawn.edges.push({ from: endOf(name), to: `${id}/undo`, kind: 'undo', critical: false })
    }
  }
  const named = new Set(stepsNamed(graph.output.references))
  const dependents = dependentsOf(graph.nodes)
  for (const name of graph.order) {
    if (named.has(name) || dependents.get(name)!.length === 0) drawn.edges.push({ from: endOf(name), to: last, kind: named.has(name) ? 'data' : 'needs', critical: path.at(-1) === name })
  }
}

const SETTLED: Readonly<Record<Exclude<Settle, 'postpaid'>, string>> = {
  escrow: 'paid through escrow', prepaid: 'paid before the work', locked: 'paid for the key of its output', streamed: 'paid as it streams',
}
const follows = (path: readonly string[], one: string, other: string): boolean => path.includes(one) && path[path.indexOf(one) + 1] === other

function kindOf({ templates, chunksOf, apart, tests }: GraphNode, other: string): DrawnEdge['kind'] {
  if (chunksOf === other) return 'chunks'
  if (apart.includes(other)) return 'differ'
  if ([...templates.fields.values()].some(({ references }) => stepsNamed(references, 'steps').includes(other))) return 'data'
  return tests.includes(other) ? 'meta' : 'needs'
}

function nodeOf(name: string, step: PipelineStep, worst: WorstCase | undefined): Omit<DrawnNode, 'id' | 'critical'> {
  const kind = step.uses !== undefined ? 'hire' : step.pipeline !== undefined ? 'pipeline' : step.switch ? 'switch' : step.wait ? 'wait' : 'approve'
  const cap = kind === 'wait' || kind === 'approve' ? undefined : worst?.steps.get(name)?.cap
  return {
    kind, title: name, does: doesOf(step), ...(cap === undefined ? {} : { cap: formatMoney(cap) }), notes: notesOf(step, name, worst),
    many: step.forEach !== undefined || step.race !== undefined || step.quorum !== undefined,
  }
}

function doesOf({ uses, pipeline, switch: cases, wait, approve }: PipelineStep): string {
  if (uses !== undefined) return uses
  if (pipeline !== undefined) return `pipeline ${pipeline}`
  if (cases) return 'the first that holds'
  if (approve) return `${approve.by === 'owner' ? 'the owner' : `${approve.by.slice(0, 8)}…`} decides within ${approve.timeout}`
  if (wait?.for !== undefined) return `wait ${wait.for}`
  if (wait?.signal !== undefined) return `wait for signal ${wait.signal}`
  return wait?.schedule ? `wait for ${wait.schedule.cron}` : `wait until ${plain(wait?.until)}`
}

function notesOf(step: PipelineStep, name: string, worst: WorstCase | undefined): string[] {
  const { race, quorum, retry, fallback } = step
  const { items, parallel } = limitsOf(step)
  const notes: (string | false | undefined)[] = [
    step.if !== undefined && `if ${plain(step.if)}`,
    step.forEach !== undefined && `for each of at most ${items}, ${Math.min(items, parallel)} at once${step.tolerate ? `, ${step.tolerate} may fail` : ''}`,
    ...(step.switch ?? []).map(({ when, uses }) => `${when === undefined ? 'else' : `when ${plain(when)}`}: ${uses ?? 'a constant'}`),
    race && `race of ${race.providers}, the first good answer counts`,
    quorum && `quorum: ${quorum.agree} of ${quorum.providers} agree`,
    retry && retry.attempts > 1 && `up to ${retry.attempts} attempts${retry.elsewhere === false ? '' : ', elsewhere'}`,
    fallback && `else ${fallback.uses ?? 'a constant'}${fallback.uses === undefined || !worst ? '' : ` ≤ ${formatMoney(worst.steps.get(name)!.fallback)}`}`,
    step.expect !== undefined && `paid if ${plain(step.expect)}`,
    step.settle !== undefined && step.settle !== 'postpaid' && SETTLED[step.settle],
    step.cache !== undefined && (step.cache === false ? 'always hired' : `or a result of at most ${step.cache} ago`),
    step.timeout !== undefined && `within ${step.timeout}`,
  ]
  return notes.filter((note) => typeof note === 'string')
}

/** An expression without its braces. */
function plain(text = ''): string {
  return text.trim().replace(/^\$\{([\s\S]*)\}$/, '$1').replaceAll(/\s+/g, ' ').trim()
}

function inputText({ input }: Pipeline): string {
  const names = Object.keys((input?.['properties'] as object | undefined) ?? {})
  return names.length > 6 ? `${names.slice(0, 6).join(', ')}, …` : names.join(', ')
}
