/**
 * Whether what a step hands over fits the capability it hires: keys, required ones, and types where
 * an expression is a plain path or a constant stands. Part of `check.ts`.
 */
import type { Capability, Pipeline } from '../schemas/documents.gen.ts'
import type { Shapes } from './check-expressions.ts'
import { didYouMean, type Findings, type Path } from './findings.ts'
import type { Graph } from './graph.ts'
import { constantMismatch, isSchema, itemsOf, mismatch, shapeAt, shapeOf, typesOf, type Shape } from './schema-path.ts'
import { compileTemplate } from './template.ts'

const CEL_TO_JSON: Readonly<Record<string, string>> = { bool: 'boolean', string: 'string', int: 'integer', double: 'number', null: 'null' }

export function checkInputs(
  pipeline: Pipeline, capabilities: ReadonlyMap<string, Capability>, graph: Graph, shapes: Shapes, findings: Findings,
): void {
  for (const id of graph.nodes.keys()) {
    const step = pipeline.steps[id]!
    const capability = step.uses === undefined ? undefined : capabilities.get(step.uses)
    if (!capability) continue
    const seen = new Walk(id, shapes, findings)
    seen.value(step.with ?? {}, shapeOf(capability.input), ['steps', id, ...(step.with ? ['with'] : [])], capability.id)
  }
}

class Walk {
  readonly #step: string
  readonly #shapes: Shapes
  readonly #findings: Findings

  constructor(step: string, shapes: Shapes, findings: Findings) {
    this.#step = step
    this.#shapes = shapes
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
    const source = this.#sourceOf(template.single)
    if ('missing' in source) return
    const wrong = mismatch(source, target)
    if (wrong !== undefined) this.#findings.error(path, wrong)
  }

  #sourceOf(single: ReturnType<typeof compileTemplate>['single']): ReturnType<Shapes['at']> {
    if (!single) return shapeOf({ type: 'string' })
    if (single.plain) return this.#shapes.at(single.plain, this.#step)
    const made = single.type.startsWith('list') ? 'array' : single.type.startsWith('map') ? 'object' : undefined
    const type = CEL_TO_JSON[single.type] ?? made
    return shapeOf(type === undefined ? undefined : { type })
  }
}

/** The problems of the document's own `input` schema that matter here: it must describe an object. */
export function checkInputSchema(pipeline: Pipeline, findings: Findings): void {
  if (pipeline.input === undefined) return
  const types = typesOf(pipeline.input)
  if (types && !types.includes('object')) findings.error(['input', 'type'], 'the input of a pipeline is an object')
}
