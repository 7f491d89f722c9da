/**
 * What age costs a node: the time of a step early and late in one process's life (DESIGN: flat from
 * step 1 to step 10,000), and the heap that a finished run keeps.
 */
import { ownCpuMs } from './child.ts'
import type { Ground } from './ground.ts'
import { openMarket, warm, watchSteps } from './paid-step.ts'
import { heapBytes, percentile, rounded } from './samples.ts'

export interface GrowthOptions {
  readonly runs: number
  readonly steps: number
  readonly concurrency: number
  readonly say: (line: object) => void
  readonly tell: (text: string) => void
}

/** Steps at the beginning and at the end that are compared. */
const WINDOW = 500

interface Mark {
  readonly at: number
  readonly cpuMs: number
  readonly sellerCpuMs: number
}

/** Does `runs` runs and says one line for each window of steps and one for memory. */
export async function measureGrowth(ground: Ground, { runs, steps, concurrency, say, tell }: GrowthOptions): Promise<void> {
  const market = await openMarket(ground)
  try {
    // compiled code and lanes are no growth
    await warm(market, steps)
    const before = heapBytes()
    let last: Mark = { at: performance.now(), cpuMs: ownCpuMs(), sellerCpuMs: await market.seller.cpuMs() }
    let latencies: number[] = []
    let done = 0
    const marks: Promise<void>[] = []
    const unwatch = watchSteps(market.user, (ms) => {
      latencies.push(ms)
      if (++done % WINDOW !== 0) return
      const [from, seen, to] = [last, latencies, { at: performance.now(), cpuMs: ownCpuMs(), sellerCpuMs: 0 }]
      latencies = []
      const upTo = done
      last = to
      marks.push(market.seller.cpuMs().then((sellerCpuMs) => {
        Object.assign(to, { sellerCpuMs })
        say({
          bench: 'growth', steps: `${upTo - WINDOW + 1}-${upTo}`, concurrency, stepsPerSecond: rounded((WINDOW * 1_000) / (to.at - from.at), 1),
          p50Ms: rounded(percentile(seen, 0.5)), p99Ms: rounded(percentile(seen, 0.99)),
          userCpuMsPerStep: rounded((to.cpuMs - from.cpuMs) / WINDOW, 3), providerCpuMsPerStep: rounded((sellerCpuMs - from.sellerCpuMs) / WINDOW, 3),
        })
      }))
    })
    let started = 0
    await Promise.all(Array.from({ length: concurrency }, async () => {
      while (started++ < runs) await market.run(steps)
    }))
    await market.settled()
    unwatch()
    await Promise.all(marks)
    const bytes = heapBytes() - before
    say({ bench: 'memory', runs, steps: runs * steps, heapBytes: bytes, bytesPerRun: Math.round(bytes / runs), bytesPerStep: Math.round(bytes / runs / steps) })
    tell(`${runs} finished runs of ${steps} steps keep ${rounded(bytes / 2 ** 20, 1)} MB: ${rounded(bytes / runs / 1_024, 1)} KB a run`)
  } finally {
    await market.close()
  }
}
