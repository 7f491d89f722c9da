/**
 * `aigen quote PIPELINE`: asks the market what each step would cost now. A real, signed call for
 * quotes; nothing is agreed and nothing paid. Units are the capability's own estimate where it does
 * not depend on the input, else 1; the worst case is the checker's.
 */
import Table from 'cli-table3'
import { readRuns } from '../../agents/user/read.ts'
import { check } from '../../pipelines/check.ts'
import { planOf, type StepPlan } from '../../pipelines/plan.ts'
import { authoriseNode } from '../../runtime/identity/authorisation.ts'
import { openKeys } from '../../runtime/identity/keys.ts'
import { createWire } from '../../runtime/identity/wire.ts'
import { openDirectory } from '../../runtime/market/directory.ts'
import { hireEffects } from '../../runtime/market/hire.ts'
import { rank, type Offer } from '../../runtime/market/strategy.ts'
import { priceOf } from '../../runtime/payments/meter.ts'
import { AigenError } from '../../schemas/error.ts'
import { formatMoney } from '../../schemas/money.ts'
import { BARE, seconds } from '../bare-table.ts'
import { join } from '../join.ts'
import type { Output } from '../output.ts'
import { readPipelineFile, standardCapabilities } from '../pipeline-file.ts'
import { dataFolder } from '../places.ts'
import type { ReadOptions } from './bill.ts'

const DAY_MS = 86_400_000

export async function quote(given: string, options: ReadOptions, output: Output): Promise<boolean> {
  const { text } = readPipelineFile(given, process.cwd())
  const { ports, keys, home } = await join(dataFolder(options.data), options.as)
  try {
    const { bus, clock, random, rail } = ports
    // A node key of its own: the participant's running node, if there is one, is not disturbed.
    const asker = await openKeys({ home, random, nodeName: 'asker' })
    const today = Math.floor(clock.now() / DAY_MS) * DAY_MS
    const authorisation = authoriseNode(keys.wallet, asker.node.publicKey, { notBefore: today - DAY_MS, notAfter: today + 2 * DAY_MS })
    const wire = createWire({ bus, clock, random, node: asker.node, authorisation })
    const directory = await openDirectory({ bus, clock, verifier: wire.credentials.verifier })
    const capabilities = new Map([...standardCapabilities(), ...directory.capabilities()])
    const report = check(text, { capabilities })
    if (!report.ok || !report.pipeline) throw new AigenError('pipeline.invalid', undefined, { issues: report.errors })
    const plan = planOf(report.pipeline, report.budget)
    const actors = await readRuns(ports)
    const ask = hireEffects({ wire, clock, directory, terms: rail.terms, host: () => actors, keep: async () => undefined })['market.ask']!
    const offersOf = async (step: StepPlan): Promise<Offer[]> => {
      const units = capabilities.get(step.uses)?.estimate?.units ?? 1
      const params = { capability: step.uses, units, inputBytes: 0, cap: step.maxPrice, deadlineMs: step.deadlineMs, graceMs: step.graceMs, expect: step.expect, settle: step.settle, escrow: step.escrow, only: step.only, exclude: step.not }
      const key = `quote.${Buffer.from(random.bytes(9)).toString('hex')}`
      const answer = await ask.run(params, { key, actor: 'quote', attempt: 1, again: false, signal: AbortSignal.timeout(15_000) }) as unknown as { offers: Offer[] }
      return rank(answer.offers)
    }
    const steps = await Promise.all(plan.order.map(async (name) => ({ step: plan.steps[name]!, offers: await offersOf(plan.steps[name]!) })))
    await directory.close()
    show(plan.pipeline, steps, plan.worst, plan.timeMs, output)
    return steps.every(({ offers }) => offers.length > 0)
  } finally {
    await ports.close()
  }
}

function show(pipeline: string, steps: readonly { step: StepPlan; offers: readonly Offer[] }[], worst: string, timeMs: number, output: Output): void {
  const { ink } = output
  const table = new Table({ head: ['step', 'provider', 'asked', 'units', 'promised', 'delivered', 'cap'].map((text) => ink.dim(text)), chars: BARE, style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 } })
  let expected = 0n
  for (const { step, offers } of steps) {
    const [best] = offers
    if (best) expected += priceOf(best.quote.terms, best.quote.terms.units)
    const candidates = offers.map(({ quote: { terms }, name, latencyMs, history }) => ({
      provider: terms.provider, name, unitPrice: formatMoney(BigInt(terms.unitPrice)), unit: terms.unit, units: terms.units, latencyMs, ...history,
    }))
    output.emit({ type: 'quote', step: step.name, capability: step.uses, maxPrice: formatMoney(BigInt(step.maxPrice)), perItem: step.forEach !== null, candidates })
    if (candidates.length === 0) table.push([step.name, ink.red('nobody offers it within the price'), '', '', '', '', formatMoney(BigInt(step.maxPrice))])
    candidates.forEach((one, index) => table.push([
      index === 0 ? step.name : '', one.name, `${one.unitPrice} a ${one.unit}`, `${one.units}${step.forEach === null ? '' : ' an item'}`, seconds(one.latencyMs),
      `${one.delivered} of ${one.delivered + one.failed}`, index === 0 ? formatMoney(BigInt(step.maxPrice)) : '',
    ]))
  }
  output.emit({ type: 'quotes', pipeline, expected: formatMoney(expected), worstCase: formatMoney(BigInt(worst)), timeMs })
  output.print(table.toString())
  output.print(`${ink.bold(`expected ${formatMoney(expected)}`)} before bargaining and with these units, at worst ${formatMoney(BigInt(worst))} ${ink.dim('(nothing was agreed)')}`)
}
