/**
 * A run as it happens: a table that is redrawn on a terminal, one line an end of a step elsewhere,
 * one object an event with --json. On stderr, but for the objects.
 */
import { stripVTControlCharacters } from 'node:util'
import Table from 'cli-table3'
import { createLogUpdate } from 'log-update'
import { BARE, seconds } from './bare-table.ts'
import type { Followed, StepRow, StepWord } from '../agents/user/follow.ts'
import type { Colours, Output } from './output.ts'

const REDRAW_MS = 100
/** Rows shown at once; of a longer pipeline those that have begun and not ended come first. */
const ROWS_MAX = 30
const ESCAPE = String.fromCharCode(27)
/** What colours a text: kept, and not counted, when a line is cut. */
const COLOUR = new RegExp(`(${ESCAPE}\\[[0-9;]*m)`)
const ENDED: ReadonlySet<StepWord> = new Set(['done', 'skipped', 'failed', 'cancelled'])

export interface Shown {
  /** From here on it can be drawn. */
  begin(followed: Followed): void
  /** A row changed. */
  row(row: StepRow): void
  /** Draws the last state and leaves it standing. */
  end(): void
}

/** Shows a run until `end`. */
export function showRun(run: string, title: string, output: Output): Shown {
  if (output.json) return { begin: () => {}, row: (row) => output.emit({ type: 'step', run, ...row }), end: () => {} }
  if (!output.live) return { begin: () => {}, row: (row) => plainLine(row, output), end: () => {} }
  const draw = createLogUpdate(output.streams.stderr)
  let followed: Followed | undefined
  const paint = (): void => {
    if (followed) draw(tableText(title, followed, output.inkErr, output.streams.stderr.columns || 100))
  }
  const timer = setInterval(paint, REDRAW_MS)
  timer.unref()
  return {
    begin: (from) => {
      followed = from
    },
    row: () => {},
    end: () => {
      clearInterval(timer)
      paint()
      draw.done()
    },
  }
}

function plainLine(row: StepRow, output: Output): void {
  if (row.state === 'working' && row.agreed !== undefined) output.say(`${row.step}: ${row.provider} for ${row.agreed} (asked ${row.asked})`)
  else if (row.state === 'retrying') output.say(`${row.step}: ${row.why}; looking elsewhere`)
  else if (ENDED.has(row.state)) {
    const paid = row.charged === undefined ? '' : `, ${row.charged} paid`
    output.say(`${row.step}: ${row.state}${paid}${row.ms === undefined ? '' : `, ${seconds(row.ms)}`}${row.state === 'failed' && row.why ? `: ${row.why}` : ''}`)
  }
}

/** The table as it stands now. */
export function tableText(title: string, followed: Followed, ink: Colours, columns: number): string {
  const table = new Table({ head: ['step', 'provider', 'asked → agreed', 'paid', 'time', 'state'].map((text) => ink.dim(text)), chars: BARE, style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 }, colAligns: ['left', 'left', 'left', 'right', 'right', 'left'] })
  const all = followed.rows()
  const rows = all.length <= ROWS_MAX ? all : [...all.filter((row) => !ENDED.has(row.state) && row.state !== 'waiting'), ...all.filter((row) => ENDED.has(row.state)).slice(-ROWS_MAX)].slice(0, ROWS_MAX)
  for (const row of rows) {
    const began = followed.begun(row.step)
    const ms = row.ms ?? (began === undefined || ENDED.has(row.state) ? undefined : Date.now() - began)
    const items = row.items ? ` ${row.items.ended}/${row.items.of}` : ''
    table.push([
      row.step, row.provider ?? '', prices(row, ink), row.charged ?? '', ms === undefined ? '' : seconds(ms),
      `${stateText(row.state, ink)}${items}${againText(row, ink)}`,
    ])
  }
  const { state, spent } = followed.run()
  const hidden = all.length > rows.length ? ink.dim(`  … ${all.length} steps in all\n`) : ''
  const lines = `${table.toString()}\n${hidden}${ink.bold(`${title}: ${spent} spent`)}  ${ink.dim(state)}`
  return lines.split('\n').map((line) => cut(line, columns)).join('\n')
}

function prices(row: StepRow, ink: Colours): string {
  if (row.agreed !== undefined) return `${row.asked ?? ''} → ${row.agreed === row.asked ? row.agreed : ink.green(row.agreed)}`
  return row.asked === undefined ? '' : `${row.asked}${row.offers ? ink.dim(` (${row.offers} offer${row.offers === 1 ? '' : 's'})`) : ''}`
}

/** Whom it failed with before, while it goes on; only that it did, once it has ended. */
function againText(row: StepRow, ink: Colours): string {
  if (!row.failedAttempts) return ''
  return ENDED.has(row.state) ? ink.dim(` at attempt ${row.failedAttempts + 1}`) : ink.yellow(` again (${row.why})`)
}

function stateText(state: StepWord, ink: Colours): string {
  if (state === 'done') return ink.green(state)
  if (state === 'failed') return ink.red(state)
  if (state === 'retrying') return ink.yellow(state)
  return state === 'waiting' || state === 'skipped' || state === 'cancelled' ? ink.dim(state) : ink.cyan(state)
}

/** A line no wider than the terminal: a wrapped line would leave traces when it is redrawn. */
function cut(line: string, columns: number): string {
  if (stripVTControlCharacters(line).length <= columns) return line
  let width = 0
  let text = ''
  for (const part of line.split(COLOUR)) {
    if (part.startsWith(ESCAPE)) text += part
    else {
      text += part.slice(0, Math.max(0, columns - 1 - width))
      width += part.length
    }
  }
  return `${text}…`
}
