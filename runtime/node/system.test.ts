/** The system's clock and generator pass the suites of their ports. */
import { clockContract } from '../ports/clock.contract.ts'
import { randomContract } from '../ports/random.contract.ts'
import { systemClock } from './system-clock.ts'
import { systemRandom } from './system-random.ts'

clockContract('the system clock', () => ({ clock: systemClock, pass: async () => {} }))
randomContract('the operating system', () => systemRandom)
