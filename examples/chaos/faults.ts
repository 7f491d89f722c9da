/**
 * What goes wrong and when, from a seed: first each target is killed once, in some order, then kills
 * and pauses come at random for as long as there is work. Pure; used by `storm`.
 */
import { seededRandom } from '../../runtime/memory/random.ts'

export interface Fault {
  /** Since the fault before it, in ms. */
  readonly afterMs: number
  readonly target: string
  readonly act: 'kill' | 'pause'
  /** How long a pause lasts, in ms. */
  readonly forMs: number
}

/** Between two faults, in ms; closer together where each target is only killed once. */
const LONG: readonly [number, number] = [1_000, 6_000]
const SHORT: readonly [number, number] = [300, 1_200]

const PAUSE_MIN_MS = 1_000
const PAUSE_MAX_MS = 8_000

/** The same seed and targets give the same faults: without an end, or, with `once`, one kill of each target. */
export function* faultsOf(seed: number, targets: readonly string[], once = false): Iterable<Fault> {
  const random = seededRandom(`chaos ${seed}`)
  const between = (low: number, high: number): number => low + Math.floor(random.fraction() * (high - low))
  const first = [...targets]
  while (!once || first.length > 0) {
    const isFirst = first.length > 0
    const place = between(0, isFirst ? first.length : targets.length)
    const target = isFirst ? first.splice(place, 1)[0]! : targets[place]!
    const act = isFirst || random.fraction() < 0.5 ? 'kill' : 'pause'
    yield { afterMs: between(...(once ? SHORT : LONG)), target, act, forMs: act === 'pause' ? between(PAUSE_MIN_MS, PAUSE_MAX_MS) : 0 }
  }
}
