/**
 * `aigen init [NAME] [--provider]`: a folder with what one begins from, and how to go on. Never
 * overwrites: a folder that has something in it is refused.
 */
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { AigenError } from '../../schemas/error.ts'
import type { Output } from '../output.ts'
import { pipelineScaffold, providerScaffold } from '../scaffold.ts'

const NAME = /^[a-z][a-z0-9-]{0,62}$/

export interface InitOptions {
  /** A service provider instead of a pipeline alone. */
  readonly provider?: boolean
}

/** Errors: `usage.invalid` for a name that no pipeline can have, or a folder that is not empty. */
export async function init(given: string | undefined, { provider = false }: InitOptions, output: Output): Promise<boolean> {
  const name = given ?? (provider ? 'my-provider' : 'my-pipeline')
  if (!NAME.test(name)) throw new AigenError('usage.invalid', `${name} is no name of a pipeline or provider: lower-case letters, digits and dashes, like my-pipeline.`)
  const folder = resolve(process.cwd(), name)
  if (existsSync(folder) && readdirSync(folder).length > 0) throw new AigenError('usage.invalid', `${name} is there already, and not empty.`)
  mkdirSync(folder, { recursive: true })
  const files = provider ? providerScaffold(name) : pipelineScaffold(name)
  for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, file), text, { flag: 'wx' })
  const path = relative(process.cwd(), folder)
  output.emit({ type: 'init', folder, files: Object.keys(files) })
  output.print(`wrote ${Object.keys(files).map((file) => join(path, file)).join(', ')}`)
  output.print(`next: npx aigen ${provider ? 'provide' : 'check'} ${join(path, provider ? 'provider.mjs' : 'pipeline.json')}`)
  return true
}
