/**
 * A worker of the chaos run: one of a user's nodes. It asks for its share of the pipelines, some at
 * once, each under a key of its own, so that one that was killed finds its runs again, wherever they
 * live: what it had under way its sibling goes on with meanwhile.
 */
import { openUser } from '../../agents/user/user.ts'
import { finishRun, startRun } from '../../agents/user/run.ts'
import { makeBoundedEvaluator } from '../../pipelines/evaluate-bounded.ts'
import { evaluateWith } from '../../pipelines/prepare.ts'
import { openKeys } from '../../runtime/identity/keys.ts'
import { connectPorts } from '../../runtime/node/connect.ts'
import { systemRandom } from '../../runtime/node/system-random.ts'
import { asError } from '../../schemas/error.ts'
import type { Seat } from './ground.ts'
import { runMortal } from './mortal.ts'
import { DEPOSIT, inputsOf, keyOf, PARTITIONS, pipelineOf, RELAY } from './work.ts'

const RUN_MS = 300_000
const PAUSE_MS = 500

export interface WorkerTold {
  readonly seat: Seat
  /** Name of this node's key. */
  readonly node: string
  readonly seed: number
  readonly indexes: readonly number[]
  readonly atOnce: number
}

runMortal(async ({ seat, node, seed, indexes, atOnce }: WorkerTold, say) => {
  const keys = await openKeys({ home: seat.home, random: systemRandom, nodeName: node })
  const ports = await connectPorts(seat.connections, seat.participant)
  const evaluator = makeBoundedEvaluator()
  const user = await openUser({
    ports, keys, fleet: true, partitions: PARTITIONS, evaluate: evaluateWith(evaluator), deposit: DEPOSIT, faucet: true, standard: new Map([[RELAY.id, RELAY]]),
    // Its journal is another's, or gone: what is left to do is done by the process that comes next.
    onLost: (error) => {
      process.stderr.write(`${error.message}\n`)
      process.exit(1)
    },
  })
  const left = [...indexes]
  let closing = false
  const line = async (): Promise<void> => {
    for (let index = left.shift(); index !== undefined && !closing; index = left.shift()) {
      for (let done = false; !done && !closing;) {
        try {
          const run = await startRun(user, { document: pipelineOf(index), inputs: inputsOf(seed, index), key: keyOf(seed, index) })
          const { error } = await finishRun(user, run, RUN_MS)
          say({ type: 'ended', index, error })
          done = true
        } catch (thrown) {
          const error = asError(thrown)
          say({ type: 'trouble', index, error: error.toJSON() })
          await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
        }
      }
    }
  }
  void Promise.all(Array.from({ length: atOnce }, line))
  return async () => {
    closing = true
    await user.close()
    await evaluator.close()
    await ports.close()
  }
})
