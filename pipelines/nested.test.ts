/** Sub-pipelines: what a name means where, and which nestings are refused before anything is made of them. */
import { describe, expect, it } from 'vitest'
import type { Pipeline } from '../schemas/documents.gen.ts'
import { namesIn, nested, NESTED_MAX, nestingFault, scopeOf } from './nested.ts'

const pipeline = (name: string, runs: readonly string[], pipelines?: Record<string, Pipeline>): Pipeline =>
  ({ name, version: '1.0.0', steps: Object.fromEntries(runs.map((of, at) => [`s${at}`, of === '' ? { uses: 'x@1' } : { pipeline: of }])), output: 1, ...(pipelines ? { pipelines } : {}) }) as unknown as Pipeline

it('a name means the document\'s own pipeline before one around it', () => {
  const inner = pipeline('inner', [''])
  const outer = pipeline('outer', [''])
  const top = pipeline('top', ['mid'], { x: outer, mid: pipeline('mid', ['x'], { x: inner }) })
  const mid = nested('mid', scopeOf(top))!
  expect(nested('x', mid.scope)!.pipeline).toBe(inner)
  expect(nested('x', scopeOf(top))!.pipeline).toBe(outer)
  expect(nested('y', mid.scope)).toBeUndefined()
  expect(namesIn(mid.scope).sort()).toEqual(['mid', 'x'])
})

describe('refused', () => {
  it('pipelines that come round to themselves', () => {
    expect(nestingFault(pipeline('top', ['a'], { a: pipeline('a', ['b']), b: pipeline('b', ['a']) }))).toBe('these pipelines run each other: a → b → a')
  })
  it('a nesting too deep', () => {
    const chain = (depth: number): Pipeline => pipeline('top', ['p0'], Object.fromEntries(Array.from({ length: depth }, (_, at) => [`p${at}`, pipeline(`p${at}`, [at + 1 < depth ? `p${at + 1}` : ''])])))
    expect(nestingFault(chain(NESTED_MAX.depth))).toBeUndefined()
    expect(nestingFault(chain(NESTED_MAX.depth + 1))).toMatch(/deeper than 8 levels/)
    // Also where its lower half was looked at before.
    const { pipelines, ...top } = chain(NESTED_MAX.depth + 1)
    expect(nestingFault({ ...top, steps: { half: { pipeline: 'p4' }, ...top.steps }, pipelines: pipelines! })).toMatch(/deeper than 8 levels/)
  })
  it('more steps than are allowed, in no time: ten levels of ten are not walked', () => {
    const levels = Object.fromEntries(Array.from({ length: 7 }, (_, at) => [`p${at}`, pipeline(`p${at}`, Array.from({ length: 10 }, () => (at < 6 ? `p${at + 1}` : '')))]))
    expect(nestingFault(pipeline('top', ['p0'], levels))).toMatch(/steps and more with all sub-pipelines, 10000 are allowed/)
  })
  it('not one of unknown names: that is said elsewhere', () => {
    expect(nestingFault(pipeline('top', ['gone', 'a'], { a: pipeline('a', ['']) }))).toBeUndefined()
  })
})
