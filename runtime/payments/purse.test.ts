import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ActorEvent } from '../actors/actor.ts'
import { advance, type Outcome } from '../actors/transition.ts'
import type { Hash, Hex32, PlainVoucher } from '../../schemas/documents.gen.ts'
import { foldAll, NO_REF } from './fold.ts'
import type { LaneLimits, PurseContext } from './lane.ts'
import { purse } from './purse.machine.ts'

const payee = '0x00000000000000000000000000000000000000b1'
const id = `0x${'1'.repeat(64)}`
const key = `${payee}.0`
const delivery = `sha256-${'a'.repeat(64)}`

/** A purse whose chain and payees a test answers for. */
function open() {
  let last: Outcome = advance(purse, undefined, { type: 'start', at: 1, input: { vault: id, voucherKey: payee, partition: 0, partitions: 1 } })
  const send = (event: ActorEvent): Outcome => (last = advance(purse, last.snapshot, { ...event, at: 1 }))
  const context = (): PurseContext => last.snapshot.context as PurseContext
  const reserves = (outcome: Outcome): { key: string; total: string }[] =>
    outcome.effects.filter(({ kind }) => kind === 'lanes.reserve').map(({ params }) => ({ key: String(params['key']), total: (params['reserves'] as { total: string }[])[0]!.total }))
  const reserved = ({ key: write, total }: { key: string; total: string }): Outcome => send({ type: 'lanes.reserve.done', key: write, lanes: [{ lane: key, id, reserved: total }] })
  const reverted = ({ key: write }: { key: string }): Outcome => send({ type: 'lanes.reserve.failed', error: { code: 'chain.reverted', message: '' }, params: { key: write } })
  const acquire = (who: string, amount = '100'): Outcome => send({ type: 'acquire', request: { for: who, payee, provider: payee, amount, spare: false } })
  const pay = (who: string, amount = '100'): Outcome => {
    send({ type: 'pay', lane: key, for: who, tell: who, delivery, amount })
    send({ type: 'voucher.sign.done', lane: key, voucher: { kind: 'plain', lane: id, cumulative: context().lanes[key]!.cumulative, ref: id, signature: '0x' } })
    return send({ type: 'voucher.pay.done', lane: key })
  }
  return { send, context, reserves, reserved, reverted, acquire, pay }
}

const ready = ({ tells }: Outcome): string[] => tells.filter(({ event }) => event.type === 'lane.ready').map(({ to }) => to)
const refused = ({ tells }: Outcome): string[] => tells.filter(({ event }) => event.type === 'lane.refused').map(({ to }) => to)

describe('reserving ahead', () => {
  it('widens a lane while it works, ever less often, and never locks more than was spent on it', () => {
    const { context, reserves, reserved, acquire, pay } = open()
    const first = reserves(acquire('s0'))
    expect(first).toEqual([{ key: 'reserve.0.0', total: '400' }])
    expect(ready(reserved(first[0]!))).toEqual(['s0'])
    pay('s0')
    let writes = 1
    for (let step = 1; step < 200; step++) {
      const outcome = acquire(`s${step}`)
      expect(ready(outcome), `step ${step} does not wait for the chain`).toEqual([`s${step}`])
      for (const write of reserves(outcome)) {
        writes++
        reserved(write)
      }
      const lane = context().lanes[key]!
      expect(BigInt(lane.reserved) - BigInt(lane.cumulative) - 100n).toBeLessThanOrEqual(BigInt(lane.cumulative) + 300n)
      pay(`s${step}`)
    }
    expect(writes).toBeLessThan(20)
  })

  it('gives a run the lane that it had, so that few of them are claimed at its close; whoever has none takes any', () => {
    const { send, context } = open()
    const lanes = [0, 1, 2].map((n) => `${payee}.${n}`)
    const acquire = (run: string, step: number): Outcome => send({ type: 'acquire', request: { for: `negotiation/${run}/${step}/0`, run, payee, provider: payee, amount: '100', spare: false } })
    const laneOf = ({ tells }: Outcome): unknown => tells.find(({ event }) => event.type === 'lane.ready')?.event['key']
    for (const run of ['a', 'b', 'c']) acquire(run, 0)
    for (const write of [0, 1]) send({ type: 'lanes.reserve.done', key: `reserve.0.${write}`, lanes: context().reserving.map(({ payee: to, number, total }) => ({ lane: `${to}.${number}`, id, reserved: total })) })
    expect(lanes.map((lane) => context().lanes[lane]!.last)).toEqual(['a', 'b', 'c'])
    for (const run of ['a', 'b', 'c']) send({ type: 'release', for: `negotiation/${run}/0/0` })
    expect(['c', 'b', 'a', 'd'].map((run) => laneOf(acquire(run, 1)))).toEqual([lanes[2], lanes[1], lanes[0], undefined])
    send({ type: 'release', for: 'negotiation/b/1/0' })
    expect(context().lanes[lanes[1]!], 'it had waited').toMatchObject({ use: { for: 'negotiation/d/1/0' }, last: 'd' })
  })

  it('works on while a reservation is under way', () => {
    const { reserves, reserved, acquire, pay } = open()
    reserved(reserves(acquire('s0'))[0]!)
    pay('s0')
    acquire('s1')
    pay('s1')
    expect(reserves(acquire('s2'))).toHaveLength(1)
    pay('s2')
    const fourth = acquire('s3')
    expect(ready(fourth)).toEqual(['s3'])
    expect(reserves(fourth)).toEqual([])
  })

  it('asks for the bare amount where the vault has no more, and refuses only then', () => {
    const { context, reserves, reserved, reverted, acquire, pay } = open()
    const again = reverted(reserves(acquire('s0'))[0]!)
    expect(refused(again)).toEqual([])
    expect(reserves(again)).toEqual([{ key: 'reserve.0.1', total: '100' }])
    expect(ready(reserved(reserves(again)[0]!))).toEqual(['s0'])
    pay('s0')
    const second = acquire('s1')
    expect(reserves(second)).toEqual([{ key: 'reserve.0.2', total: '200' }])
    const failed = reverted(reserves(second)[0]!)
    expect(refused(failed)).toEqual(['s1'])
    expect(reserves(failed)).toEqual([])
    expect(context().waiting).toEqual([])
  })
})

describe('a lane that its payee finds too narrow', () => {
  /** A lane of 400 that s0 holds and its payee doubts, with s0 and s1 asking again. */
  const doubted = () => {
    const it = open()
    it.reserved(it.reserves(it.acquire('s0'))[0]!)
    const looked = it.send({ type: 'doubt', lane: key, for: 's0' })
    expect(looked.effects).toMatchObject([{ kind: 'lanes.look', params: { lane: key, id } }])
    const waiting = [it.acquire('s0'), it.acquire('s1')]
    expect(waiting.flatMap(({ effects, tells }) => [...effects, ...tells])).toEqual([])
    return it
  }

  it('is reserved again when the chain has forgotten it, and no other is opened meanwhile', () => {
    const { send, reserves, reserved } = doubted()
    const [again] = reserves(send({ type: 'lanes.look.done', lane: key, reserved: '0' }))
    expect(again).toEqual({ key: 'reserve.0.1', total: '400' })
    expect(ready(reserved(again!))).toEqual(['s0'])
  })

  it.each([{ type: 'lanes.look.done', lane: key, reserved: '400' }, { type: 'lanes.look.failed', params: { lane: key }, error: { code: 'chain.unreachable', message: '' } }])('is handed out as it is after $type', (event) => {
    expect(ready(doubted().send(event))).toEqual(['s0'])
  })

  it('is doubted only by who holds it', () => {
    const { acquire, reserves, reserved, send } = open()
    reserved(reserves(acquire('s0'))[0]!)
    expect(send({ type: 'doubt', lane: key, for: 's1' }).effects).toEqual([])
  })
})

describe('a voucher that cannot be signed', () => {
  it.each(['100', '0'])('of %s is signed again after a pause, and once only', (amount) => {
    const { send, context, reserves, reserved, acquire } = open()
    reserved(reserves(acquire('s0'))[0]!)
    // The lane has a voucher already, so that a free call leaves its total as it was.
    send({ type: 'pay', lane: key, for: 's0', tell: 's0', delivery, amount: '0' })
    send({ type: 'voucher.sign.done', lane: key, voucher: { kind: 'plain', lane: id, cumulative: '0', ref: context().lanes[key]!.ref, signature: '0x' } })
    send({ type: 'voucher.pay.done', lane: key })
    acquire('s0')
    send({ type: 'pay', lane: key, for: 's0', tell: 's0', delivery, amount })
    const failed = send({ type: 'voucher.sign.failed', error: { code: 'internal', message: '' }, params: { lane: key } })
    expect(failed.timers).toMatchObject([{ id: `again.${key}`, dueAt: 30_001, event: { type: 'voucher.again', lane: key } }])
    const again = send({ type: 'voucher.again', lane: key })
    expect(again.effects).toMatchObject([{ kind: 'voucher.sign', params: { lane: key, cumulative: amount } }])
    send({ type: 'voucher.sign.done', lane: key, voucher: { kind: 'plain', lane: id, cumulative: context().lanes[key]!.cumulative, ref: context().lanes[key]!.ref, signature: '0x' } })
    expect(send({ type: 'voucher.again', lane: key }).effects).toEqual([])
    send({ type: 'voucher.pay.done', lane: key })
    expect(send({ type: 'voucher.again', lane: key }).effects).toEqual([])
  })
})

describe('what a payee and the voucher key may have (I4)', () => {
  const DAY = 86_400_000
  const other = '0x00000000000000000000000000000000000000b2'
  /** A purse, a chain that does whatever it is asked and payees that take every voucher. */
  function walk(limits: LaneLimits, partitions = 1) {
    let last: Outcome = advance(purse, undefined, { type: 'start', at: 0, input: { vault: id, voucherKey: payee, partition: 0, partitions } })
    const send = (event: ActorEvent): Outcome['tells'] => {
      const told: Outcome['tells'][number][] = []
      const events = [event]
      for (let next = events.shift(); next; next = events.shift()) {
        last = advance(purse, last.snapshot, { ...next, at: event.at ?? 0 })
        told.push(...last.tells)
        for (const { kind, params } of last.effects as { kind: string; params: any }[]) {
          if (kind === 'lanes.reserve') events.push({ type: 'lanes.reserve.done', key: params.key, lanes: params.reserves.map((one: any) => ({ lane: `${one.payee}.${one.number}`, id, reserved: one.total })) })
          if (kind === 'voucher.sign') events.push({ type: 'voucher.sign.done', lane: params.lane, voucher: { kind: 'plain', lane: id, cumulative: params.cumulative, ref: params.ref } })
          if (kind === 'voucher.pay') events.push({ type: 'voucher.pay.done', lane: params.lane })
        }
      }
      return told
    }
    send({ type: 'limits', limits: limits as never })
    return send
  }

  it('is refused a lane with the rule and what it leaves; the next day counts anew, the key does not', () => {
    const send = walk({ payees: { [payee]: '10' }, key: '25' })
    const acquire = (hirer: string, amount: string, at: number): unknown[] => send({ type: 'acquire', request: { for: hirer, payee, provider: payee, amount, spare: false } as never, at }).map(({ event }) => [event.type, (event['error'] as { code?: string; path?: string } | undefined)?.path])
    expect(acquire('a', '8', 1)).toEqual([['lane.ready', undefined]])
    expect(acquire('b', '3', 2)).toEqual([['lane.refused', `payees.${payee}`]])
    // Paid less than it could have been, and after midnight: it counts on the day it is paid.
    send({ type: 'pay', lane: key, for: 'a', tell: 'a', delivery, amount: '5', at: DAY + 1 })
    expect(acquire('b', '6', DAY + 2)).toEqual([['lane.refused', `payees.${payee}`]])
    expect(acquire('b', '5', DAY + 3)).toEqual([['lane.ready', undefined]])
    send({ type: 'pay', lane: key, for: 'b', tell: 'b', delivery, amount: '5', at: DAY + 4 })
    expect(acquire('c', '10', 2 * DAY)).toEqual([['lane.ready', undefined]])
    send({ type: 'pay', lane: key, for: 'c', tell: 'c', delivery, amount: '10', at: 2 * DAY })
    expect(acquire('d', '6', 3 * DAY)).toEqual([['lane.refused', 'key']])
  })
  it('however hires and payments interleave, no payee gets more in a day and no key signs more in all', () => {
    const move = fc.record({ at: fc.integer({ min: 0, max: 3 * DAY }), hirer: fc.constantFrom('a', 'b', 'c'), to: fc.constantFrom(payee, other), pays: fc.boolean(), amount: fc.integer({ min: 1, max: 9 }) })
    fc.assert(fc.property(fc.array(move, { maxLength: 40 }), fc.constantFrom(1, 3), (moves, partitions) => {
      const send = walk({ payees: { [payee]: '30' }, key: '90' }, partitions)
      const open = new Map<string, { lane: string; to: string; most: number }>()
      const paid = new Map<number, number>()
      let signed = 0
      for (const { at, hirer, to, pays, amount } of moves.toSorted((one, two) => one.at - two.at)) {
        const known = open.get(hirer)
        if (!known) {
          const ready = send({ type: 'acquire', request: { for: hirer, payee: to, provider: to, amount: String(amount), spare: false } as never, at }).find(({ event }) => event.type === 'lane.ready')
          if (ready) open.set(hirer, { lane: ready.event['key'] as string, to, most: amount })
          continue
        }
        open.delete(hirer)
        if (!pays) { send({ type: 'release', for: hirer, at }); continue }
        const charged = Math.min(amount, known.most)
        send({ type: 'pay', lane: known.lane, for: hirer, tell: hirer, delivery, amount: String(charged), at })
        signed += charged
        const day = Math.floor(at / DAY)
        if (known.to === payee) paid.set(day, (paid.get(day) ?? 0) + charged)
        expect(paid.get(day) ?? 0).toBeLessThanOrEqual(30 / partitions)
        expect(signed).toBeLessThanOrEqual(90 / partitions)
      }
    }), { numRuns: 200 })
  })
})

describe('the vouchers of a standing agreement', () => {
  it.each([[1, 1], [2, 1], [3, 1], [2, 2]])('of which the payee shows the one for the first %i when that for %i came: nothing is signed for twice (I1)', (shown, handed) => {
    const { send, context, reserves, reserved, acquire } = open()
    reserved(reserves(acquire('n'))[0]!)
    const items = ['a', 'b', 'c'].map((letter) => ({ delivery: `sha256-${letter.repeat(64)}` as Hash, amount: '7' }))
    const lane = () => context().lanes[key]!
    const refs = items.map((_, place) => foldAll(NO_REF, items.slice(0, place + 1)))
    const signed = (): PlainVoucher => ({ kind: 'plain', lane: id as Hex32, cumulative: lane().cumulative, ref: lane().ref, signature: '0x' })
    // The first group is on its way while the others are signed for.
    for (const group of [items.slice(0, handed), ...items.slice(handed).map((one) => [one])]) {
      send({ type: 'pay', lane: key, for: 'n', tell: 'standing', ...group[0], group })
      send({ type: 'voucher.sign.done', lane: key, voucher: signed() })
    }
    const before = lane()
    expect(before.payment!.group).toMatchObject({ signed: 3, handing: handed })
    const { tells, effects } = send({ type: 'voucher.pay.outdone', part: true, lane: key, voucher: { ...signed(), cumulative: String(7 * shown), ref: refs[shown - 1] }, owed: false, owes: items.slice(shown).map(({ delivery }) => delivery) })
    expect(tells).toMatchObject([{ to: 'standing', event: { type: 'handed', count: shown } }])
    expect(lane()).toMatchObject({ cumulative: '21', ref: refs[2], voucher: before.voucher })
    expect(effects).toMatchObject(shown === 3 ? [] : [{ kind: 'voucher.pay', params: { voucher: before.voucher, deliveries: items.slice(shown).map(({ delivery }) => delivery) } }])
    expect(lane().payment?.group?.items ?? []).toEqual(items.slice(shown))
  })

  it('that were forgotten, and are more than is known of: only what is still owed is signed for on top', () => {
    const { send, context, reserves, reserved, acquire } = open()
    reserved(reserves(acquire('n'))[0]!)
    const group = ['a', 'b'].map((letter) => ({ delivery: `sha256-${letter.repeat(64)}` as Hash, amount: '7' }))
    send({ type: 'pay', lane: key, for: 'n', tell: 'standing', ...group[0], group })
    const { cumulative, ref } = context().lanes[key]!
    send({ type: 'voucher.sign.done', lane: key, voucher: { kind: 'plain', lane: id, cumulative, ref, signature: '0x' } })
    const shown = { kind: 'plain', lane: id, cumulative: '50', ref: `0x${'5'.repeat(64)}`, signature: '0x' }
    const { effects } = send({ type: 'voucher.pay.outdone', part: true, lane: key, voucher: shown, owed: true, owes: [group[1]!.delivery] })
    expect(effects).toMatchObject([{ kind: 'voucher.sign', params: { cumulative: '57', ref: foldAll(shown.ref as Hex32, group.slice(1)) } }])
  })
})
