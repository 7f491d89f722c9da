/**
 * What is known of objects that never change once they are made: the capabilities of verified cards
 * and of definitions. By identity, so that a call pays for neither hash nor canonical text; whoever
 * might change an object uses `compileSchema` and `hashOf`. Used on every step of both sides.
 */
import { hashOf } from './canonical.ts'
import { compileSchema, type CompiledSchema } from './compile-schema.ts'
import type { Hash } from './documents.gen.ts'

const schemas = new WeakMap<object, CompiledSchema>()
const hashes = new WeakMap<object, Hash>()

/** `compileSchema(schema)`, computed once for this object. The same errors. */
export function compileFixed(schema: object): CompiledSchema {
  const known = schemas.get(schema)
  if (known) return known
  const made = compileSchema(schema)
  schemas.set(schema, made)
  return made
}

/** `hashOf(value)`, computed once for this object. The same errors. */
export function hashOfFixed(value: object): Hash {
  const known = hashes.get(value)
  if (known) return known
  const made = hashOf(value)
  hashes.set(value, made)
  return made
}
