/** A call's machine by itself: what it asks of its till, and what it does with the answer. */
import { describe, expect, it } from 'vitest'
import { advance, persist, type Outcome } from '../../runtime/actors/transition.ts'
import { revive } from '../../runtime/actors/image.ts'
import { Kinds } from '../../runtime/actors/kinds.ts'
import { CLOCKS_MS } from '../../runtime/payments/delivery.ts'
import { call } from './call.machine.ts'

const TERMS = { unit: 'call', unitPrice: '4', cap: '4', settle: 'postpaid', deadlineMs: 1_000, graceMs: 100 }
const started = (more: object = {}): Outcome => advance(call, undefined, { type: 'start', at: 1, input: { agreement: 'sha256-aa', call: 0, terms: { ...TERMS, ...more }, lane: '0xcc', caller: '0xdd' } })
const then = (before: Outcome, event: object): Outcome => advance(call, before.snapshot, { at: 2, ...event } as never)
const kinds = (one: Outcome): string[] => one.effects.map(({ kind }) => kind)
const told = (one: Outcome): string[] => one.tells.map(({ event }) => event.type)

const INVOKE = { type: 'invoke', input: {}, inputHash: 'sha256-bb', parcels: [] }
const DONE = { type: 'service.work.done', output: {}, parcels: null, delivery: { body: { amount: '4' }, signature: {} } }
const STANDING = { standing: { calls: 3, until: 9 } }

describe('a call of a provider', () => {
  it.each([['of one agreement', {}], ['under a standing one', STANDING]])('%s: that has lost its lane to another takes its work back in the record of its invoke, and gives nothing away', (_what, more) => {
    const invoked = then(started(more), INVOKE)
    expect([kinds(invoked), told(invoked)]).toEqual([['service.work'], ['invoked']])
    const lost = then(invoked, { type: 'lane.lost' })
    expect([lost.snapshot.value, lost.effects.map(({ kind, params }) => `${kind} ${params['kind']}`)]).toEqual(['failed', ['abort service.work']])
  })

  it('under a standing agreement is over when it is delivered: its till keeps what it costs', () => {
    const done = then(then(started(STANDING), INVOKE), DONE)
    expect([done.snapshot.value, done.snapshot.status, told(done)]).toEqual(['owed', 'done', ['owe']])
    expect(then(then(started(), INVOKE), DONE).snapshot).toMatchObject({ value: 'delivered', status: 'active' })
  })

  it('waits no longer than its caller does, whose clock may differ, and no longer than was agreed', () => {
    const endsAt = (more: object): unknown => then(started(), { ...INVOKE, ...more }).timers.flatMap((one) => ('dueAt' in one ? [one.dueAt] : []))
    expect(endsAt({})).toEqual([1_102])
    expect(endsAt({ until: 1_102 })).toEqual([1_102])
    expect(endsAt({ until: 500 - CLOCKS_MS })).toEqual([500])
    expect(endsAt({ until: 1 - CLOCKS_MS })).toEqual([2])
  })

  it('that an older node kept waiting for its till under a standing agreement is over', () => {
    for (const [more, value, status] of [[STANDING, 'owed', 'done'], [{}, 'delivered', 'active']] as const) {
      const { snapshot } = then(then(started(more), INVOKE), DONE)
      const state = { ...persist(call, snapshot), value: 'delivered', status: 'active' }
      const revived = revive(new Kinds([call]), { actor: 'call/0xcc/sha256-aa/0', machine: 'call@10:0123456789abcdef', number: 3, born: 0, state, open: [], timers: [] })
      expect(revived.snapshot).toMatchObject({ value, status })
    }
  })
})
