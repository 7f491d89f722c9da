import { describe, expect, it } from 'vitest'
import { seededRandom } from '../memory/random.ts'
import { describeFault, drawFaults, FAULT_KINDS, forgetful, type Fault, type FaultRange } from './faults.ts'
import { FaultPlan } from './plan.ts'

const range: FaultRange = { processes: ['a', 'b'], spanMs: 1_000, hops: 50, times: 20, awayMs: 500, skewMs: 100, kinds: FAULT_KINDS }

describe('faults', () => {
  it('are the same from the same seed, and within what was asked', () => {
    for (let seed = 0; seed < 50; seed++) {
      const faults = drawFaults(seededRandom(seed), range)
      expect(drawFaults(seededRandom(seed), range)).toEqual(faults)
      for (const fault of faults) {
        if ('hop' in fault) expect(fault.hop).toBeLessThanOrEqual(range.hops)
        if ('process' in fault) expect(range.processes).toContain(fault.process)
        if (fault.kind === 'cut') expect(fault.between[0]).not.toBe(fault.between[1])
        if (fault.kind === 'skew') expect(Math.abs(fault.ms)).toBeLessThanOrEqual(range.skewMs)
      }
    }
  })

  it('name who forgets, and say themselves in a line', () => {
    const faults: Fault[] = [{ kind: 'forget', process: 'a', point: 'send', nth: 1, downMs: 5, records: 2 }, { kind: 'cut', between: ['a', 'b'], from: 0, ms: 9 }]
    expect([...forgetful(faults)]).toEqual(['a'])
    expect(faults.map(describeFault)).toEqual(['forget process=a point=send nth=1 downMs=5 records=2', 'cut between=a/b from=0 ms=9'])
  })
})

describe('a plan', () => {
  const crash: Fault = { kind: 'crash', process: 'a', point: 'append.after', nth: 2, downMs: 1 }
  const drop: Fault = { kind: 'drop', hop: 2 }
  const silent: Fault = { kind: 'unacknowledged', process: 'a', nth: 1, stored: true }
  const unheard: Fault = { kind: 'unheard', process: 'b', nth: 1, stored: false }
  const cut: Fault = { kind: 'cut', between: ['a', 'b'], from: 10, ms: 5 }
  const away: Fault = { kind: 'chain-away', process: 'a', from: 0, ms: 10 }

  it('strikes where the count says, once, and only while it is armed', () => {
    const plan = new FaultPlan([crash, drop, silent, unheard, cut, away])
    expect([plan.hop(), plan.hop(), plan.point('a', 'append.after'), plan.append('a')]).toEqual([[], [], undefined, undefined])
    plan.arm(100)
    expect([plan.hop(), plan.hop(), plan.hop()]).toEqual([[], [drop], []])
    expect([plan.point('b', 'append.after'), plan.point('a', 'append.after'), plan.point('a', 'append.before'), plan.point('a', 'append.after'), plan.point('a', 'append.after')])
      .toEqual([undefined, undefined, undefined, crash, undefined])
    expect([plan.append('a'), plan.append('a'), plan.broadcast('a'), plan.broadcast('b')]).toEqual([silent, undefined, undefined, unheard])
    expect([plan.cut('a', 'b', 109), plan.cut('b', 'a', 110), plan.cut('a', 'a', 110), plan.cut('a', 'b', 115)]).toEqual([false, true, false, false])
    expect([plan.chainAway('a', 109), plan.chainAway('b', 109), plan.chainAway('a', 110)]).toEqual([true, false, false])
    plan.disarm()
    expect([plan.armed, plan.cut('a', 'b', 111), plan.chainAway('a', 101)]).toEqual([false, false, false])
    expect(plan.struck).toEqual([drop, crash, silent, unheard])
  })
})
