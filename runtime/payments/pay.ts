/**
 * The payer's side of a lane as effects: reserve on the chain, sign a voucher, hand it over (D6).
 * Asked for by the purse. Signing is deterministic (RFC 6979) and vouchers are cumulative, so each
 * may be repeated freely (I1).
 */
import type { Address, Hash, Hex32, PlainVoucher } from '../../schemas/documents.gen.ts'
import { participantId } from '../../schemas/id.ts'
import { validate } from '../../schemas/validate.ts'
import type { EffectKind } from '../actors/effects.ts'
import type { Host } from '../actors/host.ts'
import type { Wire } from '../identity/wire.ts'
import type { Rail } from '../ports/rail.ts'
import type { WalletSigner } from '../ports/signer.ts'
import { signEscrowVoucher } from './escrow.ts'
import { laneKey } from './lane.ts'
import type { Stake } from './stake.ts'
import { signPlainVoucher } from './voucher.ts'
import { writeThrough } from './write.ts'

export interface PayOptions {
  readonly wire: Wire
  readonly rail: Rail
  readonly voucherKey: WalletSigner
  /** Owner of the vault, who reserves. */
  readonly wallet: Address
  readonly host: () => Host
}

interface ReserveParams {
  readonly key: string
  readonly vault: Hex32
  readonly reserves: readonly { readonly payee: Address; readonly number: number; readonly total: string }[]
}

/** The effects `lanes.reserve`, `lanes.look`, `voucher.sign` and `voucher.pay`. */
export function payEffects({ wire, rail, voucherKey, wallet, host }: PayOptions): Record<string, EffectKind> {
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
    run: async ({ lane, id }: { lane: string; id: Hex32 }) => ({ type: 'lanes.look.done', lane, reserved: ((await rail.lane(id))?.reserved ?? 0n).toString() }),
  }
  const sign: EffectKind = {
    mode: 'idempotent',
    run: async ({ lane, id, cumulative, ref, stake }: { lane: string; id: Hex32; cumulative: string; ref: Hex32; stake?: Stake }) => ({
      type: 'voucher.sign.done', lane,
      voucher: stake && stake.kind === undefined ? signEscrowVoucher(rail, voucherKey, id, { cumulative, ref }, stake) : signPlainVoucher(rail, voucherKey, id, cumulative, ref),
    }),
  }
  const pay: EffectKind = {
    mode: 'idempotent',
    attempts: 12,
    maxPauseMs: 30_000,
    concurrency: 256,
    run: async ({ lane, to, voucher, deliveries }: { lane: string; to: Address; voucher: PlainVoucher; deliveries: Hash[] }, { signal }) => {
      await wire.call(participantId(to), 'pay', { lane: voucher.lane, voucher, deliveries }, {
        callId: `p-${voucher.ref.slice(2, 34)}`, route: voucher.lane, timeoutMs: 5_000, signal, validate: (value) => validate('PayAnswer', value),
      })
      return { type: 'voucher.pay.done', lane }
    },
  }
  return { 'lanes.reserve': reserve, 'lanes.look': look, 'voucher.sign': sign, 'voucher.pay': pay }
}
