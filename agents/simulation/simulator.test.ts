/** The simulated network: clean under faults, the same from the same seed, and really at work (D10). */
import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { simulateNetwork } from './network.scenario.ts'
import { describeFailure } from './simulate.ts'
import { FAULT_KINDS } from '../../runtime/simulation/faults.ts'

const SEEDS = process.env['AIGEN_LONG'] ? 500 : 50
const PART = 10
const struckKinds = new Set<string>()

/** Every fourth network keeps its participants' actors in three partitions each. */
const partitionsOf = (seed: number): number => (seed % 4 === 3 ? 3 : 1)

describe('the whole network from one seed', () => {
  it.each(Array.from({ length: SEEDS / PART }, (_, part) => part * PART))('seeds from %i: every invariant holds under its faults', async (from) => {
    for (let seed = from; seed < from + PART; seed++) {
      const partitions = partitionsOf(seed)
      const { violation, struck } = await simulateNetwork({ seed, partitions })
      for (const { kind } of struck) struckKinds.add(kind)
      expect(violation && `with ${partitions} partitions: ${describeFailure({ seed, violation, faults: struck, lines: [] })}`).toBeUndefined()
    }
  }, 60_000)

  it('does the work when nothing goes wrong: runs end well, calls are paid', async () => {
    const sum = { done: 0, failed: 0, paid: 0, paidOn: 0 }
    for (let seed = 0; seed < 10; seed++) {
      const { runs, violation } = await simulateNetwork({ seed, faults: [], liars: new Map() })
      expect(violation).toBeUndefined()
      sum.done += runs.done
      sum.failed += runs.failed
      sum.paid += runs.paid
      sum.paidOn += runs.paidOn
    }
    // Some budgets are too small on purpose, some users give up.
    expect(sum.done).toBeGreaterThan(sum.failed)
    expect(sum.paid).toBeGreaterThan(sum.done * 2)
    expect(sum.paidOn).toBeGreaterThan(0)
  }, 30_000)

  it.each([3, 15, 23])('seed %i gives the same trace, byte by byte, whatever was simulated before it', async (seed) => {
    const trace = async (): Promise<string> => (await simulateNetwork({ seed, traced: true })).lines.join('\n')
    const first = await trace()
    await simulateNetwork({ seed: seed + 1 })
    const second = await trace()
    expect(first.length).toBeGreaterThan(10_000)
    expect(second).toBe(first)
    expect(createHash('sha256').update(second).digest('hex')).not.toBe(createHash('sha256').update((await simulateNetwork({ seed: seed + 1, traced: true })).lines.join('\n')).digest('hex'))
  }, 30_000)

  it('struck every kind of fault', () => {
    // Those that last have no moment at which they strike.
    const moments = FAULT_KINDS.filter((kind) => !['cut', 'chain-away', 'chain-lags', 'skew'].includes(kind))
    expect([...struckKinds].toSorted()).toEqual(moments.toSorted())
  })
})
