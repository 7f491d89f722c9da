/**
 * A process of a benchmark's other side: started with what it is told, asked for its processor
 * time and for work, ended with its parent. The channel between both is its lifeline. Used by
 * `floor`, `paid-step` and `durable`; the programs are `responder`, `seller` and the `*-worker`s.
 */
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const START_MS = 60_000
const STOP_MS = 8_000
const CPU_MS = 5_000

export type Program = 'responder' | 'seller' | 'floor-worker' | 'aigen-worker' | 'restate-worker' | 'dbos-worker'

export interface Child {
  readonly pid: number
  /** Milliseconds of processor time since it started. */
  cpuMs(): Promise<number>
  /** What the child's `work` answers; rejects with its error, when it ended, and after `timeoutMs`. */
  work<Answer>(told: object, timeoutMs: number): Promise<Answer>
  stop(): Promise<void>
}

/** How an opened child works and closes. */
export interface Opened {
  work?(told: any): Promise<unknown>
  close(): Promise<void>
}

type Said = { readonly type: string; readonly ms?: number; readonly answer?: unknown; readonly error?: string }

/** Starts `program` (a module beside this file) and resolves when it says that it is ready. */
export async function startChild(program: Program, told: object): Promise<Child> {
  const ending = import.meta.url.endsWith('.ts') ? '.ts' : '.js'
  const child = fork(fileURLToPath(new URL(`./${program}${ending}`, import.meta.url)), [], {
    execArgv: process.env['BENCH_CHILD_PROF'] === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${process.env['BENCH_CHILD_PROF']}`],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const hear = (type: string, ms: number): Promise<Said> => new Promise((resolve, reject) => {
    const end = (settle: () => void): void => {
      clearTimeout(timer)
      child.off('message', listen)
      child.off('exit', ended)
      settle()
    }
    const ended = (): void => end(() => reject(new Error(`${program} ended`)))
    const listen = (message: Said): void => {
      if (message.type === type) end(() => (message.error === undefined ? resolve(message) : reject(new Error(`${program}: ${message.error}`))))
    }
    const timer = setTimeout(() => end(() => reject(new Error(`${program} did not say ${type} in ${ms} ms`))), ms)
    child.on('message', listen)
    child.once('exit', ended)
  })
  const ready = hear('ready', START_MS)
  child.send({ type: 'start', told })
  const stop = async (): Promise<void> => {
    if (child.connected) child.disconnect()
    const hard = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
    await gone
    clearTimeout(hard)
  }
  try {
    await ready
  } catch (error) {
    await stop()
    throw error
  }
  return {
    pid: child.pid!,
    cpuMs: async () => {
      const answer = hear('cpu', CPU_MS)
      child.send({ type: 'cpu' })
      return (await answer).ms!
    },
    work: async <Answer>(work: object, timeoutMs: number) => {
      const answer = hear('done', timeoutMs)
      child.send({ type: 'work', told: work })
      return (await answer).answer as Answer
    },
    stop,
  }
}

/** The child's end: `open` gets what it was told and comes back with how to work and how to close. */
export function runChild<Told>(open: (told: Told) => Promise<Opened>): void {
  let opened: Opened | undefined
  const hear = async (message: { type: 'start' | 'work' | 'cpu'; told?: unknown }): Promise<Said> => {
    if (message.type === 'cpu') return { type: 'cpu', ms: ownCpuMs() }
    if (message.type === 'work') {
      return opened!.work!(message.told).then((answer) => ({ type: 'done', answer }), (error: Error) => ({ type: 'done', error: error.stack ?? error.message }))
    }
    opened = await open(message.told as Told)
    return { type: 'ready' }
  }
  process.on('message', (message: { type: 'start' | 'work' | 'cpu'; told?: unknown }) => void hear(message).then((said) => process.send?.(said), fail))
  process.once('disconnect', () => {
    // A parent that was killed has taken the server along, and what closes would wait for that.
    setTimeout(() => process.exit(1), STOP_MS)
    void (opened?.close() ?? Promise.resolve()).catch(fail).finally(() => process.exit())
  })
}

/** Processor time of this process in ms, all its threads. */
export function ownCpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1_000
}

function fail(error: Error): void {
  process.stderr.write(`${error.stack ?? error.message}\n`)
  process.exit(1)
}
