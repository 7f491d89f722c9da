/**
 * Where things lie on this machine: the package's own files, the state of networks that run here,
 * a participant's folder in it. Used by every command.
 */
import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { isAbsolute, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { AigenError } from '../schemas/error.ts'

/** The package's root, whether this file runs from source or from dist/. */
export const ROOT = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? '../' : '../../', import.meta.url))

/** The command line's file, for child processes. */
export const PROGRAM = join(ROOT, 'bin', 'aigen.js')

/** Who one is without --as. */
export const DEFAULT_NAME = 'you'

/** The folder of --data; by default AIGEN_DATA, else `aigen/dev` in the user's state folder (XDG). */
export function dataFolder(given?: string): string {
  const named = given ?? process.env['AIGEN_DATA']
  if (named) return resolve(named)
  const state = process.env['XDG_STATE_HOME']
  return join(state !== undefined && isAbsolute(state) ? state : join(homedir(), '.local', 'state'), 'aigen', 'dev')
}

/** A participant's folder: keys, lock, receipts. Error `usage.invalid` for a name that is no file name. */
export function homeOf(data: string, name: string = DEFAULT_NAME): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/.test(name)) throw new AigenError('usage.invalid', `--as ${JSON.stringify(name)}: letters, digits, _ and - only.`)
  return join(data, 'participants', name)
}

/** The compiled file of a module: Node 20 runs no TypeScript, the package's own sources lie in dist/. */
export function moduleFile(given: string, cwd: string): string {
  const path = resolve(cwd, given)
  if (!existsSync(path)) throw new AigenError('usage.invalid', `There is no file ${given}.`)
  if (!path.endsWith('.ts')) return path
  const built = join(ROOT, 'dist', path.slice(ROOT.length).replace(/\.ts$/, '.js'))
  if (path.startsWith(ROOT) && existsSync(built)) return built
  throw new AigenError('usage.invalid', `${given} is TypeScript, which Node ${process.versions.node} does not run: compile it and give the .js file.`)
}
