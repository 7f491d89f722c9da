/**
 * Blobs in memory: shelves by name, each with its quota (DESIGN D10). Several participants over the
 * same shelves read each other's, and each writes its own only.
 */
import { AigenError } from '../../schemas/error.ts'
import { validBlobKey } from '../ports/blobs.ts'
import type { OwnBlobs } from '../ports/blobs.ts'

/** Shelf name → key → bytes. */
export type MemoryShelves = Map<string, Map<string, Uint8Array>>

export interface MemoryBlobsOptions {
  /** The shelves of the whole network; a map of their own when absent. */
  readonly shelves?: MemoryShelves
  /** The shelf written to. */
  readonly shelf?: string
  /** Largest blob in bytes (default 64 MB). */
  readonly maxBytes?: number
  /** Bytes the shelf holds (default 256 MB). */
  readonly quota?: number
  /** Fault injection: runs before each operation and may throw. */
  readonly before?: (operation: 'put' | 'get' | 'keys' | 'drop', key: string) => Promise<void> | void
}

/** A shelf of blobs in memory. */
export function memoryBlobs(options: MemoryBlobsOptions = {}): OwnBlobs {
  const { shelves = new Map() as MemoryShelves, shelf: own = 'own', maxBytes = 64 * 2 ** 20, quota = 256 * 2 ** 20 } = options
  return {
    maxBytes,
    async put(key, data) {
      if (!validBlobKey(key)) throw new AigenError('input.invalid', `blob key ${JSON.stringify(key)}`)
      await options.before?.('put', key)
      if (data.length > maxBytes) throw new AigenError('blob.too-large', `${data.length} bytes, at most ${maxBytes}`)
      const shelf = shelves.get(own) ?? new Map<string, Uint8Array>()
      shelves.set(own, shelf)
      if (shelf.has(key)) return
      let used = data.length
      for (const blob of shelf.values()) used += blob.length
      if (used > quota) throw new AigenError('blob.quota', `${quota} bytes`)
      shelf.set(key, new Uint8Array(data))
    },
    async get(key, shelf = own) {
      if (!validBlobKey(key)) throw new AigenError('input.invalid', `blob key ${JSON.stringify(key)}`)
      await options.before?.('get', key)
      return shelves.get(shelf)?.get(key)?.slice()
    },
    async *keys(prefix) {
      await options.before?.('keys', prefix)
      yield* [...shelves.get(own)?.keys() ?? []].filter((key) => key.startsWith(prefix))
    },
    async drop(key) {
      if (!validBlobKey(key)) throw new AigenError('input.invalid', `blob key ${JSON.stringify(key)}`)
      await options.before?.('drop', key)
      shelves.get(own)?.delete(key)
    },
  }
}
