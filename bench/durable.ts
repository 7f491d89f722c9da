/**
 * `npm run bench -- durable`: the same durable workflows on our host, Restate and DBOS, beside the
 * raw-NATS floor, in turn within one command. Every worker is a process of its own, warmed and kept
 * while the others are measured; the responder and its nats-server are one for all.
 */
import { join } from 'node:path'
import type { NatsServer } from '../runtime/nats/nats-server.ts'
import { atLeast } from '../runtime/nats/sources/source.ts'
import type { Broker } from './broker.ts'
import { startChild, type Child, type Program } from './child.ts'
import { comparisonTable, linesOf, type Sample } from './comparison.ts'
import { installPeers } from './peers.ts'
import type { PeerServer } from './peer-server.ts'
import { startPostgres } from './postgres.ts'
import { startRestate } from './restate.ts'
import { cpuMsOf, cpuMsOfTree } from './samples.ts'
import type { Work, Worked, WorkerTold } from './workflows.ts'

const SUBJECT = 'bench.echo'
const WORK_MS = 180_000
/** A system that cannot do its warming workflows by then is not measured. */
const WARM_MS = 60_000
/** Workflows that warm a worker: code that is not compiled yet costs twice as much. */
const WARM = { workflows: 64, concurrency: 32 }
/** Workflows at least in the run that says how many fit into the time. */
const TRIAL = 4

export interface DurableOptions {
  readonly runs: number
  readonly seconds: number
  /** Instead of as many as fit into `seconds`. */
  readonly workflows?: number
  readonly steps: number
  readonly concurrency: readonly number[]
  readonly systems: readonly string[]
  readonly say: (line: object) => void
  readonly tell: (text: string) => void
}

/** What can be measured, in the order of the table. */
export const SYSTEMS = ['floor', 'aigen', 'aigen-2', 'aigen-4', 'aigen-8', 'restate-1', 'restate-4', 'dbos'] as const
/** What is measured unless somebody asks for others: several partitions of ours say only which number is the best. */
export const USUAL = SYSTEMS.filter((name) => !name.startsWith('aigen-'))

interface System {
  readonly name: string
  readonly worker: Child
  /** What its server says of fsync. */
  readonly durability: string
  readonly server?: PeerServer
  /** Workflows of one run, by concurrency. */
  readonly workflows: Map<number, number>
}

/** Measures and says one line a system and concurrency. A system that cannot be had is named, and the others are measured. */
export async function measureDurable(broker: Broker, options: DurableOptions): Promise<void> {
  const { runs, steps, concurrency, say, tell } = options
  const responder = await startChild('responder', { credentials: broker.credentials, subject: SUBJECT })
  broker.beforeEnd(() => responder.stop())
  const systems: System[] = []
  for (const name of SYSTEMS) {
    if (!options.systems.includes(name)) continue
    const stops: (() => Promise<void>)[] = []
    const atEnd = (stop: () => Promise<void>): void => {
      stops.unshift(stop)
      broker.beforeEnd(stop)
    }
    try {
      const system = await openSystem(broker, name, atEnd, tell)
      await warm(system, options)
      systems.push(system)
      tell(`${name}: ${system.durability}`)
    } catch (error) {
      const why = (error as Error).message.split('\n')[0]!
      say({ bench: 'durable', system: name, notMeasured: why })
      tell(`${name}: not measured, because ${why}`)
      // what is left of it must not cost the others
      for (const stop of stops) await stop()
    }
  }
  const samples: Sample[] = []
  for (let run = 0; run < runs; run++) {
    for (const atOnce of concurrency) {
      // each run begins with another one, so that nobody always follows the same neighbour
      for (let at = 0; at < systems.length; at++) {
        samples.push(await measure(broker, responder, systems[(at + run) % systems.length]!, run, atOnce, steps))
      }
    }
  }
  const order = (line: { concurrency: number; system: string }): number => line.concurrency * SYSTEMS.length + SYSTEMS.findIndex((name) => name === line.system)
  const lines = linesOf(samples).sort((one, other) => order(one) - order(other))
  for (const line of lines) say({ ...line, durability: systems.find(({ name }) => name === line.system)!.durability })
  tell(`${comparisonTable(lines)}\nworkflows of ${steps} steps, a step one NATS request to the same responder process and its answer journaled; `
    + `medians of ${runs} runs in turn, ratios within each run; CPU of worker and responder, servers beside it`)
}

async function openSystem(broker: Broker, name: string, atEnd: Broker['beforeEnd'], tell: (text: string) => void): Promise<System> {
  const told: WorkerTold = { credentials: broker.credentials, subject: SUBJECT }
  const folder = join(broker.folder, name)
  let server: PeerServer | undefined
  const own = name === 'floor' || name.startsWith('aigen')
  if (!own) {
    await installPeers(tell)
    server = name === 'dbos' ? await startPostgres(folder, tell) : await startRestate(folder, Number(name.slice('restate-'.length)))
    atEnd(server.stop)
  }
  const worker = await startChild(`${name.replace(/-\d+$/, '')}-worker` as Program, {
    ...told, partitions: Number(/^aigen-(\d+)$/.exec(name)?.[1] ?? 1), ...(server === undefined ? {} : { server: { url: server.url, admin: server.admin } }),
  })
  atEnd(worker.stop)
  return { name, worker, durability: server?.durability ?? durabilityOf(broker.nats), ...(server === undefined ? {} : { server }), workflows: new Map() }
}

/** What is known of the fsync of the floor's and our own server. */
function durabilityOf({ version, source }: NatsServer): string {
  if (source === 'configured') return `nats-server ${version} of AIGEN_NATS_URL, its sync_interval is not known here`
  return `nats-server ${version} sync_interval=${atLeast(version, '2.10.0') ? 'always: fsync before the acknowledgement' : '60s: NO fsync before the acknowledgement'}`
}

/** Warms the worker and finds how many workflows fit into the time: whole rounds of `concurrency`. */
async function warm({ worker, workflows }: System, options: DurableOptions): Promise<void> {
  const { steps, seconds, concurrency } = options
  await worker.work<Worked>({ ...WARM, steps }, WARM_MS)
  for (const atOnce of concurrency) {
    const trial = Math.max(atOnce, TRIAL)
    const { wallMs } = await worker.work<Worked>({ workflows: trial, steps, concurrency: atOnce }, WORK_MS)
    const fit = options.workflows ?? (trial * seconds * 1_000) / wallMs
    workflows.set(atOnce, Math.max(1, Math.round(fit / atOnce)) * atOnce)
  }
}

async function measure({ nats }: Broker, responder: Child, { name, worker, server, workflows }: System, run: number, concurrency: number, steps: number): Promise<Sample> {
  const cpu = (): readonly [number | undefined, number | undefined] => [
    sum(cpuMsOf(worker.pid), cpuMsOf(responder.pid)), sum(cpuMsOf(nats.pid), server === undefined ? 0 : cpuMsOfTree(server.pid)),
  ]
  const work: Work = { workflows: workflows.get(concurrency)!, steps, concurrency }
  const [before, serverBefore] = cpu()
  const { wallMs, latencies } = await worker.work<Worked>(work, WORK_MS)
  const [after, serverAfter] = cpu()
  return {
    system: name, concurrency, run, workflows: work.workflows, stepsPerRun: steps, wallMs, latencies,
    cpuMs: sum(after, before && -before), serverCpuMs: sum(serverAfter, serverBefore && -serverBefore),
  }
}

const sum = (one: number | undefined, other: number | undefined): number | undefined => (one === undefined || other === undefined ? undefined : one + other)
