/**
 * Worker threads that do one stranger's job at a time and are killed when it runs too long. Used by
 * the compute and chart providers. I5: every job ends, by its result, its deadline or its caller.
 *
 * A worker is kept warm for the next job and replaced after a kill or a crash. Its file answers
 * `{ job, input }` with `{ job, output }` or `{ job, error: { message, fault } }`.
 */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import type { ResourceLimits } from 'node:worker_threads'
import { AigenError } from '../../../schemas/error.ts'

export interface WorkshopOptions {
  /** Jobs at once; each has a thread of its own. */
  readonly workers: number
  /** Wall time of one job in milliseconds. */
  readonly deadlineMs: number
  readonly limits: ResourceLimits
}

/** What a worker file answers. A `caller` fault becomes `step.input`, any other `step.failed`. */
export type WorkerAnswer =
  | { readonly job: number; readonly output: unknown }
  | { readonly job: number; readonly error: { readonly message: string; readonly fault: 'caller' | 'provider' } }

/**
 * Where the compiled file of a worker lies. Node cannot run TypeScript in a thread, so when this
 * code itself runs from source (under vitest), it is the one that `tsc` put into dist/.
 *
 * @throws AigenError `internal` when dist/ has not been built
 */
export function workerFile(name: string, from: string): URL {
  const beside = new URL(`./${name}.js`, from)
  if (!from.endsWith('.ts')) return beside
  const built = new URL(`../../../dist/examples/devnet/services/${name}.js`, from)
  if (!existsSync(fileURLToPath(built))) throw new AigenError('internal', `${name} is not built: run npx tsc -p . first.`)
  return built
}

export class Workshop {
  readonly #file: URL
  readonly #options: WorkshopOptions
  readonly #idle: Worker[] = []
  #busy = 0
  #jobs = 0
  #closed = false

  constructor(file: URL, options: WorkshopOptions) {
    this.#file = file
    this.#options = options
  }

  /** Starts the workers, so that the first job does not pay for it. Resolves when all have loaded. */
  async open(): Promise<void> {
    const fresh = Array.from({ length: this.#options.workers }, () => this.#hire())
    await Promise.all(fresh.map((worker) => new Promise<void>((resolve, reject) => {
      worker.once('message', () => resolve())
      worker.once('error', reject)
    })))
    for (const worker of fresh) this.#rest(worker)
  }

  /** Ends every worker that has no job; a running job ends by its own deadline. */
  async close(): Promise<void> {
    this.#closed = true
    await Promise.all(this.#idle.splice(0).map((worker) => worker.terminate()))
  }

  /**
   * The output of one job.
   *
   * @throws AigenError `node.busy` when all threads work, `step.timeout` past the deadline,
   *   `step.cancelled` when the signal aborts, else what the worker answered
   */
  async run(input: unknown, signal: AbortSignal): Promise<unknown> {
    if (this.#busy >= this.#options.workers || this.#closed) throw new AigenError('node.busy')
    if (signal.aborted) throw new AigenError('step.cancelled')
    this.#busy += 1
    this.#jobs += 1
    const job = this.#jobs
    const worker = this.#idle.pop() ?? this.#hire()
    quiet(worker)
    try {
      const output = await this.#wait(worker, job, input, signal)
      this.#rest(worker)
      return output
    } catch (thrown) {
      if (thrown instanceof AigenError && thrown.code === 'step.input') this.#rest(worker)
      else await worker.terminate()
      throw thrown
    } finally {
      this.#busy -= 1
    }
  }

  #wait(worker: Worker, job: number, input: unknown, signal: AbortSignal): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const { deadlineMs } = this.#options
      const timer = setTimeout(() => end(() => reject(new AigenError('step.timeout', `It ran for ${deadlineMs} ms.`))), deadlineMs)
      const cancel = (): void => end(() => reject(new AigenError('step.cancelled')))
      const end = (settle: () => void): void => {
        clearTimeout(timer)
        signal.removeEventListener('abort', cancel)
        quiet(worker)
        worker.on('error', () => {}) // a dying worker's last words must not end the provider
        settle()
      }
      signal.addEventListener('abort', cancel, { once: true })
      worker.on('message', (answer: WorkerAnswer | { ready: true }) => {
        if (!('job' in answer) || answer.job !== job) return
        if ('output' in answer) end(() => resolve(answer.output))
        else end(() => reject(new AigenError(answer.error.fault === 'caller' ? 'step.input' : 'step.failed', answer.error.message)))
      })
      worker.on('error', (cause) => end(() => reject(crashed(cause))))
      worker.on('exit', () => end(() => reject(new AigenError('step.failed', 'The worker ended.'))))
      worker.postMessage({ job, input })
    })
  }

  #hire(): Worker {
    return new Worker(this.#file, { resourceLimits: this.#options.limits, env: {}, execArgv: [] })
  }

  /** Keeps a worker for the next job; one that dies idle is forgotten. */
  #rest(worker: Worker): void {
    quiet(worker)
    if (this.#closed) {
      void worker.terminate()
      return
    }
    const forget = (): void => {
      const at = this.#idle.indexOf(worker)
      if (at >= 0) this.#idle.splice(at, 1)
    }
    worker.on('error', forget)
    worker.on('exit', forget)
    this.#idle.push(worker)
  }
}

/** Takes our listeners off; without names Node's own would go too, and with them the messages. */
function quiet(worker: Worker): void {
  for (const name of ['message', 'error', 'exit']) worker.removeAllListeners(name)
}

/** Running out of memory is the program's doing, so the caller's; anything else is ours. */
function crashed(cause: unknown): AigenError {
  const code = (cause as { code?: string }).code
  if (code === 'ERR_WORKER_OUT_OF_MEMORY') return new AigenError('step.input', 'It needs more memory than is allowed.', { cause })
  return new AigenError('step.failed', 'The worker crashed.', { cause })
}
