/**
 * Subscriptions as their provider checks them: a class of passes registered once, until when a caller
 * holds one, and how much of today's quota it has used. Used by the desk; a call under a
 * pass costs nothing and is otherwise a call like any other, its receipt included (I3).
 *
 * The chain is asked at most once a minute for each caller, and never waited for long: while it does
 * not answer, the last word counts until its own expiry, and who is not known pays as they go.
 */
import type { Hex32, Offer, Terms } from '../../schemas/documents.gen.ts'
import { AigenError } from '../../schemas/error.ts'
import { parseMoney } from '../../schemas/money.ts'
import { validate } from '../../schemas/validate.ts'
import type { NodeParts } from '../../runtime/node/node.ts'
import { writeThrough } from '../../runtime/payments/write.ts'
import { encodeWrite } from '../../runtime/ports/rail-json.ts'
import type { PassDefinition, ProviderDefinition } from './define.ts'
import { dayOf, type Entries, type Usage } from './usage.ts'

const LOOK_MS = 60_000
/** How long a quote waits for the chain; payers wait little longer for quotes. */
const WAIT_MS = 800
const HOLDERS_MAX = 10_000
/** Looks at the chain under way at once; wallets cost nothing, so strangers could ask for any number. */
const LOOKS_MAX = 64
const DAY_S = 86_400
/** Most periods that a pass may be bought ahead. */
const AHEAD = 12
const DAYS_MAX = 366

export interface PassDesk {
  /** Registers the classes that are new. Error `input.invalid` where a number was taken with other terms; `chain.*`. */
  register(): Promise<void>
  /** What the card says of a capability's passes. */
  offer(capability: string): Offer['pass']
  /** The pass by which the caller would be served now; undefined where it pays as it goes. */
  passOf(capability: string, caller: string): Promise<Hex32 | undefined>
  /** Checks that the pass which the terms name still counts. Error `market.expired`. */
  check(terms: Terms): Promise<void>
  /** The same of its quota, at once, so that it can be counted then. Error `market.expired`. */
  checkQuota(terms: Terms): void
}

/** The book in which calls under a pass are counted, of the day in which the quote expires: where it is in the journal. */
const bookOf = (capability: string, holder: string, at: number): { readonly book: string; readonly until: number } => {
  const { name, until } = dayOf(at)
  return { book: `pass ${name} ${capability} ${holder}`, until }
}

/** What a call takes of its pass's quota; undefined where no pass has one. */
export function passEntries(definitions: readonly ProviderDefinition[]): Entries | undefined {
  if (definitions.every(({ pass }) => pass?.quotaPerDay === undefined)) return undefined
  return ({ terms }, state) => terms.pass === undefined ? [] : [{ ...bookOf(terms.capability, terms.payer, terms.expiresAt), amount: state === 'failed' || state === 'cancelled' ? 0 : 1 }]
}

/** Errors: `input.invalid`, `money.invalid`. */
export function checkPass({ number, price, periodDays, quotaPerDay }: PassDefinition, what: 'pass' | 'subscription' = 'pass'): void {
  const whole = (value: number, most: number, path: string): void => {
    if (!Number.isSafeInteger(value) || value < (path === 'number' ? 0 : 1) || value > most) throw new AigenError('input.invalid', `${value} is no ${what}.${path}`, { path: `${what}.${path}` })
  }
  whole(number, Number.MAX_SAFE_INTEGER, 'number')
  whole(periodDays, DAYS_MAX, 'periodDays')
  if (quotaPerDay !== undefined) whole(quotaPerDay, Number.MAX_SAFE_INTEGER, 'quotaPerDay')
  if (parseMoney(validate('Money', price)) <= 0n) throw new AigenError('input.invalid', `a ${what} has a price`, { path: `${what}.price` })
}

export function openPassDesk(parts: NodeParts, definitions: readonly ProviderDefinition[], usage: Pick<Usage, 'of'>): PassDesk {
  const { rail, clock, participant, host } = parts
  const { passes } = rail
  const sold = new Map<string, { readonly id: Hex32; readonly pass: PassDefinition }>()
  for (const { capability, pass } of definitions) if (pass && passes) sold.set(capability.id, { id: passes.id(participant, pass.number), pass })

  const seen = new Map<string, { readonly expiresAt: number; readonly at: number }>()
  const looks = new Map<string, Promise<void>>()
  const remember = (key: string, expiresAt: number): void => {
    seen.delete(key)
    if (seen.size >= HOLDERS_MAX) seen.delete(seen.keys().next().value!)
    seen.set(key, { expiresAt, at: clock.monotonic() })
  }
  /** Ms from which the holder's pass no longer counts, as the chain last said. */
  const until = async (id: Hex32, holder: string): Promise<number> => {
    const key = `${id} ${holder}`
    const known = seen.get(key)
    if (!looks.has(key) && looks.size < LOOKS_MAX && (!known || clock.monotonic() - known.at >= LOOK_MS)) {
      // Remembered first: a chain that does not answer is not asked again either.
      remember(key, known?.expiresAt ?? 0)
      looks.set(key, passes!.pass(id, holder as Hex32).then(({ expiresAt }) => remember(key, expiresAt), () => undefined).finally(() => looks.delete(key)))
    }
    const look = looks.get(key)
    if (look) {
      const waited = new AbortController()
      await Promise.race([look, clock.sleep(WAIT_MS, waited.signal).catch(() => undefined)])
      waited.abort()
    }
    return (seen.get(key)?.expiresAt ?? 0) * 1_000
  }

  const hasQuota = (capability: string, holder: string, at: number): boolean => {
    const most = sold.get(capability)!.pass.quotaPerDay
    return most === undefined || usage.of(bookOf(capability, holder, at).book) < most
  }

  return {
    register: async () => {
      for (const { id, pass: { number, price: money, periodDays, quotaPerDay = 0 } } of sold.values()) {
        const terms = { price: parseMoney(money, rail.terms.decimals), period: periodDays * DAY_S, ahead: AHEAD, quota: quotaPerDay }
        const known = await passes!.passClass(id)
        if (known === undefined) {
          await writeThrough(host(), participant, `pass.${number}.${terms.price}.${terms.period}`, 'settler', encodeWrite({ kind: 'pass-class', number, ...terms }))
        } else if (known.price !== terms.price || known.period !== terms.period || known.quota !== terms.quota || known.token !== rail.terms.token) {
          throw new AigenError('input.invalid', `pass ${number} was registered with other terms, which never change: take another number`, { path: 'pass.number' })
        }
      }
    },
    offer: (capability) => {
      const one = sold.get(capability)
      return one && { id: one.id, price: one.pass.price, periodDays: one.pass.periodDays, ...(one.pass.quotaPerDay === undefined ? {} : { quotaPerDay: one.pass.quotaPerDay }) }
    },
    passOf: async (capability, caller) => {
      const one = sold.get(capability)
      if (!one || !hasQuota(capability, caller, clock.now())) return undefined
      return (await until(one.id, caller)) > clock.now() ? one.id : undefined
    },
    check: async (terms) => {
      if (terms.pass === undefined) return
      const one = sold.get(terms.capability)
      if (!one || one.id !== terms.pass || (await until(one.id, terms.payer)) <= clock.now()) throw new AigenError('market.expired', 'the pass does not count any more', { path: 'terms.pass' })
    },
    checkQuota: (terms) => {
      if (terms.pass !== undefined && !hasQuota(terms.capability, terms.payer, terms.expiresAt)) throw new AigenError('market.expired', 'the quota of the pass is used up for today', { path: 'terms.pass' })
    },
  }
}
