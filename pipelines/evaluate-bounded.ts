/**
 * Evaluates what has no static cost bound in worker threads that are killed when they take too long
 * or too much memory (D8). The host runs it as an effect and journals the `Evaluation`, time-out
 * included. Hostile expressions cannot stall the host: its own thread only waits.
 *
 * The deadline is real time on purpose: it guards this process, not the run. That is why the result
 * is journaled and never computed again in a replay. Where the machine is so busy that the whole
 * process did not get as much processor time, the thread did not either, and is given more.
 */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { AigenError } from '../schemas/error.ts'
import type { Context } from './expression.ts'
import type { Report, Task } from './expression.worker.ts'
import type { Evaluation } from './template.ts'

export interface BoundedOptions {
  /** Longest time of one evaluation, from when a loaded thread gets it (default 200 ms); up to ten times as long on a machine that is too busy. */
  readonly deadlineMs?: number
  /** Most that the process may grow by while one is evaluated (default 512 MB). */
  readonly memoryMb?: number
  /** Threads (default 2, so that one may be replaced while the other works); evaluations beyond them wait. */
  readonly threads?: number
  /** Evaluations that may wait (default 1,024); beyond them `node.busy`. */
  readonly waitingMax?: number
}

export interface BoundedEvaluator {
  /**
   * The value of `template` (as it stands in the document), or why there is none: an error, the
   * deadline or the memory. Errors: `node.busy` when too many wait, `internal` when threads cannot
   * start or the evaluator was closed.
   */
  evaluate(template: unknown, context: Context): Promise<Evaluation>
  /** Resolves when every thread has loaded its code: the first evaluation is then as fast as any. */
  warm(): Promise<void>
  /** Ends the threads; what still waits is rejected. Idempotent. */
  close(): Promise<void>
}

/** How many times the deadline an evaluation may take on a machine that gives this process no time. */
const STARVED_MAX = 10
/**
 * Heap of a thread, in MB: more than it can fill within the deadline. Where a single allocation goes past it by
 * more than 16 MB, V8 ends the whole process and not the thread (node's `Worker::NearHeapLimit`), so what
 * is used is measured from outside.
 */
const HEAP_MB = 8_192
/** Between two looks at the memory, in ms. */
const METER_MS = 5
const MB = 1_048_576
/** How long a thread may take to load its code. */
const START_MAX_MS = 10_000
/** Deaths in a row before a thread has loaded: then its code is broken, and starting again is no use. */
const START_FAILURES_MAX = 3

interface Waiting {
  readonly template: unknown
  readonly context: Context
  readonly resolve: (evaluation: Evaluation) => void
  readonly reject: (error: unknown) => void
}

/** Threads start at once, and a killed one is replaced at once. */
export function makeBoundedEvaluator(options: BoundedOptions = {}): BoundedEvaluator {
  const { deadlineMs = 200, memoryMb = 512, threads = 2, waitingMax = 1_024 } = options
  const file = workerFile()
  const queue: Waiting[] = []
  const ended = new Set<Promise<unknown>>()
  let closed = false

  const makeSlot = (): Slot => new Slot(file, { deadlineMs, memoryMb }, () => dispatch(), (ending) => {
    ended.add(ending)
    void ending.finally(() => ended.delete(ending))
  }, (slot) => {
    if (slots.some((other) => other.begun < slot.begun)) return false
    for (const other of slots) other.measureAnew()
    return true
  })
  const slots = Array.from({ length: threads }, makeSlot)

  function dispatch(): void {
    for (const slot of slots) {
      if (slot.broken) {
        for (const waiting of queue.splice(0)) waiting.reject(slot.broken)
        return
      }
      if (queue.length > 0 && slot.idle) slot.take(queue.shift()!)
    }
  }

  return {
    evaluate(template, context) {
      if (closed) return Promise.reject(new AigenError('internal', 'The evaluator is closed.'))
      if (queue.length >= waitingMax) return Promise.reject(new AigenError('node.busy', `${waitingMax} expressions wait.`))
      return new Promise((resolve, reject) => {
        queue.push({ template, context, resolve, reject })
        dispatch()
      })
    },
    async warm() {
      await Promise.all(slots.map((slot) => slot.loaded))
    },
    async close() {
      closed = true
      const error = new AigenError('internal', 'The evaluator is closed.')
      for (const waiting of queue.splice(0)) waiting.reject(error)
      for (const slot of slots) slot.close(error)
      await Promise.allSettled([...ended])
    },
  }
}

/** One thread and its successors. */
class Slot {
  /** When its evaluation began; later than any where it has none. */
  begun = Infinity
  loaded: Promise<void> = Promise.resolve()
  broken: AigenError | undefined
  #worker: Worker | undefined
  #ready = false
  #task: Waiting | undefined
  #number = 0
  #timer: NodeJS.Timeout | undefined
  #meter: NodeJS.Timeout | undefined
  /** Bytes that the process had when they began to count. */
  #before = 0
  #failures = 0
  readonly #file: URL
  readonly #limits: { deadlineMs: number; memoryMb: number }
  readonly #free: () => void
  readonly #ending: (ending: Promise<unknown>) => void
  readonly #blame: (slot: Slot) => boolean

  /** `blame` says whether it is this one that made the process grow: the one that has run longest, and the others start to count anew. */
  constructor(file: URL, limits: { deadlineMs: number; memoryMb: number }, free: () => void, ending: (ending: Promise<unknown>) => void, blame: (slot: Slot) => boolean) {
    this.#file = file
    this.#limits = limits
    this.#free = free
    this.#ending = ending
    this.#blame = blame
    this.#start()
  }

  get idle(): boolean {
    return this.#ready && this.#task === undefined
  }

  take(task: Waiting): void {
    this.#task = task
    const message: Task = { id: ++this.#number, template: task.template, context: task.context }
    this.#worker!.ref()
    this.begun = performance.now()
    this.#watch(this.#limits.deadlineMs, this.begun, process.cpuUsage())
    this.#measure()
    try {
      this.#worker!.postMessage(message)
    } catch (error) {
      this.#finish({ ok: false, reason: 'error', message: `the context cannot be sent: ${String(error)}` })
    }
  }

  /** Ends the evaluation in `ms`, unless this process had no deadline's worth of processor time since `begun`. */
  #watch(ms: number, begun: number, before: NodeJS.CpuUsage): void {
    const { deadlineMs } = this.#limits
    this.#timer = setTimeout(() => {
      const { user, system } = process.cpuUsage(before)
      const lacking = deadlineMs - (user + system) / 1_000
      const took = performance.now() - begun
      if (lacking >= 1 && took < STARVED_MAX * deadlineMs) this.#watch(lacking, begun, before)
      else this.#lose('timeout', `stopped after ${deadlineMs} ms`)
    }, ms)
  }

  measureAnew(): void {
    this.#before = process.memoryUsage.rss()
  }

  /** Ends the evaluation when the process has grown too much by it. */
  #measure(): void {
    const { memoryMb } = this.#limits
    this.measureAnew()
    this.#meter = setInterval(() => {
      if (process.memoryUsage.rss() - this.#before > memoryMb * MB && this.#blame(this)) this.#lose('memory', `needs more than ${memoryMb} MB`)
    }, METER_MS)
  }

  close(error: AigenError): void {
    this.#task?.reject(error)
    this.#task = undefined
    this.#stop()
  }

  #start(): void {
    this.loaded = new Promise((resolve, reject) => {
      const worker = new Worker(this.#file, {
        resourceLimits: { maxOldGenerationSizeMb: HEAP_MB, maxYoungGenerationSizeMb: 16, stackSizeMb: 4 },
        env: {}, execArgv: [], stdin: false, stdout: false, stderr: false,
      })
      this.#worker = worker
      this.#ready = false
      this.#timer = setTimeout(() => this.#notStarted(new Error(`not loaded after ${START_MAX_MS} ms`), reject), START_MAX_MS)
      worker.unref()
      worker.on('message', (report: Report) => {
        if (worker !== this.#worker) return
        if ('ready' in report) {
          clearTimeout(this.#timer)
          this.#ready = true
          this.#failures = 0
          resolve()
          this.#free()
        } else if (report.id === this.#number) this.#finish(report.evaluation)
      })
      worker.on('error', (error: Error & { code?: string }) => {
        if (worker !== this.#worker) return
        if (!this.#ready) return this.#notStarted(error, reject)
        const memory = error.code === 'ERR_WORKER_OUT_OF_MEMORY'
        this.#lose(memory ? 'memory' : 'error', memory ? `needs more than ${HEAP_MB} MB` : error.message)
      })
    })
    this.loaded.catch(() => undefined)
  }

  #notStarted(error: Error, reject: (error: AigenError) => void): void {
    if (++this.#failures >= START_FAILURES_MAX) {
      this.broken = new AigenError('internal', `Expression threads do not start: ${error.message}`, { cause: error })
      reject(this.broken)
    }
    this.#lose('error', error.message)
  }

  /** The thread is gone or has to go: the task gets its outcome, and a new thread takes its place. */
  #lose(reason: 'timeout' | 'memory' | 'error', message: string): void {
    const task = this.#task
    this.#task = undefined
    this.#stop()
    task?.resolve({ ok: false, reason, message })
    if (this.broken) this.#free()
    else this.#start()
  }

  #finish(evaluation: Evaluation): void {
    clearTimeout(this.#timer)
    clearInterval(this.#meter)
    this.begun = Infinity
    const task = this.#task
    this.#task = undefined
    this.#worker?.unref()
    task?.resolve(evaluation)
    this.#free()
  }

  #stop(): void {
    clearTimeout(this.#timer)
    clearInterval(this.#meter)
    this.begun = Infinity
    const worker = this.#worker
    this.#worker = undefined
    this.#ready = false
    if (worker) this.#ending(worker.terminate())
  }
}

/** The compiled thread: beside this file in dist/, and in dist/ when this file runs from source. */
function workerFile(): URL {
  const source = import.meta.url.endsWith('.ts')
  const file = new URL(source ? '../dist/pipelines/expression.worker.js' : './expression.worker.js', import.meta.url)
  if (!existsSync(fileURLToPath(file))) {
    throw new AigenError('internal', 'The expression thread is not compiled: run npm run build.')
  }
  return file
}
