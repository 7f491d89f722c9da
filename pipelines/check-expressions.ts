/**
 * The rules of expressions: that they parse, that every name in them exists where they stand, and
 * that they give what their place wants. Part of `check.ts`.
 */
import type { Capability, Pipeline, PipelineStep } from '../schemas/documents.gen.ts'
import { META_FIELDS, RUN_FIELDS } from './environment.ts'
import type { Reference } from './expression.ts'
import { didYouMean, pathText, type Findings, type Path } from './findings.ts'
import { chunksOf, type Graph, type Judged } from './graph.ts'
import { expectFault, ruleFault } from './prepare.ts'
import { arrayOf, itemsOf, shapeAt, shapeOf, typesOf, type Shape } from './schema-path.ts'
import type { Template } from './template.ts'

/** What the expressions of one place may name. */
interface Place {
  /** Where the template stands in the document. */
  readonly path: Path
  /** The step it belongs to; undefined for the output. */
  readonly step: string | undefined
  /** Whether it may name that step: what undoes a step reads its output. */
  readonly own?: boolean
  /** Roots it may use. */
  readonly roots: readonly string[]
  /** Why a root is not among them, for those worth a word. */
  readonly because: Readonly<Record<string, string>>
}

export interface Shapes {
  /** The shape at a reference seen from a step (for `item`), or what is missing. */
  at(reference: Reference, step: string | undefined): ReturnType<typeof shapeAt>
}

/** What the capabilities and the input schema say about every name an expression can start from. */
export function shapesOf(pipeline: Pipeline, capabilities: ReadonlyMap<string, Capability>, graph: Graph): Shapes {
  const input = shapeOf(pipeline.input)
  const outputs = new Map<string, Shape>()
  for (const [id, step] of Object.entries(pipeline.steps)) outputs.set(id, outputOf(step, capabilities))
  const unknown = shapeOf(undefined)
  const at: Shapes['at'] = (reference, step) => {
    const [first, ...rest] = reference.path
    if (reference.root === 'input') return shapeAt(input, reference.path)
    if (reference.root === 'steps' && typeof first === 'string') return shapeAt(outputs.get(first) ?? unknown, rest)
    if (['output', 'a', 'b'].includes(reference.root) && step !== undefined) return shapeAt(elementOf(pipeline.steps[step]!, capabilities), reference.path)
    if (reference.root === 'item' && step !== undefined) {
      const list = graph.nodes.get(step)?.templates.fields.get('forEach')?.single?.plain
      // a list that is itself made of `item` would be a mistake reported elsewhere
      const shape = list && list.root !== 'item' ? at(list, step) : unknown
      return 'missing' in shape ? unknown : shapeAt(itemsOf(shape), reference.path)
    }
    if (reference.root === 'index') return shapeOf({ type: 'integer' })
    return unknown
  }
  return { at }
}

function elementOf(step: PipelineStep, capabilities: ReadonlyMap<string, Capability>): Shape {
  return shapeOf(step.uses === undefined ? undefined : capabilities.get(step.uses)?.output)
}

function outputOf(step: PipelineStep, capabilities: ReadonlyMap<string, Capability>): Shape {
  const one = elementOf(step, capabilities)
  return step.forEach === undefined ? one : arrayOf(one)
}

export function checkExpressions(pipeline: Pipeline, graph: Graph, shapes: Shapes, findings: Findings): void {
  for (const [id, { templates }] of graph.nodes) {
    const step = pipeline.steps[id]!
    for (const [field, template] of templates.fields) {
      const item = step.forEach !== undefined && field !== 'if' && field !== 'forEach'
      const chunks = field === 'forEach' && chunksOf(step) !== undefined
      const roots = ['input', 'steps', 'meta', ...(item ? ['item', 'index'] : []), ...(step.needs?.length || field === 'compensate' ? ['run'] : []), ...(chunks ? ['chunks'] : []), ...(field === 'compensate' ? ['output'] : [])]
      const place: Place = { path: ['steps', id, field], step: id, own: field === 'compensate', roots, because: reasons(step, field) }
      checkTemplate(template, place, pipeline, shapes, findings)
    }
    checkKind(templates.fields.get('if'), ['steps', id, 'if'], 'boolean', 'bool', id, shapes, findings)
    checkKind(templates.fields.get('forEach'), ['steps', id, 'forEach'], 'array', 'list', id, shapes, findings)
    for (const { path, template } of templates.accepts) checkExpect(template, id, path, pipeline, shapes, findings)
    if (templates.rule) checkRule(templates.rule, id, pipeline, shapes, findings)
  }
  const because = { item: 'item exists inside a step with forEach only' }
  const place: Place = { path: ['output'], step: undefined, roots: ['input', 'steps', 'meta', 'run'], because }
  checkTemplate(graph.output, place, pipeline, shapes, findings)
}

function reasons(step: PipelineStep, field: string): Record<string, string> {
  const outside = step.forEach === undefined ? 'only a step with forEach has it' : `${field} is evaluated once, before there are items`
  return {
    item: `item cannot be read here: ${outside}`,
    index: `index cannot be read here: ${outside}`,
    run: 'run.* is read at the step\'s start, so the step must say what it waits for: add needs',
    output: 'output is what expect judges and compensate undoes; elsewhere name the step: steps.<id>',
    chunks: 'the pieces of a stream can only be gone over as a whole: "forEach": "${chunks.<step>}"',
    a: 'a and b are what the rule of a quorum compares',
    b: 'a and b are what the rule of a quorum compares',
  }
}

function checkTemplate(template: Template, place: Place, pipeline: Pipeline, shapes: Shapes, findings: Findings): void {
  for (const fault of template.faults) findings.error([...place.path, ...fault.path], fault.message, fault.hint, fault.offset)
  for (const reference of template.references) {
    const path = [...place.path, ...reference.at]
    const say = (message: string, hint?: string): void => findings.error(path, message, hint, reference.start)
    if (!place.roots.includes(reference.root)) say(place.because[reference.root] ?? `${reference.root} cannot be read here`)
    else if (reference.root === 'steps' || reference.root === 'meta' || reference.root === 'chunks') checkStepName(reference, place, pipeline, say)
    else if (reference.root === 'run') checkField(reference.path[0], RUN_FIELDS, 'run', say)
    if (!reference.guarded) checkKnown(reference, place.step, pipeline, shapes, say)
  }
}

type Say = (message: string, hint?: string) => void

function checkStepName(reference: Reference, place: Place, pipeline: Pipeline, say: Say): void {
  const [name, field] = reference.path
  if (typeof name !== 'string') say(`${reference.root} must be followed by the name of a step, as ${reference.root}.<id>`)
  else if (name === place.step && !place.own) say('a step cannot name itself')
  else if (!Object.hasOwn(pipeline.steps, name)) {
    say(`there is no step ${name}`, didYouMean(name, Object.keys(pipeline.steps), (id) => `${reference.root}.${id}`))
  } else if (reference.root === 'meta') checkField(field, META_FIELDS, `meta.${name}`, say)
}

function checkField(name: string | number | null | undefined, known: readonly string[], of: string, say: Say): void {
  if (typeof name === 'string' && !known.includes(name)) say(`${of} has no ${name}`, didYouMean(name, known, (field) => `${of}.${field}`))
}

/** A field that the schema of an input or of a capability's output does not have. */
function checkKnown(reference: Reference, step: string | undefined, pipeline: Pipeline, shapes: Shapes, say: Say): void {
  const [name] = reference.path
  if (reference.root === 'input' && pipeline.input === undefined && name !== undefined) return say('the pipeline declares no input')
  if (reference.root === 'steps' && (typeof name !== 'string' || !Object.hasOwn(pipeline.steps, name))) return
  const found = shapes.at(reference, step)
  if (!('missing' in found)) return
  const inside = found.before.map((key) => key ?? 0)
  const before = reference.root === 'steps' ? [reference.root, name as string, ...inside] : [reference.root, ...inside]
  const hint = didYouMean(found.missing, found.known, (field) => pathText([...before, field]))
  say(`${pathText(before)} has no ${found.missing}`, hint)
}

/** `if` must be able to give a boolean, `forEach` a list. */
function checkKind(
  template: Template | undefined, path: Path, type: string, cel: string, step: string, shapes: Shapes, findings: Findings,
): void {
  if (!template || template.faults.length > 0) return
  if (!template.single) return findings.error(path, 'must be one ${…} and nothing else')
  const given = template.single.type
  if (given !== 'dyn' && given !== cel && !given.startsWith(`${cel}<`)) return findings.error(path, `must give ${type}, this gives ${given}`)
  const shape = template.single.plain && shapes.at(template.single.plain, step)
  const types = shape && !('missing' in shape) && shape.schema ? typesOf(shape.schema) : undefined
  if (types && !types.includes(type)) findings.error(path, `must give ${type}, this gives ${types.join(' or ')}`)
}

function checkExpect(template: Template, id: string, inside: Path, pipeline: Pipeline, shapes: Shapes, findings: Findings): void {
  const path = ['steps', id, ...inside]
  if (template.faults.length === 0) {
    if (!template.single) return findings.error(path, 'must be one ${…} and nothing else')
    const fault = expectFault(template.single.source)
    if (fault !== undefined) return findings.error(path, fault)
  }
  checkTemplate(template, { path, step: id, roots: ['output'], because: {} }, pipeline, shapes, findings)
}

function checkRule({ path: inside, template }: Judged, id: string, pipeline: Pipeline, shapes: Shapes, findings: Findings): void {
  const path = ['steps', id, ...inside]
  if (template.faults.length === 0) {
    if (!template.single) return findings.error(path, 'must be one ${…} and nothing else')
    const fault = ruleFault(template.single.source)
    if (fault !== undefined) return findings.error(path, fault)
  }
  checkTemplate(template, { path, step: id, roots: ['a', 'b'], because: {} }, pipeline, shapes, findings)
}
