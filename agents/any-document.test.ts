/** Any document that passes the check ends, spends no more than its worst case, and gives the same after a crash (I2, I4, I5). */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { check } from '../pipelines/check.ts'
import type { RunContext } from '../pipelines/run.machine.ts'
import { virtualClock } from '../runtime/memory/clock.ts'
import { dieAt } from './die-at.fixture.ts'
import { MemoryWorld, SHOUT, shouter } from './memory-network.fixture.ts'
import { finishRun, startRun } from './user/run.ts'
import type { WalletContext } from './user/wallet.machine.ts'

const standard = new Map([[SHOUT.id, SHOUT]])
const RUNS = process.env['AIGEN_LONG'] ? 200 : 12

/** Providers fail at a text that says so, and deliver poor work for one that says that: what comes of a call depends on its input only. */
const texts = fc.constantFrom('a', 'b', 'fail', 'poor')
const call = (text: string): object => ({ uses: SHOUT.id, with: { text }, price: { max: '0.02' }, sla: { deadline: '5s', grace: '1s' } })
const maybe = <T extends object>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | object> => fc.oneof({ arbitrary, weight: 1 }, { arbitrary: fc.constant({}), weight: 2 })
const undo = fc.constant({ compensate: { uses: SHOUT.id, with: { text: '${output.text}' }, price: { max: '0.02' } } })

/** A step; `before` names those that it may wait for. */
function step(before: readonly string[]): fc.Arbitrary<object> {
  const needs = before.length === 0 ? fc.constant({}) : fc.subarray([...before], { maxLength: Math.min(2, before.length) }).map((some) => (some.length === 0 ? {} : { needs: some }))
  const expects = fc.constant({ expect: '${output.quality > 50.0}' })
  const retry = fc.record({ retry: fc.record({ attempts: fc.integer({ min: 1, max: 3 }), elsewhere: fc.boolean() }) })
  const fallback = fc.oneof(fc.constant({ fallback: { value: { text: 'X', quality: 1 } } }), texts.map((text) => ({ fallback: { uses: SHOUT.id, with: { text }, price: { max: '0.02' } } })))
  const many = fc.oneof(fc.constant({ race: { providers: 2 } }), fc.constant({ quorum: { providers: 3, agree: 2 } }))
  const merged = (...parts: fc.Arbitrary<object>[]): fc.Arbitrary<object> => fc.tuple(...parts).map((all) => Object.assign({}, ...all) as object)
  const items = fc.record({ words: fc.array(texts, { maxLength: 3 }), tolerate: fc.integer({ min: 0, max: 3 }), parallel: fc.integer({ min: 1, max: 3 }) })
    .map(({ words, tolerate, parallel }) => ({ forEach: `\${${JSON.stringify(words)}}`, maxItems: 4, tolerate, parallel }))
  const tests = before.length === 0 ? fc.constant({}) : fc.constantFrom(...before).map((name) => ({ if: `\${meta.${name}.state != 'skipped'}` }))
  return fc.oneof(
    merged(texts.map(call), needs, maybe(expects), maybe(retry), maybe(fallback), maybe(undo), maybe(tests)),
    merged(texts.map(call), needs, maybe(expects), many, maybe(undo)),
    merged(fc.constant(call('${item}')), needs, items, maybe(expects), maybe(undo), maybe(fc.constant({ timeout: '30s' }))),
    merged(fc.constant(call('${item}')), items, many),
    merged(fc.constant({ wait: { for: '700ms' } }), needs),
    merged(texts.map((text) => ({ switch: [{ when: `\${'${text}' == 'a'}`, value: { text: 'A' } }, { uses: SHOUT.id, with: { text }, price: { max: '0.02' } }] })), needs, maybe(fallback)),
    merged(fc.record({ pipeline: fc.constant('inner'), with: fc.record({ text: texts }) }), needs, maybe(undo.map(() => ({ compensate: { uses: SHOUT.id, with: { text: 'sub' }, price: { max: '0.02' } } })))),
  )
}

const documents = fc.integer({ min: 1, max: 5 }).chain((count) => fc.tuple(...Array.from({ length: count }, (_, at) => step(Array.from({ length: at }, (_before, other) => `s${other}`))))).map((all) => ({
  name: 'any', version: '1.0.0', budget: { max: '5' }, steps: Object.fromEntries(all.map((one, at) => [`s${at}`, one])), output: Object.fromEntries(all.map((_, at) => [`s${at}`, `\${steps.s${at}}`])),
  pipelines: {
    inner: {
      name: 'inner', version: '1.0.0', input: { type: 'object', required: ['text'], properties: { text: { type: 'string' } } }, budget: { max: '0.2' },
      steps: { one: { ...call('in'), compensate: { uses: SHOUT.id, with: { text: '${output.text}' }, price: { max: '0.02' } } }, two: { ...call('${input.text}'), needs: ['one'] } }, output: '${steps.two.text}',
    },
  },
}))

async function play(document: object, nth: number | undefined): Promise<{ readonly gives: unknown; readonly died: boolean }> {
  const world = new MemoryWorld({ clock: virtualClock() })
  try {
    for (const [at, name] of ['p1', 'p2', 'p3'].entries()) {
      await world.drive(world.provider(shouter(name, `0.01${at}`, 90, { concurrency: 16, handler: async ({ text }: { text: string }) => {
        await world.clock.sleep(100 + at * 50)
        if (text === 'fail') throw new Error('out of memory')
        return { output: { text: text.toUpperCase(), quality: text === 'poor' ? 10 : 90 }, units: { call: 1 } }
      } })))
    }
    const fault = dieAt(nth ?? 1_000_000, 'after')
    let user = await world.drive(world.user('alice', { standard }, fault.hooks))
    fault.arm()
    const start = { document, inputs: {}, key: 'any' }
    const first = startRun(user, start).then((run) => finishRun(user, run, 100_000))
    first.catch(() => undefined)
    const over = await world.drive(Promise.race([fault.died, first.then(() => 'done' as const)]))
    if (over !== 'done') {
      await user.kill()
      user = await world.drive(world.user('alice', { standard }))
    }
    const run = await world.drive(startRun(user, start))
    const { output, error, bill } = await world.drive(finishRun(user, run, 100_000), 200_000)
    const { spent, plan } = (await user.node.host.look<RunContext>(`run/${run}`))!
    expect(BigInt(spent)).toBeLessThanOrEqual(BigInt(plan.worst))
    expect(bill.settled).toBe(bill.spent)
    expect(user.node.host.context<WalletContext>('wallet')!.holds).toEqual({})
    expect(world.rail.imbalance()).toBe(0n)
    for (const kind of ['run', 'step', 'fan', 'gate', 'nest', 'saga', 'inquiry']) for await (const actor of user.node.host.all(kind)) expect(actor.snapshot.status, actor.id).toBe('done')
    return { gives: error ? error.code : output, died: over !== 'done' }
  } finally {
    await world.close()
  }
}

it('ends within its worst case, and the same wherever its user dies', async () => {
  let died = 0
  await fc.assert(fc.asyncProperty(documents, fc.integer({ min: 1, max: 40 }), async (document, nth) => {
    expect(check(document, { capabilities: standard }).errors).toEqual([])
    const { gives } = await play(document, undefined)
    const again = await play(document, nth)
    if (again.died) died++
    expect(again.gives).toEqual(gives)
  }), { numRuns: RUNS, seed: Number(process.env['AIGEN_SEED'] ?? 7), endOnFailure: false })
  expect(died).toBeGreaterThan(RUNS / 3)
}, 600_000)
