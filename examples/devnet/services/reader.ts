/**
 * A page reader: tesseract.js with one of its English models, from local files only. Used by both
 * OCR providers. The engine cannot be interrupted, so a call that is cancelled or late costs the
 * worker, and the next call starts another.
 */
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { OEM, createWorker } from 'tesseract.js'
import type { Worker, WorkerParams } from 'tesseract.js'
import { AigenError } from '../../../schemas/error.ts'

export type Model = '4.0.0' | '4.0.0_best_int'

export interface Reading {
  readonly text: string
  /** Mean over the words, 0 to 100. */
  readonly confidence: number
  readonly words: number
  readonly doubtful: readonly string[]
}

const DOUBTFUL_BELOW = 60
const DOUBTFUL_MAX = 100
const TEXT_MAX = 100_000

export class PageReader {
  readonly #model: Model
  readonly #parameters: Partial<WorkerParams>
  #worker: Promise<Worker> | undefined

  constructor(model: Model, parameters: Partial<WorkerParams>) {
    this.#model = model
    this.#parameters = parameters
  }

  async start(): Promise<void> {
    await this.#ready()
  }

  async stop(): Promise<void> {
    const worker = this.#worker
    this.#worker = undefined
    if (worker) await (await worker).terminate()
  }

  /** @throws AigenError `step.input` for bytes the engine cannot decode, `step.cancelled` when aborted */
  async read(bytes: Uint8Array, signal: AbortSignal): Promise<Reading> {
    if (signal.aborted) throw new AigenError('step.cancelled')
    const worker = await this.#ready()
    if (signal.aborted) throw new AigenError('step.cancelled') // while the engine loaded
    let cancel = (): void => {}
    const aborted = new Promise<never>((_resolve, reject) => {
      cancel = () => {
        void this.stop()
        reject(new AigenError('step.cancelled'))
      }
      signal.addEventListener('abort', cancel, { once: true })
    })
    try {
      const { data } = await Promise.race([worker.recognize(Buffer.from(bytes), {}, { text: true, blocks: true }), aborted])
      const words = (data.blocks ?? []).flatMap((block) => block.paragraphs).flatMap((part) => part.lines).flatMap((line) => line.words)
      return {
        text: data.text.slice(0, TEXT_MAX),
        confidence: data.confidence,
        words: words.length,
        doubtful: words.filter((word) => word.confidence < DOUBTFUL_BELOW).slice(0, DOUBTFUL_MAX).map((word) => word.text.slice(0, 200)),
      }
    } catch (thrown) {
      if (thrown instanceof AigenError) throw thrown
      await this.stop() // an engine that failed on one picture may be broken for the next
      throw new AigenError('step.input', 'The image cannot be read.', { path: 'image', cause: thrown })
    } finally {
      signal.removeEventListener('abort', cancel)
    }
  }

  #ready(): Promise<Worker> {
    this.#worker ??= open(this.#model, this.#parameters).catch((thrown: unknown) => {
      this.#worker = undefined
      throw thrown
    })
    return this.#worker
  }
}

async function open(model: Model, parameters: Partial<WorkerParams>): Promise<Worker> {
  const data = dirname(createRequire(import.meta.url).resolve('@tesseract.js-data/eng/package.json'))
  const worker = await createWorker('eng', OEM.LSTM_ONLY, {
    langPath: join(data, model),
    cacheMethod: 'none',
    gzip: true,
    errorHandler: () => {}, // every failure also rejects the call; without a handler it would end the process
  })
  await worker.setParameters(parameters)
  return worker
}
