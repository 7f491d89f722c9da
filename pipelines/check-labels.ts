/**
 * Follows labelled data through a document: a step that is given it, from the input or from the
 * output of a step that was, may go to the participants listed in `labels` only. An output carries
 * the labels of all that its step was given: nothing takes a label away. Part of `check.ts`.
 */
import type { Pipeline, PipelineProviders, PipelineStep } from '../schemas/documents.gen.ts'
import { didYouMean, pathText, type Findings, type Path } from './findings.ts'
import { graphOf, type Graph } from './graph.ts'
import { labelsAt, labelsIn } from './label.ts'
import { nested, scopeOf, type Scope } from './nested.ts'
import { providersOf } from './providers.ts'
import type { PlacedReference, Template } from './template.ts'

/** By label: the way that data of it went, the first one found. */
type Labels = ReadonlyMap<string, readonly string[]>

const NONE: Labels = new Map()
/** The fields of a step whose templates go to whoever does it. */
const GIVEN = ['with', 'switch', 'fallback', 'compensate'] as const

/** Of a document that runs no pipeline inside itself for ever (nested.ts). */
export function checkLabels(pipeline: Pipeline, scope: Scope, graph: Graph, findings: Findings): void {
  const used = new Set<string>()
  checkNames(pipeline, pipeline.labels ?? {}, used, findings)
  for (const one of pipelinesIn(pipeline)) checkNames(one.pipeline, { ...pipeline.labels, ...one.pipeline.labels }, used, findings.under(one.path))
  for (const label of Object.keys(pipeline.labels ?? {})) if (!used.has(label)) findings.warn(['labels', label], `nothing is labelled ${label}`, 'Write "x-label" in the schema of an input.')
  if (used.size === 0) return
  new Flow([pipeline.labels ?? {}], [pipeline.providers], (path, message, hint) => findings.error(path, message, hint)).follow(pipeline, graph, scope, () => NONE)
}

/** By step: the labels of what it is given, and so of its output. Empty for a document without labels. */
export function labelsOfSteps(pipeline: Pipeline): ReadonlyMap<string, ReadonlySet<string>> {
  if (labelsIn(pipeline.input ?? {}).length === 0) return new Map()
  const found = new Map<string, ReadonlySet<string>>()
  const flow = new Flow([], [], () => undefined)
  flow.follow(pipeline, graphOf(pipeline), scopeOf(pipeline), () => NONE, (id, labels) => found.set(id, new Set(labels.keys())))
  return found
}

function pipelinesIn(pipeline: Pipeline, path: Path = []): { readonly pipeline: Pipeline; readonly path: Path }[] {
  return Object.entries(pipeline.pipelines ?? {}).flatMap(([name, one]) => [{ pipeline: one, path: [...path, 'pipelines', name] }, ...pipelinesIn(one, [...path, 'pipelines', name])])
}

/** That a label is one, and that somebody may have what it stands for. */
function checkNames({ input }: Pipeline, lists: Readonly<Record<string, readonly string[]>>, used: Set<string>, findings: Findings): void {
  for (const { path, labels } of labelsIn(input ?? {})) {
    if (!labels) findings.error(['input', ...path], 'is no label', 'Write a word of small letters, digits and dashes, like personal, or a list of them.')
    for (const label of labels ?? []) {
      used.add(label)
      if (!Object.hasOwn(lists, label)) findings.error(['input', ...path], `${label} is not listed in labels: nobody may have it`, didYouMean(label, Object.keys(lists)) ?? `Add "labels": { "${label}": [ … ] } with the addresses of those who may.`)
    }
  }
}

type Report = (path: Path, message: string, hint?: string) => void

class Flow {
  readonly #lists: readonly Readonly<Record<string, readonly string[]>>[]
  readonly #around: readonly (PipelineProviders | undefined)[]
  readonly #report: Report

  constructor(lists: Flow['lists'], around: readonly (PipelineProviders | undefined)[], report: Report) {
    this.#lists = lists
    this.#around = around
    this.#report = report
  }

  get lists(): readonly Readonly<Record<string, readonly string[]>>[] {
    return this.#lists
  }

  /** Labels of the answer. `given`: those that an input of a sub-pipeline has from outside, by its name. `tell` hears of every step. */
  follow(pipeline: Pipeline, graph: Graph, scope: Scope, given: (input: string | undefined) => Labels, tell?: (step: string, labels: Labels) => void): Labels {
    const outputs = new Map<string, Labels>()
    const read = (references: readonly PlacedReference[], item: Labels): Labels => together(references.map(({ root, path }) => {
      const [first] = path
      if (root === 'item') return item
      if (root === 'steps' || root === 'chunks') return typeof first === 'string' ? outputs.get(first) ?? NONE : NONE
      if (root !== 'input') return NONE
      const way = [pathText(['input', ...path.map((key) => key ?? '…')])]
      const own = new Map([...labelsAt(pipeline.input ?? {}, path)].map((label) => [label, way] as const))
      return together([own, given(typeof first === 'string' ? first : undefined)])
    }))
    for (const id of graph.order) {
      const labels = this.#step(id, pipeline.steps[id]!, graph, scope, read)
      outputs.set(id, labels)
      tell?.(id, labels)
    }
    return read(graph.output.references, NONE)
  }

  #step(id: string, step: PipelineStep, graph: Graph, scope: Scope, read: (references: readonly PlacedReference[], item: Labels) => Labels): Labels {
    const { fields } = graph.nodes.get(id)!.templates
    const item = read(fields.get('forEach')?.references ?? [], NONE)
    const of = (template: Template | undefined): Labels => (template ? read(template.references, item) : NONE)
    const handed = extended(together(GIVEN.map((field) => of(fields.get(field)))), id)
    if (step.approve) this.#person(step.approve.by, extended(of(fields.get('approve')), id), ['steps', id, 'approve', 'by'])
    const hires = step.uses !== undefined || step.switch?.some((one) => one.uses !== undefined) || step.fallback?.uses !== undefined || step.compensate !== undefined
    if (hires) this.#provider(id, step, handed)
    const below = step.pipeline === undefined ? undefined : nested(step.pipeline, scope)
    if (!below) return handed
    const inner = new Flow([...this.#lists, below.pipeline.labels ?? {}], [...this.#around, step.providers, below.pipeline.providers], (_path, message, hint) => this.#report(['steps', id, 'pipeline'], message, hint))
    const template = fields.get('with')
    const into = (name: string | undefined): Labels => extended(read((template?.references ?? []).filter(({ at }) => name === undefined || at[0] === name), item), id)
    return together([handed, extended(inner.follow(below.pipeline, graphOf(below.pipeline), below.scope, into), id)])
  }

  #provider(id: string, step: PipelineStep, labels: Labels): void {
    const { only } = providersOf(...this.#around, step.providers)
    const path = ['steps', id]
    for (const [label, way] of labels) {
      const listed = this.#listed(label)
      // what is not listed at all is said of the label itself
      if (listed === undefined) continue
      const hint = listed.length > 0 ? `Add "providers": { "only": [ … ] } with some of labels.${label}: ${listed.slice(0, 3).join(', ')}${listed.length > 3 ? ', …' : ''}.` : `Nobody is listed in labels.${label}.`
      if (only === null) this.#report(path, `${label} data reaches it (${way.join(' → ')}), and anybody may do it`, hint)
      const at = step.providers?.only ? [...path, 'providers', 'only'] : path
      for (const [index, one] of (only ?? []).entries()) if (!listed.includes(one)) this.#report(step.providers?.only ? [...at, index] : at, `${label} data reaches it (${way.join(' → ')}), and ${one} is not listed in labels.${label}`, hint)
      if (step.settle !== 'escrow') continue
      const agent = step.escrow?.agent
      if (agent === undefined || !listed.includes(agent)) this.#report([...path, 'escrow'], `${label} data reaches it (${way.join(' → ')}), and in a dispute its escrow agent sees the output: ${agent ?? 'any agent'} is not listed in labels.${label}`, `Name an agent of labels.${label}, or settle it another way.`)
    }
  }

  #person(by: string, labels: Labels, path: Path): void {
    if (by === 'owner') return
    for (const [label, way] of labels) if (this.#listed(label)?.includes(by) === false) this.#report(path, `${label} data is in the message (${way.join(' → ')}), and ${by} is not listed in labels.${label}`)
  }

  /** Who may have data of a label: those in every list of it; undefined when there is no list. */
  #listed(label: string): readonly string[] | undefined {
    const lists = this.#lists.filter((one) => Object.hasOwn(one, label)).map((one) => one[label]!)
    const [first, ...more] = lists
    return first?.filter((one) => more.every((list) => list.includes(one)))
  }
}

function together(all: readonly Labels[]): Labels {
  const made = new Map<string, readonly string[]>()
  for (const labels of all) for (const [label, way] of labels) if (!made.has(label)) made.set(label, way)
  return made
}

function extended(labels: Labels, step: string): Labels {
  return new Map([...labels].map(([label, way]) => [label, [...way, step]]))
}
