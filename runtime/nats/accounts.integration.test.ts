/** What a participant may not do on the network, tried with the bare client (DESIGN D4). */
import { jetstreamManager } from '@nats-io/jetstream'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { systemRandom } from '../node/system-random.ts'
import { natsBus } from './bus.ts'
import { natsBlobs } from './blobs.ts'
import { connectNats } from './connection.ts'
import { disposableServer } from './disposable-server.fixture.ts'
import { natsError } from './nats-error.ts'
import { natsJournal } from './journal.ts'
import type { Connection } from './connection.ts'
import type { Credentials } from './credentials.ts'
import type { DisposableServer } from './disposable-server.fixture.ts'

let server: DisposableServer
let operator: Connection
let mallory: Connection
let bob: Connection
let bobJournal: Credentials
let malloryJournal: Connection

beforeAll(async () => {
  server = await disposableServer({ random: systemRandom })
  operator = await connectNats(server.operator, 'operator')
  const [m, b] = await Promise.all([server.admit('mallory'), server.admit('bob')])
  mallory = await connectNats(m.network, 'mallory')
  malloryJournal = await connectNats(m.journal, 'mallory')
  bob = await connectNats(b.network, 'bob')
  bobJournal = b.journal
})
afterAll(async () => {
  await Promise.all([operator, mallory, bob, malloryJournal].map((connection) => connection?.close()))
  await server?.end()
})

const refused = async (subject: string, body = ''): Promise<string> =>
  mallory.nc.request(subject, body, { timeout: 2_000 }).then((answer) => `answered: ${answer.string()}`, (thrown: unknown) => natsError(thrown, subject).code)

describe('a participant', () => {
  test.each([
    ['$JS.API.STREAM.CREATE.MINE', '{"name":"MINE","subjects":["x"]}'],
    ['$JS.API.STREAM.UPDATE.AIGEN_CARDS', '{"name":"AIGEN_CARDS","subjects":["aigen.v1.card.*","x"]}'],
    ['$JS.API.STREAM.DELETE.AIGEN_CARDS', ''],
    ['$JS.API.STREAM.PURGE.AIGEN_CARDS', ''],
    ['$JS.API.STREAM.MSG.DELETE.AIGEN_CARDS', '{"seq":1}'],
    ['$JS.API.STREAM.INFO.AIGEN_CARDS', ''],
    ['$JS.API.STREAM.NAMES', ''],
    ['$JS.API.CONSUMER.CREATE.AIGEN_CARDS', '{"stream_name":"AIGEN_CARDS","config":{"deliver_subject":"aigen.v1.card.bob","ack_policy":"none"}}'],
    ['$JS.API.CONSUMER.DURABLE.CREATE.AIGEN_CARDS.x', '{}'],
    ['$JS.API.INFO', ''],
    ['$JS.API.DIRECT.GET.AIGEN_BLOBS_bob', '{"seq":1}'],
    ['$SYS.REQ.SERVER.PING', ''],
    ['aigen.v1.card.bob', 'forged'],
    ['aigen.v1.alive.bob', 'forged'],
    ['aigen.v1.evidence.bob', 'forged'],
    ['aigen.v1.blob.bob.key.0', 'forged'],
    ['aigen.v1.reputation.1', 'forged'],
    ['aigen.v2.anything', ''],
    ['journal.p', ''],
  ])('may not publish to %s', async (subject, body) => {
    expect(await refused(subject, body)).toBe('network.denied')
  })

  test.each(['_INBOX.bob.>', '_INBOX.>', '_INBOX.*.x', 'aigen.v1.call.bob.>', 'aigen.v1.call.*.n.quote', 'aigen.v1.hello.bob', 'aigen.v1.hello.*', 'aigen.>', '>', '*.>',
    '$JS.>', '$SYS.>', 'aigen.v1.blob.bob.>', '_R_.>'])('may not subscribe to %s', async (subject) => {
    await expect(natsBus(mallory).subscribe(subject, () => {})).rejects.toMatchObject({ code: 'network.denied' })
  })

  test('cannot have the server delete a stream by answering a message whose reply names the API', async () => {
    const jsm = await jetstreamManager(operator.nc)
    await jsm.streams.add({ name: 'BAIT', subjects: ['bait'] })
    const bus = natsBus(mallory)
    const got = await bus.subscribe('aigen.v1.market.bait', () => ({ data: new Uint8Array() }))
    const before = mallory.denied
    bus.publish('aigen.v1.market.bait', new Uint8Array(), { reply: '$JS.API.STREAM.DELETE.BAIT' })
    await expect.poll(() => mallory.denied).toBeGreaterThan(before)
    expect((await jsm.streams.info('BAIT')).config.name).toBe('BAIT')
    await got.stop()
  })

  test("cannot write over another's blob, nor list its keys", async () => {
    const shelf = natsBlobs(bob, 'bob')
    await shelf.put('key', Buffer.from('as bob stored it'))
    // the acknowledgement of one's own write goes to any subject one names as its reply
    mallory.nc.publish('aigen.v1.card.mallory', 'mine', { reply: 'aigen.v1.blob.bob.key.0' })
    mallory.nc.publish('aigen.v1.blob.mallory.x.0', 'mine', { reply: 'aigen.v1.blob.bob.key.m' })
    await mallory.nc.flush()
    await operator.nc.flush()
    expect(Buffer.from((await natsBlobs(mallory, 'mallory').get('key', 'bob'))!).toString()).toBe('as bob stored it')
  })

  test("cannot take another's card off the network: its owner puts it back", async () => {
    const [own, others] = [natsBus(bob), natsBus(mallory)]
    await own.keep('aigen.v1.card.bob', Buffer.from("bob's card"))
    await others.keep('aigen.v1.card.mallory', Buffer.from("mallory's card"))
    const heard: string[] = []
    const subscription = await others.subscribe('aigen.v1.card.bob', (message) => { heard.push(Buffer.from(message.data).toString()) })
    mallory.nc.publish('aigen.v1.card.mallory', 'mine', { reply: 'aigen.v1.card.bob' })
    mallory.nc.publish('$JS.API.DIRECT.GET.AIGEN_CARDS', '{"last_by_subj":"aigen.v1.card.mallory"}', { reply: 'aigen.v1.card.bob' })
    await expect.poll(() => heard.length).toBeGreaterThanOrEqual(3)
    await expect.poll(async () => {
      for await (const card of others.kept('aigen.v1.card.bob')) return Buffer.from(card.data).toString()
      return undefined
    }, { timeout: 3_000 }).toBe("bob's card")
    await subscription.stop()
  })

  test("cannot enter another's journal, and does not see it from its own", async () => {
    await expect(connectNats({ ...bobJournal, pass: 'guess' }, 'mallory', { reconnect: false })).rejects.toMatchObject({ code: 'network.denied' })
    await expect(connectNats({ ...mallory.credentials, user: bobJournal.user }, 'mallory', { reconnect: false })).rejects.toMatchObject({ code: 'network.denied' })
    await expect(connectNats({ url: server.url, user: '', pass: '' }, 'nobody', { reconnect: false })).rejects.toMatchObject({ code: 'network.denied' })
    const journal = natsJournal(await connectNats(bobJournal, 'bob'))
    await (await journal.open('secret')).append(Buffer.from('bob only'), 0, '1')
    expect(await (await natsJournal(malloryJournal).open('secret')).last()).toBe(0)
    expect((await (await jetstreamManager(malloryJournal.nc)).streams.names().next())).toEqual(['JOURNAL_secret'])
    expect(await refused('journal.secret')).toBe('network.denied')
    await journal.close()
  })

  test('keeps its credentials, and others stay connected, when someone else is admitted', async () => {
    const before = mallory.reconnects
    const heard: string[] = []
    const subscription = await natsBus(bob).subscribe('aigen.v1.hello.bob', (message) => { heard.push(message.subject) })
    const many = await Promise.all(Array.from({ length: 10 }, (_, i) => server.admit(`late-${i}`)))
    expect(new Set(many.flatMap(({ network, journal }) => [network.pass, journal.pass])).size).toBe(20)
    expect((await server.admit('mallory')).network).toEqual(mallory.credentials)
    await natsBus(mallory).request('aigen.v1.hello.bob', new Uint8Array(), { timeoutMs: 300 }).catch(() => {})
    expect(heard).toEqual(['aigen.v1.hello.bob'])
    expect(mallory.reconnects).toBe(before)
    await subscription.stop()
  })

  test.each(['', 'a.b', 'a b', '*', '>', '"', '__proto__ x'])('cannot be called %j', async (id) => {
    await expect(server.admit(id)).rejects.toMatchObject({ code: 'input.invalid' })
  })
})

test('a guardian may publish an epoch, and everyone read it', async () => {
  const guardian = natsBus(await connectNats((await server.admit('guardian', { guardian: true })).network, 'guardian'))
  await guardian.keep('aigen.v1.reputation.1', Buffer.from('registry'))
  const found: string[] = []
  for await (const message of natsBus(mallory).kept('aigen.v1.reputation.*')) found.push(Buffer.from(message.data).toString())
  expect(found).toEqual(['registry'])
  await guardian.close()
})
