/**
 * The probe book for the standard capabilities: small, ordinary calls whose right answers follow from
 * the input or from what the capability's own description promises. Cheap ones mostly; a page to read
 * costs its reader a second of work, and the plan draws dear probes less often.
 */
import { blobRef } from '../../runtime/identity/parcel.ts'
import { printPage } from './page.ts'
import type { Chance, ProbeBook, ProbeCase } from './probe-book.ts'

const PEOPLE = ['Robert Miller', 'Helen Marsh', 'Maria Lopez', 'David Cohen', 'Susan Clark', 'James Wilson']
const CITIES = ['Chicago', 'Boston', 'Seattle', 'Denver', 'Atlanta', 'Houston', 'Philadelphia', 'Miami']
const MONTHS = ['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September', 'October', 'November', 'December']
const VERBS = ['paid', 'received', 'was owed', 'spent', 'borrowed']

/** City and state of airports, as `airports` has them. */
const AIRPORTS: readonly (readonly [iata: string, city: string, state: string])[] = [
  ['ORD', 'Chicago', 'IL'], ['ATL', 'Atlanta', 'GA'], ['DEN', 'Denver', 'CO'], ['SEA', 'Seattle', 'WA'], ['BOS', 'Boston', 'MA'], ['MIA', 'Miami', 'FL'], ['PHX', 'Phoenix', 'AZ'],
  ['SFO', 'San Francisco', 'CA'], ['LAX', 'Los Angeles', 'CA'], ['PDX', 'Portland', 'OR'], ['MSY', 'New Orleans', 'LA'], ['SLC', 'Salt Lake City', 'UT'],
]
const WORDS = [
  'WATER', 'PAPER', 'HOUSE', 'MONEY', 'NIGHT', 'GREEN', 'TRAIN', 'BREAD', 'MUSIC', 'RIVER', 'STONE', 'LIGHT', 'TABLE', 'HORSE', 'WINTER', 'SUMMER', 'GARDEN', 'LETTER',
  'NUMBER', 'MARKET', 'BRIDGE', 'STREET', 'DOCTOR', 'FAMILY', 'ISLAND', 'SILVER', 'YELLOW', 'WINDOW', 'SCHOOL', 'FOREST', 'ORANGE', 'BUTTER',
]
/** Words on a page, a line each, and how many of them an honest reader may miss. */
const PAGE_WORDS = 5
const PAGE_MISSES = 1

function entities(chance: Chance): ProbeCase {
  const [person, city, verb] = [chance.pick(PEOPLE), chance.pick(CITIES), chance.pick(VERBS)]
  const [year, month, day] = [1990 + chance.below(30), chance.below(12), 1 + chance.below(28)]
  const amount = 1_000 + chance.below(900_000)
  const iso = `${year}-${String(month + 1).padStart(2, '0')}-${String(day).padStart(2, '0')}`
  const text = `On ${MONTHS[month]} ${day}, ${year}, ${person} ${verb} $${amount.toLocaleString('en-US')} in ${city}.`
  const names = (list: { name: string }[], wanted: string): boolean => list.some(({ name }) => name.includes(wanted))
  return {
    input: { text },
    right: (output) => output.dates.some((one: { iso: string | null }) => one.iso === iso) && output.money.some((one: { amount: number | null }) => one.amount === amount) && names(output.places, city),
  }
}

function compute(chance: Chance): ProbeCase {
  const list = Array.from({ length: 5 + chance.below(8) }, () => chance.below(1_000))
  const by = 2 + chance.below(7)
  const tasks: readonly (readonly [source: string, right: unknown])[] = [
    ['return input.list.filter((n) => n % input.by === 0).reduce((sum, n) => sum + n, 0)', list.filter((n) => n % by === 0).reduce((sum, n) => sum + n, 0)],
    ['return [...input.list].sort((a, b) => b - a)[0] * input.by', Math.max(...list) * by],
    ['return input.list.map((n) => (n * n) % 97).join("-")', list.map((n) => (n * n) % 97).join('-')],
    ['let h = 7; for (const n of input.list) h = (h * 31 + n + input.by) % 1000003; return h', list.reduce((hash, n) => (hash * 31 + n + by) % 1_000_003, 7)],
  ]
  const [source, wanted] = chance.pick(tasks)
  return { input: { source, input: { list, by } }, right: ({ result }) => result === wanted }
}

function query(chance: Chance): ProbeCase {
  const [iata, city, state] = chance.pick(AIRPORTS)
  const times = 2 + chance.below(50)
  const cases: readonly ProbeCase[] = [
    { input: { sql: 'SELECT city, state FROM airports WHERE iata = $1', params: [iata] }, right: ({ rows }) => rows.length === 1 && rows[0].city === city && rows[0].state === state },
    { input: { sql: `SELECT count(*) AS n FROM airports WHERE iata = $1 AND city = $2`, params: [iata, city] }, right: ({ rows }) => rows[0].n === 1 },
    { input: { sql: `SELECT count(*) * ${times} AS n FROM birdstrikes` }, right: ({ rows }) => rows[0].n === 10_000 * times },
    { input: { sql: `SELECT iata FROM airports WHERE city = $1 AND state = $2`, params: [city, state] }, right: ({ rows }) => rows.some((row: { iata: string }) => row.iata === iata) },
  ]
  return chance.pick(cases)
}

function page(chance: Chance): ProbeCase {
  const words = Array.from({ length: PAGE_WORDS }, () => chance.pick(WORDS))
  const bytes = printPage(words)
  return {
    input: { image: blobRef(bytes, 'image/png') }, blobs: [{ bytes, mediaType: 'image/png' }],
    right: ({ text }) => words.filter((word) => !text.toUpperCase().includes(word)).length <= PAGE_MISSES,
  }
}

export const STANDARD_BOOK: ProbeBook = {
  'text.entities@1': { units: 1, make: entities },
  'compute.run@1': { units: 1, make: compute },
  'data.query@1': { units: 1, make: query },
  'vision.ocr@1': { units: 1, make: page },
}
