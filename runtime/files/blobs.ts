/**
 * The own shelf of a light node (port `blobs.ts`): a file per blob, written aside, fsynced and renamed,
 * so that half a blob is no blob. Private to its participant. Used by `runtime/node`.
 */
import { randomUUID } from 'node:crypto'
import { access, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { AigenError } from '../../schemas/error.ts'
import { validBlobKey, type OwnBlobs } from '../ports/blobs.ts'
import { syncFolder } from './sync.ts'

const MAX_BYTES = 64 * 2 ** 20
const QUOTA = 1024 * 2 ** 20
const DRAFT = '.draft'

/** The shelf in `folder`. `quota` bytes in all (1 GB), `maxBytes` per blob (64 MB). */
export async function fileBlobs(folder: string, options: { readonly quota?: number; readonly maxBytes?: number } = {}): Promise<OwnBlobs> {
  const { quota = QUOTA, maxBytes = MAX_BYTES } = options
  await mkdir(folder, { recursive: true, mode: 0o700 })
  let used = 0
  for (const name of await readdir(folder)) {
    if (name.endsWith(DRAFT)) await rm(join(folder, name), { force: true })
    else used += (await stat(join(folder, name))).size
  }
  const pathOf = (key: string): string => {
    if (!validBlobKey(key)) throw new AigenError('input.invalid', `blob key ${JSON.stringify(key)}`)
    return join(folder, key)
  }
  return {
    maxBytes,
    async put(key, data) {
      const path = pathOf(key)
      if (data.length > maxBytes) throw new AigenError('blob.too-large', `${data.length} bytes, at most ${maxBytes}`)
      if (await isThere(path)) return
      if (used + data.length > quota) throw new AigenError('blob.quota', `${quota} bytes`)
      used += data.length
      const draft = join(folder, `${randomUUID()}${DRAFT}`)
      try {
        await write(draft, data)
        await rename(draft, path)
        await syncFolder(folder)
      } catch (cause) {
        used -= data.length
        await rm(draft, { force: true })
        if ((cause as NodeJS.ErrnoException).code === 'ENOSPC') throw new AigenError('blob.quota', 'the disk is full', { cause })
        throw cause
      }
    },
    async get(key, shelf) {
      const path = pathOf(key)
      if (shelf !== undefined) return undefined
      try {
        return new Uint8Array(await readFile(path))
      } catch (thrown) {
        if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return undefined
        throw thrown
      }
    },
    async *keys(prefix) {
      for (const name of await readdir(folder)) if (name.startsWith(prefix) && !name.endsWith(DRAFT)) yield name
    },
    async drop(key) {
      const path = pathOf(key)
      const size = await stat(path).then((found) => found.size, () => undefined)
      if (size === undefined) return
      await rm(path, { force: true })
      used -= size
    },
  }
}

async function isThere(path: string): Promise<boolean> {
  return access(path).then(() => true, () => false)
}

async function write(path: string, data: Uint8Array): Promise<void> {
  const file = await open(path, 'wx', 0o600)
  try {
    await file.writeFile(data)
    await file.datasync()
  } finally {
    await file.close()
  }
}
