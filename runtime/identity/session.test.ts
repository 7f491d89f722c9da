import { describe, expect, it } from 'vitest'
import { canonicalBytes } from '../../schemas/canonical.ts'
import { virtualClock } from '../memory/clock.ts'
import { open, seal, type Place } from './envelope.ts'
import { checkHello, isCurrent, openHello, SESSION_GRACE_MS, SESSION_MS } from './session.ts'
import { createSessionTable, PEER_SESSIONS_MAX, UNCONFIRMED_MAX } from './session-table.ts'
import { codeOf, DAY, pairOf, party, START, type Party } from './two-nodes.fixture.ts'

const alice = party('alice')
const bob = party('bob')
const mallory = party('mallory')
const clock = virtualClock(START)
const by = (who: Party) => ({ ...who, clock })
const place: Place = { kind: 'request', subject: 's' }

type Changed = { body: Record<string, unknown>; [member: string]: unknown }
/** The document with a change made to it, as somebody in between would. */
const altered = (bytes: Uint8Array, change: (document: Changed) => void): Uint8Array => {
  const document = JSON.parse(Buffer.from(bytes).toString()) as Changed
  change(document)
  return canonicalBytes(document)
}

describe('session', () => {
  it('joins the two who meant each other', () => {
    const ends = pairOf(alice, bob)
    expect(ends.caller).toMatchObject({ peer: bob.self.participant, peerNode: bob.self.node, peerAuth: bob.self.auth, partitions: ['p0'] })
    expect(ends.callee).toMatchObject({ peer: alice.self.participant, peerNode: alice.self.node, id: ends.caller.id })
    expect(ends.caller.sending.key.export()).toEqual(ends.callee.receiving.key.export())
    expect(ends.caller.receiving.key.export()).toEqual(ends.callee.sending.key.export())
    expect(ends.caller.sending.key.export()).not.toEqual(ends.caller.receiving.key.export())
    expect(pairOf(alice, bob).caller.id).not.toBe(ends.caller.id)
  })

  it.each<[string, (document: Changed) => void, string]>([
    ['another ephemeral key', (d) => { d.body['ephemeral'] = bob.self.node }, 'auth.forged'],
    ['another nonce', (d) => { d.body['nonce'] = 'A'.repeat(22) }, 'auth.forged'],
    ['another sender', (d) => { d.body['from'] = mallory.self.participant }, 'auth.unauthorised'],
    ['another time', (d) => { d.body['issuedAt'] = START + 1 }, 'auth.forged'],
    ['another participant\'s authorisation', (d) => { d['authorisation'] = mallory.authorisation }, 'auth.unauthorised'],
    ['another\'s signature', (d) => { d['signature'] = mallory.self.sign('hello', d.body) }, 'auth.unauthorised'],
    ['a receiver who is not us', (d) => { d.body['to'] = mallory.self.participant }, 'auth.unauthorised'],
    ['another node of ours', (d) => { d.body['toNode'] = mallory.self.node }, 'network.moved'],
    ['another version', (d) => { d.body['v'] = 2; d.body['more'] = 1 }, 'auth.version'],
    ['a member more', (d) => { d.body['more'] = 1 }, 'input.invalid'],
    ['a member less', (d) => { delete d['signature'] }, 'input.invalid'],
    ['a short key', (d) => { d.body['ephemeral'] = 'AAAA' }, 'input.invalid'],
    ['no body', (d) => { Object.assign(d, { body: 7 }) }, 'input.unparsable'],
  ])('refuses a hello with %s', (_, change, code) => {
    const { bytes } = openHello(by(alice), bob.self.participant)
    expect(codeOf(() => checkHello(by(bob), altered(bytes, change)))).toBe(code)
  })

  it('refuses an ephemeral point of small order, though signed', () => {
    const { bytes } = openHello(by(mallory), bob.self.participant)
    const bad = altered(bytes, (d) => {
      d.body['ephemeral'] = 'A'.repeat(43)
      d['signature'] = mallory.self.sign('hello', d.body)
    })
    const hello = checkHello(by(bob), bad)
    expect(codeOf(() => hello.accept([]))).toBe('auth.forged')
  })

  it.each([[-60_001, 'auth.expired'], [60_001, 'auth.expired']])('refuses a hello %i ms away', async (offset, code) => {
    const { bytes } = openHello({ ...alice, clock: virtualClock(START + offset) }, bob.self.participant)
    expect(codeOf(() => checkHello(by(bob), bytes))).toBe(code)
  })

  it('refuses a node whose authorisation has ended', () => {
    const late = party('alice', 'old', { notBefore: START - 2 * DAY, notAfter: START - DAY })
    expect(codeOf(() => checkHello(by(bob), openHello(by(late), bob.self.participant).bytes))).toBe('auth.expired')
  })

  it.each<[string, (document: Changed) => void, string]>([
    ['another ephemeral key', (d) => { d.body['ephemeral'] = bob.self.node }, 'auth.forged'],
    ['other partitions', (d) => { d.body['partitions'] = ['p9'] }, 'auth.forged'],
    ['another session', (d) => { d.body['session'] = 'A'.repeat(22) }, 'auth.forged'],
    ['another confirmation', (d) => { d['confirm'] = 'A'.repeat(43) }, 'auth.forged'],
    ['a mallory in bob\'s place', (d) => {
      d.body['from'] = mallory.self.participant
      d['signature'] = mallory.self.sign('welcome', d.body)
      d['authorisation'] = mallory.authorisation
    }, 'auth.forged'],
    ['mallory\'s signature under bob\'s name', (d) => {
      d['signature'] = { ...mallory.self.sign('welcome', d.body), by: bob.self.participant }
      d['authorisation'] = mallory.authorisation
    }, 'auth.unauthorised'],
    ['another version', (d) => { d.body['v'] = 9 }, 'auth.version'],
    ['a confirmation from who holds bob\'s node key but not the secret', (d) => {
      d.body['ephemeral'] = mallory.self.node
      d['signature'] = bob.self.sign('welcome', d.body)
    }, 'auth.forged'],
  ])('refuses a welcome with %s', (_, change, code) => {
    const hello = openHello(by(alice), bob.self.participant)
    const { welcome } = checkHello(by(bob), hello.bytes).accept([])
    expect(codeOf(() => hello.finish(altered(welcome, change)))).toBe(code)
  })

  it('refuses a welcome to another hello, and a hello reflected as its welcome', () => {
    const one = openHello(by(alice), bob.self.participant)
    const two = openHello(by(alice), bob.self.participant)
    const { welcome } = checkHello(by(bob), one.bytes).accept([])
    expect(codeOf(() => two.finish(welcome))).toBe('auth.forged')
    expect(codeOf(() => two.finish(two.bytes))).toBe('input.invalid')
    // reflected to the sender as a hello
    expect(codeOf(() => checkHello(by(alice), two.bytes))).toBe('auth.unauthorised')
  })

  it('does not let mallory pass on a hello as her own (unknown key share)', () => {
    const { bytes } = openHello(by(alice), bob.self.participant)
    // she signs alice's ephemeral key as hers; bob then believes to talk to mallory, and says so in the welcome that alice refuses
    const claimed = altered(bytes, (d) => {
      d.body['from'] = mallory.self.participant
      d['signature'] = mallory.self.sign('hello', d.body)
      d['authorisation'] = mallory.authorisation
    })
    const hello = openHello(by(alice), bob.self.participant)
    const { session, welcome } = checkHello(by(bob), claimed).accept([])
    expect(session.peer).toBe(mallory.self.participant)
    expect(codeOf(() => hello.finish(welcome))).toBe('auth.forged')
  })

  it('accepts the pinned node only', () => {
    const other = party('bob', 'b')
    const hello = openHello(by(alice), bob.self.participant, bob.self.node)
    expect(codeOf(() => checkHello(by(other), hello.bytes))).toBe('network.moved')
    const { welcome } = checkHello(by(bob), hello.bytes).accept([])
    expect(hello.finish(welcome).peerNode).toBe(bob.self.node)
  })

  it('talks to itself with separate directions', () => {
    const ends = pairOf(alice, alice)
    const { envelope } = seal(ends.caller, place, 1)
    expect(codeOf(() => open(ends.caller, place, envelope))).toBe('auth.forged')
    expect(open(ends.callee, place, envelope)).toBe(1)
  })

  it('ends after an hour, a little later at the callee, and with the authorisation', async () => {
    const time = virtualClock(START)
    const ends = pairOf(alice, bob, time)
    await time.advance(SESSION_MS - 1)
    expect(isCurrent(ends.caller, time)).toBe(true)
    await time.advance(1)
    expect(isCurrent(ends.caller, time)).toBe(false)
    expect(isCurrent(ends.callee, time, SESSION_GRACE_MS)).toBe(true)
    const brief = party('alice', 'brief', { notBefore: START - DAY, notAfter: START + 1_000 })
    const short = pairOf(alice, brief, virtualClock(START)).caller
    expect([isCurrent(short, virtualClock(START)), isCurrent(short, virtualClock(START + 1_001))]).toEqual([true, false])
  })
})

describe('session table', () => {
  const headerOf = (id: string) => ({ kind: 'request' as const, session: id, counter: 0 })
  const helloFrom = (who: Party, time = clock) => openHello({ ...who, clock: time }, bob.self.participant)

  it('answers a hello once', async () => {
    const time = virtualClock(START)
    const table = createSessionTable({ ...bob, clock: time }, () => ['p0'])
    const hello = helloFrom(alice, time)
    const session = hello.finish(table.welcome(hello.bytes))
    expect(table.find(headerOf(session.id)).peer).toBe(alice.self.participant)
    expect(codeOf(() => table.welcome(hello.bytes))).toBe('auth.replayed')
    await time.advance(60_000)
    expect(codeOf(() => table.welcome(hello.bytes))).toBe('auth.replayed')
    await time.advance(1)
    expect(codeOf(() => table.welcome(hello.bytes))).toBe('auth.expired')
  })

  it('forgets a session that nobody confirmed, keeps one that was', async () => {
    const time = virtualClock(START)
    const table = createSessionTable({ ...bob, clock: time }, () => [])
    const ids = [helloFrom(alice, time), helloFrom(alice, time)].map((hello) => hello.finish(table.welcome(hello.bytes)).id)
    table.confirm(table.find(headerOf(ids[0]!)))
    await time.advance(60_001)
    expect(table.find(headerOf(ids[0]!)).id).toBe(ids[0])
    expect(codeOf(() => table.find(headerOf(ids[1]!)))).toBe('auth.unknown-session')
    await time.advance(SESSION_MS + SESSION_GRACE_MS)
    expect(codeOf(() => table.find(headerOf(ids[0]!)))).toBe('auth.unknown-session')
    expect(table.size).toBe(0)
  })

  it('keeps sessions in use through a flood of hellos', () => {
    const table = createSessionTable({ ...bob, clock }, () => [], 1e9)
    const hello = helloFrom(alice)
    const used = hello.finish(table.welcome(hello.bytes))
    table.confirm(table.find(headerOf(used.id)))
    for (let n = 0; n < UNCONFIRMED_MAX + 10; n += 1) table.welcome(helloFrom(mallory).bytes)
    expect(table.size).toBe(UNCONFIRMED_MAX + 1)
    expect(table.find(headerOf(used.id)).id).toBe(used.id)
  })

  it('gives one participant a bounded number', () => {
    const table = createSessionTable({ ...bob, clock }, () => [])
    const sessions = Array.from({ length: PEER_SESSIONS_MAX + 1 }, () => {
      const hello = helloFrom(alice)
      const session = hello.finish(table.welcome(hello.bytes))
      table.confirm(table.find(headerOf(session.id)))
      return session
    })
    expect(table.size).toBe(PEER_SESSIONS_MAX)
    expect(codeOf(() => table.find(headerOf(sessions[0]!.id)))).toBe('auth.unknown-session')
    expect(table.find(headerOf(sessions.at(-1)!.id)).id).toBe(sessions.at(-1)!.id)
  })

  it('refuses hellos beyond so many a second before anything costly', async () => {
    const time = virtualClock(START)
    const table = createSessionTable({ ...bob, clock: time }, () => [], 2)
    const hellos = [1, 2, 3].map(() => helloFrom(alice, time))
    table.welcome(hellos[0]!.bytes)
    table.welcome(hellos[1]!.bytes)
    expect(codeOf(() => table.welcome(hellos[2]!.bytes))).toBe('node.busy')
    await time.advance(1_000)
    table.welcome(hellos[2]!.bytes)
  })
})
