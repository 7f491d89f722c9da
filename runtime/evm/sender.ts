/**
 * What a sender is made of, apart from its machine (`sender.machine.ts`), and what it remembers of a
 * chain that may lose blocks: a development chain killed before it saved, a deep reorganisation.
 *
 * The bytes of the latest mined writes are kept. When the chain's nonce is below theirs they are sent
 * again: at the same nonces the same bytes can be mined once only, so this is safe for every kind of
 * write, deposits included, and where the chain had lost nothing (a lagging RPC) it changes nothing.
 */
import type { ErrorBody } from '../../schemas/error.ts'
import type { Json, RailWriteJson } from '../ports/rail-json.ts'
import type { PaidRow, RefusedRow } from '../ports/rail.ts'
import type { Hex } from '../ports/signer.ts'

/** Mined writes whose bytes are kept, and hex digits of them all: a development chain loses about a second. */
const HISTORY_MAX = 32
const HISTORY_DIGITS_MAX = 256 * 1024

/** Writes that set an absolute state or are refused the second time: mined twice they do what they do once. */
const REPEATABLE: ReadonlySet<RailWriteJson['kind']> = new Set(['approve', 'reserve', 'reserve-ordered', 'open-authorised', 'open-permitted', 'claim', 'release', 'exit', 'finalize', 'collect', 'rule', 'pass-class', 'pass-approve', 'subscription-plan', 'subscription-close', 'subscription-approve', 'subscription-buy', 'subscription-cancel'])

export interface SendRequest {
  /** The asker's name for this write; the same key is the same write. */
  readonly key: string
  /** Actor that hears the result. */
  readonly to: string
  readonly write: RailWriteJson
}

export interface Sending extends SendRequest {
  /** Null until the chain was asked. */
  readonly nonce: number | null
  /** All bytes ever signed at this nonce, the latest last. */
  readonly signed: readonly { readonly bytes: Hex, readonly hash: Hex }[]
  readonly rounds: number
  /** Look-ups in a row that found the nonce used by another, and that found the chain before it. */
  readonly displaced: number
  readonly behind: number
  readonly signTries: number
  /** The account's signer refused to replace it: what is out stays out. */
  readonly asIs?: boolean
}

/** What the asker is told. */
export type SendResult =
  | {
    readonly type: 'chain.write.done', readonly key: string, readonly hash: Hex, readonly block: number
    readonly paid: readonly Json<PaidRow>[], readonly refused: readonly RefusedRow[]
  }
  | { readonly type: 'chain.write.failed', readonly key: string, readonly hash: Hex | null, readonly error: ErrorBody }

/** Told for a write that was told as done and that the chain has forgotten since; its bytes are out again where they are known. */
export interface WriteLost {
  readonly type: 'chain.write.lost'
  readonly key: string
  readonly hash: Hex
}

/** A write as it was mined. */
export interface Mined {
  readonly key: string
  readonly to: string
  readonly nonce: number
  readonly bytes: Hex
  readonly hash: Hex
}

export interface SenderContext {
  readonly account: Hex
  readonly queue: readonly SendRequest[]
  readonly current: Sending | null
  readonly results: readonly SendResult[]
  /** Bytes of the latest mined writes, by rising nonce. */
  readonly history: readonly Mined[]
  /** Whether the chain was looked at since the last write. */
  readonly checked: boolean
}

export interface Failure {
  readonly error: ErrorBody
}

export type SenderEvent =
  | ({ readonly type: 'send' } & SendRequest)
  | { readonly type: 'chain.sign.done', readonly key: string, readonly nonce: number, readonly bytes: Hex, readonly hash: Hex }
  | { readonly type: 'chain.sign.behind', readonly key: string, readonly nonce: number }
  | ({ readonly type: 'chain.sign.failed' } & Failure)
  | { readonly type: 'chain.broadcast.done', readonly key: string }
  | ({ readonly type: 'chain.broadcast.failed' } & Failure)
  | {
    readonly type: 'chain.outcome.done', readonly key: string, readonly hash: Hex, readonly ok: boolean, readonly block: number
    readonly reason?: string, readonly paid: readonly Json<PaidRow>[], readonly refused: readonly RefusedRow[]
  }
  | { readonly type: 'chain.outcome.pending', readonly key: string, readonly displaced: boolean, readonly nonce: number }
  | ({ readonly type: 'chain.outcome.failed' } & Failure)
  | { readonly type: 'chain.nonce.done', readonly nonce: number }
  | ({ readonly type: 'chain.nonce.failed' } & Failure)
  | { readonly type: 'chain.mend.done', readonly nonce: number }
  | ({ readonly type: 'chain.mend.failed' } & Failure)

export function isRepeatable(current: Sending | null): boolean {
  return current !== null && REPEATABLE.has(current.write.kind)
}

/** The nonce after the last write that was seen mined; 0 when none is remembered. */
export function nextNonce({ history }: Pick<SenderContext, 'history'>): number {
  return (history.at(-1)?.nonce ?? -1) + 1
}

/** What was mined from the chain's next `nonce` on, oldest first; undefined when some of it is not remembered. */
export function lostFrom({ history }: Pick<SenderContext, 'history'>, nonce: number): readonly Mined[] | undefined {
  const lost = history.filter((one) => one.nonce >= nonce)
  return lost.length > 0 && lost.every((one, place) => one.nonce === nonce + place) ? lost : undefined
}

/** The history with the write that was mined under `hash`, within its bounds. */
export function remember(history: readonly Mined[], { key, to, nonce, signed }: Sending, hash: Hex): Mined[] {
  const bytes = signed.find((one) => one.hash === hash)?.bytes
  if (nonce === null || bytes === undefined) return [...history]
  // After a loss that could not be mended, nonces begin again below what is remembered.
  const kept = [...history.filter((one) => one.nonce < nonce), { key, to, nonce, bytes, hash }].slice(-HISTORY_MAX)
  let digits = kept.reduce((sum, one) => sum + one.bytes.length, 0)
  while (digits > HISTORY_DIGITS_MAX) digits -= kept.shift()?.bytes.length ?? digits
  return kept
}
