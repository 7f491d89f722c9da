/**
 * What an expression may read, as the environment reads it: plain data on one side (it is journaled, and
 * posted to the worker), amounts that compare with `money(…)` on the other. Used by `template.ts` only.
 */
import { MoneyValue } from './environment.ts'
import type { Context, RunFacts } from './expression.ts'
import { parseMoney } from '../schemas/money.ts'

/** The context as the environment reads it: amounts of `run` and `meta` compare with money(…). */
export function celContext(context: Context): object {
  const { run: facts, meta } = context
  return {
    ...context,
    ...(facts && { run: celRun(facts) }),
    ...(meta && { meta: Object.fromEntries(Object.entries(meta).map(([step, of]) => [step, { error: null, fallback: false, failed: 0, ...of, price: amount(of.price) }])) }),
  }
}

function celRun(facts: RunFacts): object {
  const [spent, budget] = [amount(facts.spent), amount(facts.budget)]
  return { ...facts, spent, budget, left: new MoneyValue(budget.atomic - spent.atomic) }
}

function amount(text: string): MoneyValue {
  return new MoneyValue(parseMoney(text))
}
