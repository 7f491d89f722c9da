/** Requests that share one inbox keep apart: their answers, their deadlines and their ends. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { connectNats } from './connection.ts'
import { disposableServer } from './disposable-server.fixture.ts'
import { requestsOf } from './requests.ts'
import type { Connection } from './connection.ts'

let server: Awaited<ReturnType<typeof disposableServer>>
let asker: Connection
let answerer: Connection
const none = new Uint8Array()

beforeAll(async () => {
  server = await disposableServer()
  const { network } = await server.admit('asker')
  asker = await connectNats(network, 'asker')
  answerer = await connectNats((await server.admit('answerer')).network, 'answerer')
  answerer.nc.subscribe('aigen.v1.call.answerer.n1.echo', { callback: (_error, message) => void message.respond(message.data) })
  answerer.nc.subscribe('aigen.v1.call.answerer.n1.silent', { callback: () => {} })
  await answerer.nc.flush()
})

afterAll(async () => {
  await asker.close()
  await answerer.close()
  await server.end()
})

test('each of many at once gets its own answer', async () => {
  const asked = Array.from({ length: 200 }, (_, at) => requestsOf(asker).request('aigen.v1.call.answerer.n1.echo', Buffer.from(`${at}`), 5_000))
  expect((await Promise.all(asked)).map((message) => message.string())).toEqual(Array.from({ length: 200 }, (_, at) => `${at}`))
})

test('a shorter deadline behind a longer one is kept, and the longer one is still answered or over in its time', async () => {
  const ended: string[] = []
  const ask = (name: string, ms: number): Promise<unknown> =>
    requestsOf(asker).request('aigen.v1.call.answerer.n1.silent', none, ms).catch(({ code }: { code: string }) => void ended.push(`${name} ${code}`))
  const from = performance.now()
  await Promise.all([ask('long', 240), ask('short', 60), ask('middle', 150)])
  expect(ended).toEqual(['short network.timeout', 'middle network.timeout', 'long network.timeout'])
  expect(performance.now() - from).toBeGreaterThanOrEqual(239)
})

test('a denied subject fails each of its requests and no other', async () => {
  const denied = [1, 2].map(() => requestsOf(asker).request('aigen.v1.alive.answerer', none, 5_000))
  const answered = requestsOf(asker).request('aigen.v1.call.answerer.n1.echo', Buffer.from('still here'), 5_000)
  for (const one of denied) await expect(one).rejects.toMatchObject({ code: 'network.denied' })
  expect((await answered).string()).toBe('still here')
})

test('closing ends what waits', async () => {
  const connection = await connectNats(asker.credentials, 'closing')
  const waits = requestsOf(connection).request('aigen.v1.call.answerer.n1.silent', none, 60_000)
  const seen = expect(waits).rejects.toMatchObject({ code: 'network.closed' })
  await connection.close()
  await seen
  await expect(requestsOf(connection).request('aigen.v1.call.answerer.n1.echo', none, 1_000)).rejects.toMatchObject({ code: 'network.closed' })
})
