/**
 * What a step costs the interpreter: whole runs of more and more steps in one process, which must be
 * flat per step (D2), and one forEach as wide, beside actors of the same shape on the host alone. Ports
 * are in memory and the steps are constants, so that nothing is hired, delivered, signed or paid for
 * one: what is left is the plan, the frontier, the run's and the step's machine, their effects,
 * expressions and records. Part of `npm run bench -- pipelines`.
 *
 * Processor time, in turns, and of each size the same number of steps a round: snapshots, garbage and whoever
 * else uses the machine fall on all alike. The median round counts.
 */
import { startRun } from '../agents/user/run.ts'
import type { User } from '../agents/user/user.ts'
import type { Host } from '../runtime/actors/host.ts'
import { ownCpuMs } from './child.ts'
import { openAlone, openHostAlone } from './in-memory.ts'
import { percentile, rounded } from './samples.ts'

export interface RunsOptions {
  readonly steps: readonly number[]
  readonly rounds: number
  readonly say: (line: object) => void
  readonly tell: (text: string) => void
}

/** Steps of one round at least: more than lie between two snapshots, so that these are in each. */
const ROUND_STEPS = 10_000
/** What is compiled late is no cost of a step. */
const WARM_STEPS = 3_000
const WARM_LENGTH = 100
const WIDEST = 1_000
const RUN_MS = 600_000

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

let relays = 0
async function relayed(host: Host, legs: number): Promise<void> {
  const self = `relay/${relays++}`
  await host.start(self, { self, legs })
  const { snapshot } = await host.until(self, ({ status }) => status === 'done', RUN_MS)
  if ((snapshot.context as { done: number }).done !== legs) throw new Error(`${self} did not go all the way`)
}

/** One size of one kind, measured in turn with the others. */
interface Measured {
  readonly what: object
  readonly steps: number
  readonly work: () => Promise<void>
  readonly cpu: number[]
  readonly wall: number[]
}

const measured = (what: object, steps: number, work: () => Promise<void>): Measured => ({ what, steps, work, cpu: [], wall: [] })

async function round({ steps, work, cpu, wall }: Measured): Promise<void> {
  const times = Math.max(1, Math.ceil(ROUND_STEPS / steps))
  const [cpuMs, wallMs] = [ownCpuMs(), performance.now()]
  for (let time = 0; time < times; time++) await work()
  const each = (ms: number): number => (ms * 1_000) / times / steps
  cpu.push(each(ownCpuMs() - cpuMs))
  wall.push(each(performance.now() - wallMs))
}

/** One line for each length with the host's beside it, and for each width of a forEach to 1,000. */
export async function measureRuns({ steps: sizes, rounds, say, tell }: RunsOptions): Promise<void> {
  const user = await openAlone()
  const host = await openHostAlone()
  try {
    const list = (items: number): number[] => Array.from({ length: items }, (_, at) => at)
    const hosts = sizes.map((steps) => measured({ what: 'host', steps }, steps, () => relayed(host, steps)))
    const runs = sizes.map((steps) => measured({ what: 'run', steps }, steps, () => once(user, chain(steps), {}, steps - 1)))
    const widths = sizes.filter((size) => size <= WIDEST)
    const fans = widths.map((items) => measured({ what: 'forEach', items }, items, () => once(user, wide(items), { list: list(items) }, items)))
    for (let warm = 0; warm < WARM_STEPS; warm += WARM_LENGTH) {
      await relayed(host, WARM_LENGTH)
      await once(user, chain(WARM_LENGTH), {}, WARM_LENGTH - 1)
      await once(user, wide(WARM_LENGTH), { list: list(WARM_LENGTH) }, WARM_LENGTH)
    }
    for (let turn = 0; turn < rounds; turn++) for (const one of [...sizes.keys()].flatMap((at) => [hosts[at]!, runs[at]!, ...(fans[at] ? [fans[at]] : [])])) await round(one)
    const middle = (all: readonly number[]): number => percentile(all, 0.5)
    const said = ({ what, cpu, wall }: Measured): object => ({ bench: 'pipelines', ...what, cpuUsPerStep: rounded(middle(cpu)), wallUsPerStep: rounded(middle(wall)) })
    for (const one of hosts) say(said(one))
    for (const [at, one] of runs.entries()) {
      // Of the same round: who else used the machine then slowed both.
      const beside = hosts[at]!.cpu
      say({ ...said(one), overheadUsPerStep: rounded(middle(one.cpu.map((us, turn) => us - beside[turn]!))), ratioToHost: rounded(middle(one.cpu.map((us, turn) => us / beside[turn]!))) })
    }
    for (const one of fans) say(said(one))
    tell('whole runs of constant steps on memory ports, checked and planned within the time; nothing is hired or paid; the host alone has actors of the same shape')
  } finally {
    await host.close()
    await user.close()
  }
}
