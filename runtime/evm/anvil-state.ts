/**
 * The saved state of anvil, and what its own saving leaves open: it writes its file in place, so a
 * kill can leave half of it, and it forgets its time offset, so that blocks would go back in time. A
 * copy of the file and the offset lie beside it. Used by `anvil.ts`.
 */
import { copyFile, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { AigenError } from '../../schemas/error.ts'

/** Between two copies; each is a whole file. */
const COPY_MS = 5_000
/** It answers in a millisecond, but a machine at work may leave it waiting. */
const ANSWER_MS = 15_000

interface Block {
  readonly number: number
  /** Seconds. */
  readonly time: number
}

export class AnvilState {
  readonly #file: string
  #copiedAt = -COPY_MS
  #copied = -1
  #seen = -1
  #offset = 0

  /** `file` is what anvil was given as `--state`. */
  constructor(file: string) {
    this.#file = file
  }

  /** Before a start: puts the copy in the place of a file that is torn, and reads the offset. */
  async mend(): Promise<void> {
    this.#offset = Number(await readFile(this.#beside('time'), 'utf8').catch(() => '0')) || 0
    if (await isWhole(this.#file) || !await isWhole(this.#beside('copy'))) return
    await copyFile(this.#beside('copy'), this.#file)
  }

  /** After a start: the time goes on from where it was, and never before the last block. */
  async resume(url: string): Promise<void> {
    const [latest, next] = [await block(url, 'latest'), await block(url, 'pending')]
    const ahead = Math.max(this.#offset, latest.time - next.time)
    if (ahead > 0) await increase(url, ahead)
  }

  /** Now and then while it runs: notes the offset, copies the state when it has changed. */
  async note(url: string): Promise<void> {
    const offset = await increase(url, 0)
    if (offset !== this.#offset) {
      this.#offset = offset
      await writeFile(this.#beside('time'), String(offset))
    }
    // What was there at the look before is in the file by now.
    const saved = this.#seen
    this.#seen = (await block(url, 'latest')).number
    if (saved === this.#copied || performance.now() - this.#copiedAt < COPY_MS) return
    if (await this.#copy()) [this.#copied, this.#copiedAt] = [saved, performance.now()]
  }

  /** Copies the file; false when it was being written meanwhile. */
  async #copy(): Promise<boolean> {
    const before = await stat(this.#file).catch(() => undefined)
    if (before === undefined) return false
    await copyFile(this.#file, this.#beside('copy.new'))
    const after = await stat(this.#file)
    if (after.mtimeMs !== before.mtimeMs || after.size !== before.size) {
      await rm(this.#beside('copy.new'), { force: true })
      return false
    }
    await rename(this.#beside('copy.new'), this.#beside('copy'))
    return true
  }

  #beside(what: string): string {
    return `${this.#file}.${what}`
  }
}

async function isWhole(file: string): Promise<boolean> {
  try {
    JSON.parse(await readFile(file, 'utf8'))
    return true
  } catch {
    return false
  }
}

async function block(url: string, tag: 'latest' | 'pending'): Promise<Block> {
  const { number, timestamp } = await rpc(url, 'eth_getBlockByNumber', [tag, false]) as { number: string, timestamp: string }
  return { number: Number(number), time: Number(timestamp) }
}

/** Adds `by` seconds to the offset; resolves with the whole of it. */
async function increase(url: string, by: number): Promise<number> {
  return Number(await rpc(url, 'evm_increaseTime', [by]))
}

/** Errors: `chain.unreachable`. */
async function rpc(url: string, method: string, params: readonly unknown[]): Promise<unknown> {
  try {
    const response = await fetch(url, {
      method: 'POST', headers: { 'content-type': 'application/json' }, signal: AbortSignal.timeout(ANSWER_MS),
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
    })
    const { result } = await response.json() as { result?: unknown }
    if (result !== undefined && result !== null) return result
  } catch (cause) {
    throw new AigenError('chain.unreachable', `anvil does not answer ${method}`, { cause })
  }
  throw new AigenError('chain.unreachable', `anvil refuses ${method}`)
}
