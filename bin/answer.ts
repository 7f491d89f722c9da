/**
 * A run's answer: its blobs become files, its text is printed. Blobs come from the user's own shelf,
 * where each was checked against its hash when it arrived.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isBlobRef } from '../runtime/identity/parcel.ts'
import type { Blobs } from '../runtime/ports/blobs.ts'
import { endingOf } from './media-type.ts'
import type { Colours } from './output.ts'

export interface SavedFile {
  /** Where it stands in the answer, like `chart` or `pages[2].image`. */
  readonly path: string
  readonly file: string
  readonly mediaType: string
  readonly size: number
}

/** Writes every blob of `output` into `folder`, which is made when there is one. */
export async function saveBlobs(output: unknown, folder: string, blobs: Blobs): Promise<SavedFile[]> {
  const saved: SavedFile[] = []
  const visit = async (value: unknown, path: string): Promise<void> => {
    if (isBlobRef(value)) {
      const bytes = await blobs.get(value.$blob)
      if (!bytes) return
      await mkdir(folder, { recursive: true, mode: 0o700 })
      // names come from the pipeline document: nothing in them may lead out of the folder
      const name = path.replace(/[^A-Za-z0-9_-]+/g, '-').replace(/^-+|-+$/g, '').slice(0, 100) || 'answer'
      const file = join(folder, `${name}${endingOf(value.mediaType)}`)
      await writeFile(file, bytes)
      saved.push({ path, file, mediaType: value.mediaType, size: bytes.length })
    } else if (Array.isArray(value)) {
      for (const [index, item] of value.entries()) await visit(item, `${path}[${index}]`)
    } else if (typeof value === 'object' && value !== null) {
      for (const [key, item] of Object.entries(value)) await visit(item, path === '' ? key : `${path}.${key}`)
    }
  }
  await visit(output, '')
  return saved
}

/** The answer for people: texts as they are, the rest as JSON, blobs by the file they were written to. */
export function answerText(output: unknown, files: readonly SavedFile[], ink: Colours): string {
  const lines: string[] = []
  const fields = typeof output === 'object' && output !== null && !Array.isArray(output) && !isBlobRef(output) ? Object.entries(output) : [['answer', output] as const]
  for (const [name, value] of fields) {
    if (isBlobRef(value)) continue
    const text = typeof value === 'string' ? value : JSON.stringify(value, null, 1).replace(/\n\s*/g, ' ')
    lines.push(`${ink.bold(name)}: ${text.length > 4_000 ? `${text.slice(0, 4_000)}…` : text}`)
  }
  for (const { path, file, mediaType, size } of files) lines.push(`${ink.bold(path || 'answer')}: ${file} ${ink.dim(`(${mediaType}, ${size} bytes)`)}`)
  return lines.join('\n')
}
