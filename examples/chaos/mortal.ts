/**
 * A participant's process that may be killed: started again on its data whenever it dies, told the
 * same each time. The channel between both is its lifeline: a child whose parent is gone ends.
 * Used by `storm`; the programs are `worker` and `seller`.
 */
import { fork, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const RESTART_MS = 300
/** A start that failed, for instance while the chain is away, is tried again after this. */
const AGAIN_MS = 1_000
const STOP_MS = 40_000
/** Of what it says on stderr, the end is kept. */
const WORDS_MAX = 2_000

export interface MortalOptions {
  readonly name: string
  readonly program: 'worker' | 'seller'
  readonly told: object
  readonly hear?: (message: any) => void
  /** Told of each death that was not asked for, with its last words. */
  readonly onDeath?: (why: string) => void
}

export class Mortal {
  readonly name: string
  /** Resolves when it was ready for the first time. */
  readonly ready: Promise<void>
  readonly #options: MortalOptions
  #child: ChildProcess | undefined
  #words = ''
  #up = false
  #stopping = false
  #retry: NodeJS.Timeout | undefined
  #isReady!: () => void

  constructor(options: MortalOptions) {
    this.#options = options
    this.name = options.name
    this.ready = new Promise((resolve) => {
      this.#isReady = resolve
    })
    this.#start()
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  /** Asks it to end in order, and ends it when it does not; resolves with whether it ended by itself. */
  async stop(): Promise<boolean> {
    this.#stopping = true
    clearTimeout(this.#retry)
    const child = this.#child
    if (!child || child.exitCode !== null || child.signalCode !== null) return false
    const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()))
    if (child.connected) child.disconnect()
    const hard = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
    await gone
    clearTimeout(hard)
    return child.signalCode === null
  }

  #start(): void {
    const { program, told, hear } = this.#options
    const child = fork(fileURLToPath(new URL(`./${program}.js`, import.meta.url)), [], { execArgv: [], stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
    this.#child = child
    this.#up = false
    this.#words = ''
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#words = (this.#words + text).slice(-WORDS_MAX)
    })
    child.on('message', (message: { type: string }) => {
      if (message.type !== 'ready') return hear?.(message)
      this.#up = true
      this.#isReady()
    })
    child.on('error', () => undefined)
    child.once('exit', (code, signal) => this.#exited(child, signal ?? `code ${code}`))
    child.send({ type: 'start', told }, () => undefined)
  }

  #exited(child: ChildProcess, why: string): void {
    if (this.#stopping || child !== this.#child) return
    this.#options.onDeath?.(`${why}${this.#words.trim() === '' ? '' : `: ${this.#words.trim()}`}`)
    this.#retry = setTimeout(() => this.#start(), this.#up ? RESTART_MS : AGAIN_MS)
  }
}

/** The child's end: `open` gets what it was told and comes back with how to close. */
export function runMortal<Told>(open: (told: Told, say: (message: object) => void) => Promise<() => Promise<void>>): void {
  let close: (() => Promise<void>) | undefined
  const say = (message: object): void => void (process.connected && process.send?.(message))
  const fail = (error: Error): void => {
    process.stderr.write(`${error.stack ?? error.message}\n`)
    process.exit(1)
  }
  process.on('message', ({ told }: { told: Told }) => void open(told, say).then((how) => {
    close = how
    say({ type: 'ready' })
  }, fail))
  process.once('disconnect', () => void (close?.() ?? Promise.resolve()).catch(fail).finally(() => process.exit()))
}
