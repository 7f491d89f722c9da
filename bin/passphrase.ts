/**
 * The passphrase of an encrypted wallet: from AIGEN_PASSPHRASE_FILE, from AIGEN_PASSPHRASE, or typed
 * unseen at a terminal. Never from the command line, which every process of the machine can read.
 */
import { readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import { AigenError } from '../schemas/error.ts'

/** Longest that is read. */
const BYTES_MAX = 1_024

/** One that is there already. Error `keys.locked` where there is none and nobody can be asked. */
export async function askPassphrase(question = 'Passphrase of the wallet: '): Promise<string> {
  const given = await givenPassphrase()
  if (given !== undefined) return given
  if (!process.stdin.isTTY) throw new AigenError('keys.locked')
  return typed(question)
}

/** One for a new file, typed twice at a terminal. Errors: as `askPassphrase`; `usage.invalid` where the two differ. */
export async function newPassphrase(): Promise<string> {
  const given = await givenPassphrase()
  if (given !== undefined) return given
  const first = await askPassphrase('New passphrase: ')
  if ((await typed('The same again: ')) !== first) throw new AigenError('usage.invalid', 'The two passphrases differ.')
  return first
}

async function givenPassphrase(): Promise<string | undefined> {
  const file = process.env['AIGEN_PASSPHRASE_FILE']
  if (!file) return process.env['AIGEN_PASSPHRASE'] || undefined
  const text = await readFile(file, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new AigenError('keys.locked', `${file} cannot be read (${cause.code}).`, { cause })
  })
  if (text.length > BYTES_MAX) throw new AigenError('keys.locked', `${file} is no passphrase.`)
  // The line's end is not part of it.
  return text.replace(/\r?\n$/, '')
}

/** Reads a line from the terminal and shows nothing of it. */
export async function typed(question: string): Promise<string> {
  process.stderr.write(question)
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() })
  const terminal = createInterface({ input: process.stdin, output: silent, terminal: true })
  const interrupted = new AbortController()
  terminal.on('SIGINT', () => interrupted.abort())
  try {
    return await terminal.question('', { signal: interrupted.signal })
  } catch (cause) {
    throw new AigenError('keys.locked', 'No passphrase was typed.', { cause })
  } finally {
    terminal.close()
    process.stderr.write('\n')
  }
}
