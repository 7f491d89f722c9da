/**
 * What a step costs the interpreter: whole runs of more and more steps in one process, which must be
 * flat per step (D2), and one forEach as wide. Ports are in memory and the steps are constants, so that
 * nothing is hired, delivered, signed or paid for one: what is left is the plan, the frontier, the run's
 * and the step's machine, their effects, expressions and records. Part of `npm run bench -- pipelines`.
 */
import { createHash } from 'node:crypto'
import { openUser, type User } from '../agents/user/user.ts'
import { startRun } from '../agents/user/run.ts'
import { evaluateWith } from '../pipelines/prepare.ts'
import { nodeSigner } from '../runtime/identity/ed25519.ts'
import { toText } from '../runtime/identity/text-bytes.ts'
import { memoryBlobs } from '../runtime/memory/blobs.ts'
import { memoryNetwork } from '../runtime/memory/bus.ts'
import { memoryJournal } from '../runtime/memory/journal.ts'
import { MemoryRail } from '../runtime/memory/rail.ts'
import { memoryWallet } from '../runtime/memory/signer.ts'
import { systemClock } from '../runtime/node/system-clock.ts'
import { systemRandom } from '../runtime/node/system-random.ts'
import { nodeId, participantId } from '../schemas/id.ts'
import { ownCpuMs } from './child.ts'
import { rounded } from './samples.ts'

export interface RunsOptions {
  readonly steps: readonly number[]
  readonly rounds: number
  readonly say: (line: object) => void
  readonly tell: (text: string) => void
}

/** Steps of one round at least, so that short runs are measured for as long as long ones. */
const ROUND_STEPS = 1_000
/** What is compiled late is no cost of a step. */
const WARM_STEPS = 2_000
const RUN_MS = 600_000

async function openAlone(): Promise<User> {
  const wallet = memoryWallet('bench wallet')
  const node = nodeSigner(createHash('sha256').update('bench node').digest())
  const participant = participantId(wallet.address)
  const rail = new MemoryRail({ clock: systemClock })
  const ports = {
    bus: memoryNetwork({ clock: systemClock }).bus(participant, { guardian: false }), journal: memoryJournal(new Map()), blobs: memoryBlobs({ shelves: new Map() }),
    transfer: memoryBlobs({ shelves: new Map(), shelf: participant }), rail, clock: systemClock, random: systemRandom,
  }
  const never = (): Promise<never> => Promise.reject(new Error('every expression here has a bound'))
  return openUser({ ports, keys: { participant, nodeId: nodeId(toText(node.publicKey)), wallet, voucher: memoryWallet('bench voucher'), node }, evaluate: evaluateWith({ evaluate: never }), deposit: 1_000_000n, faucet: true })
}

const head = { name: 'bench', version: '1.0.0', input: { type: 'object' } }

/** Each step takes the output of the one before. */
const chain = (steps: number): object => ({
  ...head,
  steps: Object.fromEntries(Array.from({ length: steps }, (_, at) => [`s${at}`, { switch: [{ value: { n: at === 0 ? 0 : `\${steps.s${at - 1}.n + 1}` } }] }])),
  output: `\${steps.s${steps - 1}.n}`,
})
const wide = (items: number): object => ({
  ...head, input: { type: 'object', properties: { list: { type: 'array', maxItems: items, items: { type: 'integer' } } } },
  steps: { all: { forEach: '${input.list}', maxItems: items, parallel: 32, switch: [{ value: { n: '${item}' } }] } }, output: '${steps.all.size()}',
})

async function once(user: User, document: object, inputs: Record<string, unknown>, answer: number): Promise<void> {
  const { host } = user.node
  const run = await startRun(user, { document, inputs })
  const { snapshot } = await host.until(`run/${run}`, ({ status }) => status === 'done', RUN_MS)
  const { output, error } = snapshot.context as { output: unknown; error: unknown }
  if (error || Number(output) !== answer) throw new Error(`the run gave ${JSON.stringify(error ?? output)}, not ${answer}`)
}

/** Processor and wall time of a step, the least of a few rounds. */
async function best(rounds: number, steps: number, work: () => Promise<void>): Promise<{ wallUsPerStep: number; cpuUsPerStep: number }> {
  const times = Math.max(1, Math.ceil(ROUND_STEPS / steps))
  let least = { wallUsPerStep: Infinity, cpuUsPerStep: Infinity }
  for (let round = 0; round < rounds; round++) {
    const [cpu, wall] = [ownCpuMs(), performance.now()]
    for (let time = 0; time < times; time++) await work()
    const each = (ms: number): number => rounded((ms * 1_000) / times / steps)
    least = { cpuUsPerStep: Math.min(least.cpuUsPerStep, each(ownCpuMs() - cpu)), wallUsPerStep: Math.min(least.wallUsPerStep, each(performance.now() - wall)) }
  }
  return least
}

/** One line for each length, and for each width of a forEach to 1,000. */
export async function measureRuns({ steps: sizes, rounds, say, tell }: RunsOptions): Promise<void> {
  const user = await openAlone()
  try {
    for (let warm = 0; warm < WARM_STEPS; warm += 100) await once(user, chain(100), {}, 99)
    for (const steps of sizes) say({ bench: 'pipelines', what: 'run', steps, ...(await best(rounds, steps, () => once(user, chain(steps), {}, steps - 1))) })
    for (const items of sizes.filter((size) => size <= 1_000)) {
      const list = Array.from({ length: items }, (_, at) => at)
      say({ bench: 'pipelines', what: 'forEach', items, ...(await best(rounds, items, () => once(user, wide(items), { list }, items))) })
    }
    tell('whole runs of constant steps on memory ports, checked and planned within the time; nothing is hired or paid')
  } finally {
    await user.close()
  }
}
