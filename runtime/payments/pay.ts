/**
 * The payer's side of a lane as effects: reserve on the chain, sign a voucher, hand it over (D6).
 * Asked for by the purse. Signing is deterministic (RFC 6979) and vouchers are cumulative, so each
 * may be repeated freely (I1).
 */
import type { Address, Hash, Hex32, PlainVoucher } from '../../schemas/documents.gen.ts'
import { asError } from '../../schemas/error.ts'
import { participantId } from '../../schemas/id.ts'
import { validate } from '../../schemas/validate.ts'
import type { ActorEvent } from '../actors/actor.ts'
import type { EffectKind } from '../actors/effects.ts'
import type { Host } from '../actors/host.ts'
import type { Wire } from '../identity/wire.ts'
import type { Rail } from '../ports/rail.ts'
import type { Random } from '../ports/random.ts'
import type { WalletSigner } from '../ports/signer.ts'
import { exchange } from './catch-up.ts'
import { signEscrowVoucher } from './escrow.ts'
import { laneKey } from './lane.ts'
import { signLockedVoucher } from './seal.ts'
import type { Stake } from './stake.ts'
import { signPlainVoucher } from './voucher.ts'
import { writeThrough } from './write.ts'

export interface PayOptions {
  readonly wire: Wire
  readonly rail: Rail
  readonly random: Random
  readonly voucherKey: WalletSigner
  /** Owner of the vault, who reserves. */
  readonly wallet: Address
  readonly host: () => Host
}

/** Lanes looked up at once. */
const LOOKS_MAX = 8

/** Refusals by a payee that holds another state of the lane than ours. */
const DISAGREE: ReadonlySet<string> = new Set(['voucher.ref', 'voucher.too-low'])

interface ReserveParams {
  readonly key: string
  readonly vault: Hex32
  readonly reserves: readonly { readonly payee: Address; readonly number: number; readonly total: string }[]
}

/** The effects `lanes.reserve`, `lanes.look`, `voucher.sign` and `voucher.pay`. */
export function payEffects({ wire, rail, random, voucherKey, wallet, host }: PayOptions): Record<string, EffectKind> {
  const ours = { wire, rail, random, voucherKey: voucherKey.address.toLowerCase() as Address }
  const reserve: EffectKind = {
    mode: 'idempotent',
    attempts: 4,
    run: async ({ key, vault, reserves }: ReserveParams, { actor, signal }) => {
      await writeThrough(host(), wallet, key, actor, { kind: 'reserve', vault, reserves: [...reserves] }, signal)
      return {
        type: 'lanes.reserve.done',
        key,
        lanes: reserves.map(({ payee, number, total }) => ({ lane: laneKey(payee, number), id: rail.laneId(vault, payee, number), reserved: total })),
      }
    },
  }
  const look: EffectKind = {
    mode: 'idempotent',
    attempts: 3,
    // At a start many are looked up: a few at a time, so that no peer and no chain is stormed.
    concurrency: LOOKS_MAX,
    run: async ({ lane, id, to, voucher, atStart }: { lane: string; id: Hex32; to: Address; voucher: PlainVoucher | null; atStart?: boolean }, { signal }) => {
      // The peer first: what it claims meanwhile is not mistaken for what it hides.
      // What the payee holds of us may be more than we know of; where it does not say, the chain's word has to do.
      const shown = await exchange(ours, to, id, voucher, signal).catch(() => undefined)
      const state = await rail.lane(id)
      return { type: 'lanes.look.done', lane, reserved: (state?.reserved ?? 0n).toString(), claimed: (state?.claimed ?? 0n).toString(), ...(shown?.voucher ? { voucher: shown.voucher } : {}), ...(atStart ? { atStart } : {}) }
    },
  }
  const signed = ({ lane, id, cumulative, ref, stake }: { lane: string; id: Hex32; cumulative: string; ref: Hex32; stake?: Stake }): ActorEvent => ({
    type: 'voucher.sign.done', lane,
    voucher: stake?.kind === 'locked' ? signLockedVoucher(rail, voucherKey, id, { cumulative, ref }, stake) : stake && stake.kind === undefined ? signEscrowVoucher(rail, voucherKey, id, { cumulative, ref }, stake) : signPlainVoucher(rail, voucherKey, id, cumulative, ref),
  })
  // In the record that owes it: it is durable with what it pays for, and leaves by `voucher.pay` only.
  const sign: EffectKind = { mode: 'idempotent', instant: signed, run: async (params) => signed(params) }
  const pay: EffectKind = {
    mode: 'idempotent',
    attempts: 12,
    maxPauseMs: 30_000,
    concurrency: 256,
    // Of a standing agreement: the lane takes calls meanwhile.
    later: ({ window }) => window !== undefined,
    run: async ({ lane, to, voucher, deliveries, before = voucher.cumulative }: { lane: string; to: Address; voucher: PlainVoucher; deliveries: Hash[]; before?: string }, { signal }) => {
      try {
        const { window } = await wire.call(participantId(to), 'pay', { lane: voucher.lane, voucher, deliveries }, {
          callId: `p-${voucher.ref.slice(2, 34)}`, route: voucher.lane, timeoutMs: 5_000, signal, validate: (value) => validate('PayAnswer', value),
        })
        return { type: 'voucher.pay.done', lane, ...(window === undefined ? {} : { window }) }
      } catch (thrown) {
        // One of us may have lost what it knew of the lane: the highest voucher that we have signed stands.
        if (!DISAGREE.has(asError(thrown).code)) throw thrown
        const { voucher: theirs, owed, owes } = await exchange(ours, to, voucher.lane, voucher, signal)
        if (theirs?.ref === voucher.ref && theirs.cumulative === voucher.cumulative) return { type: 'voucher.pay.done', lane }
        if (!theirs || BigInt(theirs.cumulative) <= BigInt(before)) throw thrown
        return { type: 'voucher.pay.outdone', part: true, lane, voucher: theirs, owed: owed !== null && owed === deliveries[0], ...(owes ? { owes } : {}) }
      }
    },
  }
  return { 'lanes.reserve': reserve, 'lanes.look': look, 'voucher.sign': sign, 'voucher.pay': pay }
}
