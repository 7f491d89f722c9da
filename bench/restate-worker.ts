/**
 * `durable` on Restate: a service whose handler makes each step a `ctx.run`, journaled by the Restate
 * server before the next, called through its ingress. The steps ask the same responder over NATS.
 */
import { Agent, request } from 'node:http'
import { connectNats } from '../runtime/nats/connection.ts'
import { freePort } from '../runtime/nats/server-process.ts'
import { runChild } from './child.ts'
import { importPeer } from './peers.ts'
import { runWorkflows, STEP_MS, type Work, type WorkerTold } from './workflows.ts'

/** What is used of `@restatedev/restate-sdk`. */
interface RestateSdk {
  service(definition: { name: string; handlers: Record<string, (context: RunContext, told: { steps: number; text: string }) => Promise<string>> }): unknown
  serve(options: { services: unknown[]; port: number }): Promise<number>
}

interface RunContext {
  run<T>(name: string, action: () => Promise<T>): Promise<T>
}

/** One answer of the whole workflow: its steps may wait for each other. */
const WORKFLOW_MS = 300_000

// the SDK calls this of Node 22 though it names no engine; without it every invocation fails on Node 20
;(Promise as { withResolvers?: unknown }).withResolvers ??= function withResolvers<T>(this: PromiseConstructor) {
  let [resolve, reject] = [(_value: T): void => {}, (_reason: unknown): void => {}]
  const promise = new this<T>((ok, fail) => { [resolve, reject] = [ok, fail] })
  return { promise, resolve, reject }
}

runChild(async ({ credentials, subject, server }: WorkerTold) => {
  process.env['RESTATE_LOGGING'] ??= 'ERROR'
  const restate = await importPeer<RestateSdk>('@restatedev/restate-sdk')
  const { nc, close } = await connectNats(credentials, 'bench restate').then((connection) => ({ nc: connection.nc, close: () => connection.close() }))
  const ask = async (text: string): Promise<string> => Buffer.from((await nc.request(subject, Buffer.from(text), { timeout: STEP_MS })).data).toString()
  const chain = restate.service({
    name: 'chain',
    handlers: {
      run: async (context, { steps, text: first }) => {
        let text = first
        for (let step = 0; step < steps; step++) {
          const before = text
          text = await context.run('ask', () => ask(before))
        }
        return text
      },
    },
  })
  const port = await restate.serve({ services: [chain], port: await freePort() })
  const agent = new Agent({ keepAlive: true })
  await post(agent, `${server!.admin}/deployments`, { uri: `http://127.0.0.1:${port}` })
  const run = async (steps: number, text: string): Promise<string> => JSON.parse(await post(agent, `${server!.url}/chain/run`, { steps, text })) as string
  return { work: (work: Work) => runWorkflows(work, run), close }
})

function post(agent: Agent, url: string, body: object): Promise<string> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method: 'POST', agent, headers: { 'content-type': 'application/json' }, timeout: WORKFLOW_MS }, (response) => {
      const parts: Buffer[] = []
      response.on('data', (part: Buffer) => parts.push(part)).on('error', reject).on('end', () => {
        const text = Buffer.concat(parts).toString()
        if ((response.statusCode ?? 500) < 300) resolve(text)
        else reject(new Error(`${url}: ${response.statusCode} ${text.slice(0, 300)}`))
      })
    })
    sent.on('timeout', () => sent.destroy(new Error(`${url}: no answer`))).on('error', reject).end(JSON.stringify(body))
  })
}
