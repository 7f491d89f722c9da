import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { testContext } from './test-context.ts'
import compute from './compute.ts'

const run = async (source: string, input?: unknown, signal?: AbortSignal): Promise<any> =>
  (await compute.handler({ source, input }, testContext({ signal }))).output

describe('compute.run', () => {
  beforeAll(() => compute.start?.())
  afterAll(() => compute.stop?.())

  it('gives the result and the fuel, the same each time', async () => {
    const source = 'let n = 0; for (let i = 0; i < 100000; i++) n += i % input.by; return { n }'
    const first = await run(source, { by: 7 })
    expect(first).toEqual({ result: { n: 299995 }, fuel: first.fuel })
    expect(first.fuel).toBeGreaterThan(0)
    expect(await run(source, { by: 7 })).toEqual(first)
  })

  it.each([
    ['endless loop', 'for (;;) {}', /fuel/],
    ['loop that catches everything', 'for (;;) { try { for (;;) {} } catch {} }', /fuel/],
    ['memory bomb', 'const a = []; for (;;) a.push(new Array(100000).fill(1.5))', /failed|memory|fuel|bounds|unreachable/],
    ['string bomb', 'let s = "x"; for (;;) s += s', /failed|memory|fuel/],
    ['deep recursion', 'function f(n) { return f(n + 1) + 1 } return f(0)', /stack|failed/],
    ['regular expression that backtracks', 'return /^(a+)+$/.test("a".repeat(40) + "!")', /fuel|failed/],
    ['clock', 'return Date.now()', /clock/],
    ['clock by constructor', 'return +new (new Date(0).constructor)()', /clock/],
    ['chance', 'return Math.random()', /chance/],
    ['thrown error', 'throw new Error("mine")', /mine/],
    ['syntax error', 'return {', /failed/],
    ['nothing returned', 'input', /JSON/],
    ['huge result', 'return "x".repeat(2000000)', /characters/],
  ])('refuses: %s', async (_name, source, message) => {
    await expect(run(source)).rejects.toMatchObject({ code: 'step.input', message: expect.stringMatching(message) })
  }, 20_000)

  it('shows the program nothing of the host', async () => {
    const { result } = await run('return ["process", "require", "fetch", "WebAssembly", "setTimeout", "console"].filter((n) => n in globalThis)')
    expect(result).toEqual([])
  })

  it('does not let one job reach the next', async () => {
    await run('globalThis.left = 1; Array.prototype.map = 0; return 1')
    expect((await run('return [typeof left, [1].map((x) => x)]')).result).toEqual(['undefined', [1]])
  })

  it('stops when the caller cancels, and works on', async () => {
    const aborted = AbortSignal.abort()
    await expect(run('for (;;) {}', null, aborted)).rejects.toMatchObject({ code: 'step.cancelled' })
    expect((await run('return 2')).result).toBe(2)
  })
})
