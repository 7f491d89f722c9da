import { describe, expect, it } from 'vitest'
import { faultsOf, type Fault } from './faults.ts'
import { answerOf, lengthOf, pipelineOf, RELAY } from './work.ts'
import { check } from '../../pipelines/check.ts'

const targets = ['nats', 'anvil', 'worker 0', 'worker 1', 'seller 0']
function take(seed: number, count: number): Fault[] {
  const faults: Fault[] = []
  for (const fault of faultsOf(seed, targets)) if (faults.push(fault) === count) break
  return faults
}

describe('faults', () => {
  it('come from the seed', () => {
    expect(take(7, 50)).toEqual(take(7, 50))
    expect(take(7, 50)).not.toEqual(take(8, 50))
  })

  it('kill each target once before anything else, then kill and pause', () => {
    const faults = take(3, 105)
    expect(new Set(faults.slice(0, 5).map(({ target }) => target))).toEqual(new Set(targets))
    expect(faults.slice(0, 5).every(({ act, forMs }) => act === 'kill' && forMs === 0)).toBe(true)
    const pauses = faults.filter(({ act }) => act === 'pause')
    expect(pauses.length).toBeGreaterThan(30)
    expect(pauses.every(({ forMs }) => forMs >= 1_000 && forMs < 8_000)).toBe(true)
    expect([...faultsOf(3, targets, true)].map(({ target }) => target)).toEqual(faults.slice(0, 5).map(({ target }) => target))
  })
})

it('each pipeline passes the checks and has one answer', () => {
  for (const index of [0, 1, 2]) {
    expect(check(pipelineOf(index), { capabilities: new Map([[RELAY.id, RELAY]]) })).toMatchObject({ ok: true, errors: [] })
    expect(answerOf(1, index).split('.')).toHaveLength(lengthOf(index) + 2)
  }
})
