/**
 * `npm run bench -- actors`: what a durable event costs on our host, beside appends of the same bytes
 * by the raw NATS client; whether it costs the same late in an actor's life; what an idle actor
 * keeps in memory; how long many take to come back. Host and driver are this one process.
 */
import { Host } from '../runtime/actors/host.ts'
import type { Limits } from '../runtime/actors/keeper.ts'
import { encodeRecord, type Entry } from '../runtime/actors/record.ts'
import { connectNats } from '../runtime/nats/connection.ts'
import { natsJournal } from '../runtime/nats/journal.ts'
import { systemClock } from '../runtime/node/system-clock.ts'
import { systemRandom } from '../runtime/node/system-random.ts'
import type { Broker } from './broker.ts'
import { ownCpuMs } from './child.ts'
import { GroupedAppends } from './grouped-appends.ts'
import { cpuMsOf, heapBytes, percentile, rounded } from './samples.ts'
import { drowsy, tally, type TallyContext } from './tally.machine.ts'

export interface ActorsOptions {
  readonly actors: number
  readonly seconds: number
  readonly concurrency: readonly number[]
  readonly say: (line: object) => void
  readonly tell: (text: string) => void
}

/** Events before anything is measured: code that is not compiled yet costs twice as much. */
const WARM_EVENTS = 20_000
/** Actors at once while the cost of early and late events is compared, and events of each that count. */
const FLAT = { actors: 16, early: 20, last: 10_000 }
/** Actors started at once. */
const CROWD = 2_000
/** Events of each of them before its host is closed and opened again. */
const CROWD_EVENTS = 3
/** Actors in memory while the others sleep, and how many of those are woken: to warm up, one after another, and so many at once. */
const ASLEEP = { resident: 1_000, warm: 200, woken: 1_000, atOnce: 32 }
/** The same where there are very many: the default of a node. */
const MILLION = { resident: 20_000 }
const SLEEP_MS = 30_000

/** Measures each part in turn and says its lines. */
export async function measureActors(broker: Broker, options: ActorsOptions): Promise<void> {
  await measureThroughput(broker, options)
  await measureFlatness(broker, options)
  await measureCrowd(broker, options)
  await measureActivation(broker, options)
}

async function openHost(broker: Broker, prefix: string, limits: Limits = {}): Promise<{ host: Host; close: () => Promise<void> }> {
  const journal = natsJournal(await connectNats(broker.credentials, 'bench journal'))
  const host = await Host.open({ journal, prefix, clock: systemClock, random: systemRandom, limits, registry: { actors: [tally, drowsy], effects: {} } })
  host.resume()
  const close = async (): Promise<void> => {
    await host.close()
    await journal.close()
  }
  return { host, close }
}

/** Calls `act` with numbers from 0 below `times`, at most `concurrency` at once. */
async function each(times: number, concurrency: number, act: (at: number) => Promise<unknown>): Promise<void> {
  let next = 0
  await Promise.all(Array.from({ length: Math.min(times, concurrency) }, async () => {
    while (next < times) await act(next++)
  }))
}

interface Timed {
  readonly wallMs: number
  readonly cpuMs: number
  readonly serverCpuMs: number
  readonly latencies: readonly number[]
}

async function timed(broker: Broker, concurrency: number, seconds: number, act: (worker: number) => Promise<unknown>): Promise<Timed> {
  const latencies: number[] = []
  const serverCpu = (): number => cpuMsOf(broker.nats.pid) ?? 0
  const [from, cpu, server] = [performance.now(), ownCpuMs(), serverCpu()]
  await Promise.all(Array.from({ length: concurrency }, async (_, worker) => {
    for (let begun = performance.now(); begun - from < seconds * 1_000; begun = performance.now()) {
      await act(worker)
      latencies.push(performance.now() - begun)
    }
  }))
  return { wallMs: performance.now() - from, cpuMs: ownCpuMs() - cpu, serverCpuMs: serverCpu() - server, latencies }
}

async function measureThroughput(broker: Broker, { concurrency, seconds, say, tell }: ActorsOptions): Promise<void> {
  const { host, close } = await openHost(broker, 'throughput')
  const connection = await connectNats(broker.credentials, 'bench floor journal')
  try {
    await each(Math.max(...concurrency), CROWD, (at) => host.start(`tally/${at}`, {}))
    const bytes = eventBytes()
    const appends = await GroupedAppends.open(connection.nc)
    const floor = (): Promise<void> => appends.append(bytes)
    const aigen = (worker: number): Promise<unknown> => host.send(`tally/${worker}`, { type: 'add', n: 1 })
    for (const act of [floor, aigen]) await each(WARM_EVENTS, Math.max(...concurrency), (at) => act(at % Math.max(...concurrency)))
    for (const atOnce of concurrency) {
      // the floor half before and half after, so that a machine that others load is as loaded for both
      const before = await timed(broker, atOnce, seconds / 2, floor)
      const ours = await timed(broker, atOnce, seconds, aigen)
      const after = await timed(broker, atOnce, seconds / 2, floor)
      const raw: Timed = {
        wallMs: before.wallMs + after.wallMs, cpuMs: before.cpuMs + after.cpuMs, serverCpuMs: before.serverCpuMs + after.serverCpuMs,
        latencies: [...before.latencies, ...after.latencies],
      }
      const perSecond = ({ latencies, wallMs }: Timed): number => (latencies.length * 1_000) / wallMs
      for (const [system, one] of [['floor', raw], ['aigen', ours]] as const) {
        const events = one.latencies.length
        const [p50, p99] = [percentile(one.latencies, 0.5), percentile(one.latencies, 0.99)]
        const p50Floor = percentile(raw.latencies, 0.5)
        say({
          bench: 'actors', system, concurrency: atOnce, transitions: events, transitionsPerSecond: Math.round(perSecond(one)), p50Ms: rounded(p50, 3), p99Ms: rounded(p99, 3),
          cpuMsPerTransition: rounded(one.cpuMs / events, 4), serverCpuMsPerTransition: rounded(one.serverCpuMs / events, 4),
          transitionsPerCoreSecond: Math.round((events * 1_000) / one.cpuMs), ratioToFloor: rounded(perSecond(one) / perSecond(raw), 3), p50ToFloor: rounded(p50 / p50Floor),
        })
        tell(`${system} at ${atOnce}: ${Math.round(perSecond(one))} durable ${system === 'floor' ? 'appends' : 'transitions'}/s, ${Math.round((events * 1_000) / one.cpuMs)} a second of this process's core, p50 ${rounded(p50, 2)} ms, p99 ${rounded(p99, 2)} ms`)
      }
    }
  } finally {
    await close()
    await connection.close()
  }
}

/** As many bytes as one event adds to a record. */
function eventBytes(): Uint8Array {
  const entry: Entry = { actor: 'tally/100', machine: tally.hash, number: 1_000, event: { type: 'add', n: 1, at: 1_800_000_000_000 }, effects: [] }
  const size = (lines: Entry[]): number => encodeRecord({ version: 1, partition: 'throughput', epoch: 1, lines }).length
  return new Uint8Array(size([entry, entry]) - size([entry])).fill(120)
}

/** The cost of events 1 to 20 of many actors, and of as many around the 10,000th of few. */
async function measureFlatness(broker: Broker, { say, tell }: ActorsOptions): Promise<void> {
  const { host, close } = await openHost(broker, 'flat')
  try {
    const { actors, early, last } = FLAT
    const add = (id: string) => (): Promise<unknown> => host.send(id, { type: 'add', n: 1 })
    const times = async (count: number, act: () => Promise<unknown>): Promise<void> => { for (let at = 0; at < count; at++) await act() }
    const costUs = async (events: number, work: () => Promise<unknown>): Promise<{ cpuUs: number; wallUs: number }> => {
      const [cpu, from] = [ownCpuMs(), performance.now()]
      await work()
      return { cpuUs: rounded(((ownCpuMs() - cpu) * 1_000) / events), wallUs: rounded(((performance.now() - from) * 1_000) / events) }
    }
    const old = Array.from({ length: actors }, (_, at) => `tally/old-${at}`)
    await Promise.all(old.map((id) => host.start(id, {})))
    const window = 1_000
    await Promise.all(old.map((id) => times(last - window / 2, add(id))))
    const late = await costUs(actors * window, () => Promise.all(old.map((id) => times(window, add(id)))))
    const young = Array.from({ length: (actors * window) / early }, (_, at) => `tally/young-${at}`)
    await each(young.length, CROWD, (at) => host.start(young[at]!, {}))
    const first = await costUs(young.length * early, () => each(young.length, actors, (at) => times(early, add(young[at]!))))
    say({ bench: 'actors', part: 'flat', concurrency: actors, events: { first: `1-${early}`, late: `${last - window / 2}-${last + window / 2}` }, first, late, ratio: rounded(late.cpuUs / first.cpuUs) })
    tell(`an event of one actor: ${first.cpuUs} µs of CPU around its 10th, ${late.cpuUs} µs around its ${last.toLocaleString('en')}th (${actors} actors at once)`)
  } finally {
    await close()
  }
}

/** Bytes an idle actor keeps, and the time until all of them take events again. */
async function measureCrowd(broker: Broker, { actors, say, tell }: ActorsOptions): Promise<void> {
  const first = await openHost(broker, 'crowd')
  const before = { heap: heapBytes(), rss: process.memoryUsage().rss }
  let from = performance.now()
  await each(actors, CROWD, (at) => first.host.start(`tally/${at}`, {}))
  const startMs = performance.now() - from
  // a journal of starts alone would flatter the recovery
  await each(actors * CROWD_EVENTS, CROWD, (at) => first.host.send(`tally/${at % actors}`, { type: 'add', n: 1 }))
  const heap = heapBytes() - before.heap
  const rss = process.memoryUsage().rss - before.rss
  await first.close()
  from = performance.now()
  const again = await openHost(broker, 'crowd')
  const recoverMs = performance.now() - from
  try {
    if (again.host.context<TallyContext>(`tally/${actors - 1}`)?.count !== CROWD_EVENTS) throw new Error('an actor did not come back as it was')
    say({
      bench: 'actors', part: 'crowd', actors, events: actors * (CROWD_EVENTS + 1), startedPerSecond: Math.round((actors * 1_000) / startMs), heapBytesPerActor: Math.round(heap / actors),
      rssBytesPerActor: Math.round(rss / actors), recoverMs: Math.round(recoverMs), records: again.host.stats().last,
    })
    tell(`${actors} idle actors of ${CROWD_EVENTS + 1} events: ${Math.round(heap / actors)} bytes of heap each; back in ${rounded(recoverMs / 1_000)} s after a restart`)
  } finally {
    await again.close()
  }
}

/** The time to bring a sleeping actor back, and what one that sleeps keeps in memory. */
async function measureActivation(broker: Broker, { actors, say, tell }: ActorsOptions): Promise<void> {
  const { host, close } = await openHost(broker, 'asleep', { resident: ASLEEP.resident })
  try {
    const before = heapBytes()
    await putToSleep(host, actors, ASLEEP.resident)
    const heap = heapBytes() - before
    const { alone, together } = await wake(host, actors)
    say({ bench: 'actors', part: 'activation', actors, resident: ASLEEP.resident, heapBytesPerActor: Math.round(heap / actors), alone: of(alone), [`at${ASLEEP.atOnce}`]: of(together) })
    tell(`a sleeping actor of ${actors}: back in ${rounded(percentile(alone, 0.5))} ms (p99 ${rounded(percentile(alone, 0.99))}), ${ASLEEP.atOnce} at once in ${rounded(percentile(together, 0.5))} ms (p99 ${rounded(percentile(together, 0.99))}); ${Math.round(heap / actors)} bytes of heap an actor`)
  } finally {
    await close()
  }
}

/** Many actors on the disk, few in memory: what is resident, the time until all of them take events again, and until one has. */
export async function measureMillion(broker: Broker, { actors, say, tell }: Omit<ActorsOptions, 'seconds' | 'concurrency'>): Promise<void> {
  const memory = (): { heap: number; rss: number } => ({ heap: heapBytes(), rss: process.memoryUsage().rss })
  const before = memory()
  const first = await openHost(broker, 'million', { resident: MILLION.resident })
  let from = performance.now()
  await putToSleep(first.host, actors, MILLION.resident)
  const startMs = performance.now() - from
  const after = memory()
  await first.close()
  from = performance.now()
  const again = await openHost(broker, 'million', { resident: MILLION.resident })
  const recoverMs = performance.now() - from
  try {
    if (again.host.stats().actors !== actors) throw new Error(`${again.host.stats().actors} of ${actors} actors came back`)
    const { alone, together } = await wake(again.host, actors)
    const [heap, rss] = [(after.heap - before.heap) / actors, (after.rss - before.rss) / actors]
    say({
      bench: 'actors', part: 'million', actors, resident: MILLION.resident, startedPerSecond: Math.round((actors * 1_000) / startMs), heapBytesPerActor: Math.round(heap), rssBytesPerActor: Math.round(rss),
      recoverMs: Math.round(recoverMs), alone: of(alone), [`at${ASLEEP.atOnce}`]: of(together),
    })
    tell(`${actors} sleeping actors: made at ${Math.round((actors * 1_000) / startMs)}/s, ${Math.round(heap)} bytes of heap each (resident set ${Math.round(rss)}); open in ${rounded(recoverMs / 1_000)} s after a restart; then one is back in ${rounded(percentile(alone, 0.5))} ms (p99 ${rounded(percentile(alone, 0.99))}), ${ASLEEP.atOnce} at once in ${rounded(percentile(together, 0.5))} ms (p99 ${rounded(percentile(together, 0.99))})`)
  } finally {
    await again.close()
  }
}

const sleeper = (at: number): string => `drowsy/${at}`

/** Starts so many actors and waits until no more than `resident` of them are in memory. */
async function putToSleep(host: Host, actors: number, resident: number): Promise<void> {
  await each(actors, CROWD, (at) => host.start(sleeper(at), {}))
  const inMemory = (): number => [...host.list('drowsy')].length
  for (let waited = 0; inMemory() > resident; waited += 20) {
    if (waited > SLEEP_MS) throw new Error(`${inMemory()} of ${actors} actors are still in memory`)
    await new Promise((resolve) => setTimeout(resolve, 20))
    // eviction begins after an event
    await host.send(sleeper(actors - 1), { type: 'add', n: 1 })
  }
}

/** Times of activations all over the actors, one after another and several at once; the first ones only warm the code. */
async function wake(host: Host, actors: number): Promise<{ alone: readonly number[]; together: readonly number[] }> {
  const { warm, woken, atOnce } = ASLEEP
  const stride = Math.max(1, Math.floor(actors / (warm + 2 * woken + 1)))
  let next = 0
  const one = async (latencies: number[]): Promise<void> => {
    const id = sleeper(next++ * stride)
    if (host.peek(id)) return
    const from = performance.now()
    if (!await host.load(id)) throw new Error(`${id} did not come back`)
    latencies.push(performance.now() - from)
  }
  const [alone, together]: [number[], number[]] = [[], []]
  await each(warm, 1, () => one([]))
  await each(woken, 1, () => one(alone))
  await each(woken, atOnce, () => one(together))
  return { alone, together }
}

const of = (times: readonly number[]): object => ({ woken: times.length, p50Ms: rounded(percentile(times, 0.5), 3), p99Ms: rounded(percentile(times, 0.99), 3) })
