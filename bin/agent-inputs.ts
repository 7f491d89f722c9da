/**
 * `--input k=v` and `k=@file` words of `aigen agent run`, where no pipeline says yet what they are:
 * JSON is taken as such, anything else as text; a file is text or JSON where it reads so, else a blob.
 */
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { blobRef } from '../runtime/identity/parcel.ts'
import { AigenError } from '../schemas/error.ts'
import { mediaTypeOf } from './media-type.ts'

/** Larger texts travel as blobs. */
const TEXT_MAX = 32 * 1024
const NAME = /^[A-Za-z][A-Za-z0-9_]{0,63}$/

export interface AgentInputs {
  readonly inputs: Readonly<Record<string, unknown>>
  readonly blobs: readonly { readonly bytes: Uint8Array; readonly mediaType: string }[]
}

/** Errors `usage.invalid`: no `=`, no name, a name twice, a file that cannot be read. */
export async function readAgentInputs(words: readonly string[], cwd: string): Promise<AgentInputs> {
  const inputs: Record<string, unknown> = {}
  const blobs: { bytes: Uint8Array; mediaType: string }[] = []
  for (const word of words) {
    const equals = word.indexOf('=')
    const name = word.slice(0, Math.max(0, equals))
    if (!NAME.test(name)) throw new AigenError('usage.invalid', `--input ${JSON.stringify(word.slice(0, 60))}: expected name=value; a name has letters, digits and _.`)
    if (Object.hasOwn(inputs, name)) throw new AigenError('usage.invalid', `--input ${name} is given twice.`)
    const text = word.slice(equals + 1)
    if (!text.startsWith('@') || text.startsWith('@@')) {
      inputs[name] = parsed(text.startsWith('@@') ? text.slice(1) : text)
      continue
    }
    const file = text.slice(1)
    const bytes = await readFile(resolve(cwd, file)).catch((cause: NodeJS.ErrnoException) => {
      throw new AigenError('usage.invalid', `--input ${name}: ${file} cannot be read (${cause.code}).`, { cause, path: `input.${name}` })
    })
    const mediaType = mediaTypeOf(file, bytes)
    if (bytes.length <= TEXT_MAX && /^text\/|^application\/json$/.test(mediaType)) {
      const content = new TextDecoder().decode(bytes)
      inputs[name] = mediaType === 'application/json' ? parsed(content) : content
    } else {
      blobs.push({ bytes, mediaType })
      inputs[name] = blobRef(bytes, mediaType)
    }
  }
  return { inputs, blobs }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
