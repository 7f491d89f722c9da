/**
 * The local EVM node of the devnet and of tests: anvil as a child process with its state on disk.
 *
 * It is restarted from that state when it dies, on the same port and with its time where it was; what a
 * kill loses, up to about a second of blocks, the sender (`sender.ts`) sends again. It is never left
 * behind: a watcher ends it when its parent is gone (SIGKILL included), and a process id file lets the
 * next start end an orphan, but only a process whose command line names our own state file. Real timers
 * are used here, since this watches a real process.
 */
import { spawn, execFileSync, type ChildProcess } from 'node:child_process'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { AigenError } from '../../schemas/error.ts'
import { AnvilState } from './anvil-state.ts'
import { watchChild } from './lifeline.ts'

export interface AnvilOptions {
  /** Folder for state and process id; made when it is not there. */
  readonly data: string
  /** Loopback port; 0 (default) takes a free one. */
  readonly port?: number
  /** Default 31337. */
  readonly chainId?: number
  /** Seconds between blocks; without it each transaction makes its block at once. */
  readonly blockTime?: number
  /** Whether the state of past blocks is kept over a restart too (default true): 87 KB a block instead of 5, all written every second. */
  readonly history?: boolean
  /** Milliseconds to wait for it to answer; default 15,000. */
  readonly readyMs?: number
}

export interface Anvil {
  /** `http://127.0.0.1:<port>`; stays the same over restarts. */
  readonly url: string
  readonly port: number
  /** Process id of the anvil running now. */
  pid(): number | undefined
  /** Ends it with its state saved; idempotent. */
  stop(): Promise<void>
}

/** Restarts within a minute; the next one waits until the minute is over, however often that happens. */
const RESTARTS_MAX = 5
const MINUTE_MS = 60_000
const PAUSE_MS = 100
const NOTE_MS = 1_000
const STOP_MS = 5_000
const LISTENING = /Listening on [\d.]+:(\d+)/

/** Where `@foundry-rs/anvil` may be installed: above this file, or with the examples, which depend on it at run time. */
const HOMES = [import.meta.url, ...['../../examples/', '../../../examples/'].map((path) => new URL(path, import.meta.url).href)]

/** Path of the anvil binary in its platform package, looked for from `homes` on; `anvil.missing` when npm left it out. */
export function anvilPath(homes: readonly string[] = HOMES): string {
  const arch = process.arch === 'x64' ? 'amd64' : process.arch
  let cause: unknown
  for (const home of homes) {
    try {
      const require = createRequire(createRequire(home).resolve('@foundry-rs/anvil/package.json'))
      const folder = dirname(require.resolve(`@foundry-rs/anvil-${process.platform}-${arch}/package.json`))
      return join(folder, 'bin', process.platform === 'win32' ? 'anvil.exe' : 'anvil')
    } catch (thrown) {
      cause ??= thrown
    }
  }
  throw new AigenError('anvil.missing', undefined, { cause })
}

/** Command line of a running process, or '' when it is gone or cannot be read. */
function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
  } catch {
    try {
      return execFileSync('ps', ['-p', String(pid), '-o', 'command='], { encoding: 'utf8' })
    } catch {
      return ''
    }
  }
}

/** Ends the anvil that an earlier, killed parent left behind; anything else with its pid is left alone. */
async function endOrphan(pidFile: string, stateFile: string): Promise<void> {
  let pid: number
  try {
    pid = Number(await readFile(pidFile, 'utf8'))
  } catch {
    return
  }
  const ours = (): boolean => {
    const line = commandLine(pid)
    return line.includes('anvil') && line.includes(stateFile)
  }
  if (Number.isSafeInteger(pid) && pid > 1 && ours()) {
    process.kill(pid, 'SIGTERM')
    for (let waited = 0; waited < STOP_MS && ours(); waited += 50) await pause(50)
    if (ours()) process.kill(pid, 'SIGKILL')
  }
  await rm(pidFile, { force: true })
}

/** Starts one anvil process; resolves with its port once it listens. */
async function launch(options: AnvilOptions, stateFile: string, port: number): Promise<{ child: ChildProcess, port: number }> {
  const child = spawn(anvilPath(), [
    '--host', '127.0.0.1', '--port', String(port), '--chain-id', String(options.chainId ?? 31_337),
    '--state', stateFile, '--state-interval', '1', '--accounts', '1',
    ...(options.history === false ? [] : ['--preserve-historical-states']),
    ...(options.blockTime === undefined ? [] : ['--block-time', String(options.blockTime)]),
    // A process group of its own: Ctrl-C ends our node first, which then ends anvil in order.
  ], { stdio: ['ignore', 'pipe', 'pipe'], detached: true })
  let printed = ''
  const listening = new Promise<number>((done, fail) => {
    const timer = setTimeout(() => fail(new AigenError('anvil.failed', 'It did not answer in time.')), options.readyMs ?? 15_000)
    const end = (cause?: unknown): void => {
      clearTimeout(timer)
      fail(new AigenError('anvil.failed', printed.slice(-500).trim(), { cause }))
    }
    child.once('error', end)
    child.once('exit', () => end())
    child.stderr?.on('data', (chunk: Buffer) => {
      printed = (printed + chunk.toString()).slice(-2_000)
    })
    child.stdout?.on('data', (chunk: Buffer) => {
      printed = (printed + chunk.toString()).slice(-2_000)
      const found = LISTENING.exec(printed)
      if (found === null) return
      clearTimeout(timer)
      // What follows is one line a request: keep the pipe flowing, keep nothing.
      child.stdout?.removeAllListeners('data').resume()
      done(Number(found[1]))
    })
  })
  try {
    return { child, port: await listening }
  } catch (failure) {
    child.kill('SIGKILL')
    throw failure
  }
}

function exited(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve()
  return new Promise((done) => child.once('exit', () => done()))
}

/**
 * Starts anvil on its saved state and resolves when it listens.
 *
 * Errors: `anvil.missing` (no binary), `anvil.failed` (did not start; its last words are given).
 *
 * @example const anvil = await startAnvil({ data: '.aigen/chain' }); anvil.url // 'http://127.0.0.1:40123'
 */
export async function startAnvil(options: AnvilOptions): Promise<Anvil> {
  const folder = resolve(options.data)
  await mkdir(folder, { recursive: true })
  const stateFile = join(folder, 'anvil-state.json')
  const pidFile = join(folder, 'anvil.pid')
  await endOrphan(pidFile, stateFile)

  const state = new AnvilState(stateFile)
  const stopping = new AbortController()
  let restarts: number[] = []
  let child!: ChildProcess
  let port = options.port ?? 0
  let relaunching: Promise<void> = Promise.resolve()
  const killNow = (): void => {
    child.kill('SIGTERM')
  }

  const start = async (): Promise<void> => {
    await state.mend()
    const launched = await launch(options, stateFile, port)
    child = launched.child
    port = launched.port
    const unwatch = watchChild(child.pid!, stateFile)
    child.once('exit', unwatch)
    child.once('exit', () => {
      if (!stopping.signal.aborted) relaunching = restart()
    })
    await writeFile(pidFile, String(child.pid))
    await state.resume(`http://127.0.0.1:${port}`)
  }
  const restart = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      restarts = restarts.filter((at) => at > performance.now() - MINUTE_MS)
      const full = restarts.length >= RESTARTS_MAX
      const wait = full ? (restarts[0] ?? 0) + MINUTE_MS - performance.now() : restarts.length === 0 ? 0 : PAUSE_MS * 2 ** restarts.length
      await pause(Math.max(0, wait), undefined, { signal: stopping.signal }).catch(() => undefined)
      restarts.push(performance.now())
      const before = child
      try {
        if (!stopping.signal.aborted) return await start()
      } catch {
        // A new one did start, so its own end brings the next.
        if (child !== before) return
      }
    }
  }

  try {
    await start()
  } catch (failure) {
    stopping.abort()
    child?.kill('SIGKILL')
    throw failure
  }
  process.once('exit', killNow)
  let noting = Promise.resolve()
  const note = (): Promise<void> => (noting = noting.then(() => state.note(`http://127.0.0.1:${port}`)).catch(() => undefined))
  const notes = setInterval(() => void note(), NOTE_MS)
  notes.unref()

  return {
    get port() {
      return port
    },
    get url() {
      return `http://127.0.0.1:${port}`
    },
    pid: () => child.pid,
    async stop() {
      if (stopping.signal.aborted) return exited(child)
      stopping.abort()
      process.off('exit', killNow)
      clearInterval(notes)
      await relaunching
      await note()
      child.kill('SIGTERM')
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
      await exited(child)
      clearTimeout(timer)
      await rm(pidFile, { force: true })
    },
  }
}
