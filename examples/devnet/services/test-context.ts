/**
 * A handler context for the tests of this folder: blobs in memory, a signal that never aborts.
 */
import { createHash } from 'node:crypto'
import type { BlobRef, HandlerContext } from '../../../agents/provider/define.ts'
import { AigenError } from '../../../schemas/error.ts'

export interface TestContext extends HandlerContext {
  /** Puts bytes where `load` finds them. */
  put(bytes: Uint8Array, mediaType: string): BlobRef
}

export function testContext({ signal }: { signal?: AbortSignal | undefined } = {}): TestContext {
  const blobs = new Map<string, Uint8Array>()
  const put = (bytes: Uint8Array, mediaType: string): BlobRef => {
    const $blob = `sha256-${createHash('sha256').update(bytes).digest('hex')}`
    blobs.set($blob, bytes)
    return { $blob, size: bytes.length, mediaType }
  }
  return {
    signal: signal ?? new AbortController().signal,
    callId: 'test',
    unitPrice: 0n,
    put,
    emit: async () => undefined,
    store: (bytes, mediaType) => Promise.resolve(put(bytes, mediaType)),
    load(ref) {
      const bytes = blobs.get(ref.$blob)
      return bytes ? Promise.resolve(bytes) : Promise.reject(new AigenError('blob.missing'))
    },
  }
}
