/**
 * What a payer asks its payees to claim at the end of runs. Two requests at a time for each payee, one that it
 * works on and one behind; runs that end meanwhile go into the next one together. Otherwise as many requests
 * as runs close in one moment wait at a payee for the same transaction, and it refuses those beyond what it
 * takes from one caller. Used where runs are settled; what a payee answers is believed by nobody (`claimed`).
 */
import type { Address, Hex32, LaneClaim } from '../../schemas/documents.gen.ts'
import { asError } from '../../schemas/error.ts'
import { within } from '../identity/within.ts'
import type { Clock } from '../ports/clock.ts'

const UNDER_WAY_MAX = 2
/** Of one request (schema `SettleRequest`). */
const LANES_MAX = 1_024
/** How long a payee that is busy is asked again, and the first and longest pause before, in ms. */
const BUSY_MS = 15_000
const PAUSE_MS = 100
const PAUSE_MS_MAX = 2_000
/** How long one waits for its answer, behind other requests and for its own; nobody is asked for it after that. In ms. */
const WAIT_MS = 40_000

export interface ClaimRequests<For> {
  /**
   * What the payee says it has claimed of these lanes, among others; `who` is passed on with the request, of the
   * first that it is for. Rejects with what the payee or the way to it answers, after 15 s also with `node.busy`,
   * with `network.timeout` after 40 s, and with the signal's reason.
   */
  of(payee: Address, lanes: readonly Hex32[], who: For, signal?: AbortSignal): Promise<readonly LaneClaim[]>
}

interface Part<For> {
  readonly lanes: readonly Hex32[]
  readonly who: For
  /** Monotonic time when nobody waits for it any more. */
  readonly until: number
  readonly resolve: (claims: readonly LaneClaim[]) => void
  readonly reject: (error: unknown) => void
}

interface Payee<For> {
  underWay: number
  readonly waiting: Part<For>[]
}

/** `ask` sends one request, of `LANES_MAX` lanes at most. */
export function openClaimRequests<For>(clock: Clock, ask: (payee: Address, lanes: readonly Hex32[], who: For) => Promise<readonly LaneClaim[]>): ClaimRequests<For> {
  const payees = new Map<Address, Payee<For>>()

  const patiently = async (payee: Address, lanes: readonly Hex32[], who: For): Promise<readonly LaneClaim[]> => {
    const until = clock.monotonic() + BUSY_MS
    for (let attempt = 0; ; attempt++) {
      try {
        return await ask(payee, lanes, who)
      } catch (thrown) {
        const pause = Math.min(PAUSE_MS_MAX, PAUSE_MS * 2 ** attempt)
        if (asError(thrown).code !== 'node.busy' || clock.monotonic() + pause > until) throw thrown
        await clock.sleep(pause)
      }
    }
  }
  const send = async (payee: Address, all: readonly Part<For>[]): Promise<void> => {
    const parts = all.filter(({ until }) => until > clock.monotonic())
    if (parts.length === 0) return
    try {
      const claims = await patiently(payee, lanesOf(parts), parts[0]!.who)
      for (const { resolve } of parts) resolve(claims)
    } catch (thrown) {
      // A lane that the payee does not know is the matter of those who ask for it: by halves, until it is with them alone.
      if (parts.length > 1 && !asError(thrown).rule.retry) {
        await send(payee, parts.slice(0, parts.length >> 1))
        await send(payee, parts.slice(parts.length >> 1))
      } else for (const { reject } of parts) reject(thrown)
    }
  }
  const next = (payee: Address, one: Payee<For>): void => {
    while (one.underWay < UNDER_WAY_MAX && one.waiting.length > 0) {
      one.underWay++
      void send(payee, one.waiting.splice(0, fitting(one.waiting))).finally(() => {
        one.underWay--
        next(payee, one)
        if (one.underWay === 0) payees.delete(payee)
      })
    }
  }
  return {
    of: (payee, lanes, who, signal) => within(new Promise((resolve, reject) => {
      const one = payees.get(payee) ?? { underWay: 0, waiting: [] }
      payees.set(payee, one)
      one.waiting.push({ lanes, who, until: clock.monotonic() + WAIT_MS, resolve, reject })
      next(payee, one)
    }), clock, WAIT_MS, signal),
  }
}

function lanesOf(parts: readonly Pick<Part<unknown>, 'lanes'>[]): Hex32[] {
  return [...new Set(parts.flatMap(({ lanes }) => lanes))]
}

/** How many of them one request has room for; one at least. */
function fitting(parts: readonly Pick<Part<unknown>, 'lanes'>[]): number {
  let lanes = 0
  const past = parts.findIndex((part) => (lanes += part.lanes.length) > LANES_MAX)
  return past < 0 ? parts.length : Math.max(1, past)
}
