/**
 * Sets up a clone: checks Node, installs what package-lock.json names, builds dist/. The pre-script
 * of npm start, test and bench, and what bin/aigen.js calls first; nothing to do costs a few stats.
 *
 * Node built-ins only, because it runs before anything is installed. Everything it says goes to
 * stderr. A lock file keeps two from working at once; a dead holder's lock is taken over.
 */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, realpathSync, renameSync, rmSync, statSync, unlinkSync, utimesSync, writeFileSync,
} from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const NODE_MIN = [20, 19]
const ROOT = fileURLToPath(new URL('..', import.meta.url))
const LOCKFILE = join(ROOT, 'package-lock.json')
const INSTALL_STAMP = join(ROOT, 'node_modules', '.aigen-stamp')
const BUILD_STAMP = join(ROOT, 'dist', '.aigen-stamp')
const LOCK = join(ROOT, '.aigen', 'setup.lock')
const SOURCES = ['index.ts', 'llm.ts', 'tsconfig.json', 'tsconfig.build.json', 'package.json', 'schemas', 'runtime', 'pipelines', 'agents', 'examples', 'bench', 'bin']
const SKIPPED = new Set(['node_modules', 'dist', 'out', 'cache', '.aigen', 'data'])
/** What no build needs; scenarios and their fixtures are built for `aigen simulate`. */
const TEST = /\.(test|contract)\.ts$/
/** A holder touches its lock every 2 s; one that did not for this long is gone, whoever has its pid now. */
const LOCK_STALE_MS = 60_000
const LOCK_WAIT_MS = 15 * 60_000

/**
 * Brings node_modules and dist up to date; resolves at once when they are.
 *
 * @param {{ install?: boolean, build?: 'stale' | 'always' }} [options] 'always' also fails on type errors
 */
export async function setUp({ install = true, build = 'stale' } = {}) {
  checkNode()
  if (!isStale(install, build)) return
  const release = await lock()
  try {
    if (install && !isInstalled()) await runInstall()
    if (build === 'always' || !isBuilt()) await runBuild(build === 'always')
  } finally {
    release()
  }
}

function isStale(install, build) {
  return build === 'always' || (install && !isInstalled()) || !isBuilt()
}

/** Ends the process with one clear line when Node is too old. */
export function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major > NODE_MIN[0] || (major === NODE_MIN[0] && minor >= NODE_MIN[1])) return
  console.error(`AIGEN needs Node ${NODE_MIN.join('.')} or newer; this is ${process.versions.node}. Get one from https://nodejs.org.`)
  process.exit(1)
}

/** What native packages depend on besides the lock file. */
const platform = () => `${process.platform}-${process.arch}-${process.versions.modules}`

function isInstalled() {
  const stamp = readStamp(INSTALL_STAMP)
  if (!stamp || stamp.platform !== platform()) return false
  const { mtimeMs, size } = statSync(LOCKFILE)
  if (stamp.mtimeMs === mtimeMs && stamp.size === size) return true
  if (stamp.hash !== hashOf(readFileSync(LOCKFILE))) return false
  stampInstall()
  return true
}

function stampInstall() {
  const { mtimeMs, size } = statSync(LOCKFILE)
  writeStamp(INSTALL_STAMP, { platform: platform(), mtimeMs, size, hash: hashOf(readFileSync(LOCKFILE)) })
}

async function runInstall() {
  say(existsSync(INSTALL_STAMP) ? 'package-lock.json changed: installing' : 'installing packages (once, some minutes at most)')
  // `npm ci` fails on this lock (msgpackr-extract's other platforms are not in it); `install` keeps to it as well.
  const npm = process.env.npm_execpath?.endsWith('npm-cli.js') ? [process.execPath, process.env.npm_execpath] : ['npm']
  const args = [...npm.slice(1), 'install', '--no-audit', '--no-fund', '--include=dev', '--loglevel=error']
  const done = await run(npm[0], args, { AIGEN_SETUP: '1' })
  if (!done) fail('npm install failed. Read its lines above; without a network it needs a filled npm cache.')
  stampInstall()
}

/** Names, sizes and times of all sources, as one text. */
function sourceState() {
  const hash = createHash('sha256')
  for (const [path, stats] of sources()) hash.update(`${path}:${stats.size}:${stats.mtimeMs}\n`)
  return hash.digest('hex')
}

function* sources() {
  const queue = SOURCES.map((name) => join(ROOT, name))
  while (queue.length > 0) {
    const path = queue.pop()
    const stats = lstatSync(path, { throwIfNoEntry: false })
    if (!stats) continue
    if (stats.isDirectory()) {
      for (const name of readdirSync(path)) if (!SKIPPED.has(name) && !name.startsWith('.')) queue.push(join(path, name))
    } else if (/\.(ts|json)$/.test(path) && !TEST.test(path)) {
      yield [relative(ROOT, path), stats]
    }
  }
}

const isBuilt = () => readStamp(BUILD_STAMP)?.state === sourceState()

async function runBuild(strict) {
  say('building')
  const state = sourceState()
  rmSync(BUILD_STAMP, { force: true })
  const tsc = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc')
  const clean = await run(process.execPath, [tsc, '-p', join(ROOT, 'tsconfig.build.json')], {})
  if (!existsSync(join(ROOT, 'dist'))) fail('The build failed: mend the errors above.')
  if (!clean && strict) fail('The build has the errors above.')
  // Like a bundler: types are judged by `npm run typecheck` and CI, what runs is tried as it is.
  if (!clean) say('built with the errors above; going on')
  pruneDist()
  // Sources that changed during the build leave a stamp that does not match: the next start builds again.
  writeStamp(BUILD_STAMP, { state })
}

/** Removes from dist what has no source any more, so that a deleted file cannot be imported. */
function pruneDist(folder = join(ROOT, 'dist')) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) {
      pruneDist(path)
      if (readdirSync(path).length === 0) rmSync(path, { recursive: true })
      continue
    }
    const source = join(ROOT, relative(join(ROOT, 'dist'), path))
    const origins = [source, source.replace(/(\.d\.ts|\.js)(\.map)?$/, '.ts')]
    if (entry.name.startsWith('.') || (!TEST.test(origins[1]) && origins.some((origin) => existsSync(origin)))) continue
    rmSync(path)
  }
}

/** Waits until no other set-up runs; the answer ends this one's lock. */
async function lock() {
  mkdirSync(join(ROOT, '.aigen'), { recursive: true })
  const waitedSince = performance.now()
  let told = false
  while (!tryLock()) {
    if (!told) say(`waiting for another set-up (process ${readStamp(LOCK)?.pid ?? '?'})`)
    told = true
    if (performance.now() - waitedSince > LOCK_WAIT_MS) fail(`Another set-up has not ended in 15 minutes; if none runs, remove ${relative(process.cwd(), LOCK)}.`)
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
  const heartbeat = setInterval(() => {
    const now = new Date()
    try {
      utimesSync(LOCK, now, now)
    } catch {
      // Taken over by another after this one slept (a suspended laptop): both builds are harmless.
    }
  }, 2000)
  heartbeat.unref()
  const unlock = () => {
    clearInterval(heartbeat)
    if (readStamp(LOCK)?.pid === process.pid) rmSync(LOCK, { force: true })
  }
  process.once('exit', unlock)
  return unlock
}

function tryLock() {
  try {
    writeFileSync(LOCK, JSON.stringify({ pid: process.pid }), { flag: 'wx' })
    return true
  } catch (error) {
    if (error.code !== 'EEXIST') throw error
  }
  const stats = statSync(LOCK, { throwIfNoEntry: false })
  if (!stats) return false
  const holder = readStamp(LOCK)
  const age = Date.now() - stats.mtimeMs
  // An unreadable lock is one whose holder is just writing it, or died doing so.
  const gone = holder ? !isAlive(holder.pid) || age > LOCK_STALE_MS : age > 5000
  if (!gone) return false
  // Moved aside, not deleted: of several that find it stale, one moves it and the others see none.
  const aside = `${LOCK}.${process.pid}`
  try {
    renameSync(LOCK, aside)
    const moved = readStamp(aside)
    if (moved?.pid !== holder?.pid) renameSync(aside, LOCK) // a new holder's lock was caught: give it back
    else unlinkSync(aside)
  } catch {
    // Another was quicker.
  }
  return false
}

function isAlive(pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code === 'EPERM'
  }
}

function readStamp(path) {
  try {
    const value = JSON.parse(readFileSync(path, 'utf8'))
    return typeof value === 'object' ? value : undefined
  } catch {
    return undefined
  }
}

function writeStamp(path, value) {
  writeFileSync(`${path}.${process.pid}`, JSON.stringify(value))
  renameSync(`${path}.${process.pid}`, path)
}

const hashOf = (bytes) => createHash('sha256').update(bytes).digest('hex')
const say = (line) => process.stderr.write(`aigen: ${line}\n`)

function fail(line) {
  say(line)
  process.exit(1)
}

/** Runs a program with its output on stderr; true when it exits with 0. */
function run(program, args, environment) {
  return new Promise((resolve) => {
    const options = { cwd: ROOT, stdio: ['ignore', 2, 2], env: { ...process.env, ...environment }, shell: process.platform === 'win32' && program === 'npm' }
    const child = spawn(program, args, options)
    const stop = (signal) => {
      child.kill(signal)
      process.exit(130)
    }
    process.once('SIGINT', stop).once('SIGTERM', stop)
    child.once('error', (error) => fail(`${program} cannot be started: ${error.message}.`))
    child.once('exit', (code) => {
      process.off('SIGINT', stop).off('SIGTERM', stop)
      resolve(code === 0)
    })
  })
}

/** Called by name: `--prepare` is npm's own install calling back, `--build` builds whatever the state. */
async function main(flags) {
  if (flags.includes('--prepare')) {
    if (process.env.AIGEN_SETUP === '1') return // npm install was started from here, which builds next
    checkNode()
    stampInstall()
    return setUp({ install: false })
  }
  return setUp(flags.includes('--build') ? { build: 'always' } : {})
}

if (process.argv[1] && realpathSync(process.argv[1]) === realpathSync(fileURLToPath(import.meta.url))) await main(process.argv.slice(2))
