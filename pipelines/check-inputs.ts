/**
 * Whether what a step hands over fits what it hires or runs: keys, required ones, and the types of
 * constants and expressions. Part of `check.ts`.
 */
import type { Capability, Pipeline } from '../schemas/documents.gen.ts'
import { didYouMean, type Findings, type Path } from './findings.ts'
import { misfit } from './fit.ts'
import type { Graph } from './graph.ts'
import { nested, type Scope } from './nested.ts'
import { constantMismatch, isSchema, itemsOf, shapeAt, shapeOf, typesOf, type Shape } from './schema-path.ts'
import { factsAt, templateType, type StepTypes } from './step-types.ts'
import { compileTemplate } from './template.ts'

export function checkInputs(
  pipeline: Pipeline, capabilities: ReadonlyMap<string, Capability>, scope: Scope, graph: Graph, types: StepTypes, findings: Findings,
): void {
  for (const [id, step] of Object.entries(pipeline.steps)) {
    const seen = new Walk(id, graph, types, findings)
    const hire = (one: { readonly uses?: string; readonly with?: object } | undefined, inside: Path): void => {
      const capability = one?.uses === undefined ? undefined : capabilities.get(one.uses)
      if (capability) seen.value(one!.with ?? {}, shapeOf(capability.input), ['steps', id, ...inside, ...(one!.with ? ['with'] : [])], capability.id)
    }
    hire(step, [])
    for (const [index, one] of (step.switch ?? []).entries()) hire(one, ['switch', index])
    hire(step.fallback, ['fallback'])
    hire(step.compensate, ['compensate'])
    const below = step.pipeline === undefined ? undefined : nested(step.pipeline, scope)
    if (below) seen.value(step.with ?? {}, shapeOf(givenInput(below.pipeline)), ['steps', id, ...(step.with ? ['with'] : [])], step.pipeline!)
  }
}

/** The input schema of a pipeline for who starts it: what has a default need not be given. */
function givenInput({ input }: Pipeline): object {
  if (input === undefined) return { type: 'object', properties: {} }
  const properties = isSchema(input['properties']) ? input['properties'] : {}
  const required = Array.isArray(input['required']) ? input['required'] as unknown[] : []
  return { ...input, required: required.filter((name) => !isSchema(properties[String(name)]) || !('default' in (properties[String(name)] as object))) }
}

class Walk {
  readonly #step: string
  readonly #graph: Graph
  readonly #types: StepTypes
  readonly #findings: Findings

  constructor(step: string, graph: Graph, types: StepTypes, findings: Findings) {
    this.#step = step
    this.#graph = graph
    this.#types = types
    this.#findings = findings
  }

  value(value: unknown, target: Shape, path: Path, of: string): void {
    if (!target.schema) return
    if (typeof value === 'string' && value.includes('${')) return this.#text(value, target, path)
    const wrong = constantMismatch(value, target)
    if (wrong !== undefined) return this.#findings.error(path, wrong)
    if (Array.isArray(value)) {
      for (const [index, item] of value.entries()) this.value(item, itemsOf(target), [...path, index], of)
    } else if (isSchema(value)) this.#object(value, target, path, of)
  }

  #object(value: Readonly<Record<string, unknown>>, target: Shape, path: Path, of: string): void {
    for (const [key, item] of Object.entries(value)) {
      const shape = shapeAt(target, [key])
      if ('missing' in shape) this.#findings.error([...path, key], `${of} takes no ${key}`, didYouMean(key, shape.known))
      else this.value(item, shape, [...path, key], `${of} ${key}`)
    }
    const required = target.schema!['required']
    if (!Array.isArray(required)) return
    for (const key of required) {
      if (typeof key === 'string' && !Object.hasOwn(value, key)) this.#findings.error(path, `${of} needs ${key}`)
    }
  }

  #text(text: string, target: Shape, path: Path): void {
    const template = compileTemplate(text)
    if (template.faults.length > 0) return
    const type = templateType(template, this.#types.names({ step: this.#step }), factsAt(this.#graph, this.#step, path.slice(2)))
    const wrong = misfit(type, target)
    if (wrong?.error) this.#findings.error(path, wrong.message)
    else if (wrong) this.#findings.warn(path, wrong.message, wrong.message.includes('null') ? 'Test it: x == null ? … : …, or give a value with orValue(…).' : undefined)
  }
}

/** The problems of the document's own `input` schema that matter here: it must describe an object. */
export function checkInputSchema(pipeline: Pipeline, findings: Findings): void {
  if (pipeline.input === undefined) return
  const types = typesOf(pipeline.input)
  if (types && !types.includes('object')) findings.error(['input', 'type'], 'the input of a pipeline is an object')
}
