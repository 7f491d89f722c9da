/** The command line's words: exit codes, usage errors, and `check`, which starts nothing. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ProviderDefinition } from '../agents/provider/define.ts'
import { check } from '../pipelines/check.ts'
import { compileSchema } from '../schemas/compile-schema.ts'
import { main } from './main.ts'

let folder = ''
beforeEach(() => { folder = mkdtempSync(join(tmpdir(), 'aigen-cli-')) })
afterEach(() => rmSync(folder, { recursive: true, force: true }))

async function aigen(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  const said = { out: '', err: '' }
  const stream = (name: 'out' | 'err'): NodeJS.WriteStream => ({ isTTY: false, write: (text: string) => { said[name] += text; return true } }) as unknown as NodeJS.WriteStream
  const code = await main(argv, { stdout: stream('out'), stderr: stream('err') })
  return { code, ...said }
}

const lines = (text: string): any[] => text.trim().split('\n').map((line) => JSON.parse(line))

const BROKEN = `{
  "name": "broken", "version": "1.0.0",
  "input": { "type": "object", "properties": { "scan": { "$ref": "aigen:blob#image" } } },
  "budget": { "max": "0.01" },
  "steps": {
    "read": { "uses": "vision.ocr@1", "with": { "image": "\${input.scann}" }, "price": { "max": "0.02" } },
    "facts": { "uses": "text.entitees@1", "with": { "text": "\${steps.raed.text}" }, "price": { "max": "0.02" } }
  },
  "output": { "facts": "\${steps.facts}" }
}`

describe('wrong usage is exit 2', () => {
  it.each([
    [['run', 'scan-desk', '--bugdet', '2'], 'unknown option \'--bugdet\'\n(Did you mean --budget?)'],
    [['chek'], 'Did you mean check?'],
    [['run'], 'missing required argument \'pipeline\''],
    [['dev', '--port', '70000'], 'Expected a port between 1 and 65535'],
    [['check', 'scan-dsk'], 'Did you mean scan-desk?'],
    [['check', 'scan-desk', '--budget', 'much'], 'money.invalid'],
    [['receipts', 'verify', 'nowhere.json'], 'There is no file nowhere.json'],
    [['runs', 'ls', '--as', '../other'], 'letters, digits, _ and - only'],
    [['runs', 'pause'], 'missing required argument \'run\''],
    [['runs', 'fork'], 'missing required argument \'run\''],
    [['runs', 'pase', 'run_x'], 'Did you mean pause?'],
    [['runs', 'signal', 'run_x', 'note', '{by: ann}'], '{by: ann} is not JSON'],
    [['doctor', '--as', 'you'], '--as goes with --dry-run'],
    [['agent', 'run', 'count the strikes'], 'Say what it may spend: --budget 0.50'],
    [['agent', 'run', 'count', '--budget', 'much'], 'money.invalid'],
    [['agent', 'approve', 'agent_x', '--question', '0'], 'Expected a whole number from 1'],
    [['watch'], 'missing required argument \'file\''],
    [['watch', 'nowhere.json'], 'nowhere.json'],
    [['watch', 'ls', '--as', '../other'], 'letters, digits, _ and - only'],
    [[], 'Usage: aigen'],
  ])('%j', async (argv, says) => {
    const { code, out, err } = await aigen(...argv)
    expect(err).toContain(says)
    expect({ code, out }).toEqual({ code: 2, out: '' })
  })

  it('help is no error', async () => {
    const { code, out } = await aigen('run', '--help')
    expect(code).toBe(0)
    expect(out).toContain('--budget <amount>')
  })
})

describe('check', () => {
  it('says every error of a broken pipeline at once, each with its path and place, and exits 1', async () => {
    writeFileSync(join(folder, 'broken.json'), BROKEN)
    const { code, out } = await aigen('check', join(folder, 'broken.json'), '--json', '--data', folder)
    expect(code).toBe(1)
    const [report] = lines(out)
    expect(report).toMatchObject({ type: 'check', ok: false })
    expect(Object.fromEntries(report.errors.map((one: any) => [one.path, [one.line, one.column, one.hint]]))).toEqual({
      'steps.facts.uses': [7, 24, 'Did you mean text.entities@1?'],
      'steps.read.with.image': [6, expect.any(Number), 'Did you mean input.scan?'],
      'steps.facts.with.text': [7, expect.any(Number), 'Did you mean steps.read?'],
      'budget.max': [4, 22, 'Raise the budget to 0.04, or lower the steps\' prices.'],
    })
  })

  it('says it in words for people', async () => {
    writeFileSync(join(folder, 'broken.json'), BROKEN)
    const { code, out } = await aigen('check', join(folder, 'broken.json'), '--data', folder)
    expect(code).toBe(1)
    expect(out).toContain('error 7:24 steps.facts.uses: nobody offers text.entitees@1. Did you mean text.entities@1?')
    expect(out).toContain('4 errors in')
  })

  it.each(['scan-desk', 'quake-week'])('%s of the library is in order, with its worst case', async (name) => {
    const { code, out } = await aigen('check', name, '--json', '--data', folder)
    expect(code).toBe(0)
    expect(lines(out)).toMatchObject([{ ok: true, errors: [], worstCase: { price: expect.stringMatching(/^0\.\d+$/) } }])
  })

  it('a budget below the worst case is an error', async () => {
    const { code, out } = await aigen('check', 'scan-desk', '--budget', '0.05', '--data', folder)
    expect(code).toBe(1)
    expect(out).toMatch(/the worst case is 0\.\d+, the budget given is 0\.05/)
  })
})

describe('without a network', () => {
  it.each([['bill', 'run_x'], ['runs', 'ls'], ['providers', 'ls'], ['quote', 'scan-desk'], ['run', 'scan-desk'], ['agent', 'ls'], ['agent', 'run', 'count', '--budget', '1'], ['watch', 'ls']])('%s says how to start one', async (...argv) => {
    const { code, out, err } = await aigen(...argv, '--json', '--data', folder)
    expect(code).toBe(1)
    expect(err).toContain('aigen dev')
    expect(lines(out)).toMatchObject([{ type: 'error', error: { code: 'network.unreachable' } }])
  })
})

describe('explain', () => {
  it('prints Mermaid, nodes and edges, or writes an SVG file', async () => {
    expect((await aigen('explain', 'scan-desk')).out).toMatch(/^%% scan-desk@1\.0\.0\nflowchart TD\n/)
    expect(lines((await aigen('explain', 'scan-desk', '--json')).out)[0]).toMatchObject({ type: 'explain', nodes: expect.arrayContaining([expect.objectContaining({ id: 'read', does: 'vision.ocr@1', cap: '0.02' })]) })
    const file = join(folder, 'desk.svg')
    expect(await aigen('explain', 'scan-desk', '--svg', file)).toMatchObject({ code: 0, out: `wrote ${file}\n` })
    expect(readFileSync(file, 'utf8')).toMatch(/^<svg .*<\/svg>\n$/s)
  })

  it('draws what does not check, and says so; what waits for itself it refuses', async () => {
    writeFileSync(join(folder, 'broken.json'), BROKEN)
    const drawn = await aigen('explain', join(folder, 'broken.json'))
    expect(drawn).toMatchObject({ code: 0, out: expect.stringContaining('s_read') })
    expect(drawn.err).toContain('it does not check')
    writeFileSync(join(folder, 'round.yaml'), 'name: round\nversion: 1.0.0\nsteps:\n  a: { uses: x@1, needs: [b] }\n  b: { uses: x@1, needs: [a] }\noutput: {}\n')
    expect(await aigen('explain', join(folder, 'round.yaml'))).toMatchObject({ code: 1, err: expect.stringContaining('wait for each other') })
  })
})

describe('init', () => {
  it('writes a pipeline that checks, and overwrites nothing', async () => {
    const name = `desk-${process.pid}`
    const before = process.cwd()
    try {
      process.chdir(folder)
      expect(await aigen('init', name)).toMatchObject({ code: 0 })
      expect(await aigen('check', join(name, 'pipeline.json'))).toMatchObject({ code: 0 })
      expect(await aigen('init', name)).toMatchObject({ code: 2, err: expect.stringContaining('not empty') })
      expect(await aigen('init', 'No Name')).toMatchObject({ code: 2 })
    } finally {
      process.chdir(before)
    }
  })

  it('writes a provider that is taken, does what it says, and is hired by its pipeline', async () => {
    // Beside the built package, so that the module finds it under its name as in a project that has installed it.
    const beside = mkdtempSync(fileURLToPath(new URL('../dist/init-', import.meta.url)))
    const before = process.cwd()
    try {
      process.chdir(beside)
      expect(await aigen('init', 'my-shop', '--provider')).toMatchObject({ code: 0, out: expect.stringContaining('aigen provide my-shop/provider.mjs') })
      const { capability, handler } = ((await import(pathToFileURL(join(beside, 'my-shop', 'provider.mjs')).href)) as { default: ProviderDefinition }).default
      const text = readFileSync(join(beside, 'my-shop', 'text.txt'), 'utf8')
      const { output, units } = await handler({ text }, {} as never)
      expect(output).toEqual({ words: 18, lines: 2, characters: 100 })
      expect(units).toEqual({ [capability.unit]: 1 })
      expect(compileSchema(capability.output).issues(output)).toEqual([])
      expect(check(readFileSync(join(beside, 'my-shop', 'pipeline.json'), 'utf8'), { capabilities: new Map([[capability.id, capability]]) })).toMatchObject({ ok: true, warnings: [] })
    } finally {
      process.chdir(before)
      rmSync(beside, { recursive: true })
    }
  })
})
