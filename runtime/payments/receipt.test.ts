import { describe, expect, it } from 'vitest'
import { hashOf } from '../../schemas/canonical.ts'
import type { DeliveryBody, Receipt, Terms } from '../../schemas/documents.gen.ts'
import { validate } from '../../schemas/validate.ts'
import { authoriseNode } from '../identity/authorisation.ts'
import { createCredentials, type Credentials } from '../identity/credentials.ts'
import { nodeSigner } from '../identity/ed25519.ts'
import { agreementId, signAgreement } from '../market/agreement.ts'
import { virtualClock } from '../memory/clock.ts'
import { MemoryRail } from '../memory/rail.ts'
import { memoryWallet } from '../memory/signer.ts'
import { deliveryHash } from './delivery.ts'
import { signTogether } from './delivery-group.ts'
import { foldAll, NO_REF, sumOf } from './fold.ts'
import { makeReceipt, verifyReceipt } from './receipt.ts'
import { signPlainVoucher } from './voucher.ts'

const clock = virtualClock()
const rail = new MemoryRail({ clock })
const AT = clock.now()

function party(name: string): Credentials & { key: ReturnType<typeof memoryWallet> } {
  const wallet = memoryWallet(`${name} wallet`)
  const node = nodeSigner(Buffer.alloc(32, name))
  const authorisation = authoriseNode(wallet, node.publicKey, { notBefore: AT - 1_000_000, notAfter: AT + 1_000_000 })
  return { ...createCredentials(node, authorisation), key: memoryWallet(`${name} voucher`) }
}
const payer = party('payer')
const provider = party('provider')
const stranger = party('stranger')

function receipt(change: { terms?: Partial<Terms>; delivery?: object; signer?: Credentials; cumulative?: string; together?: number } = {}): Receipt {
  const terms: Terms = {
    quote: 'q_1', request: 'cfq_1', provider: provider.participant, payer: payer.participant, payee: provider.participant, capability: 'text.shout@1',
    capabilityHash: hashOf(1), outputSchemaHash: hashOf(2), expect: null, unit: 'call', unitPrice: '10000', units: 1, cap: '10000', deadlineMs: 2_000, graceMs: 0,
    settle: 'postpaid', asset: rail.terms.asset, vault: rail.terms.contract, expiresAt: AT + 60_000, round: 0, ...change.terms,
  }
  const body = { terms, lane: `0x${'aa'.repeat(32)}` as const }
  const agreement = { ...body, payer: signAgreement(body, payer.sign), provider: signAgreement(body, provider.sign) }
  const bodyOf = (call: number): DeliveryBody => ({
    agreement: agreementId(body), call, inputHash: hashOf('in'), outputHash: hashOf('out'), units: { call: 1 }, amount: '10000', at: AT, ...change.delivery,
  })
  const { together = 1 } = change
  const deliveries = signTogether(Array.from({ length: together }, (_, call) => bodyOf(call)), (change.signer ?? provider).sign)
  const items = deliveries.map((one) => ({ delivery: deliveryHash(one), amount: one.body.amount }))
  // The second of several, so that the voucher folds something before it and after it.
  const place = together > 1 ? 1 : 0
  const voucher = signPlainVoucher(rail, payer.key, body.lane, change.cumulative ?? sumOf(items).toString(), foldAll(NO_REF, items))
  return makeReceipt({ agreement, delivery: deliveries[place]!, voucher, previousRef: foldAll(NO_REF, items.slice(0, place)), after: items.slice(place + 1), voucherKey: payer.key.address.toLowerCase() as `0x${string}`, authorisations: [payer.authorisation, provider.authorisation] })
}

/** One call of a standing agreement, delivered and paid together with others. */
const grouped = (change: Parameters<typeof receipt>[0] = {}): Receipt => receipt({ together: 5, ...change, terms: { standing: { calls: 5, until: AT + 60_000 }, ...change.terms } })

/** Every place in a JSON value with a leaf, as a path. */
function leaves(value: unknown, path: (string | number)[] = []): (string | number)[][] {
  if (typeof value !== 'object' || value === null) return [path]
  return Object.entries(value).flatMap(([key, one]) => leaves(one, [...path, Array.isArray(value) ? Number(key) : key]))
}
function changed(value: unknown): unknown {
  if (typeof value === 'number') return value + 1
  if (typeof value !== 'string') return 'x'
  // The last digit but one: the last of base64url holds bits that are not used.
  const at = Math.max(0, value.length - 2)
  return `${value.slice(0, at)}${value[at] === '1' ? '2' : '1'}${value.slice(at + 1)}`
}

describe('a receipt proves what it says, offline (I3)', () => {
  it('verifies, also after a journey as JSON', () => {
    verifyReceipt(receipt(), rail)
    verifyReceipt(validate('Receipt', JSON.parse(JSON.stringify(receipt()))), rail)
    expect(receipt().id).toBe(receipt().id)
  })

  it('verifies for one delivery of a group, signed by its root and paid by one voucher', () => {
    expect(grouped()).toMatchObject({ delivery: { group: { proof: expect.any(Array) } }, after: { length: 3 }, voucher: { cumulative: '50000' } })
    verifyReceipt(validate('Receipt', JSON.parse(JSON.stringify(grouped()))))
  })

  it.each([receipt(), grouped()].flatMap((whole) => leaves(whole).map((path) => [path.join('.'), path, whole] as const)))('does not when %s is changed', (_name, path, whole) => {
    const copy = JSON.parse(JSON.stringify(whole))
    const last = path.at(-1)!
    const parent = path.slice(0, -1).reduce((value, key) => value[key], copy)
    parent[last] = changed(parent[last])
    expect(() => verifyReceipt(copy, rail)).toThrow()
    // Nor when its id is made anew over the lie.
    if (path[0] !== 'id' && path[0] !== 'authorisations') expect(() => verifyReceipt({ ...copy, id: makeReceipt(copy).id }, rail)).toThrow()
  })

  it.each<[string, string, () => Receipt]>([
    ['another than the provider signed the delivery', 'auth.unauthorised', () => receipt({ signer: stranger })],
    ['the delivery is of another agreement', 'step.output', () => receipt({ delivery: { agreement: hashOf(7) } })],
    ['more is charged than the terms say', 'step.output', () => receipt({ delivery: { amount: '10001' } })],
    ['other units are counted', 'step.output', () => receipt({ delivery: { units: { page: 1 } } })],
    ['it was made before the keys were authorised', 'auth.expired', () => receipt({ delivery: { at: AT - 2_000_000 } })],
    ['it was made after the keys\' time', 'auth.expired', () => receipt({ delivery: { at: AT + 2_000_000 } })],
    ['an authorisation is missing', 'auth.unauthorised', () => ({ ...receipt(), authorisations: [payer.authorisation] })],
    ['another voucher key is named', 'voucher.key', () => { const one = { ...receipt(), voucherKey: stranger.key.address.toLowerCase() as `0x${string}` }; return { ...one, id: makeReceipt(one).id } }],
    ['another previous ref is named', 'voucher.ref', () => { const one = { ...receipt(), previousRef: `0x${'01'.repeat(32)}` as const }; return { ...one, id: makeReceipt(one).id } }],
    ['the payer did not agree', 'auth.unauthorised', () => { const one = receipt(); return { ...one, agreement: { ...one.agreement, payer: signAgreement(one.agreement, stranger.sign) } } }],
    ['a voucher of several is of less than they cost', 'voucher.too-low', () => grouped({ cumulative: '39999' })],
    ['the call is beyond the quota', 'step.output', () => grouped({ terms: { standing: { calls: 1, until: AT + 60_000 } } })],
    ['a call of the group is left out of the voucher', 'voucher.ref', () => { const one = grouped(); const less = { ...one, after: one.after!.slice(1) }; return { ...less, id: makeReceipt(less).id } }],
    ['the voucher is of less than the delivery', 'voucher.too-low', () => receipt({ cumulative: '9999' })],
  ])('does not when %s', (_what, code, make) => {
    expect(() => verifyReceipt(make(), rail)).toThrowError(expect.objectContaining({ code }))
  })
})
