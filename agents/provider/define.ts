/**
 * What a service provider writes: a capability, a price, a promise and a handler. The module's
 * default export is what `aigen provide MODULE` loads. The runtime does the rest: quoting,
 * agreements, deadlines, deliveries, payment.
 */
import type { Address, CallForQuotesBody, Capability, Hex32, Meter } from '../../schemas/documents.gen.ts'

/** Blob reference as it stands in inputs and outputs (DESIGN, Wire). */
export interface BlobRef {
  readonly $blob: string
  readonly size: number
  readonly mediaType: string
}

export interface HandlerContext {
  /**
   * Aborts at the deadline and when the node stops; and with the reason `step.cancelled` when the
   * caller gives up: what is returned within a second then, like a part of a text, is delivered and paid.
   */
  readonly signal: AbortSignal
  /** Same for every attempt at one call: pass it on to an upstream that deduplicates. */
  readonly callId: string
  /** What the caller agreed to pay for one unit (for `per` of them where the capability says so), atomic; 0 under a pass. */
  readonly unitPrice: bigint
  /**
   * Sends a piece of the output ahead, where the caller listens and the capability has a `chunk` schema;
   * resolves when it is on its way. The whole output is still returned at the end. `units` is what it took
   * (default 0): a call that is paid piece by piece (`stream`) is paid by it, and goes on once a part is paid.
   */
  emit(chunk: unknown, units?: number): Promise<void>
  /** The bytes of a blob in the input; errors `blob.missing`, `blob.corrupt`. */
  load(ref: BlobRef): Promise<Uint8Array>
  /** Makes a blob to stand in the output. */
  store(bytes: Uint8Array, mediaType: string): Promise<BlobRef>
}

/** `units` counts what was used, by the capability's billing unit, like `{ page: 1 }`. */
export interface HandlerResult {
  readonly output: unknown
  readonly units: Readonly<Record<string, number>>
  /** Of a call that settles locked whose key is of another's output: that output's lock, and the actor that gets the key (`till.lock`). */
  readonly lock?: { readonly hash: Hex32; readonly keeper: string }
}

export interface ProviderPrice {
  /** Asked price of one unit, decimal string of the network's dollar, like "0.018". */
  readonly list: string
  /** Lowest price of one unit a counter-offer can get; equals `list` by default (no bargaining). */
  readonly floor?: string
  /** Least and most that one call costs, where it costs anything. */
  readonly min?: string
  readonly max?: string
  /** Units that cost less, the more of them: of one call, or of all that a payer was delivered in a day or a month (UTC). Each step further on and cheaper. */
  readonly tiers?: { readonly over: 'call' | 'day' | 'month'; readonly steps: readonly { readonly above: number; readonly price: string }[] }
  /**
   * Units of a payer in a day (UTC) that cost nothing. Wallets cost nothing either: `deposit` is what a payer's vault
   * must hold, unreserved, to get them, so that a thousand names need a thousand deposits.
   */
  readonly free?: { readonly units: number; readonly deposit?: string }
}

/** A subscription: who holds a pass of it on the chain is served for nothing. What was registered under a number never changes. */
export interface PassDefinition {
  /** Tells the participant's classes of passes apart. */
  readonly number: number
  /** Price of one period, decimal string of the network's dollar. */
  readonly price: string
  /** 1 … 366. */
  readonly periodDays: number
  /** Calls of one holder in a day (UTC) that it covers; further ones cost the list price. No limit by default. */
  readonly quotaPerDay?: number
}

export interface ProviderDefinition {
  /** Name shown to people, like "careful-eye". */
  readonly name: string
  readonly capability: Capability
  readonly price: ProviderPrice
  /**
   * How anybody with the input and the output counts the units, told on the card and agreed in every call: a
   * delivery that counts more fails as one that fails its schema does. What the handler counts beyond it is not charged.
   */
  readonly meter?: Meter
  /** Sold besides single calls, where the network has a contract for passes. */
  readonly pass?: PassDefinition
  /** The same as a plan of subscriptions, which may be given away; several of one participant's capabilities may name one plan, with the same terms. */
  readonly subscription?: PassDefinition
  /**
   * Where the price is not always the list price: asked for each call for quotes, gives the price of one unit,
   * decimal string of at most `price.list`. That price is not bargained with. Nothing is quoted where it gives none.
   */
  quote?(call: Pick<CallForQuotesBody, 'inputBytes' | 'settle'>): Promise<string | undefined>
  /**
   * Agreements for many calls, at the list price or what a payer bargains for, where no `quote` is asked.
   * `calls` of one agreement at most, `forMs` long (default an hour). Of its calls `first` (default 1) may be
   * unpaid at first, one more by each that was paid in time, within `credit`.
   */
  readonly standing?: { readonly calls: number; readonly forMs?: number; readonly first?: number }
  /**
   * What one payer may owe at once, over all its lanes: `calls` (default 64) that cost `amount` together (decimal
   * string of the dollar, default "1"), and as much more as it has paid here, up to sixteen times. One call it may
   * always owe. It is what can be lost to it; calls that are paid or secured beforehand do not count.
   */
  readonly credit?: { readonly calls?: number; readonly amount?: string }
  /** Promised time from invoke to delivery, in milliseconds; a later delivery need not be paid. */
  readonly latencyMs: number
  /**
   * How long an output stays the right one for the same input, in ms, told on the card: who paid for it
   * may use it again for nothing until then. Only for a capability that is pure and has no pieces (default: never).
   */
  readonly cacheMs?: number
  /**
   * Takes calls that are paid piece by piece, where its handler says what each takes: after how many pieces a part is paid (default 16), which is the most
   * that is lost with a payer that does not, and the most units that one part may take (default one a piece).
   */
  readonly stream?: { readonly every?: number; readonly units?: number }
  /** Calls worked on at once (default 2); further ones wait in a queue of `queue` (default 16). */
  readonly concurrency?: number
  readonly queue?: number
  /** Calls begun within a minute, in all and by one caller; no limit by default. */
  readonly rate?: { readonly perMinute?: number; readonly perCaller?: number }
  /** Models it serves, as an input's `model` names them; told on the card. */
  readonly models?: readonly string[]
  /** Whether calling the handler twice for one call is harmless (default true for pure services); alike for all that one participant sells. */
  readonly idempotent?: boolean
  /** Agents of escrowed calls it works under, by participant (default: any payment provider with a live card). */
  readonly arbiters?: readonly Address[]
  /** Hubs on whose lanes it is paid for calls that settle locked, by participant (default: any payment provider with a live card that offers it). */
  readonly hubs?: readonly Address[]
  /** Loads models and data before the first call; the card is published only after it. */
  start?(): Promise<void>
  stop?(): Promise<void>
  /** Whether it could work now, asked every 15 s: while it could not, nothing is quoted, and it comes back by itself. */
  health?(): Promise<boolean>
  /**
   * Does one call. `input` fits the capability's input schema. Throw `AigenError('step.input', …)`
   * for an input that cannot be worked with (an unreadable image); any other throw is `step.failed`.
   */
  handler(input: any, context: HandlerContext): Promise<HandlerResult>
}

/** Returns the definition as it is; it exists for its types. */
export function defineProvider(definition: ProviderDefinition): ProviderDefinition {
  return definition
}
