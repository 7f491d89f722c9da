import { describe, expect, it } from 'vitest'
import { rule, type Evidence, type Shown } from './ruling.ts'

const good: Shown = { genuine: true, at: 1_000, output: true, fault: null }
const bad = { ...good, fault: 'step.output' }
const late = { ...good, at: 6_001 }
const bare = { ...good, output: false }
const forged = { ...good, genuine: false }

describe('rulings are a function of the evidence', () => {
  it.each<[string, Evidence['payer'], Evidence['provider'], string | null]>([
    ['the payer shows a good output', good, 'unasked', '500'],
    ['the payer shows a bad output', bad, 'unasked', '0'],
    ['the payer shows a late delivery', late, 'unasked', '0'],
    ['within the clocks\' skew it is not late', { ...good, at: 6_000 }, 'unasked', '500'],
    ['the payer shows nothing', null, 'unasked', 'hear'],
    ['the payer shows no output', bare, 'unasked', 'hear'],
    ['the payer shows a forged delivery', forged, 'unasked', 'hear'],
    ['the provider shows a good output', null, good, '500'],
    ['the provider shows a bad output', null, bad, '0'],
    ['the provider shows a late delivery', null, late, '0'],
    ['the provider shows what it did not sign', null, forged, '0'],
    ['the provider hides its output', null, bare, '0'],
    ['the provider hides its output, the payer too', bare, bare, '0'],
    ['the provider shows what the payer hid', bare, good, '500'],
    ['a forged delivery of the payer weighs nothing', { ...forged, fault: 'x' }, good, '500'],
    ['the payer\'s evidence decides, whatever the provider says', bad, good, '0'],
    ['the provider has nothing', null, 'nothing', '0'],
    ['the provider is silent', null, 'silent', '0'],
    ['the provider is silent, but it has signed', bare, 'silent', null],
  ])('%s', (_what, payer, provider, due) => {
    const ruling = rule({ amount: '500', until: 1_000, payer, provider })
    expect(ruling).toEqual(due === 'hear' ? { hear: true } : { hear: false, payeeAmount: due, reason: expect.any(String) })
  })
})
