/**
 * Subscriptions as their provider checks them: a class of passes registered once, until when a caller
 * holds one, and how much of today's quota it has used. Used by quoting and accept; a call under a
 * pass costs nothing and is otherwise a call like any other, its receipt included (I3).
 *
 * The chain is asked at most once a minute for each caller, and never waited for long: while it does
 * not answer, the last word counts until its own expiry, and who is not known pays as they go.
 */
import type { Hex32, Offer, Terms } from '../../schemas/documents.gen.ts'
import { AigenError } from '../../schemas/error.ts'
import { parseMoney } from '../../schemas/money.ts'
import { validate } from '../../schemas/validate.ts'
import type { ActorId } from '../../runtime/actors/actor.ts'
import type { NodeParts } from '../../runtime/node/node.ts'
import { writeThrough } from '../../runtime/payments/write.ts'
import { encodeWrite } from '../../runtime/ports/rail-json.ts'
import type { CallContext } from './call.machine.ts'
import type { PassDefinition, ProviderDefinition } from './define.ts'

const LOOK_MS = 60_000
/** How long a quote waits for the chain; payers wait little longer for quotes. */
const WAIT_MS = 800
const HOLDERS_MAX = 10_000
/** Looks at the chain under way at once; wallets cost nothing, so strangers could ask for any number. */
const LOOKS_MAX = 64
const DAY_S = 86_400
const DAY_MS = DAY_S * 1_000
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
  /** Checks that the pass which the terms name still counts, and counts the call. Error `market.expired`. */
  admit(terms: Terms, call: ActorId): Promise<void>
  close(): void
}

/** Errors: `input.invalid`, `money.invalid`. */
export function checkPass({ number, price, periodDays, quotaPerDay }: PassDefinition): void {
  const whole = (value: number, most: number, path: string): void => {
    if (!Number.isSafeInteger(value) || value < (path === 'pass.number' ? 0 : 1) || value > most) throw new AigenError('input.invalid', `${value} is no ${path}`, { path })
  }
  whole(number, Number.MAX_SAFE_INTEGER, 'pass.number')
  whole(periodDays, DAYS_MAX, 'pass.periodDays')
  if (quotaPerDay !== undefined) whole(quotaPerDay, Number.MAX_SAFE_INTEGER, 'pass.quotaPerDay')
  if (parseMoney(validate('Money', price)) <= 0n) throw new AigenError('input.invalid', 'a pass has a price', { path: 'pass.price' })
}

/** Counts first what was used of daily quotas before this process. Errors: `journal.*`, `network.*`. */
export async function openPassDesk(parts: NodeParts, definitions: readonly ProviderDefinition[]): Promise<PassDesk> {
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

  /** Calls under a pass by day, capability and holder; today's and what a quote of yesterday still brings. */
  const used = new Map<string, Set<string>>()
  const today = (): number => Math.floor(clock.now() / DAY_MS)
  const counted = (day: number, capability: string, holder: string): Set<string> => {
    const key = `${day} ${capability} ${holder}`
    const found = used.get(key)
    if (found) return found
    for (const old of used.keys()) if (Number(old.slice(0, old.indexOf(' '))) < today() - 1) used.delete(old)
    const none = new Set<string>()
    used.set(key, none)
    return none
  }
  // The quote's expiry is in the journal, so that a restart counts the same calls to the same day.
  const dayOf = ({ expiresAt }: Terms): number => Math.floor(expiresAt / DAY_MS)
  const note = (id: string, state: unknown, { terms }: CallContext): void => {
    if (terms.pass === undefined || dayOf(terms) < today() - 1) return
    const calls = counted(dayOf(terms), terms.capability, terms.payer)
    if (state === 'failed' || state === 'cancelled') calls.delete(id)
    else calls.add(id)
  }
  /** Calls that have ended count too, and only the calls say which: where there is a quota, one look at each. */
  const limited = [...sold.values()].some(({ pass }) => pass.quotaPerDay !== undefined)
  const count = async (): Promise<void> => {
    if (limited) for await (const { id, snapshot } of host().all('call')) note(id, snapshot.value, snapshot.context as CallContext)
  }
  const unshare = host().onShare(() => void count().catch(() => undefined))
  const unwatch = sold.size === 0 ? () => undefined : host().watch(({ id, kind, snapshot }) => {
    if (kind.name === 'call') note(id, snapshot.value, snapshot.context as CallContext)
  })
  await count()
  const hasQuota = (day: number, capability: string, holder: string): boolean => {
    const most = sold.get(capability)!.pass.quotaPerDay
    return most === undefined || counted(day, capability, holder).size < most
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
      if (!one || !hasQuota(today(), capability, caller)) return undefined
      return (await until(one.id, caller)) > clock.now() ? one.id : undefined
    },
    admit: async (terms, call) => {
      if (terms.pass === undefined) return
      const one = sold.get(terms.capability)
      if (!one || one.id !== terms.pass || (await until(one.id, terms.payer)) <= clock.now()) throw new AigenError('market.expired', 'the pass does not count any more', { path: 'terms.pass' })
      if (!hasQuota(dayOf(terms), terms.capability, terms.payer)) throw new AigenError('market.expired', 'the quota of the pass is used up for today', { path: 'terms.pass' })
      // Now, and not when its actor is journaled: many may be accepted at once.
      counted(dayOf(terms), terms.capability, terms.payer).add(call)
    },
    close: () => {
      unshare()
      unwatch()
    },
  }
}
