/**
 * A JSON Schema as a line that a language model reads cheaply: `{ text: string, quality?: number }`.
 * Used for the contracts of capabilities in an agent's prompts. Schemas come from strangers: depth
 * and length are bounded, and what is not understood is `any`.
 */
const DEPTH_MAX = 6
const PROPERTIES_MAX = 40
const NOTE_MAX = 90

type Schema = Readonly<Record<string, unknown>>

/** The sketch, cut at `charactersMax`. @example schemaSketch({ type: 'array', items: { type: 'string' } }) // 'string[]' */
export function schemaSketch(schema: unknown, charactersMax = 1_500): string {
  const text = sketch(schema, 0)
  return text.length <= charactersMax ? text : `${text.slice(0, charactersMax)}…`
}

function sketch(schema: unknown, depth: number): string {
  if (!isSchema(schema) || depth > DEPTH_MAX) return 'any'
  const ref = schema['$ref']
  if (typeof ref === 'string') {
    const blob = /^aigen:blob(?:#([a-z]{1,16}))?$/.exec(ref)
    return blob ? `blob${blob[1] === undefined ? '' : `(${blob[1]})`}` : 'any'
  }
  if ('const' in schema) return shown(schema['const'])
  if (Array.isArray(schema['enum'])) return schema['enum'].slice(0, 20).map(shown).join('|')
  const branches = schema['anyOf'] ?? schema['oneOf']
  if (Array.isArray(branches)) return branches.slice(0, 8).map((one) => sketch(one, depth + 1)).join('|')
  const type = schema['type']
  if (Array.isArray(type)) return type.slice(0, 8).map(String).join('|')
  if (type === 'array') {
    const items = sketch(schema['items'], depth + 1)
    return items.includes('|') ? `(${items})[]` : `${items}[]`
  }
  if (type === 'object' || isSchema(schema['properties'])) return objectSketch(schema, depth)
  return typeof type === 'string' ? type.slice(0, 16) : 'any'
}

function objectSketch(schema: Schema, depth: number): string {
  const properties = schema['properties']
  if (!isSchema(properties)) return '{ … }'
  const required = new Set(Array.isArray(schema['required']) ? schema['required'] : [])
  const fields = Object.entries(properties).slice(0, PROPERTIES_MAX).map(([name, one]) => {
    const note = isSchema(one) && typeof one['description'] === 'string' ? ` /* ${one['description'].replaceAll(/\s+/g, ' ').replaceAll('*/', '').slice(0, NOTE_MAX)} */` : ''
    return `${name.slice(0, 64)}${required.has(name) ? '' : '?'}: ${sketch(one, depth + 1)}${note}`
  })
  return fields.length === 0 ? '{}' : `{ ${fields.join(', ')} }`
}

function shown(value: unknown): string {
  return (JSON.stringify(value) ?? 'any').slice(0, 64)
}

function isSchema(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
