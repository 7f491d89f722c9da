/**
 * Finds the document that a command names: a file, or a name from pipelines/library; and the
 * standard capabilities that documents are checked against where no network runs.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { DOCUMENT_MAX } from '../pipelines/document.ts'
import type { Capability } from '../schemas/documents.gen.ts'
import { AigenError } from '../schemas/error.ts'
import { nearest } from '../schemas/nearest.ts'
import { ROOT } from './places.ts'

const LIBRARY = join(ROOT, 'pipelines', 'library')

export interface PipelineFile {
  readonly path: string
  readonly text: string
}

/** The names of pipelines/library. */
export function libraryNames(): string[] {
  return readdirSync(LIBRARY).filter((name) => name.endsWith('.json')).map((name) => name.slice(0, -'.json'.length))
}

/** The text of PIPELINE. Errors `pipeline.unknown`, `input.too-large`. */
export function readPipelineFile(given: string, cwd: string): PipelineFile {
  const names = libraryNames()
  const path = names.includes(given) ? join(LIBRARY, `${given}.json`) : resolve(cwd, given)
  const stat = statSync(path, { throwIfNoEntry: false })
  if (!stat?.isFile()) {
    const meant = nearest(given, names)
    throw new AigenError('pipeline.unknown', `Found no file ${given}. ${meant ? `Did you mean ${meant}?` : `The library has ${names.join(', ')}.`}`)
  }
  // a character has at least one byte, at most four
  if (stat.size > DOCUMENT_MAX.characters * 4) throw new AigenError('input.too-large', `${given} has ${stat.size} bytes.`)
  return { path, text: readFileSync(path, 'utf8') }
}

/** The contracts in schemas/capabilities, by id. */
export function standardCapabilities(): Map<string, Capability> {
  const folder = join(ROOT, 'schemas', 'capabilities')
  const all = readdirSync(folder).filter((name) => name.endsWith('.json')).map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as Capability)
  return new Map(all.map((one) => [one.id, one]))
}
