/**
 * A payee's vouchers on their way to its watchtowers: the latest of each lane, once it pays more than the
 * chain has paid and than they hold. Off the hot path, nothing waits for it; what a tower did not take is
 * said again, also after a restart. Opened by `prepareShop` where towers are configured.
 */
import type { GuardRequest, PlainVoucher } from '../../schemas/documents.gen.ts'
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

/** A voucher as a tower gets it; a locked one is worth nothing without its key. */
type Handed = NonNullable<GuardRequest['conditional']>[number] | { readonly voucher: PlainVoucher }

const keyOf = ({ voucher }: Handed): string => (voucher.kind === 'plain' ? voucher.lane : `${voucher.lane} ${voucher.ref}`)

function plainOf({ voucher, before }: TillContext): Handed | undefined {
  const plain = voucher?.kind === 'plain' ? voucher : before
  return plain?.kind === 'plain' ? { voucher: plain } : undefined
}

/** Only for a delivery: an escrow for nothing is given up, whatever the vault would pay. */
function hangingOf({ voucher, lock, escrow, owed }: TillContext): Handed | undefined {
  if (voucher?.kind === 'locked' && lock?.key) return { voucher, key: lock.key }
  if (voucher?.kind === 'escrow') return { voucher }
  return escrow && owed ? { voucher: escrow } : undefined
}

/** Starts to hand over; returns how to stop, after one last time. */
export function handOver({ host, wire, clock }: Pick<Node, 'host' | 'wire' | 'clock'>, towers: readonly ParticipantId[]): () => Promise<void> {
  const stopped = new AbortController()
  const held = new Map(towers.map((tower) => [tower, new Map<string, string>()]))
  let calls = 0

  // The last of each lane without a condition, and what hangs on one besides: a plain voucher of as much folds it.
  const due = (known: ReadonlyMap<string, string>): Handed[] => {
    const handed: Handed[] = []
    for (const { snapshot } of host.list('till')) {
      const till = snapshot.context as TillContext
      for (const one of [plainOf(till), hangingOf(till)]) if (one && BigInt(one.voucher.cumulative) > BigInt(till.claimed) && known.get(keyOf(one)) !== one.voucher.cumulative) handed.push(one)
    }
    return handed
  }
  // All that are due, so that those it cannot take now hold up none behind them.
  const give = async (tower: ParticipantId): Promise<void> => {
    const all = due(held.get(tower)!)
    for (const hanging of [false, true]) {
      const some = all.filter((one) => (one.voucher.kind !== 'plain') === hanging)
      for (let at = 0; at < some.length; at += BATCH_MAX) await giveSome(tower, some.slice(at, at + BATCH_MAX), hanging)
    }
  }
  const giveSome = async (tower: ParticipantId, some: readonly Handed[], hanging: boolean): Promise<void> => {
    const known = held.get(tower)!
    const request = hanging ? { vouchers: [], conditional: some } : { vouchers: some.map(({ voucher }) => voucher) }
    const answer = await wire.call(tower, 'guard', request, { callId: `g-${clock.now()}-${calls++}`, timeoutMs: CALL_MS, validate: (value) => validate('GuardAnswer', value) })
    // What it will never take is not said again until there is more; what it cannot take now, is.
    const done = new Set([...answer.held.map(({ lane }) => lane), ...answer.refused.filter(({ code }) => code !== 'node.busy').map(({ lane }) => lane)])
    for (const one of some) {
      if (!done.has(one.voucher.lane)) continue
      if (known.size >= HELD_MAX) known.delete(known.keys().next().value!)
      known.set(keyOf(one), one.voucher.cumulative)
    }
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
