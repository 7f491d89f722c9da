/**
 * What the sender's effects do (D1): sign, broadcast, look up. Plain functions over a rail and the
 * account's signer; all are idempotent, since signed bytes that were never journaled never left.
 * Registered with the host by `runtime/node`. A thrown error becomes `<kind>.failed` there.
 */
import { AigenError } from '../../schemas/error.ts'
import type { Clock } from '../ports/clock.ts'
import { decodeWrite, type Json, type RailWriteJson } from '../ports/rail-json.ts'
import type { PaidRow, Rail, WriteOutcome } from '../ports/rail.ts'
import type { Hex, OwnerSigner } from '../ports/signer.ts'
import type { SenderEvent } from './sender.ts'

export interface ChainEffectsOptions {
  readonly rail: Rail
  /** The signers of this node's accounts; by what address is asked for. */
  readonly signer: (account: Hex) => OwnerSigner | undefined
  readonly clock: Clock
  /** Blocks on top before a write counts as done; default 0. */
  readonly confirmations?: number
  /** Milliseconds between look-ups (default 200) and for all of one round (default 5,000). */
  readonly pollMs?: number
  readonly roundMs?: number
}

export interface SignParams {
  readonly account: Hex
  readonly key: string
  readonly write: RailWriteJson
  readonly nonce: number | null
  readonly bump: number
  /** What the chain's nonce should have reached. */
  readonly next: number
}

export interface BroadcastParams {
  readonly key: string
  readonly bytes: Hex
}

export interface OutcomeParams {
  readonly account: Hex
  readonly key: string
  readonly nonce: number
  readonly hashes: readonly Hex[]
}

export interface MendParams {
  readonly nonce: number
  readonly bytes: readonly Hex[]
  readonly hashes: readonly Hex[]
}

interface ChainEffect<P> {
  readonly mode: 'idempotent'
  run(params: P, context?: { readonly signal?: AbortSignal }): Promise<SenderEvent>
}

/** The effect kinds of the sender machine, ready for the host's registry. */
export function chainEffects(options: ChainEffectsOptions): {
  readonly 'chain.sign': ChainEffect<SignParams>
  readonly 'chain.broadcast': ChainEffect<BroadcastParams>
  readonly 'chain.outcome': ChainEffect<OutcomeParams>
  readonly 'chain.nonce': ChainEffect<{ readonly account: Hex, readonly next: number }>
  readonly 'chain.mend': ChainEffect<MendParams>
} {
  const { rail, clock } = options
  return {
    'chain.sign': {
      mode: 'idempotent',
      run: async ({ account, key, write, nonce, bump, next }, context) => {
        const signer = options.signer(account)
        if (signer === undefined) throw new AigenError('internal', `No key for ${account} in this node.`)
        const at = nonce ?? await rail.nonce(account, next)
        if (nonce === null && at < next) return { type: 'chain.sign.behind', key, nonce: at }
        return { type: 'chain.sign.done', key, nonce: at, ...await rail.prepare(decodeWrite(write), signer, at, bump, context?.signal) }
      },
    },
    'chain.broadcast': {
      mode: 'idempotent',
      run: async ({ key, bytes }) => {
        await rail.broadcast(bytes)
        return { type: 'chain.broadcast.done', key }
      },
    },
    'chain.outcome': {
      mode: 'idempotent',
      run: async ({ account, key, nonce, hashes }, context) => {
        const until = clock.monotonic() + (options.roundMs ?? 5_000)
        for (;;) {
          for (const hash of hashes) {
            const outcome = await rail.outcome(hash)
            if (outcome.state === 'done' && await isDeep(outcome.block)) return doneEvent(key, hash, outcome)
          }
          if (clock.monotonic() >= until) break
          await clock.sleep(options.pollMs ?? 200, context?.signal)
        }
        const reached = await rail.nonce(account, nonce)
        return { type: 'chain.outcome.pending', key, nonce: reached, displaced: reached > nonce && await areUnknown(hashes) }
      },
    },
    'chain.nonce': {
      mode: 'idempotent',
      run: async ({ account, next }) => ({ type: 'chain.nonce.done', nonce: await rail.nonce(account, next) }),
    },
    'chain.mend': {
      mode: 'idempotent',
      run: async ({ nonce, bytes, hashes }, context) => {
        for (const one of bytes) await rail.broadcast(one)
        const until = clock.monotonic() + (options.roundMs ?? 5_000)
        const last = hashes.at(-1)
        while (last !== undefined && (await rail.outcome(last)).state !== 'done' && clock.monotonic() < until) {
          await clock.sleep(options.pollMs ?? 200, context?.signal)
        }
        return { type: 'chain.mend.done', nonce }
      },
    },
  }

  async function isDeep(block: number): Promise<boolean> {
    const confirmations = options.confirmations ?? 0
    return confirmations === 0 || (await rail.head()).block - block >= confirmations
  }

  /** Asked after the nonce was found used up: the order of reads makes a late receipt a false. */
  async function areUnknown(hashes: readonly Hex[]): Promise<boolean> {
    for (const hash of hashes) if ((await rail.outcome(hash)).state !== 'unknown') return false
    return true
  }
}

function doneEvent(key: string, hash: Hex, outcome: Extract<WriteOutcome, { state: 'done' }>): SenderEvent {
  const { ok, block, reason, refused } = outcome
  const paid: Json<PaidRow>[] = outcome.paid.map((row) => ({ ...row, paid: row.paid.toString(), claimed: row.claimed.toString() }))
  return { type: 'chain.outcome.done', key, hash, ok, block, ...(reason === undefined ? {} : { reason }), paid, refused }
}
