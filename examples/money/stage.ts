/**
 * What the programs of this folder stand on: a devnet of their own, NATS and an EVM chain, and a seat
 * for each participant they need, all in this process. Time can be skipped, on the chain as well.
 * Leaves nothing behind. Used by every mode.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  connectPorts, evaluateWith, makeBoundedEvaluator, openKeys, openPayments, openUser, provide, systemRandom,
  type Evaluate, type Payments, type PaymentsOptions, type Provider, type ProviderDefinition, type User, type UserOptions,
} from 'aigen'
import { startDevnet } from '../devnet/devnet.ts'
import { AheadClock } from './clock.ts'
import type { Cheat } from './crooked.ts'

/** Test dollars in each user's vault, atomic. */
export const DEPOSIT = 1_000_000n
/** What is done between two steps of skipped time has so long to happen, in ms. */
const BREATH_MS = 80
/** Who waits longer than this waits for a time that is skipped, in ms. */
const PATIENCE_MS = 5_000
/** Time is skipped by so much at once, in ms; by more when it takes long. */
const STEP_MS = 5_000
const LONG_MS = 120_000

export interface Stage {
  readonly evaluate: Evaluate
  /** `evaluate` is how it judges its own outputs before it signs for them. */
  provider(definition: ProviderDefinition, cheat?: Cheat, evaluate?: Evaluate): Promise<Provider>
  user(name: string, cheat?: Cheat, options?: Partial<UserOptions>): Promise<User>
  payments(name: string, cheat?: Cheat, options?: Partial<PaymentsOptions>): Promise<Payments>
  /** It is `ms` later for everybody and on the chain, a little at a time. */
  skip(ms: number, steps?: number): Promise<void>
  /** What `promise` gives; time is skipped while it waits for long. */
  until<T>(promise: Promise<T>): Promise<T>
  /** The last transaction that paid `payee` from a lane. */
  claimOf(payee: string): Promise<string | undefined>
  close(): Promise<void>
}

/** The vault that `openUser` opens: its id is what its terms say. */
export function vaultOf({ node: { participant, keys } }: User): Parameters<User['node']['rail']['vaultId']>[0] {
  return { owner: participant, voucherKey: keys.voucher.address.toLowerCase() as `0x${string}`, delay: 86_400, number: 0 }
}

const same: Cheat = (ports) => ports
export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Starts it. Errors: `nats.*`, `anvil.*`, `chain.*`. */
export async function openStage(): Promise<Stage> {
  const data = await mkdtemp(join(tmpdir(), 'aigen-money-'))
  const devnet = await startDevnet({ data, participants: [], program: '', say: () => undefined })
  const { url, contract } = devnet.file.chain
  const clock = new AheadClock()
  const evaluator = makeBoundedEvaluator()
  const evaluate = evaluateWith(evaluator)
  const undo: (() => Promise<unknown>)[] = [() => rm(data, { recursive: true, force: true }), () => devnet.stop(), () => evaluator.close()]

  const rpc = async (method: string, ...params: unknown[]): Promise<any> => {
    const answer = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }) })
    return ((await answer.json()) as { result: unknown }).result
  }
  let seated: Promise<unknown> = Promise.resolve()
  /** One after the other: while the server takes one in, it may turn another away. */
  const seat = (name: string, cheat: Cheat) => {
    const next = seated.then(async () => {
      const keys = await openKeys({ home: join(data, name), random: systemRandom })
      const { close, ...ports } = await connectPorts(await devnet.admit(keys.participant), keys.participant)
      undo.push(close)
      return { keys, ports: cheat({ ...ports, clock }) }
    })
    seated = next.catch(() => undefined)
    return next
  }
  const skip = async (ms: number, steps = Math.ceil(ms / STEP_MS)): Promise<void> => {
    for (let step = 0; step < steps; step++) {
      const seconds = Math.round(ms / steps / 1_000)
      await rpc('evm_increaseTime', seconds)
      await rpc('evm_mine')
      clock.skip(seconds * 1_000)
      await pause(BREATH_MS)
    }
  }
  return {
    evaluate,
    provider: async (definition, cheat = same, judges = evaluate) => {
      const provider = await provide(definition, await seat(definition.name, cheat), judges)
      undo.push(() => provider.stop(0))
      return provider
    },
    user: async (name, cheat = same, options = {}) => {
      const user = await openUser({ ...(await seat(name, cheat)), evaluate, deposit: DEPOSIT, faucet: true, ...options })
      undo.push(() => user.close())
      return user
    },
    payments: async (name, cheat = same, options = {}) => {
      const payments = await openPayments({ ...(await seat(name, cheat)), name, evaluate, deposit: DEPOSIT, faucet: true, ...options })
      undo.push(() => payments.stop(0))
      return payments
    },
    skip,
    until: async (promise) => {
      let over = false
      const done = promise.finally(() => (over = true))
      done.catch(() => undefined)
      await Promise.race([done.catch(() => undefined), pause(PATIENCE_MS)])
      for (let skipped = 0; !over; skipped += STEP_MS) await skip(skipped < LONG_MS ? STEP_MS : 4 * STEP_MS, 1)
      return done
    },
    claimOf: async (payee) => {
      const logs = (await rpc('eth_getLogs', { address: contract, fromBlock: '0x0', topics: [null, null, `0x${payee.slice(2).padStart(64, '0')}`] })) as { transactionHash: string }[]
      return logs.at(-1)?.transactionHash
    },
    close: async () => {
      for (const step of undo.splice(0).reverse()) await step().catch(() => undefined)
    },
  }
}
