/**
 * Blobs over JetStream (DESIGN, Wire): a blob is chunks of at most 128 KB and, written last, a
 * manifest, so that half a blob is no blob. Two shelves: the participant's own, on its journal
 * account, and its transfer shelf on the network, which others read by direct get when they know the
 * key. Each subject is written once; a full shelf refuses.
 */
import { jetstreamManager } from '@nats-io/jetstream'
import { AigenError } from '../../schemas/error.ts'
import { validBlobKey } from '../ports/blobs.ts'
import { validParticipant } from '../ports/network-permissions.ts'
import { checkOpen } from './connection.ts'
import { lastOf } from './direct-get.ts'
import { apiCode, natsError } from './nats-error.ts'
import { ensureStream, FILE_STREAM, shelfStream, WRITE_ONCE } from './network-streams.ts'
import type { Blobs, OwnBlobs } from '../ports/blobs.ts'
import type { Connection } from './connection.ts'

const CHUNK_BYTES = 128 * 1024
/** Chunks under way at once, in either direction. */
const WINDOW = 8
const WRITE_MS = 10_000
const MAX_BYTES = 64 * 2 ** 20
const QUOTA = 1024 * 2 ** 20

const NO_MESSAGE = 10037
/** JetStream's refusals of a full stream, and of a second message on a subject. */
const FULL = /maximum (bytes|messages) exceeded/
const WRITTEN = /maximum messages per subject exceeded/

interface Stored { readonly data: Uint8Array }
interface Shelf { readonly subject: (key: string) => string; readonly find: (subject: string) => Promise<Stored | undefined> }

/**
 * The participant's own shelf, made when it is not there.
 *
 * @param journal the participant's journal connection
 * @param options `quota` bytes in all (1 GB), `maxBytes` per blob (64 MB)
 */
export async function ownBlobs(journal: Connection, options: { readonly quota?: number; readonly maxBytes?: number } = {}): Promise<OwnBlobs> {
  const { namespace } = journal.credentials
  const stream = namespace === undefined ? 'BLOBS' : `BLOBS_${namespace}`
  const prefix = namespace === undefined ? 'blob' : `blob.${namespace}`
  const jsm = await jetstreamManager(journal.nc, { checkAPI: false })
  await ensureStream(jsm, {
    ...FILE_STREAM, ...WRITE_ONCE, name: stream, subjects: [`${prefix}.*.*`], max_bytes: options.quota ?? QUOTA, max_msg_size: 2 ** 18,
    num_replicas: journal.credentials.replicas ?? 1,
  })
  /** From the stream's leader: another copy may lag behind, and miss what was just stored. */
  const stored = async (subject: string): Promise<Stored | undefined> => {
    try {
      return await jsm.streams.getMessage(stream, { last_by_subj: subject }) ?? undefined
    } catch (thrown) {
      if (apiCode(thrown) === NO_MESSAGE) return undefined
      throw natsError(thrown, subject)
    }
  }
  const replicated = (journal.credentials.replicas ?? 1) > 1
  const own: Shelf = {
    subject: (key) => `${prefix}.${key}`,
    find: async (subject) => (await lastOf(journal, stream, subject)) ?? (replicated ? await stored(subject) : undefined),
  }
  const manifests = `${prefix}.*.m`
  const manage = async <T>(act: () => Promise<T>): Promise<T> => {
    checkOpen(journal)
    try {
      return await act()
    } catch (thrown) {
      throw natsError(thrown, stream)
    }
  }
  return {
    ...blobs(journal, () => own, options.maxBytes ?? MAX_BYTES),
    async *keys(start) {
      const { state } = await manage(() => jsm.streams.info(stream, { subjects_filter: manifests }))
      for (const subject of Object.keys(state.subjects ?? {})) {
        const key = subject.slice(prefix.length + 1, -2)
        if (key.startsWith(start)) yield key
      }
    },
    async drop(key) {
      check(journal, key)
      await manage(() => jsm.streams.purge(stream, { filter: `${own.subject(key)}.*` }))
    },
  }
}

/**
 * The participant's transfer shelf on the network, which the server made when it admitted it; `get`
 * with another participant's id reads that one's.
 *
 * @param network the participant's network connection
 */
export function natsBlobs(network: Connection, participant: string, options: { readonly maxBytes?: number } = {}): Blobs {
  return blobs(network, (shelf = participant) => {
    if (!validParticipant(shelf)) throw new AigenError('input.invalid', `shelf ${JSON.stringify(shelf)}`)
    return { subject: (key) => `aigen.v1.blob.${shelf}.${key}`, find: (subject) => lastOf(network, shelfStream(shelf), subject) }
  }, options.maxBytes ?? MAX_BYTES)
}

function blobs(connection: Connection, shelfOf: (shelf?: string) => Shelf, maxBytes: number): Blobs {
  return {
    maxBytes,
    async put(key, data) {
      check(connection, key)
      if (data.length > maxBytes) throw new AigenError('blob.too-large', `${data.length} bytes, at most ${maxBytes}`)
      const { subject, find } = shelfOf()
      if ((await find(`${subject(key)}.m`)) !== undefined) return
      const chunks = Math.ceil(data.length / CHUNK_BYTES)
      await inWindow(chunks, (n) => write(connection, `${subject(key)}.${n}`, data.subarray(n * CHUNK_BYTES, (n + 1) * CHUNK_BYTES)))
      await write(connection, `${subject(key)}.m`, new TextEncoder().encode(JSON.stringify({ size: data.length, chunk: CHUNK_BYTES })))
    },
    async get(key, shelf) {
      check(connection, key)
      const { subject, find } = shelfOf(shelf)
      const manifest = await absentAsNothing(find(`${subject(key)}.m`))
      if (manifest === undefined) return undefined
      const { size, chunk } = parseManifest(manifest.data, maxBytes)
      const out = new Uint8Array(size)
      let missing = false
      await inWindow(Math.ceil(size / chunk), async (n) => {
        const part = await find(`${subject(key)}.${n}`)
        if (part === undefined) missing = true
        else if (part.data.length !== Math.min(chunk, size - n * chunk)) throw new AigenError('blob.corrupt', `chunk ${n} of ${key}`)
        else out.set(part.data, n * chunk)
      })
      // the oldest chunks of a shelf expire first, the manifest last
      return missing ? undefined : out
    },
  }
}

/** Stores one message; one that is there already stays as it is. */
async function write(connection: Connection, subject: string, data: Uint8Array): Promise<void> {
  let answer: { seq?: unknown; error?: { description?: string } }
  try {
    answer = (await connection.nc.request(subject, data, { timeout: WRITE_MS })).json()
  } catch (thrown) {
    throw natsError(thrown, subject)
  }
  if (answer.error === undefined) return
  const description = answer.error.description ?? ''
  if (WRITTEN.test(description)) return
  if (FULL.test(description)) throw new AigenError('blob.quota')
  throw new AigenError('internal', `${subject}: ${description}`)
}

/** A stranger wrote this: sizes are checked before anything is made of that size (I8). */
function parseManifest(data: Uint8Array, maxBytes: number): { size: number; chunk: number } {
  try {
    const { size, chunk } = JSON.parse(new TextDecoder().decode(data)) as { size: number; chunk: number }
    const sound = Number.isSafeInteger(size) && size >= 0 && Number.isSafeInteger(chunk) && chunk >= 1_024 && chunk <= 2 ** 18
    if (sound && size <= maxBytes) return { size, chunk }
    if (sound) throw new AigenError('blob.too-large', `${size} bytes, at most ${maxBytes}`)
  } catch (thrown) {
    if (thrown instanceof AigenError) throw thrown
  }
  throw new AigenError('blob.corrupt', 'manifest')
}

async function absentAsNothing<T>(found: Promise<T | undefined>): Promise<T | undefined> {
  try {
    return await found
  } catch (thrown) {
    // there is no such shelf
    if (thrown instanceof AigenError && thrown.code === 'network.no-responders') return undefined
    throw thrown
  }
}

async function inWindow(count: number, work: (n: number) => Promise<void>): Promise<void> {
  let n = 0
  const worker = async (): Promise<void> => { while (n < count) await work(n++) }
  await Promise.all(Array.from({ length: Math.min(WINDOW, count) }, worker))
}

function check(connection: Connection, key: string): void {
  checkOpen(connection)
  if (!validBlobKey(key)) throw new AigenError('input.invalid', `blob key ${JSON.stringify(key)}`)
}
