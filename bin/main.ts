/**
 * The command line's entry point: bin/aigen.js calls `main` with the arguments and exits with what
 * it returns (0 done, 1 the thing asked for failed, 2 wrong usage).
 */
import { AigenError } from '../schemas/error.ts'

/** Runs one command; the exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  const error = new AigenError('usage.invalid', `There is no command ${JSON.stringify(argv[0] ?? '')}.`)
  process.stderr.write(`${error.message} ${error.rule.hint}\n`)
  return 2
}
