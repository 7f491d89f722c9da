/**
 * What the checker has found so far: errors and warnings with path, place and hint. Used by
 * `check.ts` and its parts; bounded, so that a hostile document does not make a huge report.
 */
import { joinPath } from '../schemas/explain.ts'
import { nearest } from '../schemas/nearest.ts'
import type { Document, PlacedIssue } from './document.ts'

/** Most errors, and most warnings, of one report. */
export const FINDINGS_MAX = 200

const TEXT_MAX = 600

export type Path = readonly (string | number)[]

export class Findings {
  errors: PlacedIssue[] = []
  warnings: PlacedIssue[] = []
  readonly #place: Document['place']
  readonly #inside: Path

  constructor(place: Document['place'], inside: Path = []) {
    this.#place = place
    this.#inside = inside
  }

  /** Takes findings of what stands at `inside`, whose own paths begin there. */
  under(inside: Path): Findings {
    const below = new Findings(this.#place, [...this.#inside, ...inside])
    below.errors = this.errors
    below.warnings = this.warnings
    return below
  }

  /** `letter` is an offset in the string at `path`. */
  error(path: Path, message: string, hint?: string, letter?: number): void {
    if (this.errors.length < FINDINGS_MAX) this.errors.push(this.#issue(path, message, hint, letter))
  }

  warn(path: Path, message: string, hint?: string, letter?: number): void {
    if (this.warnings.length < FINDINGS_MAX) this.warnings.push(this.#issue(path, message, hint, letter))
  }

  #issue(path: Path, message: string, hint: string | undefined, letter: number | undefined): PlacedIssue {
    return this.#place({ path: pathText([...this.#inside, ...path]), message: clipped(message), ...(hint === undefined ? {} : { hint: clipped(hint) }) }, letter)
  }
}

/** What a stranger named in a message can be as long as the document. */
const clipped = (text: string): string => (text.length > TEXT_MAX ? `${text.slice(0, TEXT_MAX)}…` : text)

/** A path as people read it. @example pathText(['steps', 'rows', 'needs', 0]) // 'steps.rows.needs[0]' */
export function pathText(path: Path): string {
  return path.reduce<string>((text, key) => joinPath(text, key), '')
}

/** "Did you mean …?", or what there is, or nothing. */
export function didYouMean(name: string, known: readonly string[], around: (name: string) => string = (found) => found): string | undefined {
  const found = nearest(name, known)
  if (found !== undefined) return `Did you mean ${around(found)}?`
  return known.length > 0 && known.length <= 12 ? `There is ${known.map(around).join(', ')}.` : undefined
}
