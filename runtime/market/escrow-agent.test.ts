import { expect, it } from 'vitest'
import type { Address } from '../../schemas/documents.gen.ts'
import type { Entry } from './directory.ts'
import { chooseAgent } from './escrow-agent.ts'

const agent = (participant: Address, fee: string, change: object = {}): Entry => ({ alive: true, card: { body: { participant, roles: ['payment-provider'], escrow: { arbiter: participant, fee, challengeMs: 60_000, expiryMs: 86_400_000 }, ...change } } }) as unknown as Entry
const directory = { entries: () => [agent('0xaa', '0.002'), agent('0xbb', '0.001'), agent('0xcc', '0.001'), agent('0xdd', '0.0001', { roles: [] })] }
const chosen = (fee: string, failed: Record<string, number> = {}): string => chooseAgent(directory, { agent: null, fee }, '0xee', 6, (one) => ({ delivered: 1, failed: failed[one] ?? 0 })).agent

it('is the cheapest that has not failed its payer, whoever was heard of first', () => {
  expect(chosen('5000')).toBe('0xbb')
  expect(chosen('5000', { '0xbb': 2 })).toBe('0xcc')
  // Failures that are fewer than what it did well are forgiven; one that failed is better than none.
  expect(chosen('5000', { '0xbb': 1 })).toBe('0xbb')
  expect(chosen('1000', { '0xbb': 2, '0xcc': 2 })).toBe('0xbb')
  expect(() => chosen('999')).toThrow(expect.objectContaining({ code: 'escrow.no-agent' }))
})
