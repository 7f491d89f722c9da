/**
 * What a bundle asks for a call: a fixed price, or one made of what its steps cost now (I4: never less
 * than the steps can cost at worst under what the call leaves for them). Used by `bundle.ts`.
 */
import type { Bundle, CallForQuotesBody } from '../../schemas/documents.gen.ts'
import { AigenError } from '../../schemas/error.ts'
import { formatMoney, parseMoney } from '../../schemas/money.ts'
import { compileTemplate } from '../../pipelines/template.ts'
import type { Evaluate } from '../../pipelines/prepare.ts'

/** A price that is made when it is asked for. */
export interface MadePrice {
  /** Percent that is kept, in hundredths. */
  readonly margin: bigint
  readonly formula: string | undefined
  /** Atomic. */
  readonly min: bigint
  readonly max: bigint
}

/** The made price of a document, or undefined where it is fixed. Errors: `input.invalid` with the path, `money.invalid`. */
export function madePrice({ price }: Bundle): MadePrice | undefined {
  const { list, floor, margin, formula, min, max } = price
  const wrong = (path: string, why: string): AigenError => new AigenError('input.invalid', why, { path: `price.${path}` })
  if (margin === undefined && formula === undefined) {
    if (list === undefined) throw wrong('list', 'a price has a list, or a margin or formula with a max')
    if (min !== undefined || max !== undefined) throw wrong(min === undefined ? 'max' : 'min', 'belongs to a margin or formula')
    return undefined
  }
  if (list !== undefined || floor !== undefined) throw wrong(list === undefined ? 'floor' : 'list', 'a price is fixed, or it has a margin or formula')
  if (max === undefined) throw wrong('max', 'a price that is made of quotes has a max')
  if (formula !== undefined) checkFormula(formula, wrong)
  const made = { margin: hundredths(margin ?? '0%'), formula, min: parseMoney(min ?? '0'), max: parseMoney(max) }
  if (made.min > made.max) throw wrong('min', 'is above max')
  return made
}

function checkFormula(formula: string, wrong: (path: string, why: string) => AigenError): void {
  const { single, references } = compileTemplate(formula)
  if (!single) throw wrong('formula', 'is not one expression')
  const foreign = references.find(({ root }) => root !== 'input')
  if (foreign) throw wrong('formula', `may read input only, not ${foreign.root}`)
  if (single.bound.kind === 'none') throw wrong('formula', `has no static bound: ${single.bound.why}`)
}

/** @example hundredths('15.5%') // 1550n */
function hundredths(percent: string): bigint {
  const [whole = '0', part = ''] = percent.slice(0, -1).split('.')
  return BigInt(whole) * 100n + BigInt(part.padEnd(2, '0'))
}

/** What a call that pays `agreed` leaves for the steps, atomic: always less, so that bundles which hire each other come to an end. */
export function budgetOf({ margin }: Pick<MadePrice, 'margin'>, agreed: bigint): bigint {
  const left = (agreed * 10_000n) / (10_000n + margin)
  return left < agreed ? left : agreed > 0n ? agreed - 1n : 0n
}

/** The least price whose `budgetOf` is `worst`, atomic. */
function leastFor({ margin }: MadePrice, worst: bigint): bigint {
  const least = (worst * (10_000n + margin) + 9_999n) / 10_000n
  return least > worst ? least : worst + 1n
}

/** What is asked while the steps cost `worst`; undefined where that is above `max`, or the formula gives no amount. */
export async function priceFor(made: MadePrice, worst: bigint, { inputBytes }: Pick<CallForQuotesBody, 'inputBytes'>, evaluate: Evaluate): Promise<string | undefined> {
  let price = leastFor(made, worst)
  if (made.formula !== undefined) {
    const evaluation = await evaluate(made.formula, { input: { upstream: Number(formatMoney(worst)), bytes: inputBytes } })
    const wanted = evaluation.ok ? amountOf(evaluation.value) : undefined
    if (wanted === undefined) return undefined
    if (wanted > price) price = wanted
  }
  if (price < made.min) price = made.min
  return price > made.max ? undefined : formatMoney(price)
}

/** A number or decimal string of dollars, atomic. */
function amountOf(value: unknown): bigint | undefined {
  try {
    return parseMoney(typeof value === 'number' ? value.toFixed(6) : value as string)
  } catch {
    return undefined
  }
}
