/**
 * Credit for money that does not go over the network's lanes: another asset, a bank. The payment
 * provider signs an invoice at its own rate; the operator says by `acknowledge` that it was paid.
 * An invoice keeps nothing: it carries its terms, and what comes back is checked against the provider's own
 * signature. Worst loss: who pays an invoice loses it where the operator does not acknowledge, which
 * the signed invoice and the payment prove; the operator nothing, for nothing is credited before.
 */
import type { Address, CreditOffer, Invoice, InvoiceBody } from '../../schemas/documents.gen.ts'
import { AigenError } from '../../schemas/error.ts'
import { formatMoney, parseMoney } from '../../schemas/money.ts'
import { validate } from '../../schemas/validate.ts'
import type { Node } from '../../runtime/node/node.ts'
import { checkRoom } from './credit.ts'
import type { CreditsContext } from './credits.machine.ts'

/** What the operator takes besides the network's dollar. */
export interface Accepted {
  /** A currency like EUR, or an asset as CAIP-19. */
  readonly asset: string
  /** Of it for one dollar of credit, decimal string. */
  readonly rate: string
  /** The rate is asked for until then, in ms since the epoch. */
  readonly until: number
  /** Where it is paid to: an address, an account, in words. */
  readonly payTo: string
}

/** An invoice is to be paid within this time, in ms, and while its rate holds. */
const INVOICE_MS = 3_600_000
/** Decimals that rates and amounts of another asset are counted in. */
const ONE = 1_000_000n

/** What its card says of it. */
export function creditOffer(feePercent: number, accepted: readonly Accepted[]): CreditOffer {
  return { feePercent, ...(accepted.length === 0 ? {} : { rates: accepted.map(({ asset, rate, until }) => ({ asset, rate, until })) }) }
}

/** What `credit` (atomic) costs at `rate`, atomic of six decimals, rounded up. @example priceAt(1_000_000n, 920_000n) // 920_000n */
export function priceAt(credit: bigint, rate: bigint): bigint {
  return (credit * rate + ONE - 1n) / ONE
}

/** Registers `invoice` for anybody and `acknowledge` for the `operators`. */
export function serveInvoices({ wire, host, clock, random }: Pick<Node, 'wire' | 'host' | 'clock' | 'random'>, accepted: readonly Accepted[], operators: readonly Address[]): void {
  const { sign, verifier } = wire.credentials

  wire.serve('invoice', (body) => validate('InvoiceRequest', body), async ({ credit: text, asset }, { caller }): Promise<Invoice> => {
    const now = clock.now()
    const terms = accepted.find((one) => one.asset === asset && one.until > now)
    if (!terms) throw new AigenError('market.refused', `no credit is sold for ${asset} now`)
    const credit = parseMoney(text)
    if (credit === 0n) throw new AigenError('money.invalid', 'nothing is credited')
    checkRoom(host, caller)
    const body: InvoiceBody = {
      id: `inv_${Buffer.from(random.bytes(12)).toString('hex')}`, provider: wire.participant, account: caller, credit: formatMoney(credit), asset,
      amount: formatMoney(priceAt(credit, parseMoney(terms.rate))), rate: terms.rate, payTo: terms.payTo, issuedAt: now, expiresAt: Math.min(now + INVOICE_MS, terms.until),
    }
    return { body, signature: sign('invoice', body) }
  })

  wire.serve('acknowledge', (body) => validate('AcknowledgeRequest', body), async ({ invoice: { body, signature }, reference }, { caller }) => {
    if (!operators.includes(caller)) throw new AigenError('auth.unauthorised', 'only the operator says what was paid')
    if (body.provider !== wire.participant || signature.by !== wire.participant) throw new AigenError('auth.unauthorised', 'the invoice is of another payment provider', { path: 'invoice.body.provider' })
    // As of its own time: a payment may take longer than the node key that signed it lives.
    verifier.verify('invoice', body, signature, body.issuedAt)
    await host.send('credits', {
      type: 'acknowledge', id: body.id, reference, account: body.account, amount: parseMoney(body.credit).toString(), paid: { asset: body.asset, amount: parseMoney(body.amount).toString() },
    })
    if (host.context<CreditsContext>('credits')!.posted[body.id] !== reference) throw new AigenError('run.conflict', 'the invoice was paid otherwise, or the payment was for another')
    return { account: body.account, credit: body.credit }
  })
}
