/** Items of a forEach as bills, actors and displays name them. */

/** Id of one item of a forEach, as bills and actors name it. @example itemId('rows', 3) // 'rows[3]' */
export function itemId(step: string, index: number): string {
  return `${step}[${index}]`
}

/** Step and index of an id; index null for a step without forEach. */
export function parseItemId(id: string): { step: string; index: number | null } {
  const match = /^([^[]+)\[([0-9]+)\]$/.exec(id)
  return match ? { step: match[1]!, index: Number(match[2]) } : { step: id, index: null }
}
