/**
 * The server's process: started, waited for, started again on the same port when it dies, ended.
 * Its callers see one thing that runs until `stop`. Real timers: this is process-level glue.
 */
import { spawn } from 'node:child_process'
import { open, readFile } from 'node:fs/promises'
import { createServer, connect as connectTcp } from 'node:net'
import { AigenError } from '../../schemas/error.ts'
import { watch, writePid } from './orphan.ts'
import type { ChildProcess } from 'node:child_process'

const READY_MS = 20_000
const STOP_MS = 10_000
const POLL_MS = 15
const BACKOFF_MIN_MS = 50
const BACKOFF_MAX_MS = 5_000
/** Deaths in a row, each within `STEADY_MS` of its start, after which it is given up. */
const DEATHS_MAX = 8
const STEADY_MS = 10_000

export interface ProcessEvents {
  /** It died and is started again after `waitMs`. */
  died(reason: string, waitMs: number): void
  restarted(pid: number): void
  /** It died too often. */
  gaveUp(error: AigenError): void
}

export interface ProcessOptions {
  readonly binary: string
  readonly configFile: string
  readonly pidFile: string
  readonly logFile: string
  readonly port: number
  readonly events: ProcessEvents
}

export class ServerProcess {
  readonly #options: ProcessOptions
  #child: ChildProcess | undefined
  #watcher: ChildProcess | undefined
  #stopping = false
  #deaths = 0
  #startedAt = 0
  #retry: NodeJS.Timeout | undefined
  #onExit = (): void => { this.#child?.kill('SIGTERM') }

  constructor(options: ProcessOptions) {
    this.#options = options
  }

  get pid(): number {
    return this.#child?.pid ?? 0
  }

  /** Starts it and resolves when it takes connections. Error `nats.failed` with its last log line. */
  async start(): Promise<void> {
    process.on('exit', this.#onExit)
    try {
      await this.#launch()
    } catch (thrown) {
      await this.stop()
      throw thrown
    }
  }

  /** Makes it read its configuration again. */
  reload(): void {
    this.#child?.kill('SIGHUP')
  }

  /** Ends it and resolves when it is gone. */
  async stop(): Promise<void> {
    this.#stopping = true
    clearTimeout(this.#retry)
    process.off('exit', this.#onExit)
    const child = this.#child
    if (child !== undefined && child.exitCode === null && child.signalCode === null) {
      const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()))
      child.kill('SIGTERM')
      const hard = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
      await gone
      clearTimeout(hard)
    }
    this.#unwatch()
  }

  async #launch(): Promise<void> {
    const { binary, configFile, pidFile, logFile } = this.#options
    const output = await open(`${logFile}.start`, 'w', 0o600)
    // its own process group: Ctrl-C ends our node first, which then ends the server in order
    const child = spawn(binary, ['-c', configFile], { stdio: ['ignore', output.fd, output.fd], detached: true })
    await output.close()
    this.#child = child
    this.#startedAt = performance.now()
    const failed = new Promise<never>((_, reject) => child.once('error', (error) => reject(new AigenError('nats.failed', error.message, { cause: error }))))
    failed.catch(() => {})
    child.once('exit', (code, signal) => this.#exited(child, signal ?? `code ${code}`))
    if (child.pid === undefined) return failed
    await writePid(pidFile, child.pid)
    this.#unwatch()
    this.#watcher = watch(child.pid, configFile)
    await Promise.race([this.#ready(child), failed])
  }

  async #ready(child: ChildProcess): Promise<void> {
    for (let waited = 0; waited < READY_MS; waited += POLL_MS) {
      if (child.exitCode !== null || child.signalCode !== null) {
        throw new AigenError('nats.failed', await this.#lastWords())
      }
      if (await answers(this.#options.port)) return
      await new Promise((resolve) => setTimeout(resolve, POLL_MS))
    }
    throw new AigenError('nats.failed', `not ready after ${READY_MS / 1000} s. ${await this.#lastWords()}`)
  }

  #exited(child: ChildProcess, reason: string): void {
    if (this.#stopping || child !== this.#child) return
    this.#deaths = performance.now() - this.#startedAt > STEADY_MS ? 1 : this.#deaths + 1
    if (this.#deaths > DEATHS_MAX) {
      void this.#lastWords().then((words) => this.#options.events.gaveUp(new AigenError('nats.failed', `${reason}. ${words}`)))
      return
    }
    const waitMs = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** (this.#deaths - 1))
    this.#options.events.died(reason, waitMs)
    this.#retry = setTimeout(() => {
      // a failed start ends in `#exited` again, or in a process that runs and is not ready yet
      this.#launch().then(() => this.#options.events.restarted(this.pid), () => {})
    }, waitMs)
  }

  #unwatch(): void {
    this.#watcher?.kill('SIGKILL')
    this.#watcher = undefined
  }

  async #lastWords(): Promise<string> {
    const texts = await Promise.all([`${this.#options.logFile}.start`, this.#options.logFile].map((path) => readFile(path, 'utf8').catch(() => '')))
    return texts.join('\n').split('\n').findLast((line) => /\[(FTL|ERR)\]|nats-server:/.test(line))?.trim() ?? 'It said nothing.'
  }
}

/** Whether a NATS server greets on this port. */
function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connectTcp({ host: '127.0.0.1', port })
    const end = (up: boolean): void => { socket.destroy(); resolve(up) }
    socket.setTimeout(1_000, () => end(false))
    socket.once('error', () => end(false))
    socket.once('data', (data) => end(data.toString('latin1').startsWith('INFO ')))
  })
}

/** `wanted` when it is free on the loopback interface, else a port that is. */
export async function freePort(wanted?: number): Promise<number> {
  if (wanted !== undefined && wanted > 0 && (await bind(wanted)) !== undefined) return wanted
  const port = await bind(0)
  if (port === undefined) throw new AigenError('nats.failed', 'no port is free on the loopback interface')
  return port
}

function bind(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', () => resolve(undefined))
    probe.listen({ host: '127.0.0.1', port, exclusive: true }, () => {
      const address = probe.address()
      probe.close(() => resolve(typeof address === 'object' && address !== null ? address.port : undefined))
    })
  })
}
