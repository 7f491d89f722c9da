/**
 * Hires one call of a capability from whoever does it best, for programs that need no pipeline: a
 * run of a single step, with everything a step has (market, agreement, judgement, payment, receipt).
 */
import type { Address, Bill } from '../../schemas/documents.gen.ts'
import { AigenError, fromBody } from '../../schemas/error.ts'
import { formatMoney, parseMoney } from '../../schemas/money.ts'
import { DEFAULTS } from '../../pipelines/price.ts'
import { inquiryId, type InquiryContext } from '../../pipelines/inquiry.machine.ts'
import type { Piece } from '../../pipelines/listen.ts'
import { stepId, type StepContext } from '../../pipelines/step.ts'
import type { Choice } from '../../runtime/market/strategy.ts'
import { answerRun, finishRun, startRun, type StartOptions } from './run.ts'
import type { User } from './user.ts'

export interface HireOptions {
  /** Like `text.entities@1`. */
  readonly capability: string
  /** Fits the capability's input schema; blobs as references, their bytes in `blobs`. */
  readonly input: Readonly<Record<string, unknown>>
  readonly blobs?: StartOptions['blobs']
  /** Most that one call may cost, decimal string of the dollar. */
  readonly maxPrice: string
  /** Time from invoke to delivery, in ms (default 60,000). */
  readonly deadlineMs?: number
  /** CEL over `output`; a delivery that fails it is not owed. */
  readonly expect?: string
  /** Participants of which one must do it; default anybody who offers it. */
  readonly only?: readonly Address[]
  /** Participants that are never asked. */
  readonly not?: readonly Address[]
  /** Who is preferred of those that offer it (default `cheapest`). */
  readonly choose?: Choice
  /**
   * `escrow` secures both sides: the provider before it works, the payer by an agent that rules on a
   * delivery that fails what was agreed (default `postpaid`). The agent's fee comes on top of `maxPrice`.
   * `prepaid` pays before the work, whatever comes of it, and nobody more than it is trusted with. `locked`
   * pays for the key of an output that is there already: no key without payment, no payment without key. `streamed`
   * pays for a few pieces at a time, as they come: what came is paid, and what comes after it is given up is not.
   */
  readonly settle?: 'postpaid' | 'prepaid' | 'locked' | 'streamed' | 'escrow'
  /** In escrow: who decides (default the cheapest that is live), and the most its fee may be (default 0.01). */
  readonly escrow?: { readonly agent?: Address; readonly maxFee?: string }
  /**
   * Of what settles locked: a hub pays the provider, so that the payer needs a lane to the hub alone. Which
   * hub (default the best that is live), and the most its fee may be (default 0.01, on top of `maxPrice`).
   */
  readonly through?: { readonly hub?: Address; readonly maxFee?: string }
  /** Whether it is hired anew, whatever was paid for before (default false: what a card allows to be used again costs nothing). */
  readonly fresh?: boolean
  /** Providers tried at most (default 2). */
  readonly attempts?: number
  /** How long all of it may take, in ms (default 300,000). */
  readonly timeoutMs?: number
  /**
   * Whether it waits until its payees have claimed what it cost (default true). An answer that people wait for need
   * not wait for a block of the chain: without it `bill.settled` may be less than it will be.
   */
  readonly settled?: boolean
  /** W3C traceparent of the caller's span. */
  readonly trace?: string
  /** Makes a repeated hire the same call: done once, paid once, answered again (see `StartOptions`). */
  readonly key?: string
  /**
   * Hears each piece of a streamed output, in order and without gaps, checked against the capability's
   * `chunk` schema. A call whose pieces were heard is never tried elsewhere; `output` stays the whole.
   */
  readonly onChunk?: (chunk: unknown) => void
  /** Gives the call up: what was delivered is paid, nothing more is owed. */
  readonly signal?: AbortSignal
}

export interface Hired {
  readonly output: unknown
  /** What it cost, decimal string of the dollar. */
  readonly charged: string
  /** Who did it, by the name on its card. */
  readonly provider: string
  readonly bill: Bill
  /** Set when the call was given up and what had been made by then was delivered and paid: `output` may be partial. */
  readonly cancelled?: true
}

/**
 * The output of one paid call. The call belongs to the journal: where this process dies, the next
 * one of the same participant finishes and pays it (`listRuns`).
 *
 * - `step.*`, `market.*`: nobody delivered what was asked; nothing is owed for what was not delivered.
 * - `step.cancelled`: it was given up by `signal`, and nothing had been delivered that is owed.
 * - `budget.*`, `wallet.empty`, `pipeline.invalid`: nothing was started.
 *
 * @example
 * const { output } = await hire(user, { capability: 'text.shout@1', input: { text: 'hi' }, maxPrice: '0.01' })
 * // output: { text: 'HI' }
 */
export async function hire(user: User, options: HireOptions): Promise<Hired> {
  const { timeoutMs = 300_000, onChunk, settled = true } = options
  const document = hireDocument(options)
  const run = await startRun(user, {
    document, inputs: {}, ...(options.blobs === undefined ? {} : { blobs: options.blobs }), ...(options.trace === undefined ? {} : { trace: options.trace }), ...(options.key === undefined ? {} : { key: options.key }),
    ...(onChunk ? { onPiece: ({ chunk }: Piece) => onChunk(chunk) } : {}),
  })
  const cancel = (): void => void user.node.host.send(`run/${run}`, { type: 'cancel' }).catch(() => undefined)
  options.signal?.addEventListener('abort', cancel, { once: true })
  if (options.signal?.aborted) cancel()
  const finished = (settled ? finishRun : answerRun)(user, run, timeoutMs).finally(() => options.signal?.removeEventListener('abort', cancel))
  const { output, error, bill } = await finished
  const [step] = bill.steps
  const partial = error?.code === 'step.cancelled' ? await paidInquiry(user, run) : undefined
  if (partial) return { output: partial.output, charged: step!.charged, provider: partial.offer.name, bill, cancelled: true }
  if (error) throw fromBody(error)
  if (!step?.providerName) throw new AigenError('internal', `run ${run} has no step`)
  return { output, charged: step.charged, provider: step.providerName, bill }
}

/** What was delivered to a call that had been given up, when it was paid. */
async function paidInquiry({ node: { host } }: User, run: string): Promise<InquiryContext | undefined> {
  const { attempts } = (await host.look<StepContext>(stepId(run, 'call', null))) ?? { attempts: [] }
  for (let attempt = 0; attempt <= attempts.length; attempt++) {
    const inquiry = await host.look<InquiryContext>(inquiryId(`negotiation/${run}/call/${attempt}`))
    if (inquiry?.voucher && inquiry.delivery) return inquiry
  }
  return undefined
}

/** The pipeline of one call: what `hire` runs, for callers that follow the run themselves. */
export function hireDocument(options: Pick<HireOptions, 'capability' | 'input' | 'maxPrice' | 'deadlineMs' | 'expect' | 'attempts' | 'only' | 'not' | 'choose' | 'settle' | 'escrow' | 'through' | 'fresh'>): object {
  const { capability, input, maxPrice, deadlineMs = 60_000, expect, attempts = 2, only, not = [], choose, settle, escrow, through, fresh = false } = options
  const providers = { ...(only === undefined ? {} : { only }), ...(not.length === 0 ? {} : { not }), ...(choose === undefined ? {} : { choose }) }
  return {
    name: 'hire',
    version: '1.0.0',
    budget: { max: maxPriceOf(maxPrice, attempts, options) },
    steps: {
      call: {
        uses: capability,
        with: literal(input) as object,
        price: { max: maxPrice },
        sla: { deadline: `${Math.ceil(deadlineMs)}ms` },
        ...(expect === undefined ? {} : { expect: `\${${expect}}` }),
        retry: { attempts, elsewhere: true },
        ...(fresh ? { cache: false } : {}),
        ...(settle === undefined ? {} : { settle }),
        ...(settle === 'escrow' && escrow ? { escrow: { ...(escrow.agent ? { agent: escrow.agent } : {}), ...(escrow.maxFee ? { fee: { max: escrow.maxFee } } : {}) } } : {}),
        ...(through ? { through: { ...(through.hub ? { hub: through.hub } : {}), ...(through.maxFee ? { fee: { max: through.maxFee } } : {}) } } : {}),
        ...(Object.keys(providers).length === 0 ? {} : { providers }),
      },
    },
    output: '${steps.call}',
  }
}

/** Every attempt may stay held until its outcome is known, so the budget covers them all (D6). */
function maxPriceOf(maxPrice: string, attempts: number, { settle, escrow, through }: Pick<HireOptions, 'settle' | 'escrow' | 'through'>): string {
  const fee = settle === 'escrow' ? parseMoney(escrow?.maxFee ?? DEFAULTS.escrowFee) : through ? parseMoney(through.maxFee ?? DEFAULTS.hubFee) : 0n
  return formatMoney((parseMoney(maxPrice) + fee) * BigInt(attempts))
}

/** A value as a template that stands for itself: `${` is written `$${`. */
function literal(value: unknown): unknown {
  if (typeof value === 'string') return value.replaceAll('${', () => '$${')
  if (Array.isArray(value)) return value.map(literal)
  if (typeof value === 'object' && value !== null) return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, literal(inner)]))
  return value
}
