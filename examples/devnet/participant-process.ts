/**
 * One participant of the devnet as a child process: started, taken in, started again with growing
 * pauses when it dies, stopped. The channel between both is its lifeline: a child whose parent is
 * gone, however it went, sees it close and stops by itself.
 */
import { fork, type ChildProcess } from 'node:child_process'
import { AigenError, asError } from '../../schemas/error.ts'
import { participantId, type ParticipantId } from '../../schemas/id.ts'
import type { Connections } from '../../runtime/node/connect.ts'

/** Longer than a payer waits for a provider that is gone: the market replaces it, then it comes back. */
const BACKOFF_MIN_MS = 6_000
const BACKOFF_MAX_MS = 30_000
/** A child that lived this long has a clean record again. */
const STEADY_MS = 30_000
/** Deaths in a row after which it is given up. */
const DEATHS_MAX = 6
const STOP_MS = 8_000
/** Of what a child says on stderr, the end is kept to tell why it ended. */
const WORDS_MAX = 600

export interface ParticipantProcessOptions {
  readonly name: string
  /** As people call it, for the log. */
  readonly role: string
  /** The command line's file and its arguments. */
  readonly program: string
  readonly args: readonly string[]
  /** Takes the participant in, once the network is there. */
  readonly admit: (participant: ParticipantId) => Promise<Connections>
  readonly say: (line: string) => void
}

/** What a child tells. */
export type ChildMessage = { readonly type: 'admit'; readonly participant: string } | { readonly type: 'live'; readonly does?: string }

export class ParticipantProcess {
  readonly name: string
  readonly role: string
  /** Resolves when its card is out for the first time; rejects when it is given up before. */
  readonly live: Promise<void>
  participant: ParticipantId | undefined
  /** What it does, in its own words. */
  does = ''
  readonly #options: ParticipantProcessOptions
  #child: ChildProcess | undefined
  #startedAt = 0
  #deaths = 0
  #lastWords = ''
  #stopping = false
  #retry: NodeJS.Timeout | undefined
  #isLive!: () => void
  #isLost!: (error: AigenError) => void

  constructor(options: ParticipantProcessOptions) {
    this.#options = options
    this.name = options.name
    this.role = options.role
    this.live = new Promise((resolve, reject) => {
      this.#isLive = resolve
      this.#isLost = reject
    })
    this.live.catch(() => undefined)
    this.#start()
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  /** Asks it to stop, and ends it when it does not; resolves when it is gone. */
  async stop(): Promise<void> {
    this.#stopping = true
    clearTimeout(this.#retry)
    const child = this.#child
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()))
    if (child.connected) child.disconnect()
    else child.kill('SIGTERM')
    const hard = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
    await gone
    clearTimeout(hard)
  }

  #start(): void {
    const { program, args, say } = this.#options
    const child = fork(program, [...args], {
      env: { ...process.env, AIGEN_NO_SETUP: '1' }, execArgv: [], stdio: ['ignore', 'ignore', 'pipe', 'ipc'], serialization: 'json',
    })
    this.#child = child
    this.#startedAt = performance.now()
    this.#lastWords = ''
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#lastWords = (this.#lastWords + text).slice(-WORDS_MAX)
    })
    child.on('message', (message) => void this.#heard(child, message as ChildMessage))
    child.on('error', (error) => say(`${this.role} ${this.name}: ${error.message}`))
    child.once('exit', (code, signal) => this.#exited(child, signal ?? `code ${code}`))
  }

  async #heard(child: ChildProcess, message: ChildMessage): Promise<void> {
    if (message.type === 'live') {
      this.does = message.does ?? ''
      this.#isLive()
      return
    }
    try {
      this.participant = participantId(message.participant)
      const connections = await this.#options.admit(this.participant)
      if (child.connected) child.send({ type: 'admitted', connections })
    } catch (thrown) {
      if (child.connected) child.send({ type: 'refused', error: asError(thrown).toJSON() })
    }
  }

  #exited(child: ChildProcess, reason: string): void {
    if (this.#stopping || child !== this.#child) return
    this.#deaths = performance.now() - this.#startedAt > STEADY_MS ? 1 : this.#deaths + 1
    const words = this.#lastWords.trim().replaceAll(/\s*\n\s*/g, ' ')
    const why = `${this.role} ${this.name} ended (${reason})${words === '' ? '' : `: ${words}`}`
    if (this.#deaths > DEATHS_MAX) {
      this.#options.say(`${why}; it is given up`)
      this.#isLost(new AigenError('step.failed', why))
      return
    }
    const waitMs = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** (this.#deaths - 1))
    this.#options.say(`${why}; started again in ${waitMs} ms`)
    this.#retry = setTimeout(() => this.#start(), waitMs)
  }
}
