/**
 * `durable` on our host: a workflow is an actor, its step an effect that asks the responder over the
 * bus, and each answer is journaled before the next step begins. No wire and no payment: the same
 * work as the others.
 */
import { Host } from '../runtime/actors/host.ts'
import { natsBus } from '../runtime/nats/bus.ts'
import { connectNats } from '../runtime/nats/connection.ts'
import { natsJournal } from '../runtime/nats/journal.ts'
import { systemClock } from '../runtime/node/system-clock.ts'
import { systemRandom } from '../runtime/node/system-random.ts'
import { chain, type ChainContext } from './chain.machine.ts'
import { runChild } from './child.ts'
import { runWorkflows, STEP_MS, type Work, type WorkerTold } from './workflows.ts'

runChild(async ({ credentials, subject, partitions = 1 }: WorkerTold) => {
  const bus = natsBus(await connectNats(credentials, 'bench bus'))
  const journal = natsJournal(await connectNats(credentials, 'bench journal'))
  const host = await Host.open({
    journal, prefix: `bench${partitions}p`, partitions, clock: systemClock, random: systemRandom,
    registry: {
      actors: [chain],
      effects: {
        ask: {
          mode: 'idempotent', concurrency: 1_024,
          run: async ({ text }: { text: string }) => {
            const { data } = await bus.request(subject, Buffer.from(text), { timeoutMs: STEP_MS })
            return { type: 'ask.done', text: Buffer.from(data).toString() }
          },
        },
      },
    },
  })
  host.resume()
  const waiting = new Map<string, (context: ChainContext, state: string) => void>()
  host.watch(({ id, snapshot }) => {
    if (snapshot.status !== 'done') return
    waiting.get(id)?.(snapshot.context as ChainContext, String(snapshot.value))
    waiting.delete(id)
  })
  let started = 0
  const run = (steps: number, text: string): Promise<string> => new Promise((resolve, reject) => {
    const id = `chain/${started++}`
    waiting.set(id, (context, state) => (state === 'done' ? resolve(context.text) : reject(new Error(`${id} ended ${state}`))))
    host.start(id, { steps, text }).catch(reject)
  })
  return {
    work: (work: Work) => runWorkflows(work, run),
    close: async () => {
      await host.close()
      await journal.close()
      await bus.close()
    },
  }
})
