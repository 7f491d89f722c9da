/** What the tables of the command line have in common: no lines, and times in seconds. */
/** A table without lines. */
export const BARE = {
  top: '', 'top-mid': '', 'top-left': '', 'top-right': '', bottom: '', 'bottom-mid': '', 'bottom-left': '', 'bottom-right': '',
  left: '', 'left-mid': '', mid: '', 'mid-mid': '', right: '', 'right-mid': '', middle: '  ',
}

/** @example seconds(1234) // '1.2 s' */
export const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`

const UNITS = [['d', 86_400_000], ['h', 3_600_000], ['min', 60_000]] as const

/** A long time in its largest unit. @example lasting(5_400_000) // '1.5 h' */
export function lasting(ms: number): string {
  const found = UNITS.find(([, unit]) => ms >= unit)
  return found ? `${Math.round((ms / found[1]) * 10) / 10} ${found[0]}` : seconds(ms)
}
