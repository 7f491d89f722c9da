/**
 * Parcels: how a blob travels between two participants (DESIGN, Wire). The sender lays ciphertext on
 * its own shelf under a random name; the name and the key go inside the sealed message. The receiver
 * checks size and hash against the blob reference, so a shelf that lies is noticed before any use.
 * ChaCha20-Poly1305 (RFC 8439) under a key that is used once, hence the zero nonce.
 */
import { createCipheriv, createDecipheriv } from 'node:crypto'
import { hashOfBytes } from '../../schemas/canonical.ts'
import type { BlobRef, Parcel } from '../../schemas/documents.gen.ts'
import { AigenError } from '../../schemas/error.ts'
import type { Blobs } from '../ports/blobs.ts'
import type { Random } from '../ports/random.ts'
import { fromText, toText } from './text-bytes.ts'

const ALGORITHM = 'chacha20-poly1305'
const NONCE = Buffer.alloc(12)
const TAG_BYTES = 16
/** Blobs one message may name. */
const BLOBS_MAX = 64

/** The blob reference of `bytes`. */
export function blobRef(bytes: Uint8Array, mediaType: string): BlobRef {
  return { $blob: hashOfBytes(bytes), size: bytes.length, mediaType }
}

/** Whether a value is a blob reference. */
export function isBlobRef(value: unknown): value is BlobRef {
  return typeof value === 'object' && value !== null && typeof (value as { $blob?: unknown }).$blob === 'string'
}

/** Every blob reference in a JSON value, each blob once. Error `input.too-large` above 64. */
export function blobsIn(value: unknown): BlobRef[] {
  const found = new Map<string, BlobRef>()
  const open: unknown[] = [value]
  while (open.length > 0) {
    const one = open.pop()
    if (typeof one !== 'object' || one === null) continue
    if (isBlobRef(one)) found.set(one.$blob, one)
    else open.push(...Object.values(one))
  }
  if (found.size > BLOBS_MAX) throw new AigenError('input.too-large', `${found.size} blobs in one message, at most ${BLOBS_MAX}`)
  return [...found.values()]
}

/** Lays `bytes` on the sender's transfer shelf; what comes back belongs inside a sealed message. Errors `blob.*`. */
export async function sendParcel(shelf: Blobs, owner: `0x${string}`, bytes: Uint8Array, random: Random): Promise<Parcel> {
  const secret = random.bytes(32)
  // an id begins with a letter or digit, which random base64url does not always
  const key = `p${toText(random.bytes(16))}`
  const cipher = createCipheriv(ALGORITHM, secret, NONCE, { authTagLength: TAG_BYTES })
  const sealed = Buffer.concat([cipher.update(bytes), cipher.final(), cipher.getAuthTag()])
  await shelf.put(key, sealed)
  return { blob: hashOfBytes(bytes), shelf: owner, key, secret: toText(secret) }
}

/**
 * The plaintext of `ref`.
 *
 * - `blob.missing`: no parcel names it, or its ciphertext is not there (any more).
 * - `blob.corrupt`: it does not open, or has another size or hash than the reference says.
 */
export async function receiveParcel(shelf: Blobs, ref: BlobRef, parcels: readonly Parcel[]): Promise<Uint8Array> {
  const parcel = parcels.find((one) => one.blob === ref.$blob)
  if (!parcel) throw new AigenError('blob.missing', `no parcel for ${ref.$blob}`)
  if (ref.size > shelf.maxBytes) throw new AigenError('blob.too-large', `${ref.size} bytes, at most ${shelf.maxBytes}`)
  const sealed = await shelf.get(parcel.key, parcel.shelf)
  if (!sealed) throw new AigenError('blob.missing', `${ref.$blob} is not on the sender's shelf`)
  const secret = fromText(parcel.secret, 32)
  if (!secret || sealed.length !== ref.size + TAG_BYTES) throw new AigenError('blob.corrupt', `${ref.$blob} has another size`)
  const decipher = createDecipheriv(ALGORITHM, secret, NONCE, { authTagLength: TAG_BYTES })
  decipher.setAuthTag(sealed.subarray(ref.size))
  let bytes: Buffer
  try {
    bytes = Buffer.concat([decipher.update(sealed.subarray(0, ref.size)), decipher.final()])
  } catch (cause) {
    throw new AigenError('blob.corrupt', `${ref.$blob} does not open`, { cause })
  }
  if (hashOfBytes(bytes) !== ref.$blob) throw new AigenError('blob.corrupt', `${ref.$blob} has another hash`)
  return bytes
}
