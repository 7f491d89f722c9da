/**
 * The number and currency of a written amount of money. Used by the entity providers.
 */
const SIGNS: Readonly<Record<string, string>> = { $: 'USD', '€': 'EUR', '£': 'GBP', '¥': 'JPY', '₹': 'INR' }
const CODE = /\b(USD|EUR|GBP|JPY|INR|CHF|CAD|AUD)\b/
const WORDS: readonly (readonly [RegExp, string])[] = [[/\bdollars?\b/i, 'USD'], [/\beuros?\b/i, 'EUR'], [/\bpounds?\b/i, 'GBP'], [/\byen\b/i, 'JPY']]
const SCALES: Readonly<Record<string, number>> = { k: 1e3, thousand: 1e3, m: 1e6, million: 1e6, b: 1e9, bn: 1e9, billion: 1e9 }

/**
 * Amount and ISO 4217 code; null for what cannot be told. A comma groups thousands; a figure whose
 * groups are broken, as a bad scan leaves them ("148, 258" or "14,82"), gives null rather than a guess.
 *
 * @example amountOf('$1.5 million') // { amount: 1500000, currency: 'USD' }
 */
export function amountOf(text: string): { amount: number | null; currency: string | null } {
  const sign = Object.keys(SIGNS).find((candidate) => text.includes(candidate))
  const currency = CODE.exec(text)?.[1] ?? (sign ? SIGNS[sign]! : WORDS.find(([word]) => word.test(text))?.[1]) ?? null
  const figure = /(?<![\d.,]|\d, )(\d{1,3}(?:,\d{3})+|\d+)(\.\d+)?(?![\d,]|\s*,?\s*\d)\s*(k|thousand|m|million|bn?|billion)?\b/i.exec(text)
  if (!figure) return { amount: null, currency }
  const amount = Number(figure[1]!.replaceAll(',', '') + (figure[2] ?? '')) * (SCALES[figure[3]?.toLowerCase() ?? ''] ?? 1)
  return { amount: Number.isFinite(amount) ? amount : null, currency }
}
