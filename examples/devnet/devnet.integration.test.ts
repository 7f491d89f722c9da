/**
 * The whole devnet through the built command line, with the real services: the showcase twice, a
 * kill -9 in the middle of a step, a scan that only the careful provider can read, a provider that
 * dies; and after each end, orderly or not, no process is left that names the data folder.
 */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeEach, expect, it } from 'vitest'
import { parseMoney } from '../../schemas/money.ts'
import { validate } from '../../schemas/validate.ts'

const PROGRAM = fileURLToPath(new URL('../../bin/aigen.js', import.meta.url))
const SCANS = fileURLToPath(new URL('./scans/', import.meta.url))
const LIBRARY_DESK = fileURLToPath(new URL('../../pipelines/library/scan-desk.json', import.meta.url))
/** A network of its own for each test: what one of them saw of a provider must not weigh in the next. */
let data = ''
const folders: string[] = []
const started: ChildProcess[] = []

beforeEach(() => { folders.push(data = mkdtempSync(join(tmpdir(), 'aigen-devnet-'))) })
afterAll(async () => {
  for (const child of started) child.kill('SIGTERM')
  await until(() => processes().length === 0, 30_000, 'the end of everything')
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

interface Aigen {
  readonly child: ChildProcess
  readonly events: any[]
  err: string
  readonly ended: Promise<number | null>
}

function aigen(...argv: string[]): Aigen {
  const child = spawn(process.execPath, [PROGRAM, ...argv, '--data', data, '--json'], { env: { ...process.env, AIGEN_NO_SETUP: '1' }, stdio: ['ignore', 'pipe', 'pipe'] })
  started.push(child)
  let rest = ''
  const result = { child, events: [] as any[], err: '', ended: new Promise<number | null>((resolve) => child.once('close', resolve)) }
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop()!
    for (const line of lines) result.events.push(JSON.parse(line))
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => { result.err += text })
  return result
}

/** Command lines that name the data folder, watchers aside: those end with what they watch. */
function processes(): string[] {
  return execFileSync('ps', ['-eo', 'pid=,args='], { encoding: 'utf8' }).split('\n').filter((line) => folders.some((folder) => line.includes(folder)) && !line.includes('aigen-watch'))
}

async function until(holds: () => boolean, ms: number, what: string, said?: Aigen): Promise<void> {
  for (const end = performance.now() + ms; !holds();) {
    if (performance.now() > end) throw new Error(`waited ${ms} ms for ${what}: ${said ? [said.err, ...said.events.map((event) => JSON.stringify(event))].join('\n') : processes().join('\n')}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

/** A bill that adds up: within the budget, settled what was spent, no receipt twice. */
function balanced(value: unknown): any {
  const bill = validate('Bill', value)
  const sum = bill.steps.reduce((total, step) => total + parseMoney(step.charged), 0n)
  expect(parseMoney(bill.spent)).toBe(sum)
  expect(parseMoney(bill.spent)).toBeLessThanOrEqual(parseMoney(bill.budget))
  expect(bill.settled).toBe(bill.spent)
  const receipts = bill.steps.flatMap((step) => [step.receipt, ...(step.attempts ?? []).map((attempt) => attempt.receipt)]).filter((one) => one !== undefined)
  expect(new Set(receipts).size).toBe(receipts.length)
  return bill
}

function complete(bill: any): void {
  for (const step of bill.steps) {
    if (step.reused) {
      // The sandbox lets what it gave be used again.
      expect(step, step.step).toMatchObject({ state: 'done', capability: 'compute.run@1', charged: '0', reused: { receipt: expect.stringMatching(/^rcpt_/), until: expect.any(Number) } })
      continue
    }
    expect(step, step.step).toMatchObject({
      state: 'done', provider: expect.stringMatching(/^0x/), list: expect.any(String), agreed: expect.any(String), units: expect.any(Object),
      inputHash: expect.stringMatching(/^sha256-/), outputHash: expect.stringMatching(/^sha256-/), receipt: expect.stringMatching(/^rcpt_/),
    })
    expect(parseMoney(step.agreed)).toBeLessThanOrEqual(parseMoney(step.list))
  }
  expect(bill.transactions.length).toBeGreaterThan(0)
}

it('killed in the middle of a step, everything ends; started again, the run is finished first', { timeout: 300_000 }, async () => {
  const killed = aigen('dev', '--once')
  await until(() => killed.events.some((event) => event.type === 'step' && event.state === 'working'), 120_000, 'a step at work', killed)
  const { run } = killed.events.find((event) => event.type === 'run')
  killed.child.kill('SIGKILL')
  await killed.ended
  await until(() => processes().length === 0, 30_000, 'the end of every process')

  const again = aigen('dev', '--once')
  expect(await again.ended, again.err).toBe(0)
  const bills = again.events.filter((event) => event.type === 'bill')
  expect(bills.map((bill) => bill.run)).toEqual([run, expect.not.stringMatching(run)])
  expect(again.events.at(-1)).toBe(bills[1])
  for (const bill of bills) complete(balanced(bill))
  const answer = again.events.findLast((event) => event.type === 'answer')
  expect(answer.output.figures).toMatchObject({ iata: 'ORD', cost: 148_250 })
  expect(readFileSync(answer.files[0].file, 'utf8')).toContain('Mean departure delay from ORD')
  expect(processes()).toEqual([])
})

it('with the network up, others join: a poor scan goes to the careful provider', { timeout: 300_000 }, async () => {
  const network = aigen('dev')
  await until(() => network.events.some((event) => event.type === 'network'), 120_000, 'the network', network)
  expect(statSync(join(data, 'devnet.json')).mode & 0o777).toBe(0o600)

  // Seventeen processes have just started: who is late with a quote is late with it this time only.
  let candidates: string[] = []
  for (let looks = 0; candidates.length < 2 && looks < 20; looks++) {
    const quoted = aigen('quote', 'scan-desk')
    expect(await quoted.ended, quoted.err).toBe(0)
    candidates = quoted.events.find((event) => event.step === 'read').candidates.map((one: any) => one.name)
  }
  expect(candidates).toEqual(['quick-eye', 'careful-eye'])

  const run = aigen('run', 'scan-desk', '--input', `scan=@${join(SCANS, 'memo-poor.png')}`, '--budget', '0.24')
  expect(await run.ended, run.err).toBe(0)
  const bill = balanced(run.events.at(-1))
  complete(bill)
  expect(bill.budget).toBe('0.24')
  expect(bill.steps[0]).toMatchObject({
    step: 'read', providerName: 'careful-eye',
    attempts: [{ providerName: 'quick-eye', state: 'expect', charged: '0' }, { providerName: 'careful-eye', state: 'done' }],
  })
  expect(run.events.find((event) => event.type === 'answer').output.figures).toMatchObject({ cost: 148_250 })

  // what only looks works beside it, and proves itself offline
  const looked = aigen('bill', bill.run)
  expect(await looked.ended, looked.err).toBe(0)
  expect(looked.events).toEqual([bill])
  const { receipts } = run.events.find((event) => event.type === 'answer')
  const verified = spawn(process.execPath, [PROGRAM, 'receipts', 'verify', receipts], { env: { ...process.env, AIGEN_NO_SETUP: '1' }, stdio: 'ignore' })
  expect(await new Promise((resolve) => verified.once('close', resolve))).toBe(0)

  // a provider killed at work: the step goes elsewhere, nothing is paid to who did not deliver
  const { pid } = network.events[0].participants.find((one: any) => one.name === 'quick-eye')
  const document = join(data, 'scan-desk.json')
  const desk = JSON.parse(readFileSync(LIBRARY_DESK, 'utf8'))
  // By the price alone: what the user and the guardians saw of quick-eye by now must not decide.
  writeFileSync(document, JSON.stringify({ ...desk, steps: { ...desk.steps, read: { ...desk.steps.read, providers: { choose: { price: 1 } } } } }))
  const atWork = (run: Aigen): boolean => run.events.some((event) => event.step === 'read' && event.state === 'working' && event.provider === 'quick-eye')
  let unlucky: Aigen
  // Its quote may come too late for one run.
  for (let tries = 0; ; tries++) {
    const begun = unlucky = aigen('run', document, '--input', `scan=@${join(SCANS, 'memo.png')}`)
    await until(() => atWork(begun) || begun.events.some((event) => event.type === 'bill'), 60_000, 'quick-eye at work', begun)
    if (atWork(begun) || tries === 3) break
    expect(await begun.ended, begun.err).toBe(0)
  }
  process.kill(pid, 'SIGKILL')
  expect(await unlucky.ended, unlucky.err).toBe(0)
  const saved = balanced(unlucky.events.at(-1))
  complete(saved)
  expect(saved.steps[0]).toMatchObject({
    step: 'read', providerName: 'careful-eye',
    attempts: [{ providerName: 'quick-eye', state: 'timeout', charged: '0' }, { providerName: 'careful-eye', state: 'done' }],
  })

  // and it is started again
  await until(() => /provider quick-eye ended \(SIGKILL\).*started again/.test(network.err), 10_000, 'the restart', network)
  const pids = (): string[] => processes().filter((line) => line.includes('--as quick-eye'))
  await until(() => pids().length === 1 && !pids()[0]!.trim().startsWith(`${pid} `), 30_000, 'a new process')

  network.child.kill('SIGINT')
  expect(await network.ended, network.err).toBe(0)
  expect(processes()).toEqual([])
})
