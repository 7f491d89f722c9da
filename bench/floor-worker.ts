/** The floor of `durable`: requests and grouped appends of the raw NATS client (see floor.ts), no state, no recovery. */
import { connectNats } from '../runtime/nats/connection.ts'
import { runChild } from './child.ts'
import { GroupedAppends } from './grouped-appends.ts'
import { runWorkflows, STEP_MS, type Work, type WorkerTold } from './workflows.ts'

runChild(async ({ credentials, subject }: WorkerTold) => {
  const network = await connectNats(credentials, 'bench floor')
  const journal = await connectNats(credentials, 'bench floor journal')
  const appends = await GroupedAppends.open(journal.nc)
  const run = async (steps: number, first: string): Promise<string> => {
    let text = first
    for (let step = 0; step < steps; step++) {
      const { data } = await network.nc.request(subject, Buffer.from(text), { timeout: STEP_MS })
      await appends.append(data)
      text = Buffer.from(data).toString()
    }
    return text
  }
  return {
    work: (work: Work) => runWorkflows(work, run),
    close: async () => {
      await network.close()
      await journal.close()
    },
  }
})
