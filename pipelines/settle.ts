/**
 * The end of a run as an effect: asks each payee to claim its lanes now, then looks at the chain
 * itself (I2). What it reports as settled is what the chain says, never what a payee says; a payee
 * that does not answer can claim later, its vouchers stay good.
 */
import type { Address, Hex32 } from '../schemas/documents.gen.ts'
import { participantId } from '../schemas/id.ts'
import { validate } from '../schemas/validate.ts'
import type { EffectKind } from '../runtime/actors/effects.ts'
import type { Host } from '../runtime/actors/host.ts'
import type { Wire } from '../runtime/identity/wire.ts'
import type { Clock } from '../runtime/ports/clock.ts'
import type { Rail } from '../runtime/ports/rail.ts'
import { openClaimRequests } from '../runtime/payments/claim-requests.ts'
import { openClaimed } from '../runtime/payments/claimed.ts'
import { deliveryHash } from '../runtime/payments/delivery.ts'
import { purseActor } from '../runtime/payments/purse.machine.ts'
import type { PurseContext } from '../runtime/payments/lane.ts'
import { paymentsOf } from './bill.ts'
import type { RunContext } from './run.machine.ts'

const ASK_MS = 20_000
/** How long the last vouchers may take to reach their payees, a second attempt included, before these are asked all the same; in ms. */
const HAND_OVER_MS = 6_000

export interface SettleOptions {
  readonly wire: Wire
  readonly rail: Rail
  readonly clock: Clock
  readonly host: () => Host
}

/** The effect `run.settle`. */
export function settleEffects({ wire, rail, clock, host }: SettleOptions): Record<string, EffectKind> {
  const chain = openClaimed({ rail, clock })
  const requests = openClaimRequests<RunContext>(clock, async (provider, lanes, { run: id, trace }) => {
    // Another each time: the same run may be settled again after a crash, with others beside it.
    const answer = await wire.call(participantId(provider), 'settle', { lanes: [...lanes] }, {
      callId: `s-${id}-${clock.now().toString(36)}`, timeoutMs: ASK_MS, ...(trace === undefined ? {} : { trace: { traceparent: trace } }),
      validate: (value) => validate('SettleAnswer', value),
    })
    return answer.transactions
  })
  const settle: EffectKind = {
    mode: 'idempotent',
    attempts: 3,
    run: async ({ run: id }: { run: string }, { signal }) => {
      const run = host().context<RunContext>(`run/${id}`)!
      const { paid: calls, lost } = await paymentsOf(host(), run, wire.credentials.verifier)
      const deliveries = new Set(calls.map(({ delivery }) => deliveryHash(delivery)))
      // A step ends when its voucher is journaled; a payee that is asked before it has it would claim too little.
      await host().until(purseActor(host().partitionOf(`run/${id}`)), ({ context }) => !onTheirWay(context as PurseContext, id, deliveries), HAND_OVER_MS, signal).catch(() => undefined)
      // A node that stops asks nobody: the run is settled by who has it next.
      signal.throwIfAborted()
      const paid = [...calls, ...lost]
      const lanesOf = new Map<Address, Set<Hex32>>()
      for (const { provider, voucher } of paid) lanesOf.set(provider, (lanesOf.get(provider) ?? new Set()).add(voucher.lane))
      const transactions = new Set<Hex32>()
      await Promise.allSettled([...lanesOf].map(async ([provider, lanes]) => {
        for (const { lane, hash } of await requests.of(provider, [...lanes], run, signal)) {
          if (lanes.has(lane) && (await chain.rows(hash)).some((row) => row.lane === lane)) transactions.add(hash)
        }
      }))
      const due = new Map<Hex32, bigint>()
      for (const { voucher: { lane }, upTo } of paid) due.set(lane, upTo > (due.get(lane) ?? 0n) ? upTo : due.get(lane)!)
      const claimed = new Map(await Promise.all([...due].map(async ([lane, upTo]) => [lane, await chain.of(lane, upTo)] as const)))
      const settled = paid.reduce((sum, { voucher, upTo, amount }) => (claimed.get(voucher.lane)! >= upTo ? sum + amount : sum), 0n)
      return { type: 'run.settle.done', settled: settled.toString(), transactions: [...transactions] }
    },
  }
  return { 'run.settle': settle }
}

/** Whether a voucher for a step of `run` is still on its way to its payee. */
function onTheirWay({ lanes }: PurseContext, run: string, deliveries: ReadonlySet<string>): boolean {
  for (const key in lanes) {
    const { payment } = lanes[key]!
    if (payment?.tell.includes(`/${run}/`) || payment?.group?.items.some(({ delivery }) => deliveries.has(delivery))) return true
  }
  return false
}
