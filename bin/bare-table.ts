/** What the tables of the command line have in common: no lines, and times in seconds. */
/** A table without lines. */
export const BARE = {
  top: '', 'top-mid': '', 'top-left': '', 'top-right': '', bottom: '', 'bottom-mid': '', 'bottom-left': '', 'bottom-right': '',
  left: '', 'left-mid': '', mid: '', 'mid-mid': '', right: '', 'right-mid': '', middle: '  ',
}

/** @example seconds(1234) // '1.2 s' */
export const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`
