/**
 * `aigen check PIPELINE`: every error at once with its place, the worst case, and what cards ask. Starts nothing:
 * capabilities are the standard ones and, where a network runs, those on its cards.
 */
import { check as checkDocument } from '../../pipelines/check.ts'
import { hiringsOf } from '../../pipelines/forecast.ts'
import { planOf } from '../../pipelines/plan.ts'
import { natsBus } from '../../runtime/nats/bus.ts'
import { connectNats } from '../../runtime/nats/connection.ts'
import { createAuthorisations } from '../../runtime/identity/authorisation.ts'
import { createVerifier } from '../../runtime/identity/signed.ts'
import { askedInWords } from '../../runtime/market/asked.ts'
import { openDirectory } from '../../runtime/market/directory.ts'
import { readNetworkFile } from '../../runtime/node/admission.ts'
import { systemClock } from '../../runtime/node/system-clock.ts'
import type { Capability, Offer } from '../../schemas/documents.gen.ts'
import { parseMoney } from '../../schemas/money.ts'
import { seconds } from '../bare-table.ts'
import { issueText, type Output } from '../output.ts'
import { readPipelineFile, standardCapabilities } from '../pipeline-file.ts'
import { dataFolder } from '../places.ts'

export interface CheckOptions {
  readonly budget?: string
  readonly data?: string
}

export async function check(given: string, options: CheckOptions, output: Output): Promise<boolean> {
  const budget = options.budget === undefined ? undefined : parseMoney(options.budget)
  const { path, text } = readPipelineFile(given, process.cwd())
  const cards = await cardOffers(dataFolder(options.data))
  const capabilities = new Map([...standardCapabilities(), ...cards.capabilities])
  const report = checkDocument(text, { capabilities, ...(budget === undefined ? {} : { budget }) })
  const { ok, errors, warnings, worstCase, order } = report
  const used = ok && report.pipeline ? new Set(hiringsOf(planOf(report.pipeline, report.budget, report.graph)).map(({ uses }) => uses)) : new Set<string>()
  const asked = cards.offers.filter(({ offer }) => used.has(offer.capability.id)).map(({ name, offer }) => ({ provider: name, capability: offer.capability.id, asks: askedInWords(offer) }))
  output.emit({ type: 'check', ok, pipeline: path, errors, warnings, ...(worstCase ? { worstCase } : {}), order, asked })
  const { ink } = output
  for (const error of errors) output.print(`${ink.red('error')} ${issueText(error)}`)
  for (const warning of warnings) output.print(`${ink.yellow('warning')} ${issueText(warning)}`)
  for (const { provider, capability, asks } of asked) output.print(`${capability} ${ink.dim('by')} ${provider}: ${asks}`)
  if (worstCase) output.print(`worst case ${worstCase.price}, ${seconds(worstCase.timeMs)} without hiring, along ${worstCase.criticalPath.join(' → ')}`)
  output.print(ok ? `${ink.green('ok')} ${path}: ${order.length} steps` : `${errors.length} error${errors.length === 1 ? '' : 's'} in ${path}`)
  return ok
}

interface Cards {
  readonly capabilities: ReadonlyMap<string, Capability>
  /** By whose card. */
  readonly offers: readonly { readonly name: string; readonly offer: Offer }[]
}

const NO_CARDS: Cards = { capabilities: new Map(), offers: [] }

/** What the cards of a running network offer; nothing where none runs or it does not answer. */
async function cardOffers(data: string): Promise<Cards> {
  const file = await readNetworkFile(data)
  if (!file) return NO_CARDS
  try {
    const connection = await connectNats(file.operator, 'check', { reconnect: false })
    try {
      const directory = await openDirectory({ bus: natsBus(connection), clock: systemClock, verifier: createVerifier(createAuthorisations()) })
      const offers = directory.entries().flatMap(({ card: { body } }) => body.offers.map((offer) => ({ name: body.name, offer })))
      const capabilities = directory.capabilities()
      await directory.close()
      return { capabilities, offers }
    } finally {
      await connection.close()
    }
  } catch {
    return NO_CARDS
  }
}
