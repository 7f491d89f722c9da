/**
 * A watchtower: a node that anybody can run, without any key of those it serves (payments.md). Payees hand
 * it the latest voucher of each lane; when a payer begins to leave while they are away it claims for
 * them, at its own gas. A claim pays the payee alone, so a tower can do no more harm than sleep:
 * several may be given the same vouchers. Worst loss of a payee that has one: what it was paid since it last
 * handed over. Used by `aigen watchtower`.
 *
 * Bounds: so many lanes in all and for one payee, of which each was reserved on the chain and costs its payer money;
 * so many reads of the chain for a caller (`lane-facts.ts`); a lane whose vouchers are all paid is looked at no more.
 */
import type { GuardAnswer, Hex32, PlainVoucher } from '../../schemas/documents.gen.ts'
import { AigenError, asError } from '../../schemas/error.ts'
import { validate } from '../../schemas/validate.ts'
import type { EffectKind } from '../../runtime/actors/effects.ts'
import type { Node, NodeOptions, NodeParts, Room } from '../../runtime/node/node.ts'
import { lockHashOf } from '../../runtime/payments/seal.ts'
import { toRail } from '../../runtime/payments/voucher.ts'
import { writeThrough } from '../../runtime/payments/write.ts'
import { encodeWrite } from '../../runtime/ports/rail-json.ts'
import { openAlone, type Alone } from './alone.ts'
import { openFacts } from './lane-facts.ts'
import { heldOf, ward, wardActor, type Conditional, type WardContext, type WardLook } from './ward.machine.ts'

/** Between two looks at a lane, in ms: a fraction of the shortest delay that is worked for, an hour. */
const LOOK_MS = 60_000
/** Lanes watched in all, each one read of the chain a minute, and two where something hangs on a condition. */
const WARDS_MAX = 2_000
/** Lanes of one payee. */
const PAYEE_WARDS_MAX = 500

/** Looks in a row that find all paid before a lane is looked at no more: a chain may lose blocks. */
const SETTLED_LOOKS = 10
/** Lanes that are at rest, besides. */
const SETTLED_MAX = 20_000

/** Whether the vault would pay the voucher in a block at `time` (seconds); undefined: never again. */
function pays({ voucher, key }: Conditional, claimed: bigint, time: number): boolean | undefined {
  if (BigInt(voucher.cumulative) <= claimed) return undefined
  if (voucher.kind === 'locked') return key !== undefined && time < voucher.lockExpiry ? true : undefined
  return time >= voucher.expiry ? undefined : time >= voucher.challengeEnd
}

/** The effects `ward.look` and `ward.claim`. */
export function wardEffects({ rail, clock, host, participant }: NodeParts): Record<string, EffectKind> {
  const lookOnce = async (lane: Hex32): Promise<WardLook> => {
    const state = await rail.lane(lane)
    return { claimed: (state?.claimed ?? 0n).toString(), closed: state?.closed ?? false, leaves: state !== undefined && state.exitAt !== 0 }
  }
  const look: EffectKind = {
    mode: 'idempotent',
    concurrency: WARDS_MAX,
    // One that an older version asked for knows the first two.
    run: async ({ lane, leaving, held = '0', due = null }: { lane: Hex32; leaving: boolean; held?: string; due?: number | null }, { signal }) => {
      for (let paid = 0; ;) {
        try {
          const seen = await lookOnce(lane)
          paid = BigInt(seen.claimed) >= BigInt(held) ? paid + 1 : 0
          // One that leaves is watched until it is closed, or has stopped to leave: a chain may lose blocks.
          if (seen.closed || seen.leaves !== leaving) return { type: 'ward.look.done', ...seen }
          if (due !== null && (await rail.head()).time >= due) return { type: 'ward.look.done', ...seen, due: true }
          if (!leaving && paid >= SETTLED_LOOKS) return { type: 'ward.look.done', ...seen, settled: true }
        } catch (thrown) {
          if (!asError(thrown).rule.retry) throw thrown
        }
        await clock.sleep(LOOK_MS, signal)
      }
    },
  }
  const claim: EffectKind = {
    mode: 'idempotent',
    attempts: 4,
    run: async ({ voucher, conditional = null, lane = voucher!.lane }: { lane?: Hex32; voucher: PlainVoucher | null; conditional?: Conditional | null }, { actor, signal }) => {
      const before = await lookOnce(lane)
      const claimed = BigInt(before.claimed)
      const payable = conditional && pays(conditional, claimed, (await rail.head()).time)
      const claims = [
        ...(voucher && claimed < BigInt(voucher.cumulative) ? [{ voucher: toRail(voucher), signature: voucher.signature }] : []),
        ...(conditional && payable ? [{ voucher: toRail(conditional.voucher), signature: conditional.voucher.signature, ...(conditional.key ? { preimage: conditional.key } : {}) }] : []),
      ]
      if (!before.closed && claims.length > 0) {
        await writeThrough(host(), participant, `${actor}.${claims.map((one) => `${one.voucher.kind[0]}${one.voucher.cumulative}`).join('.')}`, actor, encodeWrite({ kind: 'claim', claims }), signal)
      }
      return { type: 'ward.claim.done', ...await lookOnce(lane), ...(conditional && payable !== false ? { spent: conditional.voucher.ref } : {}) }
    },
  }
  return { 'ward.look': look, 'ward.claim': claim }
}

/** The ward's actor and effects, for the node's rooms. */
export const watchtowerRoom: Room = (parts) => ({ actors: [ward], effects: wardEffects(parts) })

/** Takes vouchers from now on; call it before the node starts. */
export function prepareWatchtower(node: Node): void {
  const { rail, wire, host, clock } = node
  const facts = openFacts(rail, clock)

  /** Error `node.busy` where one more would be too many. */
  const checkRoom = (payee: string): void => {
    let [watched, own, resting] = [0, 0, 0]
    for (const { snapshot } of host.list('ward')) {
      if (snapshot.status !== 'active') continue
      if (snapshot.value === 'settled') resting += 1
      else watched += 1
      if ((snapshot.context as WardContext).payee === payee) own += 1
    }
    if (watched >= WARDS_MAX || own >= PAYEE_WARDS_MAX || resting >= SETTLED_MAX) throw new AigenError('node.busy', `${watched} lanes are watched, ${own} of this payee`)
  }

  const guard = async (offer: { readonly voucher: PlainVoucher } | { readonly conditional: Conditional }, caller: string): Promise<string> => {
    const voucher = 'voucher' in offer ? offer.voucher : offer.conditional.voucher
    const { lane } = voucher
    const cumulative = BigInt(voucher.cumulative)
    const known = host.context<WardContext>(wardActor(lane))
    // Nothing new: as it is on its way in again from whoever replays it.
    if (known && (voucher.kind === 'plain' ? cumulative <= BigInt(known.voucher?.cumulative ?? 0) && cumulative > BigInt(known.claimed) : voucher.ref === known.conditional?.voucher.ref)) return heldOf(known).toString()
    const state = await facts.of(lane, cumulative, caller)
    if (!state) throw new AigenError('voucher.lane', 'nothing is reserved on this lane')
    if (state.closed) throw new AigenError('lane.closed')
    const key = rail.recover(toRail(voucher), voucher.signature)
    if (key !== state.voucherKey) throw new AigenError('voucher.key', `signed by ${key}`)
    if (cumulative > state.reserved) throw new AigenError('voucher.over-reserve', `${state.reserved} is reserved`)
    if (cumulative <= state.claimed) throw new AigenError('voucher.too-low', `${state.claimed} is claimed`)
    if ('conditional' in offer) checkClaimable(offer.conditional, Math.floor(clock.now() / 1_000))
    if (known) await host.send(wardActor(lane), { type: 'guard', ...offer })
    else {
      checkRoom(state.payee)
      await host.start(wardActor(lane), { lane, voucher: null, ...offer, payee: state.payee })
    }
    facts.welcome(caller)
    const now = host.context<WardContext>(wardActor(lane))
    if (!now) throw new AigenError('lane.closed')
    return heldOf(now).toString()
  }

  wire.serve('guard', (body) => validate('GuardRequest', body), async ({ vouchers, conditional = [] }, { caller }): Promise<GuardAnswer> => {
    const offers = [...vouchers.map((voucher) => ({ voucher })), ...conditional.map((one) => ({ conditional: one as Conditional }))]
    const answers = await Promise.all(offers.map(async (offer) => {
      const { lane } = 'voucher' in offer ? offer.voucher : offer.conditional.voucher
      return guard(offer, caller).then((cumulative) => ({ lane, cumulative }), (thrown) => ({ lane, code: asError(thrown).code }))
    }))
    return { held: answers.flatMap((one) => ('cumulative' in one ? [one] : [])).slice(0, 100), refused: answers.flatMap((one) => ('code' in one ? [one] : [])).slice(0, 100) }
  })
}

/** Errors `voucher.locked`, `voucher.escrow`: what the chain would never pay. */
function checkClaimable({ voucher, key }: Conditional, time: number): void {
  if (voucher.kind === 'locked' && (key === undefined || lockHashOf(key) !== voucher.lockHash || time >= voucher.lockExpiry)) throw new AigenError('voucher.locked', 'it has expired, or its key is not here')
  if (voucher.kind === 'escrow' && time >= voucher.expiry) throw new AigenError('voucher.escrow', 'it has expired')
}

/** A node that does nothing else. Errors: those of `openNode`. */
export const openWatchtower = (options: Omit<NodeOptions, 'rooms'> & { readonly name: string }): Promise<Alone> => openAlone(options, watchtowerRoom, prepareWatchtower)
