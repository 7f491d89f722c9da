/**
 * What an API key may do: budget in a window of time, requests and tokens a minute, calls at once,
 * models and pipelines, tokens of an answer. Pure: `admit` says how the key's counters change when a
 * call is reserved, `close` when it is settled; the ledger writes both in the transaction that moves
 * the money, so that limits hold under concurrency (I4).
 */
import { AigenError } from '../../schemas/error.ts'
import { formatMoney, parseMoney } from '../../schemas/money.ts'

export interface KeyLimits {
  /** Most that may be spent in a window, fees included, decimal string; no limit without it. */
  readonly maxBudget?: string
  /** Length of the window in ms; the budget is for good without it. */
  readonly budgetDurationMs?: number
  /** Requests and tokens a minute. */
  readonly rpm?: number
  readonly tpm?: number
  /** Calls at once. */
  readonly maxParallel?: number
  /** Models and pipelines by name; all without it. */
  readonly allowed?: readonly string[]
  /** Tokens of an answer where the request names none; more cannot be asked for (default 1,024). */
  readonly maxTokens?: number
}

export const MAX_TOKENS_DEFAULT = 1_024
export const MINUTE_MS = 60_000

/** A key's counters. Times in ms, amounts atomic. */
export interface KeyCounters {
  readonly windowFrom: number
  /** Reserved or spent in the window. */
  readonly used: bigint
  readonly minute: number
  readonly minuteRequests: number
  readonly minuteTokens: number
  readonly parallel: number
}

/** What a call counts for at worst. */
export interface Weight {
  readonly amount: bigint
  readonly tokens: number
}

/**
 * The counters with the call in them. Errors: `gateway.budget`; `gateway.rate` until the next full
 * minute; `gateway.parallel` until a call has ended.
 */
export function admit(limits: KeyLimits, counters: KeyCounters, { amount, tokens }: Weight, now: number): KeyCounters {
  const current = counters.minute === minuteOf(now) ? counters : { ...counters, minute: minuteOf(now), minuteRequests: 0, minuteTokens: 0 }
  const fresh = inWindow(limits, current, now)
  if (limits.maxParallel !== undefined && fresh.parallel >= limits.maxParallel) throw new AigenError('gateway.parallel', `At most ${limits.maxParallel}.`)
  if (limits.rpm !== undefined && fresh.minuteRequests >= limits.rpm) throw new AigenError('gateway.rate', `At most ${limits.rpm} requests a minute.`)
  if (limits.tpm !== undefined && fresh.minuteTokens + tokens > limits.tpm) throw new AigenError('gateway.rate', `At most ${limits.tpm} tokens a minute; this call may take ${tokens}.`)
  const left = remaining(limits, fresh)
  if (left !== undefined && amount > left) throw new AigenError('gateway.budget', `It may cost ${formatMoney(amount)}, ${formatMoney(left)} is left.`)
  return { ...fresh, used: fresh.used + amount, minuteRequests: fresh.minuteRequests + 1, minuteTokens: fresh.minuteTokens + tokens, parallel: fresh.parallel + 1 }
}

/** The counters after a call that was held for `held` in that window and minute has ended for `spent`. */
export function close(counters: KeyCounters, held: Weight & { readonly windowFrom: number; readonly minute: number }, spent: Weight): KeyCounters {
  return {
    ...counters,
    used: counters.windowFrom === held.windowFrom ? atLeastZero(counters.used - held.amount + spent.amount) : counters.used,
    minuteTokens: counters.minute === held.minute ? Math.max(0, counters.minuteTokens - held.tokens + spent.tokens) : counters.minuteTokens,
    parallel: Math.max(0, counters.parallel - 1),
  }
}

/** Counters with a budget window that has ended begun anew. */
export function inWindow(limits: KeyLimits, counters: KeyCounters, now: number): KeyCounters {
  const { budgetDurationMs: length } = limits
  if (length === undefined || now < counters.windowFrom + length) return counters
  return { ...counters, windowFrom: now - ((now - counters.windowFrom) % length), used: 0n }
}

/** What the budget leaves, undefined without one. */
export function remaining(limits: KeyLimits, { used }: KeyCounters): bigint | undefined {
  return limits.maxBudget === undefined ? undefined : atLeastZero(parseMoney(limits.maxBudget) - used)
}

/** Tokens that an answer may have. Error `gateway.unsupported` above the key's cap. */
export function tokensOf(limits: KeyLimits, asked: number | undefined): number {
  const cap = limits.maxTokens ?? MAX_TOKENS_DEFAULT
  if (asked !== undefined && limits.maxTokens !== undefined && asked > cap) throw new AigenError('gateway.unsupported', `max_tokens: this key's cap is ${cap}.`, { path: 'max_tokens' })
  return asked ?? cap
}

/** Error `gateway.denied` when the key is not for that model or pipeline. */
export function checkAllowed(limits: KeyLimits, name: string): void {
  if (limits.allowed && !limits.allowed.includes(name)) throw new AigenError('gateway.denied', `This key is for ${limits.allowed.join(', ') || 'nothing'}, not ${name}.`)
}

const KNOWN = new Set(['maxBudget', 'budgetDurationMs', 'rpm', 'tpm', 'maxParallel', 'allowed', 'maxTokens'])

/** Limits from outside. Error `input.invalid` with the path of what is wrong. */
export function readLimits(given: unknown): KeyLimits {
  const wrong = (path: string, message: string): AigenError => new AigenError('input.invalid', `${path}: ${message}.`, { path, issues: [{ path, message }] })
  if (given === undefined || given === null) return {}
  if (typeof given !== 'object' || Array.isArray(given)) throw wrong('limits', 'expected an object')
  const limits = given as Record<string, unknown>
  for (const [name, value] of Object.entries(limits)) {
    if (!KNOWN.has(name)) throw wrong(`limits.${name}`, 'there is no such limit')
    if (name === 'maxBudget') parseMoney(value as string)
    else if (name === 'allowed') {
      if (!Array.isArray(value) || value.length > 64 || value.some((one) => typeof one !== 'string' || one.length > 200)) throw wrong('limits.allowed', 'expected at most 64 names')
    } else if (!Number.isSafeInteger(value) || (value as number) < 1) throw wrong(`limits.${name}`, 'expected a whole number above 0')
  }
  return limits as KeyLimits
}

export function minuteOf(now: number): number {
  return now - (now % MINUTE_MS)
}

function atLeastZero(amount: bigint): bigint {
  return amount < 0n ? 0n : amount
}
