/** A document that was changed at random is still valid, or reported with a path; the check never throws (I8). */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { check } from './check.ts'
import { anyDocument, STANDARD } from './document.fixture.ts'
import { planOf } from './plan.ts'

const RUNS = process.env['AIGEN_LONG'] ? 50_000 : 2_000

type Parent = Record<string | number, unknown>
interface Place { readonly parent: Parent; readonly key: string | number }

/** Every value in it, by what holds it. */
function places(value: unknown, found: Place[] = []): Place[] {
  if (typeof value !== 'object' || value === null) return found
  for (const key of Array.isArray(value) ? value.keys() : Object.keys(value)) {
    found.push({ parent: value as Parent, key })
    places((value as Parent)[key], found)
  }
  return found
}

const junk = fc.oneof(
  fc.constantFrom<unknown>(null, true, -1, 0.5, 1e21, '', '${', '${}', '${steps.s9.text}', '${steps.s0.text + 1}', '${item}', '${[1,2].map(x, x)}', '0', '99999999999999', '7d', [], {}, { uses: 'text.shout@1' }),
  fc.jsonValue({ maxDepth: 4 }) as fc.Arbitrary<unknown>,
  fc.constant(JSON.parse(`${'{"a":'.repeat(80)}1${'}'.repeat(80)}`)),
)

/** One change of a place of the document, which is drawn by its number. */
const change: fc.Arbitrary<(place: Place, all: readonly Place[]) => void> = fc.oneof(
  fc.constant(({ parent, key }: Place) => void (Array.isArray(parent) ? parent.splice(Number(key), 1) : delete parent[key])),
  fc.constantFrom('s0', 's1', 'nobody', '__proto__', 'uses', 'constructor', '').map((name) => ({ parent, key }: Place) => {
    if (Array.isArray(parent)) return
    const value = parent[key]
    delete parent[key]
    Object.defineProperty(parent, name, { value, enumerable: true, configurable: true, writable: true })
  }),
  junk.map((value) => ({ parent, key }: Place) => void (parent[key] = structuredClone(value))),
  fc.nat().map((other) => ({ parent, key }: Place, all: readonly Place[]) => {
    const { parent: from, key: at } = all[other % all.length]!
    parent[key] = structuredClone(from[at])
  }),
  fc.tuple(fc.string({ minLength: 1, maxLength: 12 }), junk).map(([name, value]) => ({ parent, key }: Place) => {
    const inside = parent[key]
    if (typeof inside === 'object' && inside !== null && !Array.isArray(inside)) Object.defineProperty(inside, name, { value: structuredClone(value), enumerable: true, configurable: true, writable: true })
    else parent[key] = { [name]: inside }
  }),
  // A letter of an expression or of a name.
  fc.tuple(fc.nat(), fc.constantFrom('', '}', '${', '.', '"', '0', '(')).map(([at, letter]) => ({ parent, key }: Place) => {
    const text = parent[key]
    if (typeof text === 'string') parent[key] = `${text.slice(0, at % (text.length + 1))}${letter}${text.slice((at % (text.length + 1)) + 1)}`
  }),
)

it('is still valid, and then has a plan, or each issue has a path and words', () => {
  let [valid, refused] = [0, 0]
  fc.assert(fc.property(anyDocument, fc.array(fc.tuple(fc.nat(), change), { minLength: 1, maxLength: 3 }), fc.boolean(), (document, changes, asText) => {
    const changed = structuredClone(document) as object
    for (const [at, alter] of changes) {
      const all = places(changed)
      if (all.length > 0) alter(all[at % all.length]!, all)
    }
    const began = performance.now()
    const { ok, errors, pipeline } = check(asText ? JSON.stringify(changed) : changed, { capabilities: STANDARD })
    expect(performance.now() - began).toBeLessThan(1_000)
    if (ok) {
      valid++
      expect(planOf(pipeline!).order).toHaveLength(Object.keys(pipeline!.steps).length)
      return
    }
    refused++
    expect(errors.length).toBeGreaterThan(0)
    for (const { path, message, line } of errors) {
      expect(typeof path).toBe('string')
      expect(message).not.toBe('')
      if (asText) expect(line, `${path}: ${message}`).toBeGreaterThan(0)
      // Nothing of its inside says what is wrong: only the document as a whole may have an empty path.
      if (path === '') expect(message).toMatch(/expected|required|missing|unknown|deep|levels|not JSON|values|key|budget|worst/i)
    }
  }), { numRuns: RUNS, seed: Number(process.env['AIGEN_SEED'] ?? 11), endOnFailure: true })
  expect(valid).toBeGreaterThan(RUNS / 50)
  expect(refused).toBeGreaterThan(RUNS / 4)
}, 600_000)
