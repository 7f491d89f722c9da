/**
 * The day that a written date names. Used by the entity providers.
 */
const MONTHS = ['january', 'february', 'march', 'april', 'may', 'june', 'july', 'august', 'september', 'october', 'november', 'december']

/**
 * The day like 2001-03-14, or null where the text names none or the day does not exist. All-figure
 * dates are read year first, or month first as in the United States.
 *
 * @example isoDay('14 March 2001') // '2001-03-14'
 */
export function isoDay(text: string): string | null {
  const flat = text.trim().toLowerCase().replaceAll(/(\d)(?:st|nd|rd|th)\b/g, '$1').replaceAll(/[\s,]+/g, ' ')
  const figures = /^(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})$/.exec(flat)
  if (figures) return day(Number(figures[1]), Number(figures[2]), Number(figures[3]))
  const american = /^(\d{1,2})[-/.](\d{1,2})[-/.](\d{4})$/.exec(flat)
  if (american) return day(Number(american[3]), Number(american[1]), Number(american[2]))
  const spoken = /(?:^| )(\d{1,2}) (?:of )?([a-z]+)\.? (\d{4})$/.exec(flat)
  if (spoken) return day(Number(spoken[3]), monthOf(spoken[2]!), Number(spoken[1]))
  const turned = /(?:^| )([a-z]+)\.? (\d{1,2}) (\d{4})$/.exec(flat)
  if (turned) return day(Number(turned[3]), monthOf(turned[1]!), Number(turned[2]))
  return null
}

function monthOf(name: string): number {
  return name.length < 3 ? 0 : MONTHS.findIndex((month) => month.startsWith(name)) + 1
}

function day(year: number, month: number, date: number): string | null {
  const time = new Date(Date.UTC(year, month - 1, date))
  const exists = time.getUTCFullYear() === year && time.getUTCMonth() === month - 1 && time.getUTCDate() === date
  return exists ? time.toISOString().slice(0, 10) : null
}
