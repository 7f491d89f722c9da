/** The shared streams when they are full, and when an older server made them. */
import { DiscardPolicy, jetstreamManager } from '@nats-io/jetstream'
import { nanos } from '@nats-io/nats-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { natsBus } from './bus.ts'
import { connectNats, type Connection } from './connection.ts'
import { disposableServer, type DisposableServer } from './disposable-server.fixture.ts'
import { CARDS, openNetwork, REPUTATION } from './network-streams.ts'

const SMALL = 16_384
let server: DisposableServer
let operator: Connection

beforeAll(async () => {
  server = await disposableServer()
  operator = await connectNats(server.operator, 'operator')
})
afterAll(async () => {
  await operator?.close()
  await server?.end()
})

test('a full stream lets the oldest epoch go for the newest, and refuses a new card', async () => {
  const jsm = await jetstreamManager(operator.nc, { checkAPI: false })
  for (const name of [REPUTATION, CARDS]) await jsm.streams.update(name, { ...(await jsm.streams.info(name)).config, max_bytes: SMALL })
  const guardian = natsBus(await connectNats((await server.admit('guardian', { guardian: true })).network, 'guardian'))
  const registry = new Uint8Array(1_000)
  for (let epoch = 0; epoch < 40; epoch++) await guardian.keep(`aigen.v1.reputation.${epoch}`, registry)
  const kept: string[] = []
  for await (const { subject } of guardian.kept('aigen.v1.reputation.*')) kept.push(subject)
  expect(kept).toContain('aigen.v1.reputation.39')
  expect(kept).not.toContain('aigen.v1.reputation.0')
  const answers: { error?: { description: string } }[] = []
  for (let index = 0; index < 40; index++) answers.push((await operator.nc.request(`aigen.v1.card.p${index}`, registry, { timeout: 2_000 })).json())
  expect(answers[0]).not.toHaveProperty('error')
  expect(answers.at(-1)).toMatchObject({ error: { description: 'maximum bytes exceeded' } })
  expect((await jsm.streams.getMessage(CARDS, { last_by_subj: 'aigen.v1.card.p0' }))?.data.length).toBe(registry.length)
  await guardian.close()
})

test('streams of an older server are brought up to date, and keep what they hold', async () => {
  const jsm = await jetstreamManager(operator.nc, { checkAPI: false })
  await jsm.streams.update(REPUTATION, { ...(await jsm.streams.info(REPUTATION)).config, discard: DiscardPolicy.New, max_age: 0 })
  const before = (await jsm.streams.info(REPUTATION)).state.messages
  expect(before).toBeGreaterThan(0)
  await openNetwork(operator)
  const { config, state } = await jsm.streams.info(REPUTATION)
  expect(config).toMatchObject({ discard: DiscardPolicy.Old, max_age: nanos(30 * 86_400_000), max_bytes: 2 ** 28, max_msgs_per_subject: 1 })
  expect(state.messages).toBe(before)
  expect((await jsm.streams.info(CARDS)).config).toMatchObject({ discard: DiscardPolicy.New, max_age: 0 })
})
