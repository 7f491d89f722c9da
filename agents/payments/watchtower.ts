/**
 * A watchtower: a node that anybody can run, without any key of those it serves (payments.md). Payees hand
 * it the latest voucher of each lane; when a payer begins to leave while they are away it claims for
 * them, at its own gas. A claim pays the payee alone, so a tower can do no more harm than sleep:
 * several may be given the same vouchers. Worst loss of a payee that has one: what it was paid since it last
 * handed over. Used by `aigen watchtower`.
 *
 * Bounds: so many lanes in all and for one payee, of which each was reserved on the chain and costs its payer money.
 */
import type { GuardAnswer, Hex32, PlainVoucher } from '../../schemas/documents.gen.ts'
import { AigenError, asError } from '../../schemas/error.ts'
import { validate } from '../../schemas/validate.ts'
import type { EffectKind } from '../../runtime/actors/effects.ts'
import type { Node, NodeOptions, NodeParts, Room } from '../../runtime/node/node.ts'
import { toRail } from '../../runtime/payments/voucher.ts'
import { writeThrough } from '../../runtime/payments/write.ts'
import { encodeWrite } from '../../runtime/ports/rail-json.ts'
import { openAlone, type Alone } from './alone.ts'
import { ward, wardActor, type WardContext, type WardLook } from './ward.machine.ts'

/** Between two looks at a lane, in ms: a fraction of the shortest delay that is worked for, an hour. */
const LOOK_MS = 60_000
/** Lanes watched in all: each is one read of the chain a minute. */
const WARDS_MAX = 2_000
/** Lanes of one payee. */
const PAYEE_WARDS_MAX = 500

/** The effects `ward.look` and `ward.claim`. */
export function wardEffects({ rail, clock, host, participant }: NodeParts): Record<string, EffectKind> {
  const lookOnce = async (lane: Hex32): Promise<WardLook> => {
    const state = await rail.lane(lane)
    return { claimed: (state?.claimed ?? 0n).toString(), closed: state?.closed ?? false, leaves: state !== undefined && state.exitAt !== 0 }
  }
  const look: EffectKind = {
    mode: 'idempotent',
    concurrency: WARDS_MAX,
    run: async ({ lane, leaving }: { lane: Hex32; leaving: boolean }, { signal }) => {
      for (;;) {
        try {
          const seen = await lookOnce(lane)
          // One that leaves is watched until it is closed, or has stopped to leave: a chain may lose blocks.
          if (seen.closed || seen.leaves !== leaving) return { type: 'ward.look.done', ...seen }
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
    run: async ({ voucher }: { voucher: PlainVoucher }, { actor, signal }) => {
      const before = await lookOnce(voucher.lane)
      if (!before.closed && BigInt(before.claimed) < BigInt(voucher.cumulative)) {
        const claims = [{ voucher: toRail(voucher), signature: voucher.signature }]
        await writeThrough(host(), participant, `${actor}.${voucher.cumulative}`, actor, encodeWrite({ kind: 'claim', claims }), signal)
      }
      return { type: 'ward.claim.done', ...await lookOnce(voucher.lane) }
    },
  }
  return { 'ward.look': look, 'ward.claim': claim }
}

/** The ward's actor and effects, for the node's rooms. */
export const watchtowerRoom: Room = (parts) => ({ actors: [ward], effects: wardEffects(parts) })

/** Takes vouchers from now on; call it before the node starts. */
export function prepareWatchtower(node: Node): void {
  const { rail, wire, host } = node
  const wards = (): readonly WardContext[] => [...host.list('ward')].filter(({ snapshot }) => snapshot.status === 'active').map(({ snapshot }) => snapshot.context as WardContext)

  const guard = async (voucher: PlainVoucher): Promise<string> => {
    const { lane, cumulative } = voucher
    const state = await rail.lane(lane)
    if (!state) throw new AigenError('voucher.lane', 'nothing is reserved on this lane')
    if (state.closed) throw new AigenError('lane.closed')
    const key = rail.recover(toRail(voucher), voucher.signature)
    if (key !== state.voucherKey) throw new AigenError('voucher.key', `signed by ${key}`)
    if (BigInt(cumulative) > state.reserved) throw new AigenError('voucher.over-reserve', `${state.reserved} is reserved`)
    if (BigInt(cumulative) <= state.claimed) throw new AigenError('voucher.too-low', `${state.claimed} is claimed`)
    const known = host.context<WardContext>(wardActor(lane))
    if (!known) {
      const watched = wards()
      const own = watched.filter((one) => one.payee === state.payee).length
      if (watched.length >= WARDS_MAX || own >= PAYEE_WARDS_MAX) throw new AigenError('node.busy', `${watched.length} lanes are watched, ${own} of this payee`)
      await host.start(wardActor(lane), { voucher, payee: state.payee })
    } else await host.send(wardActor(lane), { type: 'guard', voucher })
    return host.context<WardContext>(wardActor(lane))!.voucher.cumulative
  }

  wire.serve('guard', (body) => validate('GuardRequest', body), async ({ vouchers }): Promise<GuardAnswer> => {
    const answers = await Promise.all(vouchers.map(async (voucher) => guard(voucher).then(
      (cumulative) => ({ lane: voucher.lane, cumulative }),
      (thrown) => ({ lane: voucher.lane, code: asError(thrown).code }),
    )))
    return { held: answers.flatMap((one) => ('cumulative' in one ? [one] : [])), refused: answers.flatMap((one) => ('code' in one ? [one] : [])) }
  })
}

/** A node that does nothing else. Errors: those of `openNode`. */
export const openWatchtower = (options: Omit<NodeOptions, 'rooms'> & { readonly name: string }): Promise<Alone> => openAlone(options, watchtowerRoom, prepareWatchtower)
