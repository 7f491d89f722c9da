/**
 * A payee's vouchers on their way to its watchtowers: the latest of each lane, once it pays more than the
 * chain has paid and than they hold. Off the hot path, nothing waits for it; what a tower did not take is
 * said again, also after a restart. Opened by `prepareShop` where towers are configured.
 */
import type { PlainVoucher } from '../../schemas/documents.gen.ts'
import type { ParticipantId } from '../../schemas/id.ts'
import { validate } from '../../schemas/validate.ts'
import type { Node } from '../../runtime/node/node.ts'
import type { TillContext } from '../../runtime/payments/till.machine.ts'

/** Between two hand-overs, in ms: what was paid since the last one is what a crash leaves unguarded. */
const HAND_MS = 5_000
/** Vouchers of one message. */
const BATCH_MAX = 100
const CALL_MS = 4_000
/** Lanes whose hand-over is remembered, for each tower. */
const HELD_MAX = 10_000

/** Starts to hand over; returns how to stop, after one last time. */
export function handOver({ host, wire, clock }: Pick<Node, 'host' | 'wire' | 'clock'>, towers: readonly ParticipantId[]): () => Promise<void> {
  const stopped = new AbortController()
  const held = new Map(towers.map((tower) => [tower, new Map<string, bigint>()]))
  let calls = 0

  const due = (known: ReadonlyMap<string, bigint>): PlainVoucher[] => {
    const vouchers: PlainVoucher[] = []
    for (const { snapshot } of host.list('till')) {
      const { voucher, claimed } = snapshot.context as TillContext
      if (voucher?.kind !== 'plain') continue
      const worth = BigInt(voucher.cumulative)
      if (worth > BigInt(claimed) && worth > (known.get(voucher.lane) ?? -1n)) vouchers.push(voucher)
    }
    return vouchers
  }
  // All that are due, so that those it cannot take now hold up none behind them.
  const give = async (tower: ParticipantId): Promise<void> => {
    const all = due(held.get(tower)!)
    for (let at = 0; at < all.length; at += BATCH_MAX) await giveSome(tower, all.slice(at, at + BATCH_MAX))
  }
  const giveSome = async (tower: ParticipantId, vouchers: readonly PlainVoucher[]): Promise<void> => {
    const known = held.get(tower)!
    const answer = await wire.call(tower, 'guard', { vouchers }, { callId: `g-${clock.now()}-${calls++}`, timeoutMs: CALL_MS, validate: (value) => validate('GuardAnswer', value) })
    for (const { lane, cumulative } of answer.held) {
      if (known.size >= HELD_MAX) known.delete(known.keys().next().value!)
      known.set(lane, BigInt(cumulative))
    }
    // What it will never take is not said again until there is more; what it cannot take now, is.
    for (const { lane, code } of answer.refused) if (code !== 'node.busy') known.set(lane, BigInt(vouchers.find((one) => one.lane === lane)?.cumulative ?? 0))
  }
  // A tower that is away gets them when it is back.
  const giveAll = async (): Promise<void> => void (await Promise.all(towers.map((tower) => give(tower).catch(() => undefined))))
  const every = (async () => {
    while (!stopped.signal.aborted) {
      await clock.sleep(HAND_MS, stopped.signal).catch(() => undefined)
      if (!stopped.signal.aborted) await giveAll()
    }
  })()
  return async () => {
    stopped.abort()
    await every
    await giveAll()
  }
}
