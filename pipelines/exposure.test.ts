import { describe, expect, it } from 'vitest'
import type { Pipeline } from '../schemas/documents.gen.ts'
import { exposureOf } from './exposure.ts'
import { planOf } from './plan.ts'

const call = (uses: string, price: string, more: object = {}): object => ({ uses, price: { max: price }, retry: { attempts: 1 }, ...more })
const planned = (steps: Record<string, object>, more: object = {}) =>
  planOf({ name: 'p', version: '1.0.0', input: { type: 'object' }, steps, output: {}, ...more } as unknown as Pipeline, 100_000_000n)

describe('what a plan may cost by capability', () => {
  it('is the sum of the steps that hire it, items and attempts included', () => {
    const plan = planned({
      a: call('vision.ocr@1', '0.02'), b: call('vision.ocr@1', '0.03', { forEach: '${input.pages}', maxItems: 10 }), c: call('text.entities@1', '0.01', { retry: { attempts: 3, on: ['timeout'] } }),
    })
    expect(exposureOf(plan)).toEqual({ 'vision.ocr@1': '320000', 'text.entities@1': '30000' })
    expect(Object.values(exposureOf(plan)).reduce((sum, one) => sum + Number(one), 0)).toBe(Number(plan.worst))
  })
  it('a step that may hire one of several counts in full with each, and with whoever undoes or decides it', () => {
    const plan = planned({
      a: call('vision.ocr@1', '0.02', { fallback: { uses: 'text.shout@1', with: {}, price: { max: '0.01' } }, compensate: { uses: 'text.undo@1', with: {}, price: { max: '0.005' } } }),
      b: call('text.entities@1', '0.02', { settle: 'escrow', escrow: { fee: { max: '0.003' } } }),
    })
    const [a, b] = [plan.steps['a']!.worst, plan.steps['b']!.worst]
    expect(exposureOf(plan)).toEqual({ 'vision.ocr@1': a, 'text.shout@1': a, 'text.undo@1': a, 'text.entities@1': b, 'payment.escrow@1': b })
  })
  it('waits, approvals and constants hire nothing; a sub-pipeline is looked into', () => {
    const sub = { name: 'sub', version: '1.0.0', input: { type: 'object' }, steps: { x: call('text.shout@1', '0.04') }, output: {} }
    const plan = planned({ w: { wait: { for: '1s' } }, s: { pipeline: 'sub', with: {}, price: { max: '0.05' } } }, { pipelines: { sub } })
    expect(exposureOf(plan)).toEqual({ 'text.shout@1': '40000' })
  })
})
