/**
 * What of a run is not shown: inputs labelled `secret`, and the inputs and outputs of the steps that
 * were given them. Used by displays (`agents/user/inspect.ts`); the journal keeps the values, since
 * a run cannot go on without them.
 */
import type { Pipeline } from '../schemas/documents.gen.ts'
import { labelsOfSteps } from './check-labels.ts'
import { labelsAt } from './label.ts'
import { isSchema } from './schema-path.ts'

export const SECRET = '‹secret›'

export interface Secrets {
  /** Names of inputs, at the top. */
  readonly inputs: ReadonlySet<string>
  /** Ids of steps. */
  readonly steps: ReadonlySet<string>
}

export function secretsOf(pipeline: Pipeline): Secrets {
  const schema = pipeline.input ?? {}
  const names = isSchema(schema['properties']) ? Object.keys(schema['properties']) : []
  const steps = [...labelsOfSteps(pipeline)].filter(([, labels]) => labels.has('secret')).map(([id]) => id)
  return { inputs: new Set(names.filter((name) => labelsAt(schema, [name]).has('secret'))), steps: new Set(steps) }
}

/** The inputs of a run as they are shown. */
export function shownInputs(inputs: unknown, { inputs: secret }: Secrets): unknown {
  if (secret.size === 0 || !isSchema(inputs)) return inputs
  return Object.fromEntries(Object.entries(inputs).map(([name, value]) => [name, secret.has(name) ? SECRET : value]))
}

/** What a step was given or gave, as it is shown; `step` may be one of its items or a step inside it. */
export function shownOf(step: string, value: unknown, { steps }: Secrets): unknown {
  return value !== null && value !== undefined && steps.has(step.split(/[[./]/, 1)[0]!) ? SECRET : value
}
