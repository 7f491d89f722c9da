/**
 * The code rules that no linter holds, one message a violation that says what to do (after
 * TigerBeetle's tidy). Part of `npm run lint`; `.ci/rules.test.ts` plants each violation.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const LINES_MAX = 300
/** A Solidity contract cannot be cut without changing what is deployed, and half of it is NatSpec. */
const CONTRACT_LINES_MAX = 400
const NAMELESS = /^(utils?|types?|common|shared|helpers?|misc|index)$/
const CODE = /\.(ts|js|cjs|mjs|sol)$/
const GENERATED = /\.gen\.(ts|js)$/
const TEST = /\.(test|contract|fixture|scenario)\.(ts|js)$|\.t\.sol$/
/** Where real time and randomness may be read: the ports' system implementations and process-level glue. */
const GLUE = /^(bin|bench|examples|\.ci)\/|^runtime\/node\/system-|^runtime\/nats\/sources\/|^agents\/[^/]+\/door/

/**
 * What breaks a rule in one file, each as a sentence that begins with the place.
 *
 * @param {string} path relative to the root, with /
 * @param {string} text
 * @returns {string[]}
 */
export function violationsOf(path, text) {
  const found = []
  const report = (line, message) => found.push(`${path}${line ? `:${line}` : ''} ${message}`)
  const segments = path.split('/')
  const name = segments.pop() ?? ''
  if (CODE.test(name) && NAMELESS.test(name.split('.')[0]) && path !== 'index.ts' && path !== 'index.test.ts') {
    report(0, `is called ${name}: name it after the one noun or verb it holds (import files directly; only the root has an index.ts).`)
  }
  const folder = segments.find((segment) => NAMELESS.test(segment))
  if (folder) report(0, `lies in a folder called ${folder}: name the folder after the room's subject.`)
  if (!CODE.test(name) || GENERATED.test(name)) return found
  const lines = text.split('\n')
  const linesMax = name.endsWith('.sol') ? CONTRACT_LINES_MAX : LINES_MAX
  if (lines.length > linesMax + 1 && !TEST.test(name)) {
    report(0, `has ${lines.length - 1} lines, ${linesMax} are allowed: move one noun or verb of it into a file of its own.`)
  }
  const first = lines.find((line) => line.trim() !== '' && !line.startsWith('#!')) ?? ''
  if (!/^\s*\/[/*]/.test(first) && !TEST.test(name)) {
    report(1, 'has no comment on top: say in 2 to 8 lines what it is, who uses it, and which invariants (I1–I8) or decisions (D1–D10) it keeps.')
  }
  bare(text).split('\n').forEach((line, index) => {
    if (/\bMath\.random\b/.test(line) && !GLUE.test(path)) report(index + 1, 'calls Math.random: take a Random (runtime/ports/random.ts), so that a run repeats from its seed (D10).')
    if (/\bDate\.now\b|\bnew Date\(\s*\)/.test(line) && !GLUE.test(path) && !TEST.test(name)) {
      report(index + 1, 'reads the time: take a Clock (runtime/ports/clock.ts), or use the time in the event (D1, D10).')
    }
    if (/\b(describe|it|test|suite)\.(only|skip|todo|fails)\b/.test(line)) report(index + 1, 'keeps tests from running: remove .only, .skip, .todo or .fails, or the test.')
  })
  lines.forEach((line, index) => {
    if (/\b(TODO|FIXME|XXX)\b/.test(line) && !path.startsWith('.ci/rules')) report(index + 1, 'leaves work behind: do it now, or write it down as an issue.')
    if (/(^|[\s'"`(=])\/(root|work|home\/\w+|Users\/\w+)\//.test(line) && !path.startsWith('.ci/rules')) {
      report(index + 1, 'names a path of one machine: make it relative, or take it from the configuration.')
    }
  })
  return found
}

/** The text with comments and the insides of plain strings blanked, line breaks kept. */
function bare(text) {
  return text.replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"/g, (match) => match.replace(/[^\n]/g, ' '))
}

function main() {
  const root = fileURLToPath(new URL('..', import.meta.url))
  const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: root, encoding: 'utf8', maxBuffer: 64 << 20 })
  const paths = [...new Set(listed.split('\0').filter(Boolean))].sort()
  let broken = 0
  for (const path of paths) {
    let text = ''
    try {
      text = CODE.test(path) ? readFileSync(join(root, path), 'utf8') : ''
    } catch {
      continue // deleted, not yet committed
    }
    for (const violation of violationsOf(path, text)) {
      broken++
      console.error(violation)
    }
  }
  console.log(`rules: ${paths.length} files, ${broken} violations`)
  if (paths.length === 0 || broken > 0) process.exitCode = 1
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) main()
