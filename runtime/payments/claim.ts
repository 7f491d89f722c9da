/**
 * The payee's side of the chain as effects: claim lanes in one batch, find what is unclaimed.
 * Asked for by the settler. A claim made twice pays nothing twice: the vault takes only what is
 * above what it has paid (I1). Each lane is looked up first, within the last minute, so that nobody
 * pays gas for a row that the vault would skip.
 */
import type { Address, Hex32, LaneClaim } from '../../schemas/documents.gen.ts'
import type { EffectKind } from '../actors/effects.ts'
import type { Host } from '../actors/host.ts'
import type { Clock } from '../ports/clock.ts'
import type { LaneState, Rail, Refusal } from '../ports/rail.ts'
import { encodeWrite } from '../ports/rail-json.ts'
import { laneReader } from './lane-reader.ts'
import { claimable, type TillContext } from './till.machine.ts'
import { toRail } from './voucher.ts'
import { writeThrough } from './write.ts'

export interface ClaimOptions {
  /** Account that pays for the transaction. */
  readonly wallet: Address
  readonly host: () => Host
  readonly rail: Pick<Rail, 'lane' | 'head'>
  readonly clock: Pick<Clock, 'monotonic'>
}

/** Why the vault would skip the till's claim in a block at `time` (seconds), as in `rail.ts`; undefined when it would pay. */
function refusal(state: LaneState | undefined, till: TillContext, time: number): Refusal | undefined {
  const cumulative = claimable(till)
  if (!state) return 'unknown-lane'
  if (state.closed) return 'closed'
  if (cumulative <= state.claimed) return 'nothing-new'
  if (till.voucher?.kind === 'escrow' && time >= till.voucher.expiry) return 'expired'
  if (till.voucher?.kind === 'locked' && time >= till.voucher.lockExpiry) return 'expired'
  // Another has the key still: it comes, or the lock expires.
  if (till.voucher?.kind === 'locked' && till.lock?.key === null) return 'preimage'
  return cumulative > state.reserved ? 'over-reserve' : undefined
}

/** The effects `lanes.claim` and `lanes.unclaimed`. */
export function claimEffects({ wallet, host, rail, clock }: ClaimOptions): Record<string, EffectKind> {
  const readLane = laneReader({ rail, clock })
  const claim: EffectKind = {
    mode: 'idempotent',
    attempts: 4,
    run: async ({ key, lanes }: { key: string; lanes: readonly Hex32[] }, { actor, signal }) => {
      const tills = lanes.map((lane) => host().context<TillContext>(`till/${lane}`)).filter((till) => till !== undefined)
      const wanted = tills.filter((till) => claimable(till) > BigInt(till.claimed))
      const time = wanted.some((till) => till.voucher?.kind !== 'plain') ? (await rail.head()).time : 0
      const looked = await Promise.all(wanted.map(async (till) => {
        // What is known decides nothing against the payee: a chain may have lost blocks since.
        const state = await readLane(till.lane, (known) => known.exitAt === 0 && refusal(known, till, time) === undefined)
        return { till, state, reason: refusal(state, till, time) }
      }))
      const seen = looked.flatMap(({ till, state, reason }) => state && reason === 'nothing-new' ? [{ lane: till.lane, claimed: state.claimed.toString() }] : [])
      const skipped = looked.flatMap(({ till, reason }) => reason && reason !== 'nothing-new' ? [{ lane: till.lane, reason }] : [])
      const open = looked.filter(({ reason }) => reason === undefined).map(({ till }) => till)
      if (open.length === 0) return { type: 'lanes.claim.done', key, claims: [], seen, refused: skipped, rest: true }
      const claims = open.map(({ voucher, lock }) => ({ voucher: toRail(voucher!), signature: voucher!.signature, ...(voucher!.kind === 'locked' ? { preimage: lock!.key! } : {}) }))
      // The key names what is claimed, so that a repeated batch with more in it is another write.
      const unique = `${actor}.${key}.${open.map(claimable).join('.')}`.slice(0, 200)
      const result = await writeThrough(host(), wallet, unique, actor, encodeWrite({ kind: 'claim', claims }), signal)
      const done: LaneClaim[] = result.paid.map((row) => ({ lane: row.lane, hash: result.hash, claimed: row.claimed }))
      // Another has claimed since the lane was last read.
      const others = await Promise.all(result.refused.filter(({ reason }) => reason === 'nothing-new').map(async ({ lane }) => ({ lane, claimed: ((await rail.lane(lane))?.claimed ?? 0n).toString() })))
      return { type: 'lanes.claim.done', key, claims: done, seen: [...seen, ...others], refused: [...skipped, ...result.refused.filter(({ reason }) => reason !== 'nothing-new')], rest: true }
    },
  }
  const unclaimed: EffectKind = {
    mode: 'idempotent',
    run: async (_params: object, { actor }) => {
      const lanes: Hex32[] = []
      const here = host().partitionOf(actor)
      for (const { id, snapshot } of host().list('till')) {
        const till = snapshot.context as TillContext
        if (host().partitionOf(id) !== here) continue
        if (claimable(till) > BigInt(till.claimed)) lanes.push(till.lane)
      }
      return { type: 'lanes.unclaimed.done', lanes }
    },
  }
  return { 'lanes.claim': claim, 'lanes.unclaimed': unclaimed }
}
