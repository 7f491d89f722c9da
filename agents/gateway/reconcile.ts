/**
 * Brings the ledger in line with the node's journal: a call whose run has ended is settled from its
 * bill, one whose run never started is released, one still under way is followed to its end (I1, I2).
 * Used after each call, and at start for the calls that a dead process left open.
 */
import { parseMoney } from '../../schemas/money.ts'
import { isAnswered } from '../../pipelines/run.machine.ts'
import { answerRun, billNow, keyedRun } from '../user/run.ts'
import type { User } from '../user/user.ts'
import type { Hold, Ledger } from './ledger.ts'

/** Longest time one run is waited for before it is looked at again, in ms. */
const LOOK_MS = 600_000

/** Whether the journal knows the call, and whether its answer and cost are. */
export async function callState(user: User, call: string): Promise<'unknown' | 'running' | 'ended'> {
  const actor = await user.node.host.load(`run/${keyedRun(call)}`)
  if (!actor) return 'unknown'
  return isAnswered(actor.snapshot) ? 'ended' : 'running'
}

/**
 * Closes the call in the ledger if it has ended or never began; undefined while it is under way.
 * Call it only when nobody is about to start the call. `tokens`: what it took.
 */
export async function conclude(user: User, ledger: Ledger, call: string, tokens = 0): Promise<Hold | undefined> {
  const state = await callState(user, call)
  if (state === 'running') return undefined
  return ledger.settle(call, state === 'unknown' ? 0n : parseMoney((await billNow(user, keyedRun(call))).spent), tokens)
}

/** Resolves when the call is closed in the ledger. Error `network.closed` when the node stops first; the next start goes on. */
export async function followCall(user: User, ledger: Ledger, call: string): Promise<Hold> {
  for (;;) {
    const hold = await conclude(user, ledger, call)
    if (hold) return hold
    await answerRun(user, keyedRun(call), LOOK_MS).catch((error: { code?: string }) => {
      if (error.code !== 'network.timeout') throw error
    })
  }
}

/** Closes what an earlier process left open; resolves with the calls still under way, which are being followed. */
export async function reconcile(user: User, ledger: Ledger, follow: (call: string) => void): Promise<{ readonly settled: number; readonly released: number; readonly running: number }> {
  const count = { settled: 0, released: 0, running: 0 }
  for (const { call } of await ledger.open()) {
    const hold = await conclude(user, ledger, call)
    if (!hold) follow(call)
    count[!hold ? 'running' : hold.state === 'released' ? 'released' : 'settled'] += 1
  }
  return count
}
