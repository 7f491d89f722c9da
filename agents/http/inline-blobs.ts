/**
 * Blobs inside JSON for clients without a node: `{"$data": "data:image/png;base64,…"}` stands for a
 * blob reference in a request; an answer names its blobs beside the output, so that the output
 * still has the hash that was signed. Used by the provider's door and the gateway's.
 */
import { AigenError } from '../../schemas/error.ts'
import type { Blobs } from '../../runtime/ports/blobs.ts'
import { blobRef, blobsIn } from '../../runtime/identity/parcel.ts'

const DATA_URL = /^data:([a-z0-9][a-z0-9!#$&^_.+-]*\/[a-z0-9][a-z0-9!#$&^_.+-]*);base64,([A-Za-z0-9+/]*={0,2})$/
const DEPTH_MAX = 64

/** The value with each `$data` kept on the shelf and named by reference. Error `input.invalid` with the path of one that is no data URL. */
export async function takeBlobs(value: unknown, shelf: Blobs, path = 'input', depth = 0): Promise<unknown> {
  if (typeof value !== 'object' || value === null) return value
  if (depth > DEPTH_MAX) throw new AigenError('input.too-deep', undefined, { path })
  if (Array.isArray(value)) return Promise.all(value.map((one, index) => takeBlobs(one, shelf, `${path}[${index}]`, depth + 1)))
  const keys = Object.keys(value)
  if (keys.length === 1 && keys[0] === '$data') {
    const url = (value as { $data: unknown }).$data
    const [, mediaType, base64] = (typeof url === 'string' && DATA_URL.exec(url)) || []
    if (mediaType === undefined || base64 === undefined) throw new AigenError('input.invalid', 'expected a data URL in base64, like data:image/png;base64,…', { path: `${path}.$data` })
    const bytes = Buffer.from(base64, 'base64')
    if (bytes.length > shelf.maxBytes) throw new AigenError('blob.too-large', `${bytes.length} bytes, at most ${shelf.maxBytes}`, { path })
    const ref = blobRef(bytes, mediaType)
    await shelf.put(ref.$blob, bytes)
    return ref
  }
  return Object.fromEntries(await Promise.all(Object.entries(value).map(async ([key, one]) => [key, await takeBlobs(one, shelf, `${path}.${key}`, depth + 1)])))
}

/** The blobs of an output as data URLs, by their hash. Error `blob.missing`. */
export async function showBlobs(output: unknown, shelf: Blobs): Promise<Record<string, string>> {
  const shown: Record<string, string> = {}
  for (const { $blob, mediaType } of blobsIn(output)) {
    const bytes = await shelf.get($blob)
    if (!bytes) throw new AigenError('blob.missing', $blob)
    shown[$blob] = `data:${mediaType};base64,${Buffer.from(bytes).toString('base64')}`
  }
  return shown
}
