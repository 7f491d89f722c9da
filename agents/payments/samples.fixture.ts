/** What the machines of this room meet when they are explored (runtime/actors/explore.ts). */
import type { Samples } from '../../runtime/actors/explore.ts'

const LATER = { code: 'network.timeout', message: 'Later.' }
const held = { id: 'purchase/a', account: '0xaa' }

const escrowCase: Samples = {
  inputs: [{ agreement: 'sha256-aa', until: 2_000_000 }],
  answers: {
    'case.hear': () => [null, '2'].map((payeeAmount) => ({ type: 'case.hear.done', payeeAmount, reason: 'So.', signature: '0x1', outcome: null })), 'case.rule': () => [{ type: 'case.rule.done', hash: '0x2' }],
  },
  events: () => [{ type: 'complain', complaint: { agreement: { terms: { payer: '0xaa', provider: '0xbb' } } } }],
}

const credits: Samples = {
  inputs: [{}],
  tells: ({ book, holds, refunds }) => [book, holds, refunds],
  events: ({ context }) => (BigInt(context.book.USD?.['0xaa:spent'] ?? 0) > 8n ? [] : [
    ...['d1', 'd2'].map((id) => ({ type: 'deposit', id, account: '0xaa', amount: '6' })), { type: 'hold', ...held, amount: '5' }, { type: 'hold', ...held, id: 'purchase/b', amount: '5' }, { type: 'settle', id: 'purchase/a', spent: '3', fee: '1' },
    { type: 'acknowledge', id: 'inv_1', reference: 'bank 1', account: '0xaa', amount: '2', paid: { asset: 'EUR', amount: '1' } }, { type: 'refund', id: 'refund.1', account: '0xaa', amount: '4' }, { type: 'refunded', id: 'refund.1' },
  ]),
}

const purchase: Samples = {
  inputs: [{ self: 'purchase/a', account: '0xaa', request: {}, worst: '5' }],
  answers: { 'credit.hire': ({ params }) => [...[null, LATER].map((error) => ({ type: 'credit.hire.done', output: {}, spent: '3', fee: '1', provider: '0xbb', error })), { type: 'credit.hire.failed', params, error: LATER }] },
  events: () => [{ type: 'held' }, { type: 'short' }],
}

const relay: Samples = {
  inputs: [{ sender: 'sender/0xaa' }],
  tells: ({ orders }) => orders,
  events: () => [
    ...['0x1', '0x2'].flatMap((id) => [
      { type: 'order', id, account: '0xdd', write: {} }, { type: 'chain.write.done', key: `relay.${id}`, hash: '0x3' }, ...['0x3', null].map((hash) => ({ type: 'chain.write.failed', key: `relay.${id}`, hash, error: LATER })),
    ]),
  ],
}

const promised = (cumulative: string): object => ({ kind: 'plain', lane: '0xcc', cumulative, ref: '0x1', signature: '0x2' })
const hanging = (kind: string, cumulative: string): object => ({ voucher: { kind, lane: '0xcc', cumulative, ref: `0x${cumulative}`, lockExpiry: 900, challengeEnd: 10, expiry: 90 }, ...(kind === 'locked' ? { key: '0x7' } : {}) })
const looks = [['0', false, true], ['4', false, true], ['9', false, true], ['0', false, false], ['4', true, true]].map(([claimed, closed, leaves]) => ({ claimed, closed, leaves }))

const ward: Samples = {
  inputs: [{ voucher: promised('4'), payee: '0xaa' }, { lane: '0xcc', voucher: null, conditional: hanging('escrow', '6'), payee: '0xaa' }],
  tells: ({ voucher, conditional, claimed }) => [voucher?.cumulative, conditional?.voucher.kind, claimed],
  answers: {
    'ward.look': () => [...looks.map((seen) => ({ type: 'ward.look.done', ...seen })), ...[false, true].map((leaves) => ({ type: 'ward.look.done', claimed: '0', closed: false, leaves, due: true })), { type: 'ward.look.done', claimed: '9', closed: false, leaves: false, settled: true }],
    'ward.claim': () => looks.flatMap((seen) => [{ type: 'ward.claim.done', ...seen }, { type: 'ward.claim.done', ...seen, spent: '0x6' }]),
  },
  events: () => [...['3', '9'].map((cumulative) => ({ type: 'guard', voucher: promised(cumulative) })), { type: 'guard', conditional: hanging('locked', '6') }],
}

const sealed = { body: { amount: '4', agreement: 'sha256-aa', sealed: { lockHash: '0x6', cipherHash: 'sha256-dd' } }, signature: {} }
const hop: Samples = {
  inputs: [{ self: 'hop/0xdd.0f', payer: '0xdd', payee: '0xaa', amount: '4', grantedUntil: 1_000, until: 2_000 }],
  tells: ({ lane, delivery, upstream, voucher: own, key }) => [lane !== null, delivery !== null, upstream !== null, own !== null, key],
  answers: { 'hop.ask': ({ params }) => [{ type: 'hop.ask.done', key: '0x7' }, ...['0x7', null].map((key) => ({ type: 'hop.ask.taken', key })), { type: 'hop.ask.gone' }, { type: 'hop.ask.failed', params, error: LATER }] },
  events: ({ state }) => [
    ...(state === 'routing' ? [{ type: 'lane.ready', key: '0xaa.0', id: '0x1', number: 0, vault: '0x2', voucherKey: '0x3' }, { type: 'lane.refused', error: LATER }] : []),
    { type: 'bind', delivery: sealed, till: 'till/0xcc' }, { type: 'locked', voucher: { lockHash: '0x6', lockExpiry: 9_999 } },
    ...(state === 'locking' ? [{ type: 'staked', voucher: { kind: 'locked' }, previousRef: '0x4' }] : []), ...(state === 'paying' ? [{ type: 'paid' }] : []),
  ],
}

export const samples: Readonly<Record<string, Samples>> = { case: escrowCase, hop, credits, purchase, relay, ward }
