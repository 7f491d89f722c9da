/**
 * Blobs: values too large for a message or a record (DESIGN, Wire).
 *
 * Two shelves behind one shape. The *own* shelf keeps a participant's large inputs and outputs
 * once, by content hash; the *transfer* shelf holds ciphertext under a random id for the other
 * side to fetch. Implemented by `runtime/nats` and `runtime/memory`; both pass `blobs.contract.ts`.
 */
export interface Blobs {
  /**
   * Stores `data` under `key` ([A-Za-z0-9_-]+); storing the same key again is a no-op.
   * Error `blob.quota` when the shelf is full, `blob.too-large` above `maxBytes`.
   */
  put(key: string, data: Uint8Array): Promise<void>
  /** The bytes, or `undefined` where there are none. `shelf` names another participant's shelf. */
  get(key: string, shelf?: string): Promise<Uint8Array | undefined>
  readonly maxBytes: number
}

/** The own shelf, as its participant has it: what is not needed any more can be given up. */
export interface OwnBlobs extends Blobs {
  /** Keys that begin with `prefix`, in no order. */
  keys(prefix: string): AsyncIterable<string>
  /** Gives up a blob; no error when there is none. */
  drop(key: string): Promise<void>
}

/** Keys are parts of subjects: letters, digits, `_` and `-`, at most 128. */
export function validBlobKey(key: string): boolean {
  return /^[A-Za-z0-9_-]{1,128}$/.test(key)
}
