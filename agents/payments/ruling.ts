/**
 * How an escrow agent rules (payments.md): a function of the evidence alone, so that anybody who has
 * it comes to the same amount. All or nothing: a delivery that counts is paid in full, one that fails
 * a signed clause or came too late is not. What cannot be decided is left to the vault's default,
 * which pays the provider. Pure.
 */

/** A delivery as one side shows it. */
export interface Shown {
  /** Signed by the provider, for this call, at the agreed price. */
  readonly genuine: boolean
  /** When the provider says that it delivered, in ms since the epoch. */
  readonly at: number
  /** Whether the output came with it and has the hash that the delivery names. */
  readonly output: boolean
  /** Which signed clause the output fails (schema, acceptance expression, a blob that is not there), null for none. */
  readonly fault: string | null
}

export interface Evidence {
  /** Atomic; what is in escrow. */
  readonly amount: string
  /** When a delivery stops to count by the voucher, in ms since the epoch. */
  readonly until: number
  /** What the payer shows; null for nothing. */
  readonly payer: Shown | null
  /** What the provider shows: a delivery, nothing although it answers, silence to the end, or not asked yet. */
  readonly provider: Shown | 'nothing' | 'silent' | 'unasked'
}

/** `hear`: the provider must be asked. Else what the payee gets, null to leave it to the default. */
export type Ruling = { readonly hear: true } | { readonly hear: false; readonly payeeAmount: string | null; readonly reason: string }

/** Clocks may differ by this much when a delivery's time is checked, in ms: the same that payers allow. */
const SKEW_MS = 5_000

/** The ruling on `evidence`. */
export function rule({ amount, until, payer, provider }: Evidence): Ruling {
  const give = (payeeAmount: string | null, reason: string): Ruling => ({ hear: false, payeeAmount, reason })
  const decide = ({ at, fault }: Shown, who: string): Ruling => {
    if (at > until + SKEW_MS) return give('0', `It was delivered ${at - until} ms too late.`)
    return fault === null ? give(amount, `The output that the ${who} shows fits all that was agreed.`) : give('0', `The output fails what was agreed: ${fault}`)
  }
  if (payer?.genuine && payer.output) return decide(payer, 'payer')
  if (provider === 'unasked') return { hear: true }
  if (provider === 'nothing') return give('0', 'The provider has delivered nothing.')
  if (provider === 'silent') {
    return payer?.genuine ? give(null, 'There is a signed delivery, but neither side shows its output.') : give('0', 'Nothing was delivered, and the provider does not answer.')
  }
  if (!provider.genuine) return give('0', 'What the provider shows is not a delivery of this call.')
  return provider.output ? decide(provider, 'provider') : give('0', 'The provider does not show the output that it signed for.')
}
