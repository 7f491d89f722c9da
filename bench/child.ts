/**
 * A process of a benchmark's other side: started with what it is told, asked for its processor
 * time, ended with its parent. The channel between both is its lifeline. Used by `floor` and
 * `paid-step`; the programs are `responder` and `seller`.
 */
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const START_MS = 30_000
const STOP_MS = 8_000

export interface Child {
  readonly pid: number
  /** Milliseconds of processor time since it started. */
  cpuMs(): Promise<number>
  stop(): Promise<void>
}

/** Starts `program` (a module beside this file) and resolves when it says that it is ready. */
export async function startChild(program: 'responder' | 'seller', told: object): Promise<Child> {
  const ending = import.meta.url.endsWith('.ts') ? '.ts' : '.js'
  const child = fork(fileURLToPath(new URL(`./${program}${ending}`, import.meta.url)), [], {
    execArgv: process.env['BENCH_CHILD_PROF'] === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${process.env['BENCH_CHILD_PROF']}`],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const hear = (type: string, ms: number): Promise<any> => new Promise((resolve, reject) => {
    const end = (settle: () => void): void => {
      clearTimeout(timer)
      child.off('message', listen)
      child.off('exit', ended)
      settle()
    }
    const ended = (): void => end(() => reject(new Error(`${program} ended`)))
    const listen = (message: { type: string }): void => {
      if (message.type === type) end(() => resolve(message))
    }
    const timer = setTimeout(() => end(() => reject(new Error(`${program} did not say ${type}`))), ms)
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
      const answer = hear('cpu', 5_000)
      child.send({ type: 'cpu' })
      return ((await answer) as { ms: number }).ms
    },
    stop,
  }
}

/** The child's end: `open` gets what it was told and comes back with how to close. */
export function runChild<Told>(open: (told: Told) => Promise<() => Promise<void>>): void {
  let close: (() => Promise<void>) | undefined
  process.on('message', (message: { type: 'start'; told: Told } | { type: 'cpu' }) => {
    if (message.type === 'cpu') process.send?.({ type: 'cpu', ms: ownCpuMs() })
    else void open(message.told).then((how) => { close = how; process.send?.({ type: 'ready' }) }, fail)
  })
  process.once('disconnect', () => void (close?.() ?? Promise.resolve()).catch(fail).finally(() => process.exit()))
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
