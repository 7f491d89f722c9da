/**
 * The types of everything an expression of a document can name: inputs, outputs of steps, items,
 * `meta`, `run`. Worked out when they are asked for; used by the checker and by bundles.
 *
 * A step may have no output where it may be skipped, or fail while another tests how it ended: there
 * `steps.x` may be null, unless the place that names it cannot be reached then.
 */
import type { Capability, Pipeline, PipelineStep } from '../schemas/documents.gen.ts'
import { graphOf, type Graph, type GraphNode } from './graph.ts'
import { Expressions, type Names } from './infer.ts'
import { both, factsOf, NO_FACTS, type Facts } from './narrow.ts'
import { nested, NESTED_MAX, type Scope } from './nested.ts'
import { isSchema, shapeOf } from './schema-path.ts'
import { compileTemplate, type Node, type Template } from './template.ts'
import { asJson, atom, listOf, mapOf, typeOfConstant, typeOfShape, union, withNull, type ValueType } from './value-type.ts'

/** Where an expression stands, as far as its names depend on that. */
export interface Standing {
  /** The step it belongs to; undefined for the output. */
  readonly step: string | undefined
  /** Of an acceptance or a rule: the capability whose output is judged. */
  readonly judged?: string
}

export interface StepTypes {
  /** What the names mean at a place. */
  names(at: Standing): Names
  /** The output of a step as a whole. */
  output(step: string): ValueType
  /** The answer of the pipeline. */
  readonly answer: () => ValueType
}

/** Answers of sub-pipelines that are known, or being worked out, and how deep it is in them. */
interface Below {
  readonly answers: Map<Pipeline, ValueType>
  readonly depth: number
}

export function stepTypesOf(
  pipeline: Pipeline, graph: Graph, capabilities: ReadonlyMap<string, Capability>, scope: Scope, { answers, depth }: Below = { answers: new Map(), depth: 0 },
): StepTypes {
  // steps on or behind a cycle have no order, and no type
  const ordered = new Set(graph.order)
  const outputs = new Map<string, ValueType>([...graph.nodes.keys()].filter((id) => !ordered.has(id)).map((id) => [id, 'any']))
  const items = new Map<string, ValueType>()
  const undone = undoneOf(pipeline, graph)
  const input = inputType(pipeline)
  const capability = (id: string | undefined): Capability | undefined => (id === undefined ? undefined : capabilities.get(id))

  const output = (id: string): ValueType => {
    const known = outputs.get(id)
    if (known !== undefined) return known
    const step = pipeline.steps[id]!
    const one = oneOutput(id, step)
    const made = step.forEach === undefined ? one : listOf(step.tolerate ? withNull(one, `an item of ${id} may have failed`) : one)
    outputs.set(id, made)
    return made
  }

  const oneOutput = (id: string, step: PipelineStep): ValueType => {
    const hired = (one: { readonly uses?: string; readonly value?: unknown }, ...inside: (string | number)[]): ValueType =>
      (one.uses === undefined ? templateType(compileTemplate(one.value), names({ step: id }), factsAt(graph, id, [...inside, 'value'])) : typeOfShape(shapeOf(capability(one.uses)?.output)))
    const main = kindOutput(id, step, hired)
    return step.fallback ? union(main, hired(step.fallback, 'fallback')) : main
  }

  const kindOutput = (id: string, step: PipelineStep, hired: (one: { readonly uses?: string; readonly value?: unknown }, ...inside: (string | number)[]) => ValueType): ValueType => {
    if (step.uses !== undefined) return hired(step)
    if (step.switch) return union(...step.switch.map((one, index) => hired(one, 'switch', index)))
    if (step.approve) return mapOf({ approved: atom('bool'), by: withNull(atom('string'), 'nobody may answer in time'), at: atom('double'), comment: withNull(atom('string'), 'a comment is optional') })
    if (step.wait) return step.wait.signal === undefined ? atom('null', { why: `${id} waits for a time` }) : 'any'
    const below = step.pipeline === undefined ? undefined : nested(step.pipeline, scope)
    if (!below || depth > NESTED_MAX.depth) return 'any'
    const known = answers.get(below.pipeline)
    if (known !== undefined) return known
    // one that comes round to itself is reported elsewhere
    answers.set(below.pipeline, 'any')
    const made = stepTypesOf(below.pipeline, graphOf(below.pipeline), capabilities, below.scope, { answers, depth: depth + 1 }).answer()
    answers.set(below.pipeline, made)
    return made
  }

  const item = (id: string): ValueType => {
    const known = items.get(id)
    if (known !== undefined) return known
    const made = itemOf(id)
    items.set(id, made)
    return made
  }

  const itemOf = (id: string): ValueType => {
    const node = graph.nodes.get(id)
    if (!node) return 'any'
    if (node.chunksOf !== undefined) return typeOfShape(shapeOf(capability(pipeline.steps[node.chunksOf]?.uses)?.chunk))
    const list = node.templates.fields.get('forEach')?.single
    if (!list) return 'any'
    const type = asJson(new Expressions(names({ step: id }, true)).of(list.tree))
    const found = type === 'any' ? undefined : type.find(({ kind }) => kind === 'list')
    return found?.item?.() ?? 'any'
  }

  const names = ({ step, judged }: Standing, listing = false): Names => ({
    root(name) {
      switch (name) {
        case 'input': return input
        case 'index': return atom('double')
        case 'run': return RUN
        case 'item': return step === undefined || listing ? 'any' : item(step)
        case 'output': case 'a': case 'b': return typeOfShape(shapeOf(capability(judged)?.output))
        case 'steps': return atom('map', { fields: { names: [], field: (id) => (Object.hasOwn(pipeline.steps, id) ? { type: seen(id, step), optional: false } : 'unknown') } })
        case 'meta': return atom('map', { fields: { names: [], field: () => ({ type: META, optional: false }) } })
        default: return 'any'
      }
    },
  })

  /** A step's output as a place sees it. */
  const seen = (id: string, from: string | undefined): ValueType => {
    const why = undone.get(id)
    const type = output(id)
    if (why === undefined || id === from) return type
    const tested = from === undefined || (graph.nodes.get(from)?.tests.includes(id) ?? false)
    return tested ? withNull(type, `${id} ${why}`) : type
  }

  // in their order, so that a long chain of steps is walked, not called
  for (const id of graph.order) output(id)
  return { names, output, answer: () => templateType(graph.output, names({ step: undefined })) }
}

const RUN: ValueType = mapOf({ id: atom('string'), spent: atom('Money'), budget: atom('Money'), left: atom('Money'), startedAt: atom('double') })
const META: ValueType = mapOf({
  state: atom('string'), provider: withNull(atom('string'), 'a step that hired nobody has none'), providerName: withNull(atom('string'), 'a step that hired nobody has none'), price: atom('Money'),
  attempts: atom('double'), error: withNull(atom('string'), 'a step that did not fail has none'), fallback: atom('bool'), failed: atom('double'),
})

/** Inputs at the top that have a default are always there. */
function inputType({ input }: Pipeline): ValueType {
  if (input === undefined) return 'any'
  const properties = isSchema(input['properties']) ? input['properties'] : {}
  const filled = Object.entries(properties).filter(([, schema]) => isSchema(schema) && 'default' in schema).map(([name]) => name)
  const required = Array.isArray(input['required']) ? input['required'] as unknown[] : []
  return typeOfShape(shapeOf({ type: 'object', ...input, required: [...required, ...filled] }))
}

/** Why steps may end without an output although the run goes on, by step. */
function undoneOf(pipeline: Pipeline, graph: Graph): Map<string, string> {
  const undone = new Map<string, string>()
  const tested = new Set([...graph.nodes.values()].flatMap((node) => node.tests))
  for (const id of graph.order) {
    const step = pipeline.steps[id]!
    const skipped = step.if !== undefined || (step.switch?.every((one) => one.when !== undefined) ?? false) || waitsInVain(graph.nodes.get(id)!, undone)
    if (skipped) undone.set(id, 'may be skipped')
    else if (tested.has(id)) undone.set(id, 'may fail: a step tests how it ended')
  }
  return undone
}

/** Whether something it depends on may end without an output, so that it is skipped. */
function waitsInVain(node: GraphNode, undone: ReadonlyMap<string, string>): boolean {
  return node.dependsOn.some((other) => undone.has(other) && !node.tests.includes(other))
}

/** What is known where a template of a step stands: its `if` was true, and the `when` of its case. */
export function factsAt(graph: Graph, step: string | undefined, inside: readonly (string | number)[]): Facts {
  const fields = step === undefined ? undefined : graph.nodes.get(step)?.templates.fields
  const [field, index, part] = inside
  if (!fields || field === 'if') return NO_FACTS
  const itself = (name: string): string => name
  const condition = fields.get('if')?.single
  const facts = condition ? factsOf(condition.tree, true, itself) : NO_FACTS
  const chosen = field === 'switch' && part !== 'when' ? fields.get('switch')?.expressions.find(({ at }) => at[0] === index && at[1] === 'when') : undefined
  return chosen ? both(facts, factsOf(chosen.expression.tree, true, itself)) : facts
}

/** The type of what a template gives. */
export function templateType({ root }: Template, names: Names, facts: Facts = NO_FACTS): ValueType {
  return typeOfNode(root, names, facts)
}

function typeOfNode(node: Node, names: Names, facts: Facts): ValueType {
  switch (node.kind) {
    case 'constant':
      return typeOfConstant(node.value)
    case 'value':
      return asJson(new Expressions(names, facts).of(node.expression.tree))
    case 'text':
      return atom('string')
    case 'list':
      return listOf(union(...node.items.map((item) => typeOfNode(item, names, facts))))
    case 'map':
      return mapOf(Object.fromEntries(node.entries.map(([key, item]) => [key, typeOfNode(item, names, facts)])))
  }
}
