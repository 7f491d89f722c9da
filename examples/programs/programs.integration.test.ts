/**
 * The programs that a newcomer would write, one a role, each run as they would run it against one
 * devnet: what they print is what the README says. Each is under 40 lines.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const START_MS = 150_000
const PROGRAM_MS = 90_000
const LINES_MAX = 40

/** Program, its arguments, and what it must print, in this order. */
const PROGRAMS: readonly [name: string, words: readonly string[], prints: readonly RegExp[]][] = [
  ['enterprise.js', [], [/^ak_\w+ of 0x[0-9a-f]{40}: compute\.run@1 at 0\.004 a job$/m, /^6 for 0\.004$/m, /^6 for 0\.004$/m, /^key\.quota: /m]],
  ['watcher.js', [], [/^1 look, 1 run, ended by runs: 50 costly strikes, worst Canada goose; spent 0\.01\d* of 0\.1$/m]],
  ['escrow.js', [], [/^plain-engine found 6$/m, /^safe-hands \(0x[0-9a-f]{40}\) was the arbiter, for 0\.001$/m, /^the work was accepted and paid 0\.0036; spent 0\.0046, settled 0\.0046$/m]],
  ['gateway-client.js', [], [/^models: .*text\.embed@1/m, /^nearness: 0\.56 to the birds, 0\.26 to the tea$/m, /^read: [\w-]+ for /m, /^answer: “On 14 March 2001/m, /^bill: network 0\.\d+ \+ fee 0\.\d+ = 0\.\d+$/m]],
  ['reputation.js', [], [/^epoch \d+: \d+ entries, signed by [34] of 4 guardians$/m, /^0x[0-9a-f]{40} \S+ +up \S+ right \S+ p95/m, /^proven: \S+@\d+$/m, /^altered: auth\.forged$/m]],
  ['light-user.js', [], [/^told of .*: guardians, network, terms$/m, /^plain-engine says 6 for 0\.\d+, settled 0\.\d+$/m, /^proven: the vault is mine and has money free$/m]],
  ['langchain.js', [], [/^tools: .*data_query_1/m, /^no language model is on the network/m, /"strikes":908/m, /^spent 0\.\d+ of 0\.25$/m]],
  ['subscriber.js', [], [/^a pass of near-and-far for 0\.05: 30 days of text\.embed@1, 1000 calls a day$/m, /^3 texts for 0, receipt rcpt_[0-9a-f]{32}$/m, /^a robin is more like a blackbird than like a tax return$/m]],
  ['agent.js', [], [/^No model is on the network: start aigen dev with |^done: .*; spent 0\.\d+ of 0\.5$/m]],
]

describe('the programs', () => {
  let data = ''
  let network: ChildProcess
  let said = ''

  beforeAll(async () => {
    data = mkdtempSync(join(tmpdir(), 'aigen-programs-'))
    network = spawn(process.execPath, [join(ROOT, 'bin/aigen.js'), 'dev', '--data', data, '--json'], { env: { ...process.env, AIGEN_NO_SETUP: '1' }, stdio: ['ignore', 'pipe', 'pipe'] })
    network.stderr!.setEncoding('utf8').on('data', (text: string) => { said += text })
    await new Promise<void>((resolve, reject) => {
      network.stdout!.setEncoding('utf8').on('data', (text: string) => { if (text.includes('"type":"network"')) resolve() })
      network.once('exit', () => reject(new Error(`the devnet ended: ${said}`)))
    })
  }, START_MS)

  afterAll(async () => {
    const ended = new Promise((resolve) => network.once('exit', resolve))
    network.kill('SIGINT')
    await ended
    rmSync(data, { recursive: true, force: true })
  }, 30_000)

  it.each(PROGRAMS)('%s', async (name, words, prints) => {
    const path = join(ROOT, 'examples/programs', name)
    expect(readFileSync(path, 'utf8').split('\n').length).toBeLessThanOrEqual(LINES_MAX)
    const printed = await new Promise<string>((resolve, reject) => {
      execFile(process.execPath, [path, ...words], { cwd: ROOT, env: { ...process.env, AIGEN_DATA: data, AIGEN_NO_SETUP: '1' }, timeout: PROGRAM_MS }, (error, stdout, stderr) =>
        error ? reject(new Error(`${name} failed: ${stdout}${stderr}`)) : resolve(stdout))
    })
    let rest = printed
    for (const line of prints) {
      const match = line.exec(rest)
      expect(match, `${line} in what is left of ${printed}`).not.toBeNull()
      rest = rest.slice(match!.index + match![0].length)
    }
  }, PROGRAM_MS)
})
