/** DESIGN's own example without its approval, and the capabilities it hires: what the tests here break one by one. */
import entities from '../schemas/capabilities/text.entities@1.json' with { type: 'json' }
import query from '../schemas/capabilities/data.query@1.json' with { type: 'json' }
import ocr from '../schemas/capabilities/vision.ocr@1.json' with { type: 'json' }
import type { Capability } from '../schemas/documents.gen.ts'

export const capabilities: ReadonlyMap<string, Capability> = new Map(([ocr, entities, query] as unknown as Capability[]).map((one) => [one.id, one]))

export const scanDesk = {
  name: 'scan-desk', version: '1.0.0',
  input: { type: 'object', additionalProperties: false, required: ['scan'], properties: { scan: { $ref: 'aigen:blob#image' }, limit: { type: 'integer', default: 5 }, note: { type: 'string' } } },
  budget: { max: '0.25', asset: 'USDC' },
  steps: {
    read: {
      uses: 'vision.ocr@1', with: { image: '${input.scan}' }, price: { max: '0.02' }, sla: { deadline: '20s' },
      expect: '${output.confidence > 85.0}', retry: { attempts: 2, on: ['expect', 'timeout'], elsewhere: true },
    },
    facts: { uses: 'text.entities@1', with: { text: '${steps.read.text}' }, price: { max: '0.005' } },
    rows: {
      uses: 'data.query@1', forEach: '${steps.facts.places}', maxItems: 20, parallel: 4, price: { max: '0.004' }, sla: { deadline: '10s', grace: '0s' },
      with: { sql: 'SELECT count(*) AS n FROM birdstrikes WHERE airport = $1', params: ['${item.name}'] },
    },
  },
  output: { text: '${steps.read.text}', rows: '${steps.rows}', note: 'spent ${run.spent} of ${run.budget}, $${kept}' },
}

/** A copy with the value at `path` replaced, or removed when it is `undefined`. */
export function changed(path: readonly (string | number)[], value: unknown): typeof scanDesk {
  const copy = structuredClone(scanDesk)
  let at: any = copy
  for (const key of path.slice(0, -1)) at = at[key]
  if (value === undefined) delete at[path.at(-1)!]
  else at[path.at(-1)!] = value
  return copy
}
