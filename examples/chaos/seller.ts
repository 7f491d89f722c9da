/**
 * A provider of the chaos run: takes a moment for each call, and refuses one in thirty, so that steps
 * go elsewhere for other reasons than a death too.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { provide } from '../../agents/provider/provide.ts'
import { evaluateWith } from '../../pipelines/prepare.ts'
import { openKeys } from '../../runtime/identity/keys.ts'
import { connectPorts } from '../../runtime/node/connect.ts'
import { systemRandom } from '../../runtime/node/system-random.ts'
import type { Seat } from './ground.ts'
import { runMortal } from './mortal.ts'
import { PARTITIONS, relay, RELAY } from './work.ts'

const WORK_MIN_MS = 50
const WORK_MAX_MS = 450
const REFUSES = 1 / 30
/** What was delivered is paid and claimed before it ends. */
const DRAIN_MS = 30_000

export interface SellerTold {
  readonly seat: Seat
  readonly name: string
  readonly list: string
  /** Name of this node's key, where the provider has several. */
  readonly node?: string
}

runMortal(async ({ seat, name, list, node }: SellerTold) => {
  const keys = await openKeys({ home: seat.home, random: systemRandom, ...(node === undefined ? {} : { nodeName: node }) })
  const ports = await connectPorts(seat.connections, seat.participant)
  // The contract has no expression, so no thread is needed for one.
  const evaluate = evaluateWith({ evaluate: () => Promise.reject(new Error('relay needs no thread')) })
  const provider = await provide({
    name, capability: RELAY, price: { list }, latencyMs: WORK_MAX_MS, concurrency: 32, queue: 128,
    handler: async ({ text }: { text: string }, { signal }) => {
      await pause(WORK_MIN_MS + systemRandom.fraction() * (WORK_MAX_MS - WORK_MIN_MS), undefined, { signal })
      if (systemRandom.fraction() < REFUSES) throw new Error('not in the mood')
      return { output: { text: relay(text) }, units: { call: 1 } }
    },
  }, {
    ports, keys, ...(node === undefined ? {} : { fleet: true, partitions: PARTITIONS }),
    onLost: (error) => {
      process.stderr.write(`${error.message}\n`)
      process.exit(1)
    },
  }, evaluate)
  return async () => {
    await provider.stop(DRAIN_MS)
    await ports.close()
  }
})
