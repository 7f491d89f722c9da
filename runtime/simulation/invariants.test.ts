/** Each invariant holds for what is right and names what is not. */
import { describe, expect, it } from 'vitest'
import type { LiveActor } from '../actors/fold.ts'
import type { MemoryDisk } from '../memory/journal.ts'
import type { PurseContext, PurseLane } from '../payments/lane.ts'
import type { TillContext } from '../payments/till.machine.ts'
import { CounterWorld } from '../actors/counter.fixture.ts'
import { Envelopes, Folds, Owners, sameAsReplay, Writes } from './invariants.ts'
import { LaneBooks, withinHolds, Words } from './lane-books.ts'

const ID = `0x${'1'.repeat(64)}` as const
const lane = (change: Partial<PurseLane>): PurseContext => ({
  lanes: { 'p.0': { id: ID, payee: '0xp', provider: '0xp', number: 0, reserved: '1000', cumulative: '0', ref: '0x0', use: null, payment: null, reserving: false, exact: false, voucher: null, ...change } as unknown as PurseLane },
} as unknown as PurseContext)
const till = (change: Partial<TillContext>): TillContext => ({ lane: ID, payer: '0xa', payee: '0xp', cumulative: '0', ref: '0x0', open: null, owed: null, voucher: null, claimed: '0', ...change }) as unknown as TillContext
const owed = (agreement: string, amount: string) => ({ agreement, delivery: 'sha256-d', amount }) as unknown as TillContext['owed']

describe('lanes (I1, I4)', () => {
  const paidOnce = (): LaneBooks => {
    const books = new LaneBooks()
    for (const finding of [books.purse(lane({ cumulative: '10', ref: '0x1' })), books.till(till({ owed: owed('a', '10') })), books.till(till({ cumulative: '10', ref: '0x1' }))]) expect(finding).toBeUndefined()
    return books
  }

  it('that both sides agree on are well', () => {
    expect(paidOnce().atRest(() => 0n)).toBeUndefined()
  })

  it.each<[string, (books: LaneBooks) => unknown, string]>([
    ['a purse that falls', (books) => books.purse(lane({ cumulative: '9', ref: '0x1' })), 'fell'],
    ['a purse with two refs for one total', (books) => books.purse(lane({ cumulative: '10', ref: '0x2' })), 'another ref'],
    ['a purse beyond its reserve', (books) => books.purse(lane({ cumulative: '1001', ref: '0x2' })), 'of 1000'],
    ['a till that falls', (books) => books.till(till({ cumulative: '9' })), 'fell'],
    ['a till ahead of its payer', (books) => books.till(till({ cumulative: '11' })), 'has signed 10'],
    ['a payee that holds it is owed what was paid', (books) => books.till(till({ cumulative: '10', owed: owed('a', '10') })), 'holds it is owed'],
    ['an agreement paid twice', (books) => [books.purse(lane({ cumulative: '20', ref: '0x3' })), books.till(till({ cumulative: '10', open: { agreement: 'a', cap: '10', invoked: true } as never })), books.till(till({ cumulative: '20' }))].at(-1), 'paid twice'],
    ['more than is owed', (books) => [books.purse(lane({ cumulative: '30', ref: '0x3' })), books.till(till({ cumulative: '10', owed: owed('b', '10') })), books.till(till({ cumulative: '30' }))].at(-1), 'owed were 10'],
    ['what nobody owed', (books) => [books.purse(lane({ cumulative: '30', ref: '0x3' })), books.till(till({ cumulative: '30' }))].at(-1), 'nothing was owed'],
    ['a voucher that never came', (books) => [books.purse(lane({ cumulative: '20', ref: '0x3' })), books.atRest(() => 0n)].at(-1), 'its payee has 10'],
    ['a voucher that was not claimed', (books) => [books.till(till({ cumulative: '10', voucher: { kind: 'plain', cumulative: '10' } as never })), books.atRest(() => 0n)].at(-1), 'the chain has paid 0'],
  ])('%s is found', (_, act, says) => {
    expect(act(paidOnce())).toMatchObject({ says: expect.stringContaining(says) })
  })

  it('of one who forgot say nothing any more', () => {
    const books = paidOnce()
    books.forget('0xp')
    expect(books.purse(lane({ cumulative: '3' }))).toBeUndefined()
    expect(books.till(till({ cumulative: '99' }))).toBeUndefined()
  })

  it('hold no more than runs spend and hold; a stake counts once', () => {
    const money = { spent: '10', holds: { r: '20' } }
    expect(withinHolds([lane({ cumulative: '30' })], money)).toBeUndefined()
    expect(withinHolds([lane({ cumulative: '31' })], money)).toMatchObject({ invariant: 'I4' })
    expect(withinHolds([lane({ cumulative: '25', escrow: { amount: '6' } as never })], money)).toMatchObject({ invariant: 'I4' })
    expect(withinHolds([lane({ cumulative: '25', escrow: { amount: '6' } as never, payment: {} as never })], money)).toBeUndefined()
  })
})

describe('what else must hold', () => {
  it('a payee keeps its word (I1)', () => {
    const words = new Words()
    expect([words.said('c', 'pending', undefined), words.said('c', 'delivered', 'd'), words.said('c', 'delivered', 'd'), words.said('e', 'cancelled', undefined)]).toEqual([undefined, undefined, undefined, undefined])
    expect(words.said('c', 'delivered', 'other')).toMatchObject({ invariant: 'I1' })
    expect(words.owed('e')).toMatchObject({ invariant: 'I1' })
  })

  it('a chain write goes out once (I1)', () => {
    const writes = new Writes()
    expect([writes.mined({ from: 'a', nonce: 1, write: { n: 1 } }), writes.mined({ from: 'a', nonce: 1, write: { n: 1 } }), writes.mined({ from: 'b', nonce: 2, write: { n: 1 } })]).toEqual([undefined, undefined, undefined])
    expect(writes.mined({ from: 'a', nonce: 2, write: { n: 1 } })).toMatchObject({ invariant: 'I1' })
    writes.forget('a')
    expect(writes.mined({ from: 'a', nonce: 3, write: { n: 1 } })).toBeUndefined()
  })

  it('one owner writes at a time, without gaps (I6)', () => {
    const owners = new Owners()
    expect([owners.appended('p', 'life 1', 1), owners.appended('p', 'life 2', 2), owners.appended('q', 'life 1', 1)]).toEqual([undefined, undefined, undefined])
    expect(owners.appended('p', 'life 1', 3)).toMatchObject({ invariant: 'I6' })
    expect(owners.appended('q', 'life 1', 3)).toMatchObject({ invariant: 'I6' })
  })

  it('an envelope is opened once (I8)', () => {
    const envelopes = new Envelopes()
    const bytes = (kind: number, counter: number): Uint8Array => Uint8Array.from({ length: 60 }, (_, at) => [1, kind][at] ?? (at === 21 ? counter : 7))
    expect([envelopes.answered(bytes(1, 0), bytes(2, 0), 's'), envelopes.answered(bytes(1, 1), bytes(2, 1), 's'), envelopes.answered(bytes(1, 0), bytes(0, 0), 's')]).toEqual([undefined, undefined, undefined])
    const changed = bytes(1, 0)
    changed[50] = 9
    expect(envelopes.answered(changed, bytes(2, 5), 's')).toMatchObject({ invariant: 'I8' })
    const other = bytes(1, 9)
    envelopes.changed(other)
    expect(envelopes.answered(other, bytes(0, 9), 's')).toBeUndefined()
    expect(envelopes.answered(other, bytes(2, 9), 's')).toMatchObject({ invariant: 'I8' })
  })

  it('a journal read again says what was seen (I7)', async () => {
    const world = new CounterWorld()
    const host = await world.open()
    const folds = new Folds()
    host.watch((actor) => folds.saw(actor))
    const told = [host.start('counter/a', { sum: 1 }), host.send('counter/a', { type: 'add', n: 2 })]
    await world.settle()
    await Promise.all(told)
    expect(folds.opened(host)).toBeUndefined()
    expect(await sameAsReplay(host, world.disk, ['counter'], world.clock, folds)).toBeUndefined()
    const actor = host.peek('counter/a')!
    const altered = (change: object): { peek: () => LiveActor; list: () => LiveActor[] } => ({ peek: () => ({ ...actor, ...change }), list: () => [{ ...actor, ...change }] })
    const other = { snapshot: Object.assign(Object.create(Object.getPrototypeOf(actor.snapshot) as object), actor.snapshot, { context: { sum: 9 } }) }
    for (const change of [{ number: 1 }, { parked: 'why' }, other]) expect(folds.opened(altered(change)), JSON.stringify(change)).toMatchObject({ invariant: 'I7' })
    expect(folds.opened({ peek: () => undefined })).toMatchObject({ invariant: 'I7' })
    for (const change of [{ number: 3 }, { id: 'counter/b' }, other]) expect(await sameAsReplay(altered(change), world.disk, ['counter'], world.clock, new Folds())).toMatchObject({ invariant: 'I7' })
    // A journal that lost its end does not say it.
    const short: MemoryDisk = new Map([['p0', world.disk.get('p0')!.slice(0, -1)]])
    expect((await sameAsReplay(host, short, ['counter'], world.clock, new Folds()))?.invariant).toBe('I7')
  })
})
