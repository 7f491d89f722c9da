import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Pipeline } from '../schemas/documents.gen.ts'
import { check } from './check.ts'
import { advance, begin, hasEnded, mustSkip, ready } from './frontier.ts'
import { graphOf } from './graph.ts'
import { itemId, parseItemId } from './item-id.ts'
import { planOf, type StepState } from './plan.ts'
import { accepts, evaluateWith, expectFault, prepare, type Evaluate } from './prepare.ts'
import { scanDesk, capabilities } from './scan-desk.fixture.ts'

const plan = planOf(scanDesk as unknown as Pipeline)
const evaluate: Evaluate = evaluateWith({ evaluate: async () => ({ ok: false, reason: 'timeout', message: 'stopped after 200 ms' }) })

test('a plan is plain data with every limit filled in', () => {
  expect(JSON.parse(JSON.stringify(plan))).toEqual(plan)
  expect(plan).toMatchObject({ pipeline: 'scan-desk@1.0.0', worst: '125000', order: ['read', 'facts', 'rows'] })
  expect(plan.steps['read']).toMatchObject({
    maxPrice: '20000', worst: '40000', deadlineMs: 20_000, graceMs: 5_000, attempts: 2, retryOn: ['expect', 'timeout'], elsewhere: true, only: null, not: [],
    expect: 'output.confidence > 85.0', settle: 'postpaid', escrow: null, dependents: ['facts'], reads: { steps: [], meta: [], input: true, run: false },
  })
  expect(plan.steps['rows']).toMatchObject({ maxItems: 20, parallel: 4, graceMs: 0, forEach: '${steps.facts.places}', worst: '80000' })
  expect(plan.output.reads).toEqual({ steps: ['read', 'rows'], meta: [], input: false, run: true })
})

test('steps start when all they name have ended', () => {
  expect(ready(plan, {}, new Set())).toEqual(['read'])
  expect(ready(plan, {}, new Set(['read']))).toEqual([])
  expect(ready(plan, { read: 'done' }, new Set(['read']))).toEqual(['facts'])
})

const branching: Pipeline = {
  name: 'branch', version: '1.0.0', budget: { max: '1' },
  steps: {
    a: { uses: 'x@1', if: '${input.go}' }, b: { uses: 'x@1', with: { v: '${steps.a.v}' } },
    c: { uses: 'x@1', if: "${meta.a.state == 'skipped'}", needs: ['b'] }, d: { uses: 'x@1', if: "${meta.a.state == 'skipped'}" },
  },
  output: { all: ['${steps.b}', '${steps.c}', '${steps.d}'] },
}

test('what depends on a skipped step is skipped, unless it tests meta of it', () => {
  const branch = planOf(branching)
  const ended = { a: 'skipped', b: 'skipped' } as const
  expect(['b', 'c', 'd'].map((name) => mustSkip(branch.steps[name]!, ended))).toEqual([true, true, false])
  const first = begin(branch)
  expect(first.start).toEqual(['a'])
  const second = advance(branch, first.frontier, 'a', 'skipped')
  expect(second).toMatchObject({ start: ['d'], skip: ['b'], frontier: { running: 2, ended: 1 } })
  expect(advance(branch, second.frontier, 'b', 'skipped', false)).toMatchObject({ start: [], skip: ['c'] })
})

test('who may do a step is said by the step, else by the documents around it; who is in any not is never asked', () => {
  const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((letter) => `0x${letter.repeat(40)}` as const)
  const inner: Pipeline = { name: 'inner', version: '1.0.0', providers: { not: [c!] }, steps: { x: { uses: 'x@1', price: { max: '0.1' } } }, output: {} }
  const { steps } = planOf({
    ...branching, providers: { only: [a!, b!], not: [d!], choose: 'trusted' }, pipelines: { inner },
    steps: {
      plain: { uses: 'x@1' }, own: { uses: 'x@1', providers: { only: [b!], choose: { price: 1 } }, compensate: { uses: 'y@1' } }, below: { pipeline: 'inner' },
    },
    output: {},
  })
  expect(steps['plain']).toMatchObject({ only: [a, b], not: [d], choose: 'trusted' })
  expect(steps['own']).toMatchObject({ only: [b], not: [d], choose: { price: 1 }, compensate: { uses: 'y@1', only: [b], not: [d] } })
  expect(steps['below']!.nested!.plan.steps['x']).toMatchObject({ only: [a, b], not: [d, c], choose: 'trusted' })
})

test('a step waits for those whose providers it must not share, and goes without those that were skipped', () => {
  const differing = planOf({ ...branching, steps: { a: { uses: 'x@1', if: '${input.go}' }, e: { uses: 'x@1', providers: { differ: ['a'] } }, f: { uses: 'x@1', needs: ['a'], providers: { differ: ['a'] } } }, output: {} })
  expect(differing.steps['e']).toMatchObject({ dependsOn: ['a'], apart: ['a'], differ: ['a'] })
  const first = begin(differing)
  expect(first.start).toEqual(['a'])
  expect(advance(differing, first.frontier, 'a', 'skipped')).toMatchObject({ start: ['e'], skip: ['f'] })
  expect(['e', 'f'].map((name) => mustSkip(differing.steps[name]!, { a: 'failed' }))).toEqual([false, true])
})

test('the frontier of any graph starts each step once, after its dependencies, and agrees with ready', () => {
  const states: StepState[] = ['done', 'skipped', 'failed']
  fc.assert(fc.property(fc.array(fc.array(fc.nat(), { maxLength: 4 }), { minLength: 1, maxLength: 25 }), fc.infiniteStream(fc.nat()), (edges, choices) => {
    const steps = Object.fromEntries(edges.map((needs, i) => [`s${i}`, { uses: 'x@1', needs: i === 0 ? [] : [...new Set(needs.map((n) => `s${n % i}`))] }]))
    const any = planOf({ name: 'any', version: '1.0.0', steps, output: {} })
    const next = (): number => choices.next().value!
    const ended: Record<string, StepState> = {}
    const started = new Set<string>()
    const { frontier: first, start } = begin(any)
    let frontier = first
    const running = [...start]
    for (const name of start) started.add(name)
    const waitingSkips: string[] = []
    while (running.length > 0 || waitingSkips.length > 0) {
      const skipping = waitingSkips.length > 0
      const [name] = skipping ? waitingSkips.splice(0, 1) : running.splice(next() % running.length, 1)
      const state = skipping ? 'skipped' : states[next() % 3]!
      ended[name!] = state
      const after = advance(any, frontier, name!, state, !skipping)
      frontier = after.frontier
      expect([...after.start, ...after.skip].sort()).toEqual(ready(any, ended, started).sort())
      for (const other of [...after.start, ...after.skip]) {
        expect(started.has(other)).toBe(false)
        started.add(other)
        expect(mustSkip(any.steps[other]!, ended)).toBe(after.skip.includes(other))
      }
      running.push(...after.start)
      waitingSkips.push(...after.skip)
    }
    expect(Object.keys(ended)).toHaveLength(any.order.length)
    expect(frontier).toMatchObject({ pending: {}, running: 0, ended: any.order.length })
    expect(hasEnded(any, frontier)).toBe(true)
  }))
})

test('a chain of 10,000 steps is planned, and advancing costs the same at its end', () => {
  const steps = Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`s${i}`, { uses: 'x@1', needs: i ? [`s${i - 1}`] : [] }]))
  const long = planOf({ name: 'long', version: '1.0.0', steps, output: {} })
  let { frontier } = begin(long)
  for (const name of long.order) ({ frontier } = advance(long, frontier, name, 'done'))
  expect(hasEnded(long, frontier)).toBe(true)
})

test('a graph knows its levels, cycles and unused steps', () => {
  const graph = graphOf(branching)
  expect(graph.levels).toEqual([['a'], ['b', 'd'], ['c']])
  const round = graphOf({ ...branching, steps: { ...branching.steps, a: { uses: 'x@1', needs: ['c'] } } })
  expect(round.cycles).toEqual([['a', 'b', 'c', 'a']])
  expect(graphOf({ ...branching, output: { b: '${steps.b}' } }).unused).toEqual(['c', 'd'])
})

test('ids of items', () => {
  expect(itemId('rows', 3)).toBe('rows[3]')
  expect(parseItemId('rows[3]')).toEqual({ step: 'rows', index: 3 })
  expect(parseItemId('rows')).toEqual({ step: 'rows', index: null })
})

describe('prepare', () => {
  const rows = plan.steps['rows']!
  const places = (count: number): object => ({ steps: { facts: { places: Array.from({ length: count }, (_, i) => ({ name: `p${i}` })) } } })

  test('a list gives items, an item gives its input', async () => {
    expect(await prepare(rows, places(2), evaluate)).toEqual({ kind: 'items', items: [{ name: 'p0' }, { name: 'p1' }] })
    expect(await prepare(rows, { ...places(2), item: { name: 'p1' }, index: 1 }, evaluate)).toMatchObject({ kind: 'input', input: { params: ['p1'] } })
    expect(await prepare(rows, places(0), evaluate)).toEqual({ kind: 'items', items: [] })
  })

  test('a list beyond maxItems, no list, and no boolean are errors at their path', async () => {
    await expect(prepare(rows, places(21), evaluate)).rejects.toMatchObject({ code: 'step.expression', path: 'steps.rows.forEach', message: expect.stringContaining('21 items, maxItems is 20') })
    await expect(prepare(rows, { steps: { facts: { places: null } } }, evaluate)).rejects.toMatchObject({ path: 'steps.rows.forEach' })
    await expect(prepare({ ...rows, if: '${input.x}' }, { input: { x: 1 } }, evaluate)).rejects.toMatchObject({ path: 'steps.rows.if' })
    await expect(prepare({ ...rows, if: '${cel.bind(a, 1, a) == 1}' }, {}, evaluate)).rejects.toThrow(/stopped after 200 ms/)
  })

  test('a false if skips', async () => {
    expect(await prepare({ ...rows, if: '${1 > 2}' }, {}, evaluate)).toEqual({ kind: 'skip' })
  })
})

test('acceptance is true or a refusal with its reason', async () => {
  expect(await accepts(null, {}, evaluate)).toEqual({ ok: true })
  expect(await accepts('output.confidence > 85.0', { confidence: 86 }, evaluate)).toEqual({ ok: true })
  expect(await accepts('output.confidence > 85.0', { confidence: 85 }, evaluate)).toEqual({ ok: false, why: 'output.confidence > 85.0 is false' })
  expect(await accepts('output.confidence > 85.0', {}, evaluate)).toEqual({ ok: false, why: 'No such key: confidence' })
  expect(expectFault("true} or ${true")).toBeDefined()
  expect(expectFault('steps.a == 1')).toMatch(/output only/)
  expect(expectFault("output.code.matches('^[A-Z]{3}$') && size(output.rows) > 0")).toBeUndefined()
})

test('no plan costs more than its check says', () => {
  expect(check(scanDesk, { capabilities }).worstCase?.price).toBe('0.125')
  expect(Object.values(plan.steps).reduce((sum, step) => sum + BigInt(step.worst), 0n).toString()).toBe(plan.worst)
})
