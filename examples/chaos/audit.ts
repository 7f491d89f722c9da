/**
 * What must hold after the storm, read from the journals and the chain with every process stopped:
 * each run closed with the right answer, nothing held, every receipt verified and of another call,
 * payer, payee and chain of one mind about every lane, and the vault contract's books in balance
 * (I1, I2, I3). Used by `storm`.
 */
import { KINDS } from '../../agents/kinds.ts'
import type { CallContext } from '../../agents/provider/call.machine.ts'
import type { WalletContext } from '../../agents/user/wallet.machine.ts'
import { keyedRun } from '../../agents/user/run.ts'
import { paidCalls } from '../../pipelines/bill.ts'
import type { RunContext } from '../../pipelines/run.machine.ts'
import { readActors, type Actors } from '../../runtime/actors/read-actors.ts'
import { createAuthorisations } from '../../runtime/identity/authorisation.ts'
import { createVerifier } from '../../runtime/identity/signed.ts'
import { connectPorts } from '../../runtime/node/connect.ts'
import type { PurseContext } from '../../runtime/payments/lane.ts'
import { verifyReceipt } from '../../runtime/payments/receipt.ts'
import type { TillContext } from '../../runtime/payments/till.machine.ts'
import type { Rail } from '../../runtime/ports/rail.ts'
import type { Seat } from './ground.ts'
import { answerOf } from './work.ts'


export interface AuditOptions {
  readonly seed: number
  /** Each payer's seat, and the keys of its runs by their number. */
  readonly payers: readonly { readonly seat: Seat; readonly keys: ReadonlyMap<number, string> }[]
  readonly sellers: readonly Seat[]
  readonly deposit: bigint
}

export interface Audit {
  readonly done: number
  /** Closed with an error, and why. */
  readonly failed: readonly string[]
  /** Atomic. */
  readonly spent: bigint
  readonly settled: bigint
  readonly receipts: number
  readonly retries: number
  readonly violations: readonly string[]
}

const sum = (amounts: Iterable<bigint>): bigint => [...amounts].reduce((total, one) => total + one, 0n)

/** Reads everything; each violation is a sentence. Errors: `journal.*`, `network.*`, `chain.*`. */
export async function audit({ seed, payers, sellers, deposit }: AuditOptions): Promise<Audit> {
  const violations: string[] = []
  const holds = (what: string, ok: boolean): void => void (ok || violations.push(what))
  const same = (what: string, one: bigint, other: bigint): void => holds(`${what}: ${one} is not ${other}`, one === other)
  const failed: string[] = []
  const paidOnce = new Set<string>()
  let [done, spent, settled, reserved, free, receipts, retries] = [0, 0n, 0n, 0n, 0n, 0, 0]
  /** What payers signed on a lane, by its id. */
  const signed = new Map<string, bigint>()
  const delivered = new Map<string, bigint>()

  for (const { seat, keys } of payers) {
    await withActors(seat, async (actors, rail) => {
      const name = seat.participant
      let own = 0n
      for (const [index, key] of keys) {
        const id = keyedRun(key)
        const run = await actors.load(`run/${id}`)
        const context = run?.snapshot.context as RunContext | undefined
        if (!context || run!.snapshot.status !== 'done') {
          violations.push(`pipeline ${index} has not ended`)
          continue
        }
        own += BigInt(context.spent)
        if (context.error) failed.push(`pipeline ${index}: ${context.error.code} ${context.error.message} (${context.error.path ?? ''})`)
        else if ((context.output as { text?: string } | null)?.text === answerOf(seed, index)) done++
        else violations.push(`pipeline ${index} answers ${JSON.stringify(context.output)}`)
        const calls = await paidCalls(actors, context, createVerifier(createAuthorisations()))
        same(`receipts of pipeline ${index} against what it spent`, sum(calls.map(({ amount }) => amount)), BigInt(context.spent))
        for (const { receipt, delivery, amount } of calls) {
          receipts++
          const which = `${delivery.body.agreement}/${delivery.body.call}`
          holds(`${which} is paid twice`, !paidOnce.has(which))
          paidOnce.add(which)
          delivered.set(which, amount)
          try {
            verifyReceipt(receipt)
          } catch (thrown) {
            violations.push(`receipt ${receipt.id} does not verify: ${(thrown as Error).message}`)
          }
        }
      }
      for await (const actor of actors.all('step')) retries += Math.max(0, (actor.snapshot.context as { attempts: unknown[] }).attempts.length - 1)
      const { holds: held, spent: counted } = (await actors.look<WalletContext>('wallet'))!
      holds(`${name} holds ${JSON.stringify(held)}`, Object.keys(held).length === 0)
      same(`the wallet of ${name} against its runs`, BigInt(counted), own)
      const purses: PurseContext[] = []
      for await (const { snapshot } of actors.all('purse')) purses.push(snapshot.context as PurseContext)
      const lanes = purses.flatMap((purse) => Object.values(purse.lanes))
      same(`the lanes of ${name} against its runs`, sum(lanes.map(({ cumulative }) => BigInt(cumulative))), own)
      for (const lane of lanes) {
        const state = await rail.lane(lane.id)
        signed.set(lane.id, BigInt(lane.cumulative))
        if (!state) {
          holds(`lane ${lane.id} is not on the chain`, lane.cumulative === '0')
          continue
        }
        same(`lane ${lane.id}, claimed against signed`, state.claimed, BigInt(lane.cumulative))
        holds(`lane ${lane.id} paid out ${state.claimed} of ${state.reserved}`, state.claimed <= state.reserved)
        settled += state.claimed
        reserved += state.reserved - state.claimed
      }
      const vaultState = await rail.vault(purses[0]!.vault)
      free += vaultState?.free ?? 0n
      for (const { id, parked } of parkedIn(actors)) violations.push(`${id} of ${name} is parked: ${parked}`)
      spent += own
    })
  }

  for (const seat of sellers) {
    await withActors(seat, async (actors, rail) => {
      const tills = (await listOf(actors.all('till'))).map(({ snapshot }) => snapshot.context as TillContext)
      for (const one of tills) {
        same(`lane ${one.lane}, received against signed`, BigInt(one.cumulative), signed.get(one.lane) ?? 0n)
        holds(`lane ${one.lane}, ${one.claimed} seen claimed of ${one.cumulative}: not on the chain`, (await rail.lane(one.lane))?.claimed === BigInt(one.cumulative) || one.cumulative === '0')
        holds(`lane ${one.lane} is owed ${JSON.stringify(one.owed)}`, one.owed === null)
      }
      const paid = (await listOf(actors.all('call'))).filter(({ snapshot }) => snapshot.value === 'paid').map(({ snapshot }) => snapshot.context as CallContext)
      same(`calls of ${seat.participant} that are paid, against its tills`, sum(paid.map(({ delivery }) => BigInt(delivery!.body.amount))), sum(tills.map(({ cumulative }) => BigInt(cumulative))))
      for (const { agreement, call: number } of paid) holds(`call ${agreement}/${number} is paid, and the payer has no receipt of it`, delivered.has(`${agreement}/${number}`))
      same(`what the chain gave ${seat.participant}, against its tills`, await rail.balance(seat.participant) + await rail.credit(seat.participant), sum(tills.map(({ cumulative }) => BigInt(cumulative))))
      for (const { id, parked } of parkedIn(actors)) violations.push(`${id} of ${seat.participant} is parked: ${parked}`)
    })
  }

  await withActors(payers[0]!.seat, async (_actors, rail) => {
    const credits = sum(await Promise.all(sellers.map(({ participant }) => rail.credit(participant))))
    same('the vault contract\'s balance against its lanes, vaults and credits', await rail.balance(rail.terms.contract), reserved + free + credits)
    same('what was deposited against what is there and what was paid', deposit * BigInt(payers.length), reserved + free + settled)
  })
  same('settled against spent', settled, spent)
  return { done, failed, spent, settled, receipts, retries, violations }
}

/** What payers signed and the chain has not paid yet, atomic: payees claim it by themselves in about a minute. */
export async function outstanding(seats: readonly Seat[]): Promise<bigint> {
  let sum = 0n
  for (const seat of seats) {
    await withActors(seat, async (actors, rail) => {
      for await (const { snapshot } of actors.all('purse')) {
        for (const { id, cumulative } of Object.values((snapshot.context as PurseContext).lanes)) sum += BigInt(cumulative) - ((await rail.lane(id))?.claimed ?? 0n)
      }
    })
  }
  return sum
}

function* parkedIn(actors: Actors): Iterable<{ readonly id: string; readonly parked: string }> {
  for (const one of actors.parked()) yield { id: one.actor, parked: one.reason }
}

/** The journal of `seat` folded as it stands, and the chain. */
async function listOf<T>(all: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = []
  for await (const one of all) list.push(one)
  return list
}

async function withActors(seat: Seat, look: (actors: Actors, rail: Rail) => Promise<void>): Promise<void> {
  const ports = await connectPorts(seat.connections, seat.participant)
  try {
    await look(await readActors({ journal: ports.journal, blobs: ports.blobs, clock: ports.clock, kinds: KINDS }), ports.rail)
  } finally {
    await ports.close()
  }
}
