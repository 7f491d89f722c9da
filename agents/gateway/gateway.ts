/**
 * The client provider: a user's node that hires for accounts, its ledger, kept answers and pipelines.
 * Opening it closes what an earlier process left open (reconcile.ts). The HTTP door (door/) is put in
 * front of it; programs can use it without one. Used by `aigen gateway`.
 */
import type { Pipeline } from '../../schemas/documents.gen.ts'
import { AigenError } from '../../schemas/error.ts'
import { parseMoney } from '../../schemas/money.ts'
import type { Evaluate } from '../../pipelines/prepare.ts'
import type { User } from '../user/user.ts'
import { openAnswers, type Answers } from './answers.ts'
import type { GatewayDatabase } from './database.ts'
import { openLedger, type Ledger } from './ledger.ts'
import { followCall, reconcile } from './reconcile.ts'
import { checkTiers, TIERS, type Tier } from './tiers.ts'

export interface GatewayOptions {
  /** The gateway's own node: it hires, pays and journals. */
  readonly user: User
  readonly database: GatewayDatabase
  readonly evaluate: Evaluate
  /** Default: free, pay-as-you-go and monthly (tiers.ts). */
  readonly tiers?: Readonly<Record<string, Tier>>
  /** Documents that accounts may run, by name. */
  readonly pipelines?: ReadonlyMap<string, Pipeline>
  /** Most that the network may charge for one call, decimal string (default "5"). */
  readonly callMax?: string
  /** Told of what could not be closed in the ledger. */
  readonly onProblem?: (error: Error) => void
}

export interface Gateway {
  readonly user: User
  readonly database: GatewayDatabase
  readonly ledger: Ledger
  readonly answers: Answers
  readonly evaluate: Evaluate
  readonly tiers: Readonly<Record<string, Tier>>
  readonly pipelines: ReadonlyMap<string, Pipeline>
  readonly callMax: bigint
  /** What was closed at start, and what is still followed from before. */
  readonly reconciled: { readonly settled: number; readonly released: number; readonly running: number }
  /** Closes the call in the ledger when its run ends. */
  follow(call: string): void
  /** Rejects with `network.closed` when the gateway stops before `work` is done. */
  during<T>(work: Promise<T>): Promise<T>
  stopping(): boolean
  /** Stops following; node and database stay the caller's. */
  close(): Promise<void>
}

/** Errors: `usage.invalid` for tiers that cannot be; those of the database. */
export async function openGateway({ user, database, evaluate, tiers = TIERS, pipelines = new Map(), callMax = '5', onProblem = () => {} }: GatewayOptions): Promise<Gateway> {
  checkTiers(tiers)
  const { clock } = user.node
  const ledger = openLedger({ db: database.db, clock, tiers })
  const following = new Map<string, Promise<void>>()
  let end!: (error: AigenError) => void
  let stopped = false
  const ended = new Promise<never>((_, reject) => (end = reject))
  ended.catch(() => undefined)
  const follow = (call: string): void => {
    if (following.has(call) || stopped) return
    const followed = Promise.race([followCall(user, ledger, call), ended]).then(() => undefined, (error: Error) => {
      if (!stopped) onProblem(error)
    }).finally(() => following.delete(call))
    following.set(call, followed)
  }
  const reconciled = await reconcile(user, ledger, follow)
  return {
    user, database, ledger, evaluate, tiers, pipelines, reconciled, follow,
    answers: openAnswers({ db: database.db, clock }),
    callMax: parseMoney(callMax),
    during: (work) => Promise.race([work, ended]),
    stopping: () => stopped,
    close: async () => {
      stopped = true
      end(new AigenError('network.closed', 'the gateway stops'))
      await Promise.all(following.values())
    },
  }
}
