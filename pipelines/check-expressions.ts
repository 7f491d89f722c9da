/**
 * The rules of expressions: that they parse, that every name in them exists where they stand, that
 * their types go together, and that they give what their place wants. Part of `check.ts`.
 */
import type { Pipeline, PipelineStep } from '../schemas/documents.gen.ts'
import type { Reference } from './expression.ts'
import { didYouMean, pathText, type Findings, type Path } from './findings.ts'
import { jsonName, jsonNames } from './fit.ts'
import { chunksOf, type Graph } from './graph.ts'
import { Expressions } from './infer.ts'
import { expectFault, ruleFault } from './prepare.ts'
import { factsAt, type StepTypes } from './step-types.ts'
import { compileTemplate, type Template } from './template.ts'
import { asJson, type ValueType } from './value-type.ts'

/** What the expressions of one place may name. */
interface Place {
  /** Where the template stands in the document. */
  readonly path: Path
  /** The step it belongs to; undefined for the output. */
  readonly step: string | undefined
  /** Whether it may name that step: what undoes a step reads its output. */
  readonly own?: boolean
  /** Of an acceptance or a rule: the capability whose output it judges. */
  readonly judged?: string | undefined
  /** Roots it may use. */
  readonly roots: readonly string[]
  /** Why a root is not among them, for those worth a word. */
  readonly because: Readonly<Record<string, string>>
}

export function checkExpressions(pipeline: Pipeline, graph: Graph, types: StepTypes, findings: Findings): void {
  for (const [id, { templates }] of graph.nodes) {
    const step = pipeline.steps[id]!
    for (const [field, template] of templates.fields) {
      const item = step.forEach !== undefined && field !== 'if' && field !== 'forEach'
      const chunks = field === 'forEach' && chunksOf(step) !== undefined
      const roots = ['input', 'steps', 'meta', ...(item ? ['item', 'index'] : []), ...(step.needs?.length || field === 'compensate' ? ['run'] : []), ...(chunks ? ['chunks'] : []), ...(field === 'compensate' ? ['output'] : [])]
      const place: Place = { path: ['steps', id, field], step: id, own: field === 'compensate', roots, because: reasons(step, field) }
      const given = checkTemplate(template, place, pipeline, graph, types, findings)
      if (field === 'if') checkGives(template, place.path, given, 'boolean', findings)
      if (field === 'forEach' && !chunks) checkGives(template, place.path, given, 'array', findings)
      checkParts(step, field, place.path, given, findings)
    }
    for (const { path, template } of templates.accepts) {
      const uses = path[0] === 'switch' ? step.switch![Number(path[1])]!.uses : step.uses
      checkJudged(template, { path: ['steps', id, ...path], step: id, judged: uses, roots: ['output'], because: {} }, expectFault, pipeline, graph, types, findings)
    }
    if (templates.rule) checkJudged(templates.rule.template, { path: ['steps', id, ...templates.rule.path], step: id, judged: step.uses, roots: ['a', 'b'], because: {} }, ruleFault, pipeline, graph, types, findings)
  }
  const because = { item: 'item exists inside a step with forEach only' }
  const place: Place = { path: ['output'], step: undefined, roots: ['input', 'steps', 'meta', 'run'], because }
  checkTemplate(graph.output, place, pipeline, graph, types, findings)
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

/** By the place of an expression in its template, as text: what it gives. */
type Given = ReadonlyMap<string, ValueType>

function checkTemplate(template: Template, place: Place, pipeline: Pipeline, graph: Graph, types: StepTypes, findings: Findings): Given {
  for (const fault of template.faults) findings.error([...place.path, ...fault.path], fault.message, fault.hint, fault.offset)
  for (const reference of template.references) {
    const path = [...place.path, ...reference.at]
    const say = (message: string, hint?: string): void => findings.error(path, message, hint, reference.start)
    if (!place.roots.includes(reference.root)) say(place.because[reference.root] ?? `${reference.root} cannot be read here`)
    else if (reference.root === 'steps' || reference.root === 'meta' || reference.root === 'chunks') checkStepName(reference, place, pipeline, say)
    else if (reference.root === 'input' && pipeline.input === undefined && reference.path.length > 0) say('the pipeline declares no input')
  }
  const given = new Map<string, ValueType>()
  const names = types.names({ step: place.step, ...(place.judged === undefined ? {} : { judged: place.judged }) })
  for (const { expression, at, offset } of template.expressions) {
    const inferred = new Expressions(names, factsAt(graph, place.step, [...place.path.slice(2), ...at]))
    given.set(pathText(at), asJson(inferred.of(expression.tree)))
    for (const { error, message, hint, offset: inside } of inferred.found) {
      if (error) findings.error([...place.path, ...at], message, hint, offset + inside)
      else findings.warn([...place.path, ...at], message, hint, offset + inside)
    }
  }
  return given
}

type Say = (message: string, hint?: string) => void

function checkStepName(reference: Reference, place: Place, pipeline: Pipeline, say: Say): void {
  const [name] = reference.path
  if (typeof name !== 'string') say(`${reference.root} must be followed by the name of a step, as ${reference.root}.<id>`)
  else if (name === place.step && !place.own) say('a step cannot name itself')
  else if (!Object.hasOwn(pipeline.steps, name)) say(`there is no step ${name}`, didYouMean(name, Object.keys(pipeline.steps), (id) => `${reference.root}.${id}`))
}

/** `if` must be able to give a boolean, `forEach` a list. */
function checkGives(template: Template, path: Path, given: Given, wanted: string, findings: Findings): void {
  if (template.faults.length > 0) return
  if (!template.single) return findings.error(path, 'must be one ${…} and nothing else')
  checkKind(given.get(''), path, [wanted], findings)
}

function checkKind(type: ValueType | undefined, path: Path, wanted: readonly string[], findings: Findings): void {
  if (type === undefined || type === 'any' || type.length === 0) return
  const fits = type.filter((one) => wanted.includes(jsonName(one)))
  if (fits.length === 0) findings.error(path, `must give ${wanted.join(' or ')}, this gives ${jsonNames(type)}`)
  else if (fits.length < type.length) findings.warn(path, `must give ${wanted.join(' or ')}, this may give ${jsonNames(type.filter((one) => !fits.includes(one)))}`)
}

/** The expressions inside `switch` and `wait` whose kind matters. */
function checkParts(step: PipelineStep, field: string, path: Path, given: Given, findings: Findings): void {
  if (field === 'switch') for (const index of step.switch!.keys()) checkKind(given.get(`[${index}].when`), [...path, index, 'when'], ['boolean'], findings)
  const until = field === 'wait' ? step.wait!.until : undefined
  if (until !== undefined && compileTemplate(until).single) checkKind(given.get('until'), [...path, 'until'], ['string', 'number', 'integer'], findings)
}

function checkJudged(template: Template, place: Place, faultOf: (source: string) => string | undefined, pipeline: Pipeline, graph: Graph, types: StepTypes, findings: Findings): void {
  if (template.faults.length === 0) {
    if (!template.single) return findings.error(place.path, 'must be one ${…} and nothing else')
    const fault = faultOf(template.single.source)
    if (fault !== undefined) return findings.error(place.path, fault)
  }
  const given = checkTemplate(template, place, pipeline, graph, types, findings)
  checkKind(given.get(''), place.path, ['boolean'], findings)
}
