/** Asks a yes-or-no question on the terminal. Anything but yes is no. */
import { createInterface } from 'node:readline/promises'

/** The answer; undefined when nobody can be asked (stdin is no terminal) or `signal` aborts first. */
export async function confirm(question: string, output: NodeJS.WriteStream, signal: AbortSignal): Promise<boolean | undefined> {
  if (!process.stdin.isTTY || signal.aborted) return undefined
  const terminal = createInterface({ input: process.stdin, output })
  // Ctrl-C is heard by the terminal here: it is handed on to whoever listens for it.
  terminal.on('SIGINT', () => process.emit('SIGINT', 'SIGINT'))
  try {
    return /^y(es)?$/i.test((await terminal.question(`${question} [y/N] `, { signal })).trim())
  } catch {
    return undefined
  } finally {
    terminal.close()
  }
}
