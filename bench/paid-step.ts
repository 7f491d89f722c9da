/**
 * Our paid step: runs of echoes, each step negotiated, agreed, invoked, delivered, checked and paid
 * by its own voucher (D6), nothing skipped, on real NATS and a real chain, the provider in another
 * process. Lanes are reserved by the purse as it goes: the first ones while it warms up, wider ones
 * under way, and every run is settled on the chain after its answer; all of that is in the time.
 */
import { openUser, type User } from '../agents/user/user.ts'
import { answerRun, startRun } from '../agents/user/run.ts'
import { makeBoundedEvaluator } from '../pipelines/evaluate-bounded.ts'
import { evaluateWith } from '../pipelines/prepare.ts'
import type { RunContext } from '../pipelines/run.machine.ts'
import { connectPorts } from '../runtime/node/connect.ts'
import { ownCpuMs, startChild, type Child } from './child.ts'
import { chainOf, echo } from './echo.ts'
import type { Ground, Seat } from './ground.ts'
import type { Measured } from './line.ts'
import { cpuMsOf } from './samples.ts'

/** Atomic; a million test dollars. */
const DEPOSIT = 1_000_000_000_000n
const RUN_MS = 120_000
const LIVE_MS = 15_000
/** What both sides' code is compiled by: fewer steps are measured twice as dear. */
const WARM_STEPS = 1_000
const WARM_MS = 30_000

/** How steps are hired: the capability (default `echo`), and whether one agreement stands for many of them. */
export interface How {
  readonly uses?: string
  readonly standing?: boolean
}

/** More calls than are measured, for longer. */
const STANDING = { calls: 100_000, forMs: 3_600_000 }

export interface Market {
  readonly user: User
  readonly seller: Child
  readonly seat: Seat
  /** One run of `steps` steps; resolves with its answer, while its payees claim what it cost. Throws when it failed. */
  run(steps: number, how?: How): Promise<void>
  /** Resolves when every run so far is closed. Throws where the chain has not paid what one of them spent. */
  settled(): Promise<void>
  close(): Promise<void>
}

/** A user here, a provider of `echo` in another process. */
export async function openMarket(ground: Ground): Promise<Market> {
  const { seat: sellerSeat } = await ground.seat('seller')
  const { seat, keys } = await ground.seat('user')
  const seller = await startChild('seller', sellerSeat)
  const ports = await connectPorts(seat.connections, seat.participant)
  const evaluator = makeBoundedEvaluator()
  const closePorts = async (): Promise<void> => {
    await evaluator.close()
    await ports.close()
    await seller.stop()
  }
  try {
    await evaluator.warm()
    const user = await openUser({ ports, keys, evaluate: evaluateWith(evaluator), deposit: DEPOSIT, faucet: true })
    for (let waited = 0; !user.capabilities().has(echo.capability.id); waited += 20) {
      if (waited > LIVE_MS) throw new Error('the provider did not come to the market')
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    const documents = new Map<string, object>()
    const closing = new Set<Promise<void>>()
    return {
      user, seller, seat,
      run: async (steps, { uses = echo.capability.id, standing = false } = {}) => {
        const key = `${uses} ${steps}`
        const document = documents.get(key) ?? chainOf(steps, uses)
        documents.set(key, document)
        const id = await startRun(standing ? { ...user, standing: STANDING } : user, { document, inputs: { text: 'hello' } })
        const { error } = await answerRun(user, id, RUN_MS)
        if (error) throw new Error(`${error.code}: ${error.message}`)
        const closed = user.node.host.until(`run/${id}`, ({ status }) => status === 'done', RUN_MS).then(({ snapshot }) => {
          const { spent, settled } = snapshot.context as RunContext
          if (settled !== spent) throw new Error(`spent ${spent}, settled ${settled}`)
          closing.delete(closed)
        })
        // Whoever waits for all of them hears of it.
        closed.catch(() => undefined)
        closing.add(closed)
      },
      settled: async () => void await Promise.all(closing),
      close: async () => {
        await user.close()
        await closePorts()
      },
    }
  } catch (error) {
    await closePorts()
    throw error
  }
}

/** Calls back at each step's end with how long it took, in ms, and at each run's close with how long that took. */
export function watchSteps(user: User, onStep: (ms: number, at: number) => void, onSettled: (ms: number) => void = () => {}): () => void {
  const begun = new Map<string, number>()
  const answered = new Map<string, number>()
  return user.node.host.watch((actor) => {
    const at = performance.now()
    if (actor.kind.name === 'run') {
      const state = String(actor.snapshot.value)
      if (state === 'closed') {
        const from = answered.get(actor.id)
        if (from !== undefined) onSettled(at - from)
        answered.delete(actor.id)
      } else if (state === 'answering' || state === 'settling') answered.set(actor.id, answered.get(actor.id) ?? at)
    }
    if (actor.kind.name !== 'step') return
    if (actor.snapshot.status === 'active') {
      if (!begun.has(actor.id)) begun.set(actor.id, at)
    } else if (begun.has(actor.id)) {
      onStep(at - begun.get(actor.id)!, at)
      begun.delete(actor.id)
    }
  })
}

/** Runs until lanes, sessions and compiled code are what a node has after its first minute. */
export async function warm(market: Market, stepsPerRun: number, how?: How): Promise<void> {
  const until = performance.now() + WARM_MS
  let left = WARM_STEPS
  await Promise.all(Array.from({ length: 16 }, async () => {
    while ((left -= stepsPerRun) >= 0 && performance.now() < until) await market.run(stepsPerRun, how)
  }))
  await market.settled()
}

/**
 * `concurrency` runs at once, each followed by another, for `seconds` of their middle. The first of each is of another
 * length and not measured: lanes are reserved then, and after it the runs begin and close one by one, as those of many
 * users do, and not all in the same moment. `during` is called when measuring starts, and what it returns when it ends.
 */
export async function measurePaidSteps(ground: Ground, market: Market, concurrency: number, stepsPerRun: number, seconds: number, how?: How, during: () => () => void = () => () => {}): Promise<Measured> {
  const latencies: number[] = []
  const settleMs: number[] = []
  let workflows = 0
  let measuring = false
  let over = false
  const cpuOf = (): [number | undefined, number | undefined] => [cpuMsOf(ground.nats.pid), cpuMsOf(ground.chainPid)]
  const unwatch = watchSteps(market.user, (ms) => measuring && latencies.push(ms), (ms) => measuring && settleMs.push(ms))
  const begun = Array.from({ length: concurrency }, (_, slot) => market.run(Math.ceil((stepsPerRun * (slot + 1)) / concurrency), how))
  const slots = begun.map(async (first) => {
    await first
    while (!over) {
      await market.run(stepsPerRun, how)
      if (measuring) workflows++
    }
  })
  const failed = Promise.all(slots)
  try {
    await Promise.all(begun)
    const end = during()
    const [natsBefore, chainBefore] = cpuOf()
    const sellerBefore = await market.seller.cpuMs()
    const ownBefore = ownCpuMs()
    const from = performance.now()
    measuring = true
    await Promise.race([failed, new Promise((resolve) => setTimeout(resolve, seconds * 1_000))])
    measuring = false
    const wallMs = performance.now() - from
    const [nats, chain] = cpuOf()
    const cpuMs = ownCpuMs() - ownBefore + (await market.seller.cpuMs()) - sellerBefore
    end()
    return {
      system: 'aigen', concurrency, workflows, steps: latencies.length, latencies, wallMs, settleMs, stepsPerRun, cpuMs,
      natsCpuMs: nats === undefined || natsBefore === undefined ? undefined : nats - natsBefore,
      chainCpuMs: chain === undefined || chainBefore === undefined ? undefined : chain - chainBefore,
    }
  } finally {
    over = true
    unwatch()
    await failed
    await market.settled()
  }
}
