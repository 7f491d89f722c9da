/**
 * Where the command line speaks: results on stdout, progress and logs on stderr; with --json one
 * object a line on stdout and nothing else there. Colour and live tables only on a terminal.
 */
import { createColors } from 'picocolors'
import type { AigenError, Issue } from '../schemas/error.ts'

export interface Streams {
  readonly stdout: NodeJS.WriteStream
  readonly stderr: NodeJS.WriteStream
}

export type Colours = ReturnType<typeof createColors>

export interface Output {
  readonly json: boolean
  readonly streams: Streams
  /** Colours of stdout and of stderr; they change nothing where there is no terminal. */
  readonly ink: Colours
  readonly inkErr: Colours
  /** Whether stderr is a terminal that can be redrawn. */
  readonly live: boolean
  /** A line of the result, for people; nothing with --json. */
  print(line: string): void
  /** A line of the result, for programs; nothing without --json. */
  emit(value: object): void
  /** Progress. */
  say(line: string): void
}

/** What streams of tests and of processes have in common. */
export function createOutput(json: boolean, streams: Streams): Output {
  const colour = (stream: NodeJS.WriteStream): boolean =>
    process.env['NO_COLOR'] === undefined && (stream.isTTY || process.env['FORCE_COLOR'] !== undefined) && process.env['TERM'] !== 'dumb'
  return {
    json, streams,
    ink: createColors(!json && colour(streams.stdout)),
    inkErr: createColors(colour(streams.stderr)),
    live: !json && streams.stderr.isTTY && process.env['TERM'] !== 'dumb' && process.env['CI'] === undefined,
    print: (line) => void (json || streams.stdout.write(`${line}\n`)),
    emit: (value) => void (json && streams.stdout.write(`${JSON.stringify(value)}\n`)),
    say: (line) => void streams.stderr.write(`${line}\n`),
  }
}

/** An issue with its place: `12:7 steps.read.with.image: there is no … Did you mean …?` */
export function issueText(issue: Issue & { line?: number; column?: number }): string {
  const place = issue.line === undefined ? '' : `${issue.line}:${issue.column ?? 1} `
  return `${place}${issue.path}${issue.path === '' ? '' : ': '}${issue.message}${issue.hint === undefined ? '' : `. ${issue.hint}`}`
}

/** Says an error of the table: what, each place, what to do about it. With --json also as an object. */
export function reportError(error: AigenError, output: Output): void {
  const { inkErr } = output
  const [what] = error.issues.length > 0 ? [error.rule.says] : [error.message]
  output.say(`${inkErr.red('error')} ${what} ${inkErr.dim(`(${error.code})`)}`)
  for (const issue of error.issues) output.say(`  ${issueText(issue)}`)
  output.say(`  ${error.rule.hint}`)
  output.emit({ type: 'error', error: error.toJSON() })
}
