/**
 * Which faults strike the simulated network of a seed, and whom (D10). Used by `network.scenario`.
 */
import { drawFaults, type Fault, type FaultKind } from '../../runtime/simulation/faults.ts'
import { seededRandom } from '../../runtime/memory/random.ts'
import { twin } from './names.ts'
import { ARBITER, GUARDIAN, TOWER, type Work } from './work.ts'

/** Faults begin within this time, in ms. */
export const FAULTS_MS = 12_000
const KINDS_OF_FAULTS: readonly FaultKind[] = ['drop', 'duplicate', 'garble', 'delay', 'replay', 'cut', 'crash', 'pause', 'unacknowledged', 'unheard', 'chain-away', 'skew']

/** One seed of so many has disks that lie, and nothing is expected of who has one but what the chain knows. */
const FORGETFUL_EVERY = 8
/** One seed of so many has a chain that loses blocks or lags behind. */
const CHAIN_EVERY = 5

/** The faults of a seed; where its chain `forgets` those of the chain too. */
export function faultsOf(seed: number, { sellers, users, escrow, hub, tower, guardian }: Work, fleets: ReadonlySet<string> = new Set(), forgets = seed % CHAIN_EVERY === CHAIN_EVERY - 1): Fault[] {
  // Half of what goes wrong goes wrong at those who pay.
  const processes = [...users, ...users, ...sellers.map(({ name }) => name), ...(escrow || hub ? [ARBITER] : []), ...(tower ? [TOWER] : []), ...(guardian ? [GUARDIAN] : []), ...[...fleets].map(twin)]
  // Two nodes that remember different things are not one disk that lies.
  const kinds = fleets.size === 0 && seed % FORGETFUL_EVERY === FORGETFUL_EVERY - 1 ? [...KINDS_OF_FAULTS, 'forget' as const] : KINDS_OF_FAULTS
  const range = { processes, spanMs: FAULTS_MS, hops: 300, times: 60, awayMs: 6_000, skewMs: 4_000 }
  // Drawn apart, and in few seeds: each needs the chain's past.
  const chain = forgets ? drawFaults(seededRandom(`${seed} chain`), { ...range, kinds: ['reorg', 'chain-lags'] }) : []
  return [...drawFaults(seededRandom(`${seed} faults`), { ...range, kinds }), ...chain]
}
