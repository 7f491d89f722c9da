import { describe, expect, it } from 'vitest'
import { advance, type Outcome } from '../actors/transition.ts'
import type { Hex32 } from '../../schemas/documents.gen.ts'
import { settler, type SettlerContext, type SettlerEvent } from './settler.machine.ts'

const lane = (n: number): Hex32 => `0x${n.toString(16).padStart(64, '0')}`
const born = (): Outcome => advance(settler, undefined, { type: 'start', at: 0, input: {} })
const send = (now: Outcome, event: SettlerEvent | { type: string }): Outcome => advance(settler, now.snapshot, { ...event, at: 0 } as never)
/** Once it has rested. */
const rest = (now: Outcome): Outcome => send(now, (now.timers.find((one) => !('cancel' in one)) as { event: { type: string } }).event)
const contextOf = (outcome: Outcome): SettlerContext => outcome.snapshot.context as SettlerContext
const done = (key: string, lanes: number[], claimed = '5'): SettlerEvent => ({ type: 'lanes.claim.done', rest: true, key, refused: [], seen: [], claims: lanes.map((n) => ({ lane: lane(n), hash: lane(99), claimed })) })

describe('the settler', () => {
  it('claims what is asked at once, and what is asked meanwhile in the next batch, each lane once', () => {
    const claiming = send(born(), { type: 'settle', lanes: [lane(1), lane(2), lane(1)] })
    expect(claiming.effects).toMatchObject([{ kind: 'lanes.claim', params: { key: 'claim.0', lanes: [lane(1), lane(2)] } }])
    const more = send(send(claiming, { type: 'settle', lanes: [lane(3)] }), { type: 'settle', lanes: [lane(3), lane(1)] })
    expect(more.effects).toEqual([])
    const resting = send(more, done('claim.0', [1, 2]))
    expect(resting.effects, 'perhaps more is asked for in a moment').toEqual([])
    expect(resting.tells.map(({ to, event }) => [to, event])).toEqual([[`till/${lane(1)}`, { type: 'claimed', claimed: '5' }], [`till/${lane(2)}`, { type: 'claimed', claimed: '5' }]])
    const next = rest(resting)
    expect(next.effects).toMatchObject([{ kind: 'lanes.claim', params: { key: 'claim.1', lanes: [lane(3), lane(1)] } }])
    const last = send(next, done('claim.1', [1, 3]))
    expect([last.snapshot.value, rest(last).snapshot.value]).toEqual(['resting', 'idle'])
  })

  it('claims together what is asked for one after the other', () => {
    const resting = send(send(born(), { type: 'settle', lanes: [lane(1)] }), done('claim.0', [1]))
    const asked = [2, 3, 4].reduce((now, n) => ({ ...send(now, { type: 'settle', lanes: [lane(n)] }), timers: resting.timers }), resting)
    expect(asked.effects).toEqual([])
    expect(rest(asked).effects).toMatchObject([{ kind: 'lanes.claim', params: { key: 'claim.1', lanes: [lane(2), lane(3), lane(4)] } }])
  })

  it('claims in batches of a hundred, and rests for none that is full', () => {
    const all = Array.from({ length: 250 }, (_, n) => lane(n))
    let now = send(born(), { type: 'settle', lanes: all })
    const sizes: number[] = []
    while (now.snapshot.value === 'claiming') {
      sizes.push(contextOf(now).claiming.length)
      now = send(now, done('', []))
      if (sizes.length === 2) now = rest(now)
    }
    expect(sizes).toEqual([100, 100, 50])
  })

  it('looks for what nobody asked for, and claims it', () => {
    const idle = born()
    const [timer] = idle.timers.filter((one) => !('cancel' in one))
    const sweeping = send(idle, (timer as { event: { type: string } }).event)
    expect(sweeping.effects).toMatchObject([{ kind: 'lanes.unclaimed' }])
    expect(send(sweeping, { type: 'lanes.unclaimed.done', lanes: [] }).snapshot.value).toBe('idle')
    expect(send(sweeping, { type: 'lanes.unclaimed.failed' }).snapshot.value).toBe('idle')
    expect(send(sweeping, { type: 'lanes.unclaimed.done', lanes: [lane(4)] }).effects).toMatchObject([{ kind: 'lanes.claim', params: { lanes: [lane(4)] } }])
    expect(send(send(sweeping, { type: 'settle', lanes: [lane(1)] }), { type: 'lanes.unclaimed.done', lanes: [lane(4)] }).effects).toMatchObject([{ params: { lanes: [lane(1), lane(4)] } }])
  })

  it('goes on after a batch that failed', () => {
    const failed = send(send(born(), { type: 'settle', lanes: [lane(1)] }), { type: 'lanes.claim.failed', error: { code: 'chain.unreachable', message: 'x' } })
    expect(contextOf(failed)).toMatchObject({ claiming: [], error: { code: 'chain.unreachable' } })
    expect(send(failed, { type: 'settle', lanes: [lane(1)] }).effects).toHaveLength(1)
  })

  it('keeps a bounded number of results, the newest', () => {
    let now = born()
    for (let n = 0; n < 1_100; n++) now = rest(send(send(now, { type: 'settle', lanes: [lane(n)] }), done('', [n])))
    const kept = Object.keys(contextOf(now).claims)
    expect(kept).toHaveLength(1_000)
    expect(kept).toContain(lane(1_099))
    expect(kept).not.toContain(lane(99))
  })
})
