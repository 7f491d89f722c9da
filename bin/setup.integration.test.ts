/**
 * The set-up of a clone, in a little clone of its own with a make-believe npm and tsc: what runs,
 * how often, and that two at once, a dead holder and a changed file are handled.
 */
import { spawn } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'

let clone: string
const at = (path: string): string => join(clone, path)
const log = (): string => (existsSync(at('log')) ? readFileSync(at('log'), 'utf8') : '')
const clear = (): void => rmSync(at('log'), { force: true })

/** Stands for tsc: writes a .js for every .ts that is there. */
const TSC = `const fs = require('node:fs'); fs.appendFileSync('log', 'build\\n'); fs.mkdirSync('dist/schemas', { recursive: true })
for (const f of ['index', 'schemas/money', 'schemas/money.test']) if (fs.existsSync(f + '.ts')) fs.writeFileSync('dist/' + f + '.js', '')
if (fs.readFileSync('index.ts', 'utf8').includes('broken')) { console.error('index.ts(1,1): error'); process.exitCode = 1 }`

/** Stands for npm: notes its arguments, takes a moment, installs the tsc above. */
const NPM = `const fs = require('node:fs'); fs.appendFileSync('log', process.argv[2] + '\\n'); console.log('npm talks')
const end = Date.now() + 300; while (Date.now() < end);
fs.mkdirSync('node_modules/typescript/bin', { recursive: true }); fs.writeFileSync('node_modules/typescript/bin/tsc', ${JSON.stringify(TSC)})
if (fs.existsSync('fail')) process.exit(1)`

beforeEach(() => {
  clone = mkdtempSync(join(tmpdir(), 'aigen-setup-'))
  mkdirSync(at('bin'))
  mkdirSync(at('schemas'))
  cpSync(new URL('./setup.js', import.meta.url), at('bin/setup.js'))
  writeFileSync(at('bin/package.json'), '{"type":"module"}')
  writeFileSync(at('npm-cli.js'), NPM)
  for (const name of ['index.ts', 'schemas/money.ts', 'schemas/money.test.ts']) writeFileSync(at(name), '')
  writeFileSync(at('package-lock.json'), '{"a":1}')
})
afterEach(() => rmSync(clone, { recursive: true, force: true }))

interface Ended { code: number | null; out: string; err: string }

function setUp(...flags: string[]): Promise<Ended> {
  const child = spawn(process.execPath, [at('bin/setup.js'), ...flags], { cwd: tmpdir(), env: { ...process.env, npm_execpath: at('npm-cli.js') } })
  const ended: Ended = { code: null, out: '', err: '' }
  child.stdout.on('data', (data) => { ended.out += data })
  child.stderr.on('data', (data) => { ended.err += data })
  return new Promise((resolve) => child.once('close', (code) => resolve({ ...ended, code })))
}

it('installs and builds a fresh clone, says so on stderr only, and then has nothing to do', async () => {
  const first = await setUp()
  expect(first).toMatchObject({ code: 0, out: '' })
  expect(first.err).toMatch(/installing packages[\s\S]*npm talks[\s\S]*building/)
  expect(log()).toBe('install\nbuild\n')
  expect(await setUp()).toEqual({ code: 0, out: '', err: '' })
  expect(log()).toBe('install\nbuild\n')
})

it('does everything once when two start at the same time', async () => {
  const both = await Promise.all([setUp(), setUp(), setUp()])
  expect(both.map(({ code }) => code)).toEqual([0, 0, 0])
  expect(log()).toBe('install\nbuild\n')
  expect(existsSync(at('.aigen/setup.lock'))).toBe(false)
})

it.each([
  ['whose process is dead', '{"pid":4194303}', 0],
  ['whose holder died while writing it', '', 10],
  ['that was not touched for a minute, although its pid lives', JSON.stringify({ pid: process.pid }), 100],
])('takes over a lock %s', async (_name, text, ageSeconds) => {
  mkdirSync(at('.aigen'))
  writeFileSync(at('.aigen/setup.lock'), text)
  const then = new Date(Date.now() - ageSeconds * 1000)
  utimesSync(at('.aigen/setup.lock'), then, then)
  const both = await Promise.all([setUp(), setUp()])
  expect(both.map(({ code }) => code)).toEqual([0, 0])
  expect(log()).toBe('install\nbuild\n')
})

it('installs again when the lock file changed, not when it was only touched', async () => {
  await setUp()
  clear()
  const later = new Date(Date.now() + 5000)
  utimesSync(at('package-lock.json'), later, later)
  await setUp()
  expect(log()).toBe('')
  writeFileSync(at('package-lock.json'), '{"a":2}')
  await setUp()
  expect(log()).toBe('install\n')
})

it('builds again when a source changed, came or went, and takes the gone out of dist', async () => {
  await setUp()
  expect(existsSync(at('dist/schemas/money.js'))).toBe(true)
  expect(existsSync(at('dist/schemas/money.test.js'))).toBe(false)
  clear()
  writeFileSync(at('schemas/money.test.ts'), '// tests are not built')
  await setUp()
  expect(log()).toBe('')
  rmSync(at('schemas/money.ts'))
  await setUp()
  expect(log()).toBe('build\n')
  expect(existsSync(at('dist/schemas/money.js'))).toBe(false)
})

it('goes on after type errors, but --build does not', async () => {
  writeFileSync(at('index.ts'), 'broken')
  const start = await setUp()
  expect(start).toMatchObject({ code: 0, out: '' })
  expect(start.err).toContain('built with the errors above')
  expect((await setUp('--build')).code).toBe(1)
})

it('fails with a sentence when npm does, and tries again next time', async () => {
  writeFileSync(at('fail'), '')
  const failed = await setUp()
  expect(failed).toMatchObject({ code: 1, out: '' })
  expect(failed.err).toContain('npm install failed')
  rmSync(at('fail'))
  expect((await setUp()).code).toBe(0)
  expect(log()).toBe('install\ninstall\nbuild\n')
})

it('leaves the install to the npm that called it', async () => {
  await setUp()
  clear()
  rmSync(at('node_modules/.aigen-stamp'))
  expect((await setUp('--prepare')).code).toBe(0)
  expect(log()).toBe('')
  expect(existsSync(at('node_modules/.aigen-stamp'))).toBe(true)
})
