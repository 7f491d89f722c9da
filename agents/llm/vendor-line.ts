/**
 * The line to a model vendor: a `fetch` for one call that waits and asks again where the vendor says
 * so (429 with Retry-After, 5xx, no connection), a few times and within the call's deadline. It does
 * so only before an answer begins, so nothing that was passed on is ever said twice. It follows no
 * redirect, since that could carry the key to another host, and keeps what the vendor refused with.
 */
import { AigenError } from '../../schemas/error.ts'
import type { Clock } from '../../runtime/ports/clock.ts'

const ATTEMPTS = 4
/** First pause where the vendor names none, doubled each time; longest pause that is waited for; in ms. */
const BACKOFF_MS = 500
const WAIT_MS_MAX = 20_000
/** Characters of a refusal that are kept. */
const DETAIL_MAX = 2_000

export interface Refusal {
  /** HTTP status, 0 where there was no connection. */
  readonly status: number
  readonly detail: string
}

export interface VendorLine {
  readonly fetch: typeof fetch
  /** What the last request was refused with; undefined when it was not. */
  refusal(): Refusal | undefined
}

/** Whether an account has no money left, which no waiting mends. */
export function isQuota({ status, detail }: Refusal): boolean {
  return status === 402 || (status === 429 && /insufficient_quota|credit balance|billing/i.test(detail))
}

export function vendorLine(signal: AbortSignal, clock: Clock): VendorLine {
  let refused: Refusal | undefined

  const once = async (input: Parameters<typeof fetch>[0], init: RequestInit | undefined, both: AbortSignal): Promise<Response | undefined> => {
    try {
      const response = await fetch(input, { ...init, signal: both, redirect: 'error' })
      if (response.ok) {
        refused = undefined
        return response
      }
      const detail = (await response.text()).slice(0, DETAIL_MAX)
      refused = { status: response.status, detail }
      return new Response(detail, { status: response.status, headers: response.headers })
    } catch (error) {
      both.throwIfAborted()
      refused = { status: 0, detail: error instanceof Error ? String((error.cause as Error | undefined)?.message ?? error.message) : String(error) }
      return undefined
    }
  }

  const polite = async (input: Parameters<typeof fetch>[0], init?: RequestInit): Promise<Response> => {
    const both = init?.signal ? AbortSignal.any([signal, init.signal]) : signal
    for (let attempt = 1; ; attempt++) {
      const response = await once(input, init, both)
      if (response?.ok) return response
      const { status } = refused!
      const passing = status === 0 || status === 408 || status >= 500 || (status === 429 && !isQuota(refused!))
      const wait = waitOf(response, clock) ?? BACKOFF_MS * 2 ** (attempt - 1)
      if (!passing || attempt === ATTEMPTS || wait > WAIT_MS_MAX) {
        if (response) return response
        throw new AigenError('vendor.unreachable', refused!.detail)
      }
      await clock.sleep(wait, both)
    }
  }

  return { fetch: polite, refusal: () => refused }
}

/** What Retry-After asks for, in ms: seconds or a date. */
function waitOf(response: Response | undefined, clock: Clock): number | undefined {
  const said = response?.headers.get('retry-after')
  if (said === null || said === undefined) return undefined
  const seconds = Number(said)
  const ms = Number.isFinite(seconds) ? seconds * 1_000 : Date.parse(said) - clock.now()
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined
}
