/**
 * The chaos run: two nodes of a user, two of a provider, more providers, NATS and the chain as processes, killed and paused
 * as the faults say while paid pipelines run; then all is stopped and audited. Used by `chaos`.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { formatMoney } from '../../schemas/money.ts'
import { audit, outstanding } from './audit.ts'
import { faultsOf, type Fault } from './faults.ts'
import { openGround } from './ground.ts'
import { Mortal } from './mortal.ts'
import { DEPOSIT, keyOf, SELLERS, WORKERS } from './work.ts'

export interface StormOptions {
  readonly seed: number
  readonly pipelines: number
  /** NATS servers: 1, or a cluster of 3 that has each record on all. */
  readonly servers: number
  /** Longest that all of it may take. */
  readonly minutes: number
  /** Pipelines of one worker at once. */
  readonly atOnce: number
  /** Each process is killed once, and that is all; default false. */
  readonly once?: boolean
  /** One line for people. */
  readonly say: (line: string) => void
}

/** The figures, as the last line prints them. */
export interface Weather {
  readonly seed: number
  readonly servers: number
  readonly pipelines: number
  readonly done: number
  readonly failed: number
  readonly kills: number
  readonly pauses: number
  readonly retries: number
  readonly receipts: number
  readonly spent: string
  readonly settled: string
  readonly seconds: number
  readonly violations: number
}

/** Nothing that was paused longer is left so when the work is done. */
const PAUSE_MAX_MS = 8_000

/** Payees look for what is unclaimed once a minute; in short, what a chain may have lost is found, and they claim the rest as they end. */
const CLAIMED_MS = 150_000
const CLAIMED_SHORT_MS = 16_000
const LOOK_MS = 3_000

/** Runs it; errors only where servers or participants do not come up at all. */
export async function storm({ seed, pipelines, servers, minutes, atOnce, once = false, say }: StormOptions): Promise<Weather> {
  const from = performance.now()
  const ground = await openGround(servers)
  const mortals: Mortal[] = []
  const counts = { kill: 0, pause: 0 }
  const violations: string[] = []
  const over = new AbortController()
  const timer = setTimeout(() => over.abort(), minutes * 60_000)
  try {
    const targets = new Map(ground.targets)
    const ended = new Set<number>()
    let finished!: () => void
    const all = new Promise<void>((resolve) => {
      finished = resolve
    })
    const hear = ({ type, index, error }: { type: string; index: number; error: { code: string; message: string } | null }): void => {
      if (error) say(`${type} ${index}: ${error.code} ${error.message}`)
      if (type !== 'ended' || ended.has(index)) return
      ended.add(index)
      if (ended.size % 20 === 0) say(`${ended.size} of ${pipelines} pipelines, ${counts.kill} kills, ${counts.pause} pauses`)
      if (ended.size === pipelines) finished()
    }
    const begin = (name: string, program: 'worker' | 'seller', told: object): Mortal => {
      const mortal = new Mortal({ name, program, told, hear, onDeath: (why) => say(`${name} died (${why})`) })
      mortals.push(mortal)
      targets.set(name, () => mortal.pid)
      return mortal
    }
    const sellers = await Promise.all(SELLERS.map(async ({ list, nodes }, at) => ({ name: `seller ${at}`, list, nodes, seat: await ground.seat(`seller-${at}`) })))
    const selling = sellers.flatMap(({ nodes, ...told }) => (nodes === 1
      ? [begin(told.name, 'seller', told)]
      : Array.from({ length: nodes }, (_, node) => begin(`${told.name} node ${node}`, 'seller', { ...told, node: `node-${node}` }))))
    await Promise.all(selling.map(({ ready }) => ready))
    const indexes = Array.from({ length: pipelines }, (_, index) => index)
    const user = { seat: await ground.seat('user'), keys: new Map(indexes.map((index) => [index, keyOf(seed, index)])) }
    const working = Array.from({ length: WORKERS }, (_, at) => begin(`worker ${at}`, 'worker', { seat: user.seat, node: `node-${at}`, seed, atOnce, indexes: indexes.filter((index) => index % WORKERS === at) }))
    await Promise.race([Promise.all(working.map(({ ready }) => ready)), pause(60_000, undefined, { signal: over.signal, ref: false })])
    say(`all are there after ${((performance.now() - from) / 1_000).toFixed(1)} s`)

    const calm = new AbortController()
    const blowing = blow(faultsOf(seed, [...targets.keys()], once), targets, counts, say, AbortSignal.any([calm.signal, over.signal]))
    await Promise.race([all, new Promise<void>((resolve) => over.signal.addEventListener('abort', () => resolve()))])
    if (once) await blowing
    calm.abort()
    await blowing
    if (ended.size < pipelines) violations.push(`${pipelines - ended.size} pipelines have not ended in ${minutes} minutes`)

    // Workers and sellers live on until all is claimed: what a chain has lost is found by who wrote it.
    for (const from = performance.now(); performance.now() - from < (once ? CLAIMED_SHORT_MS : CLAIMED_MS) && (await outstanding([user.seat]).catch(() => 1n)) > 0n;) await pause(LOOK_MS)
    for (const worker of working) await worker.stop()
    await Promise.all(selling.map((seller) => seller.stop()))
    const result = await audit({ seed, payers: [user], sellers: sellers.map(({ seat }) => seat), deposit: DEPOSIT })
    violations.push(...result.violations)
    for (const line of [...result.failed, ...violations]) say(line)
    return {
      seed, servers, pipelines, done: result.done, failed: result.failed.length, kills: counts.kill, pauses: counts.pause, retries: result.retries, receipts: result.receipts,
      spent: formatMoney(result.spent), settled: formatMoney(result.settled), seconds: Math.round((performance.now() - from) / 1_000), violations: violations.length,
    }
  } finally {
    clearTimeout(timer)
    await Promise.all(mortals.map((one) => one.stop()))
    await ground.end()
  }
}

/** Of a cluster one server at a time is away: a majority has to be there. A killed one is back within this, in ms. */
const MEMBER_BACK_MS = 5_000

/** Does as the faults say until `calm`; what is paused then goes on. */
async function blow(faults: Iterable<Fault>, targets: ReadonlyMap<string, () => number | undefined>, counts: Record<'kill' | 'pause', number>, say: (line: string) => void, calm: AbortSignal): Promise<void> {
  const asleep = new Set<Promise<void>>()
  let member = { name: '', until: 0 }
  for (const { afterMs, target, act, forMs } of faults) {
    await pause(afterMs, undefined, { signal: calm }).catch(() => undefined)
    if (calm.aborted) break
    const isMember = target.startsWith('nats ')
    if (isMember && member.name !== target && performance.now() < member.until) continue
    const pid = targets.get(target)!()
    if (pid === undefined || !signal(pid, act === 'kill' ? 'SIGKILL' : 'SIGSTOP')) continue
    counts[act]++
    if (isMember) member = { name: target, until: performance.now() + forMs + MEMBER_BACK_MS }
    say(act === 'kill' ? `kill ${target}` : `pause ${target} for ${(forMs / 1_000).toFixed(1)} s`)
    if (act === 'kill') continue
    const nap = pause(Math.min(forMs, PAUSE_MAX_MS), undefined, { signal: calm }).catch(() => undefined).then(() => void signal(pid, 'SIGCONT'))
    asleep.add(nap)
    void nap.finally(() => asleep.delete(nap))
  }
  await Promise.all(asleep)
}

/** False when there is no such process any more. */
function signal(pid: number, name: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, name)
  } catch {
    return false
  }
}
