/**
 * Every pipeline of the library that has a recorded result (`pipelines/library/expected`), run at
 * once on one devnet through the built command line: answer, states of steps, bounds of the bill.
 * A record names its input, the signals sent and the steps approved; `fails` says that the run must,
 * `before` what was seen before what, as `step state`, or `step n` when n of its items had ended.
 */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { parseMoney } from '../../schemas/money.ts'

const PROGRAM = fileURLToPath(new URL('../../bin/aigen.js', import.meta.url))
const EXPECTED = new URL('../../pipelines/library/expected/', import.meta.url)
const data = mkdtempSync(join(tmpdir(), 'aigen-library-'))
const started = new Set<ChildProcess>()

interface Expected {
  readonly input: Readonly<Record<string, unknown>>
  readonly output?: unknown
  readonly fails?: boolean
  readonly states: Readonly<Record<string, string>>
  readonly spent: { readonly min: string; readonly max: string }
  readonly signals?: Readonly<Record<string, unknown>>
  readonly approve?: readonly string[]
  readonly before?: readonly (readonly [string, string])[]
}

interface Aigen { readonly events: any[]; err: string; readonly child: ChildProcess; readonly ended: Promise<number | null> }

function aigen(argv: readonly string[], told: (event: any) => void = () => {}): Aigen {
  const child = spawn(process.execPath, [PROGRAM, ...argv, '--data', data, '--json'], { env: { ...process.env, AIGEN_NO_SETUP: '1' }, stdio: ['ignore', 'pipe', 'pipe'] })
  started.add(child)
  let rest = ''
  const ended = new Promise<number | null>((resolve) => child.once('close', (code) => {
    started.delete(child)
    resolve(code)
  }))
  const result: Aigen = { child, events: [], err: '', ended }
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop()!
    for (const event of lines.map((line) => JSON.parse(line))) {
      result.events.push(event)
      told(event)
    }
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => { result.err += text })
  return result
}

let network: Aigen
beforeAll(async () => {
  await new Promise<void>((resolve, reject) => {
    network = aigen(['dev'], (event) => { if (event.type === 'network') resolve() })
    void network.ended.then(() => reject(new Error(network.err)))
  })
}, 120_000)
afterAll(async () => {
  for (const child of started) child.kill('SIGTERM')
  await network.ended
  rmSync(data, { recursive: true, force: true })
}, 60_000)

const names = readdirSync(EXPECTED).map((file) => basename(file, '.json'))

it.concurrent.each(names)('%s', { timeout: 240_000 }, async (name) => {
  const expected = JSON.parse(readFileSync(new URL(`${name}.json`, EXPECTED), 'utf8')) as Expected
  const inputs = Object.entries(expected.input).flatMap(([key, value]) => ['--input', `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`])
  const acts: Promise<void>[] = []
  const act = async (...argv: readonly string[]): Promise<void> => {
    const done = aigen(['runs', ...argv, '--as', name])
    expect(await done.ended, done.err).toBe(0)
  }
  const asked = new Set<string>()
  const run = aigen(['run', name, '--as', name, ...inputs], (event) => {
    if (event.type === 'run') for (const [signal, value] of Object.entries(expected.signals ?? {})) acts.push(act('signal', event.run, signal, JSON.stringify(value)))
    if (event.type === 'step' && expected.approve?.includes(event.step) && event.state === 'working' && !asked.has(event.step)) {
      asked.add(event.step)
      acts.push(act('approve', event.run ?? run.events.find((one) => one.type === 'run').run, event.step))
    }
  })
  const code = await run.ended
  await Promise.all(acts)
  if (process.env['AIGEN_SHOW']) console.log(name, code, JSON.stringify(run.events), run.err)
  expect(code, run.err).toBe(expected.fails ? 1 : 0)
  const bill = run.events.at(-1)
  const states = Object.fromEntries(bill.steps.map((step: any) => [step.step, step.state]))
  expect(states).toMatchObject(expected.states)
  const seen = run.events.filter((event) => event.type === 'step').flatMap((event) => [`${event.step} ${event.state}`, `${event.step} ${event.items?.ended}`])
  for (const [one, other] of expected.before ?? []) {
    expect(seen).toContain(one)
    expect(seen.indexOf(one), `${one} before ${other}`).toBeLessThan(seen.indexOf(other))
  }
  expect(parseMoney(bill.spent)).toBeGreaterThanOrEqual(parseMoney(expected.spent.min))
  expect(parseMoney(bill.spent)).toBeLessThanOrEqual(parseMoney(expected.spent.max))
  expect(bill.settled).toBe(bill.spent)
  const answer = run.events.find((event) => event.type === 'answer')
  if (expected.output === undefined) expect(answer).toBeUndefined()
  else expect(answer.output).toMatchObject(expected.output as object)
})

it('what the sandbox gave is used again for nothing, and a fork says first what it saves', { timeout: 240_000 }, async () => {
  const told = async (...argv: readonly string[]): Promise<any[]> => {
    const one = aigen([...argv, '--as', 'thrifty'])
    expect(await one.ended, one.err).toBe(0)
    return one.events
  }
  const compare = (...airports: string[]): Promise<any[]> => told('run', 'airport-compare', '--input', `airports=${JSON.stringify(airports)}`)
  const first = (await compare('JFK', 'SEA')).at(-1)
  expect(first.steps.map((step: any) => [step.step, step.state]), JSON.stringify(first)).toEqual(['each[0]', 'each[1]', 'rank'].map((step) => [step, 'done']))
  const events = await compare('JFK', 'SEA')
  const again = events.at(-1)
  const rank = (bill: any): any => bill.steps.find((step: any) => step.step === 'rank')
  expect(rank(again)).toMatchObject({ charged: '0', providerName: 'plain-engine', reused: { run: first.run, receipt: rank(first).receipt, paid: rank(first).charged, until: expect.any(Number) } })
  expect(parseMoney(again.spent)).toBe(parseMoney(first.spent) - parseMoney(rank(first).charged))
  // its receipt is among those of the run that used it, and proves itself offline
  const { receipts } = events.find((event) => event.type === 'answer')
  const verified = execFileSync(process.execPath, [PROGRAM, 'receipts', 'verify', receipts, '--json'], { env: { ...process.env, AIGEN_NO_SETUP: '1' }, encoding: 'utf8' }).trim().split('\n').map((line) => JSON.parse(line))
  expect(verified.map(({ id, ok }: any) => [id, ok])).toContainEqual([rank(first).receipt, true])
  // a quote with the inputs of a run before says that nobody would be hired
  const file = join(data, 'double.json')
  const double = { uses: 'compute.run@1', with: { source: 'return 2 * input', input: '${input.n}' }, price: { max: '0.005' } }
  writeFileSync(file, JSON.stringify({ name: 'double', version: '1.0.0', input: { type: 'object', properties: { n: { type: 'number' } } }, budget: { max: '0.01' }, steps: { double }, output: '${steps.double.result}' }))
  const { spent: paid } = (await told('run', file, '--input', 'n=21')).at(-1)
  const quoted = await told('quote', file, '--input', 'n=21')
  expect(quoted.find((event) => event.step === 'double').candidates).toMatchObject([{ name: 'plain-engine', cacheMs: 30 * 86_400_000 }])
  expect(quoted.at(-1)).toEqual({ type: 'known', reused: [{ step: 'double', providerName: 'plain-engine', paid }], anew: [], worst: '0', saved: paid })

  const change = ['--input', 'airports=["SEA","JFK","BOS"]']
  const [said, ...none] = await told('runs', 'fork', first.run, '--dry-run', ...change)
  expect([said.type, said.reused.map((one: any) => one.step), said.anew.map((one: any) => one.step), none]).toEqual(['fork', ['each[0]', 'each[1]'], ['each', 'rank'], []])
  const forked = await told('runs', 'fork', first.run, ...change)
  const bill = forked.at(-1)
  expect(forked[0]).toEqual(said)
  expect(bill.steps.filter((step: any) => step.reused).map((step: any) => step.step)).toEqual(['each[0]', 'each[1]'])
  expect(parseMoney(bill.spent)).toBeLessThanOrEqual(parseMoney(said.worst))
  expect(forked.find((event) => event.type === 'answer').output.ranked.map((one: any) => one.origin).sort()).toEqual(['BOS', 'JFK', 'SEA'])
  expect((await told('runs', 'fork', first.run, '--from', 'rank')).at(-1)).toMatchObject({ spent: rank(first).charged })
})
