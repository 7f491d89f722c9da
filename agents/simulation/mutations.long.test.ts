/** Each defect that is put into the simulated network on purpose is found, by an invariant that it breaks, within few seeds. */
import { describe, expect, it } from 'vitest'
import { MUTATIONS } from './mutations.fixture.ts'
import { simulateNetwork } from './network.scenario.ts'

/** Seeds that a defect may hide from us. */
const SEEDS_MAX = 100

describe('a defect put into the network', () => {
  it.each(MUTATIONS)('$name', async (mutation) => {
    const found: string[] = []
    let says = ''
    let seed = 0
    for (; seed < SEEDS_MAX && found.length === 0; seed++) {
      const { violation } = await simulateNetwork({ seed, mutation })
      if (!violation) continue
      found.push(violation.invariant)
      says = violation.says
    }
    expect(found, `nothing in ${SEEDS_MAX} seeds`).toHaveLength(1)
    expect(mutation.foundBy, says).toContain(found[0])
  }, 60_000)
})
