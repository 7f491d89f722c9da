/**
 * One valid example of every document and message body, for tests of whatever reads them. The
 * values fit the schemas; the signatures are of the right form only and verify nowhere.
 */
import type { Documents } from './documents.gen.ts'

type Examples = Pick<Documents,
  | 'Signature' | 'NodeAuthorisation' | 'Capability' | 'Card' | 'CallForQuotes' | 'Terms' | 'Quote' | 'Agreement' | 'Delivery' | 'Voucher'
  | 'LockedVoucher' | 'EscrowVoucher' | 'Receipt' | 'Bill' | 'BlobRef' | 'QuoteRequest' | 'QuoteAnswer' | 'AcceptRequest' | 'AcceptAnswer'
  | 'InvokeRequest' | 'InvokeAnswer' | 'PayRequest' | 'PayAnswer' | 'StatusRequest' | 'StatusAnswer' | 'CancelRequest' | 'CancelAnswer'
  | 'SettleRequest' | 'SettleAnswer' | 'Alive'>

/** Fresh examples by name; change them as the test needs. */
export function documentExamples(): Examples {
  const provider = `0x${'a1'.repeat(20)}` as const
  const payer = `0x${'b2'.repeat(20)}` as const
  const lane = `0x${'c3'.repeat(32)}` as const
  const hash = `sha256-${'d4'.repeat(32)}` as const
  const asset = `eip155:31337/erc20:0x${'e5'.repeat(20)}`
  const at = 1_760_000_000_000
  const signature = { by: provider, node: 'A'.repeat(43), auth: hash, sig: 'A'.repeat(86) }
  const authorisation = { wallet: provider, node: 'A'.repeat(43), notBefore: at, notAfter: at + 86_400_000, signature: `0x${'ab'.repeat(65)}` as const }
  const capability: Documents['Capability'] = {
    id: 'vision.ocr@1', title: 'Read text', description: 'Reads the text on an image.', unit: 'page', pure: true, estimate: { units: 1 },
    input: { type: 'object', properties: { image: { $ref: 'aigen:blob#image' } }, required: ['image'], additionalProperties: false },
    output: { type: 'object', properties: { text: { type: 'string' }, confidence: { type: 'number' } }, required: ['text', 'confidence'] },
  }
  const terms: Documents['Terms'] = {
    quote: 'quo_1', request: 'req_1', provider, payer, payee: provider, capability: 'vision.ocr@1', capabilityHash: hash, outputSchemaHash: hash,
    expect: 'output.confidence > 85.0', unit: 'page', unitPrice: '18000', units: 1, cap: '20000', deadlineMs: 20_000, graceMs: 1000,
    settle: 'postpaid', asset, vault: provider, expiresAt: at + 30_000, round: 0,
  }
  const quote = { terms, signature }
  const agreement = { terms, lane, payer: { ...signature, by: payer }, provider: signature }
  const delivery = { body: { agreement: hash, call: 0, inputHash: hash, outputHash: hash, units: { page: 1 }, amount: '18000', at }, signature }
  const plain = { kind: 'plain', lane, cumulative: '18000', ref: lane, signature: authorisation.signature } as const
  const call = { agreement: hash, call: 0 }
  return structuredClone<Examples>({
    Signature: signature,
    NodeAuthorisation: authorisation,
    Capability: capability,
    Card: {
      body: {
        participant: provider, name: 'careful-eye', roles: ['service-provider'], payee: provider, authorisations: [authorisation],
        offers: [{ capability, list: '0.02', latencyMs: 8000, concurrency: 2 }], asset, issuedAt: at, expiresAt: at + 3_600_000,
      },
      signature,
    },
    CallForQuotes: {
      body: {
        id: 'req_1', payer, capability: 'vision.ocr@1', units: 1, inputBytes: 90_000, deadlineMs: 20_000, graceMs: 1000, expect: null, settle: 'postpaid',
        issuedAt: at, expiresAt: at + 5000,
      },
      signature, authorisation,
    },
    Terms: terms, Quote: quote, Agreement: agreement, Delivery: delivery,
    Voucher: plain,
    LockedVoucher: { ...plain, kind: 'locked', lockAmount: '18000', lockHash: lane, lockExpiry: 1_760_000_600 },
    EscrowVoucher: { ...plain, kind: 'escrow', amount: '18000', arbiter: payer, challengeEnd: 1_760_000_600, expiry: 1_760_001_200 },
    Receipt: { id: 'rcp_1', agreement, delivery, voucher: plain, previousRef: lane, voucherKey: payer, authorisations: [authorisation] },
    Bill: {
      type: 'bill', run: 'run_1', pipeline: 'scan-desk@1.0.0', budget: '0.25', spent: '0.018', settled: '0.018', asset,
      steps: [
        {
          step: 'read', state: 'done', provider, providerName: 'careful-eye', capability: 'vision.ocr@1', list: '0.02', agreed: '0.018', charged: '0.018',
          units: { page: 1 }, inputHash: hash, outputHash: hash, receipt: 'rcp_1', latencyMs: 1100,
          attempts: [{ provider: payer, charged: '0', state: 'expect', reason: 'confidence 76' }, { provider, agreed: '0.018', charged: '0.018', state: 'done' }],
        },
        { step: 'sign', state: 'skipped', charged: '0' },
      ],
      transactions: [lane],
    },
    BlobRef: { $blob: hash, size: 90_000, mediaType: 'image/png' },
    QuoteRequest: { quote, want: '15000' },
    QuoteAnswer: quote,
    AcceptRequest: { terms, lane, payer: agreement.payer, quote: signature, proof: { vault: lane, number: 0, voucherKey: payer }, authorisation },
    AcceptAnswer: { provider: signature },
    InvokeRequest: { ...call, lane, input: { image: { $blob: hash, size: 1, mediaType: 'image/png' } }, inputHash: hash },
    InvokeAnswer: { state: 'delivered', delivery, output: { text: 'DEN', confidence: 94 } },
    PayRequest: { lane, voucher: plain, deliveries: [hash] },
    PayAnswer: { cumulative: '18000' },
    StatusRequest: { ...call, lane },
    StatusAnswer: { state: 'failed', error: { code: 'step.input', message: 'The image cannot be read.', path: 'image' } },
    CancelRequest: { ...call, lane },
    CancelAnswer: { state: 'cancelled' },
    SettleRequest: { lanes: [lane] },
    SettleAnswer: { transactions: [{ lane, hash: lane, claimed: '18000' }] },
    Alive: { node: 'A'.repeat(43), partitions: ['p0'] },
  })
}
