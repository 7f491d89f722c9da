/**
 * `durable` on DBOS: a registered workflow whose steps are `DBOS.runStep`, each result a row of
 * Postgres before the next begins. The steps ask the same responder over NATS.
 */
import { connectNats } from '../runtime/nats/connection.ts'
import { runChild } from './child.ts'
import { importPeer } from './peers.ts'
import { runWorkflows, STEP_MS, type Work, type WorkerTold } from './workflows.ts'

/** What is used of `@dbos-inc/dbos-sdk`. */
interface DbosSdk {
  readonly DBOS: {
    setConfig(config: object): void
    registerWorkflow<A extends unknown[], R>(run: (...args: A) => Promise<R>, options: { name: string }): (...args: A) => Promise<R>
    runStep<R>(action: () => Promise<R>, options: { name: string }): Promise<R>
    launch(): Promise<void>
    shutdown(): Promise<void>
  }
}

runChild(async ({ credentials, subject, server }: WorkerTold) => {
  // its use of pg warns of pg 9
  Object.assign(process, { noDeprecation: true })
  const { DBOS } = await importPeer<DbosSdk>('@dbos-inc/dbos-sdk')
  const connection = await connectNats(credentials, 'bench dbos')
  const ask = async (text: string): Promise<string> => Buffer.from((await connection.nc.request(subject, Buffer.from(text), { timeout: STEP_MS })).data).toString()
  const run = DBOS.registerWorkflow(async (steps: number, first: string): Promise<string> => {
    let text = first
    for (let step = 0; step < steps; step++) {
      const before = text
      text = await DBOS.runStep(() => ask(before), { name: 'ask' })
    }
    return text
  }, { name: 'chain' })
  // its own pool of 10 connections: 20 and 40 were slower by a tenth
  DBOS.setConfig({ name: 'bench', applicationVersion: '1', systemDatabaseUrl: server!.url, logLevel: 'error' })
  await DBOS.launch()
  return {
    work: (work: Work) => runWorkflows(work, run),
    close: async () => {
      await DBOS.shutdown()
      await connection.close()
    },
  }
})
