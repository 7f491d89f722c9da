/**
 * Validation by schemas that strangers bring: the input and output of capabilities (DESIGN D6: the
 * output schema decides what is owed, so both sides must judge alike, and neither may be stalled).
 *
 * A schema is plain data with a known price: bounded size and depth, only keywords listed here, no
 * remote reference, no recursion, a bounded size after all references are written out, patterns run
 * in linear time (RE2), formats ignored. `{"$ref": "aigen:blob"}` and `aigen:blob#image` (audio,
 * video, text) stand for blob references. Compiled ones are kept by hash, at most 512.
 */
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import { RE2JS } from 're2js'
import { canonicalText, hashOfBytes } from './canonical.ts'
import type { Hash } from './documents.gen.ts'
import { AigenError, type Issue } from './error.ts'
import { explain } from './explain.ts'
import parts from './parts.schema.json' with { type: 'json' }
import { schemaIssues } from './schema-cost.ts'
import { invalid } from './validate.ts'

/** Most characters of a schema's canonical text. */
export const SCHEMA_SIZE_MAX = 65_536
const KEPT_MAX = 512
const PATTERN_SIZE_MAX = 2000
/**
 * Instructions of patterns × characters they read, for one value; a hostile pattern does about ten
 * million a second. A value that needs more does not fit, on either side.
 */
const PATTERN_WORK_MAX = 10_000_000

export interface CompiledSchema {
  /** Hash of the schema, as `outputSchemaHash` in an agreement names it. */
  readonly hash: Hash
  accepts(value: unknown): boolean
  /** What is wrong with the value; stops at the first thing, so at most a few issues. */
  issues(value: unknown): Issue[]
}

const kept = new Map<Hash, CompiledSchema>()
let ajv: Ajv2020 | undefined

/**
 * The validator of a schema from outside; the same schema again costs only its hash.
 *
 * Error `input.invalid` (or `.too-large`, `.too-deep`) when the schema may not be used: `issues`
 * name each place and reason.
 *
 * @example compileSchema(capability.output).issues({ text: 7 }) // [{ path: 'text', message: 'expected string, found 7' }]
 */
export function compileSchema(schema: unknown): CompiledSchema {
  const text = canonicalText(schema)
  if (text.length > SCHEMA_SIZE_MAX) throw new AigenError('input.too-large', `A schema may have ${SCHEMA_SIZE_MAX} characters, not ${text.length}.`)
  const hash = hashOfBytes(text)
  const known = kept.get(hash)
  if (known) {
    kept.delete(hash)
    kept.set(hash, known)
    return known
  }
  // Compiled from its own copy: the caller's object may change later.
  const made = wrap(hash, compile(JSON.parse(text) as unknown))
  kept.set(hash, made)
  if (kept.size > KEPT_MAX) kept.delete(kept.keys().next().value!)
  return made
}

/** The validator of a schema that was compiled lately, by its hash. */
export function compiledSchema(hash: Hash): CompiledSchema | undefined {
  return kept.get(hash)
}

function compile(schema: unknown): ValidateFunction {
  const engine = (ajv ??= newAjv())
  if (typeof schema !== 'object' || schema === null || Array.isArray(schema)) {
    throw invalid('JSON Schema', [{ path: '', message: 'expected an object' }])
  }
  const issues = schemaIssues(schema as Record<string, unknown>)
  if (issues.length > 0) throw invalid('JSON Schema', issues)
  if (!engine.validateSchema(schema)) throw invalid('JSON Schema', explain(engine.errors ?? [], schema))
  try {
    return engine.compile(schema)
  } catch (cause) {
    if (cause instanceof AigenError) throw cause
    throw new AigenError('input.invalid', `The schema does not compile: ${(cause as Error).message}.`, { cause })
  } finally {
    engine.removeSchema(schema)
  }
}

function wrap(hash: Hash, check: ValidateFunction): CompiledSchema {
  const judge = (value: unknown): boolean | undefined => {
    patternWork = 0
    try {
      return check(value)
    } catch (error) {
      if (error === tooMuchWork) return undefined
      throw error
    }
  }
  return {
    hash,
    accepts: (value) => judge(value) === true,
    issues: (value) => {
      const fits = judge(value)
      if (fits === undefined) return [{ path: '', message: 'expected less text for the patterns of its schema' }]
      return fits ? [] : explain(check.errors ?? [], value)
    },
  }
}

/** Done for the value that is being judged; validation is synchronous, so one count is enough. */
let patternWork = 0
const tooMuchWork = new AigenError('input.too-large', 'The patterns have too much to read.')

function newAjv(): Ajv2020 {
  const engine = new Ajv2020({
    strict: false, verbose: true, logger: false, validateFormats: false, ownProperties: true, inlineRefs: false, addUsedSchema: false,
    code: { regExp: Object.assign(linearPattern, { code: 'linearPattern' }) },
  })
  engine.addSchema(blobSchema())
  return engine
}

/** `aigen:blob` and its kinds, from the one definition in parts.schema.json. */
function blobSchema(): object {
  const { blobRef, hash, mediaType } = parts.$defs
  const properties = { ...blobRef.properties, $blob: hash, mediaType }
  const kinds = ['image', 'audio', 'video', 'text'].map((kind) => [
    kind, { $anchor: kind, allOf: [{ $ref: '#' }, { properties: { mediaType: { description: `a media type of ${kind}/…`, pattern: `^${kind}/` } } }] },
  ])
  return { $id: 'aigen:blob', ...blobRef, properties, $defs: Object.fromEntries(kinds) }
}

/** A pattern that runs in time linear in the text; what RE2 cannot do (backreferences, lookaround) is refused. */
function linearPattern(pattern: string): { test(text: string): boolean; toString(): string } {
  let made: RE2JS
  try {
    made = RE2JS.compile(RE2JS.translateRegExp(pattern))
  } catch (cause) {
    throw new AigenError('input.invalid', `The pattern ${JSON.stringify(pattern.slice(0, 80))} cannot be used: ${(cause as Error).message}.`, { cause })
  }
  const size = made.programSize()
  if (size > PATTERN_SIZE_MAX) {
    throw new AigenError('input.too-large', `The pattern ${JSON.stringify(pattern.slice(0, 80))} is too complex.`)
  }
  // Ajv keeps one object per toString(): without it every pattern would be the first one.
  const test = (text: string): boolean => {
    patternWork += size * text.length
    if (patternWork > PATTERN_WORK_MAX) throw tooMuchWork
    return made.test(text)
  }
  return { test, toString: () => `linear:${pattern}` }
}
