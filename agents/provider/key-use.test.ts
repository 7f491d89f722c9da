/** Quotas of access keys hold under any order of uses and ends (I4). */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { AccessCaveat } from '../../schemas/documents.gen.ts'
import { endUse, objection, reserveUse, type KeyCounts } from './key-use.ts'

const RUNS = process.env['AIGEN_LONG'] ? 2_000 : 100
const rates = [{ capability: 'a.b@1' as const, unit: 'call', unitPrice: '10' }] as never

it('what is served and under way never exceeds a caveat, and ends balance', () => {
  const step = fc.oneof(
    fc.record({ type: fc.constant('use' as const), child: fc.boolean(), worst: fc.integer({ min: 0, max: 20 }), wait: fc.nat(30_000) }),
    fc.record({ type: fc.constant('end' as const), at: fc.nat(), share: fc.option(fc.double({ min: 0, max: 1, noNaN: true })) }),
  )
  const limits = fc.record({ calls: fc.nat(6), amount: fc.nat(60).map(String), perMinute: fc.integer({ min: 1, max: 4 }) }, { requiredKeys: [] }) as fc.Arbitrary<AccessCaveat>
  fc.assert(fc.property(fc.array(step, { maxLength: 60 }), limits, limits, (steps, parent, child) => {
    let state: KeyCounts = { counters: {}, open: {} }
    let at = 0
    const open: { call: string; worst: number; child: boolean }[] = []
    const done = { parent: { calls: 0, amount: 0 }, child: { calls: 0, amount: 0 } }
    const begun: { at: number; child: boolean }[] = []
    let number = 0
    for (const one of steps) {
      if (one.type === 'use') {
        at += one.wait
        const use = { call: `c${number++}`, capability: 'a.b@1', worst: String(one.worst), caveats: one.child ? [parent, child] : [parent], marks: one.child ? ['p', 'c'] : ['p'], at }
        if (objection(state, rates, use)) continue
        state = reserveUse(state, use)
        open.push({ call: use.call, worst: one.worst, child: one.child })
        begun.push({ at, child: one.child })
      } else if (open.length > 0) {
        const [ended] = open.splice(one.at % open.length, 1)
        const amount = one.share === null ? null : Math.floor(ended!.worst * one.share)
        state = endUse(endUse(state, ended!.call, amount === null ? null : String(amount)), ended!.call, '999')
        if (amount !== null) {
          done.parent = { calls: done.parent.calls + 1, amount: done.parent.amount + amount }
          if (ended!.child) done.child = { calls: done.child.calls + 1, amount: done.child.amount + amount }
        }
      }
      for (const [name, caveat, mine] of [['parent', parent, open], ['child', child, open.filter((each) => each.child)]] as const) {
        const calls = done[name].calls + mine.length
        const amount = done[name].amount + mine.reduce((sum, each) => sum + each.worst, 0)
        expect(calls).toBeLessThanOrEqual(caveat.calls ?? Infinity)
        expect(amount).toBeLessThanOrEqual(Number(caveat.amount ?? Infinity))
        const minute = begun.filter((each) => Math.floor(each.at / 60_000) === Math.floor(at / 60_000) && (name === 'parent' || each.child))
        expect(minute.length).toBeLessThanOrEqual(caveat.perMinute ?? Infinity)
      }
      expect(Object.keys(state.open)).toHaveLength(open.length)
    }
  }), { numRuns: RUNS })
})

it('a narrowed key allows nothing that its parent refuses', () => {
  const caveat = fc.record({
    capabilities: fc.uniqueArray(fc.constantFrom('a.b@1', 'c.d@2'), { minLength: 1 }), calls: fc.nat(2), amount: fc.nat(30).map(String), price: fc.nat(20).map(String), until: fc.nat(100), perMinute: fc.integer({ min: 1, max: 2 }),
  }, { requiredKeys: [] }) as fc.Arbitrary<AccessCaveat>
  fc.assert(fc.property(caveat, caveat, fc.nat(25), fc.nat(120), (parent, child, worst, at) => {
    const state: KeyCounts = { counters: { p: { calls: 1, amount: '10', minute: 0, inMinute: 1 } }, open: {} }
    const use = { call: 'c', capability: 'a.b@1', worst: String(worst), at }
    const refused = objection(state, rates, { ...use, caveats: [parent], marks: ['p'] })
    if (refused) expect(objection(state, rates, { ...use, caveats: [parent, child], marks: ['p', 'c'] })).toBeDefined()
  }), { numRuns: RUNS })
})
