/** The paid step's other process: a provider whose work costs nothing, so that the rest is seen. */
import { provide } from '../agents/provider/provide.ts'
import { evaluateWith } from '../pipelines/prepare.ts'
import { openKeys } from '../runtime/identity/keys.ts'
import { connectPorts } from '../runtime/node/connect.ts'
import { systemRandom } from '../runtime/node/system-random.ts'
import { runChild } from './child.ts'
import { echo, freeEcho } from './echo.ts'
import type { Seat } from './ground.ts'

runChild(async ({ home, participant, connections }: Seat) => {
  const keys = await openKeys({ home, random: systemRandom })
  const ports = await connectPorts(connections, participant)
  // echo's contract has no expression, so no thread is needed for one
  const evaluate = evaluateWith({ evaluate: () => Promise.reject(new Error('echo needs no thread')) })
  const provider = await provide([echo, freeEcho], { ports, keys }, evaluate)
  return {
    close: async () => {
      await provider.stop()
      await ports.close()
    },
  }
})
