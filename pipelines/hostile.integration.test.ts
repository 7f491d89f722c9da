/**
 * Hostile documents, each in a process of its own: refused with a clear error, under a second of CPU and
 * 200 MB when the machine does nothing else. Three times as much fails the test; what was measured is
 * printed. The child runs the compiled checker: `npm run build` before.
 */
import { spawn } from 'node:child_process'
import { expect, it } from 'vitest'
import { HOSTILE } from './hostile.fixture.ts'

const MB_MAX = 200
const CPU_MS_MAX = 1_000
const SLACK = 3

const CHILD = `
import { readdirSync, readFileSync } from 'node:fs'
const root = new URL(process.argv[1])
const { check } = await import(new URL('dist/pipelines/check.js', root))
const folder = new URL('schemas/capabilities/', root)
const all = readdirSync(folder).filter((name) => name.endsWith('.json')).map((name) => JSON.parse(readFileSync(new URL(name, folder), 'utf8')))
const capabilities = new Map(all.map((one) => [one.id, one]))
const text = readFileSync(0, 'utf8')
const before = process.cpuUsage()
const { ok, errors } = check(text, { capabilities })
const { user, system } = process.cpuUsage(before)
const polluted = {}.polluted !== undefined
console.log(JSON.stringify({ ok, polluted, cpuMs: Math.round((user + system) / 1000), mb: Math.round(process.resourceUsage().maxRSS / 1024), errors: errors.slice(0, 200).map(({ path, message }) => path + ': ' + message) }))
`

interface Measured {
  readonly ok: boolean
  readonly polluted: boolean
  readonly cpuMs: number
  readonly mb: number
  readonly errors: readonly string[]
}

function measure(text: string): Promise<Measured> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', CHILD, new URL('../', import.meta.url).href], { stdio: ['pipe', 'pipe', 'inherit'], timeout: 60_000 })
  // It may be done before it has read everything.
  child.stdin.on('error', () => undefined)
  child.stdin.end(text)
  return new Promise((resolve, reject) => {
    let said = ''
    child.stdout.on('data', (piece) => { said += String(piece) })
    child.on('error', reject)
    child.on('close', (code, signal) => (code === 0 ? resolve(JSON.parse(said) as Measured) : reject(new Error(`the checker ended with ${code ?? signal}`))))
  })
}

it.each(Object.entries(HOSTILE))('%s is refused', async (name, { make, error }) => {
  const { ok, polluted, cpuMs, mb, errors } = await measure(make())
  console.log(`${name}: ${cpuMs} ms of CPU, ${mb} MB, ${errors.length} errors: ${errors[0]?.slice(0, 120)}`)
  expect({ ok, polluted }).toEqual({ ok: false, polluted: false })
  expect(errors).toContainEqual(expect.stringMatching(error))
  for (const one of errors) expect(one.length).toBeLessThan(1_000)
  expect(cpuMs).toBeLessThan(CPU_MS_MAX * SLACK)
  expect(mb).toBeLessThan(MB_MAX * SLACK)
})
