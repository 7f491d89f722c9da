#!/usr/bin/env node
// npm test and npm run test:long: the generated files are current, the contracts hold, the TypeScript
// tests pass. `node .ci/test.js [--long] [vitest arguments]`; with arguments only those tests run.
// --long: the unit tests with every property tried 2,000 times, the integration tests that take minutes,
// the contracts under deep fuzz.
// The last line is `N passed, N failed`, tests and checks together; exit 1 when one failed.
import { spawnSync } from 'node:child_process'
import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
/** Ten and forty times the calls of foundry.toml: about three minutes. */
const DEEP = { FOUNDRY_FUZZ_RUNS: '10000', FOUNDRY_INVARIANT_RUNS: '256', FOUNDRY_INVARIANT_DEPTH: '128' }
/** The gas figures in git hold, and nothing rewrites them here. */
const SNAPSHOTS = { FORGE_SNAPSHOT_CHECK: 'true', FORGE_SNAPSHOT_EMIT: 'false' }

const args = process.argv.slice(2)
const long = args[0] === '--long'
const chosen = long ? args.slice(1) : args

const sum = { passed: 0, failed: 0 }
/** What failed, with the first lines of why: said again at the end, where a reader of a long log looks. */
const failures = []
const count = (passed, failed) => {
  sum.passed += passed
  sum.failed += failed
}

/** Runs node on a script of ours; resolves with its exit status and, when `read`, with what it printed. */
function node(script, parameters, { env = {}, read = false } = {}) {
  const ended = spawnSync(process.execPath, [join(root, script), ...parameters], {
    cwd: root, env: { ...process.env, ...env }, stdio: ['inherit', read ? 'pipe' : 'inherit', 'inherit'], encoding: 'utf8', maxBuffer: 64 * 2 ** 20,
  })
  if (ended.error) throw ended.error
  return { status: ended.status ?? 1, text: ended.stdout ?? '' }
}

/** The failed tests of a file, and the file itself when it did not come to its tests. */
function failuresOf({ name, status, message, assertionResults }) {
  const failed = assertionResults.filter(test => test.status === 'failed')
  const file = relative(root, name)
  if (status === 'failed' && failed.length === 0) return [`${file}\n  ${message}`]
  return failed.map(test => `${file} > ${test.fullName}\n  ${(test.failureMessages[0] ?? '').split('\n').slice(0, 12).join('\n  ')}`)
}

/** A check that passes or not. */
function check(name, script, parameters) {
  console.log(`\n== ${name}`)
  const { status } = node(script, parameters)
  count(status === 0 ? 1 : 0, status === 0 ? 0 : 1)
}

function contracts() {
  console.log('\n== contracts')
  const { status, text } = node('runtime/evm/contracts/forge.js', ['test'], { read: true, env: { ...SNAPSHOTS, ...(long ? DEEP : {}) } })
  const [, passed, failed] = /: (\d+) tests passed, (\d+) failed/.exec(text) ?? [undefined, '0', '0']
  console.log(status === 0 ? text.trim().split('\n').at(-1) : text)
  // forge's cache can leave suites out without a word, as after a file was changed and changed back.
  const suites = readdirSync(join(root, 'runtime/evm/contracts/test')).filter((name) => name.endsWith('.t.sol')).length
  const ran = Number(/Ran (\d+) test suites/.exec(text)?.[1] ?? 0)
  const whole = status !== 0 || ran === suites
  if (!whole) console.log(`${ran} of ${suites} suites ran: delete runtime/evm/contracts/out and cache, and run again`)
  // A build that does not come to its tests is one failure.
  count(Number(passed), status === 0 && whole ? 0 : Math.max(1, Number(failed)))
}

function typescript() {
  console.log('\n== TypeScript')
  const folder = mkdtempSync(join(tmpdir(), 'aigen-test-'))
  const report = join(folder, 'report.json')
  const projects = chosen.length > 0 && !long ? [] : ['unit', long ? 'long' : 'integration'].flatMap((name) => ['--project', name])
  const { status } = node('node_modules/vitest/vitest.mjs', ['run', '--reporter=default', '--reporter=json', `--outputFile.json=${report}`, ...projects, ...chosen], { env: long ? { AIGEN_LONG: '1' } : {} })
  let passed = 0
  let failed = 0
  try {
    const { numPassedTests, numFailedTests, testResults } = JSON.parse(readFileSync(report, 'utf8'))
    ;[passed, failed] = [numPassedTests, numFailedTests]
    failures.push(...testResults.flatMap(failuresOf))
  } catch {
    // no report: it did not come to the tests, which counts below
  }
  rmSync(folder, { recursive: true, force: true })
  count(passed, status === 0 ? 0 : Math.max(1, failed))
}

if (chosen.length === 0) {
  if (!long) {
    check('generated types are current', 'schemas/generate.js', ['--check'])
    check('compiled contracts are current', 'runtime/evm/contracts/compile.js', ['--check'])
  }
  contracts()
}
typescript()

if (failures.length > 0) console.log(`\n${failures.join('\n')}`)
console.log(`\n${sum.passed} passed, ${sum.failed} failed`)
// For .ci/run, which adds up what it ran and says at its own end what failed.
if (process.env.AIGEN_TALLY) {
  appendFileSync(process.env.AIGEN_TALLY, `${sum.passed} ${sum.failed}\n`)
  if (failures.length > 0) appendFileSync(`${process.env.AIGEN_TALLY}.failures`, `${failures.join('\n')}\n`)
}
process.exitCode = sum.failed === 0 ? 0 : 1
