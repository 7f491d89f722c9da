/**
 * `aigen check PIPELINE`: every error at once with its place, and the worst case. Starts nothing:
 * capabilities are the standard ones and, where a network runs, those on its cards.
 */
import { check as checkDocument } from '../../pipelines/check.ts'
import { natsBus } from '../../runtime/nats/bus.ts'
import { connectNats } from '../../runtime/nats/connection.ts'
import { createAuthorisations } from '../../runtime/identity/authorisation.ts'
import { createVerifier } from '../../runtime/identity/signed.ts'
import { openDirectory } from '../../runtime/market/directory.ts'
import { readNetworkFile } from '../../runtime/node/admission.ts'
import { systemClock } from '../../runtime/node/system-clock.ts'
import type { Capability } from '../../schemas/documents.gen.ts'
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
  const capabilities = new Map([...standardCapabilities(), ...await cardCapabilities(dataFolder(options.data))])
  const report = checkDocument(text, { capabilities, ...(budget === undefined ? {} : { budget }) })
  const { ok, errors, warnings, worstCase, order } = report
  output.emit({ type: 'check', ok, pipeline: path, errors, warnings, ...(worstCase ? { worstCase } : {}), order })
  const { ink } = output
  for (const error of errors) output.print(`${ink.red('error')} ${issueText(error)}`)
  for (const warning of warnings) output.print(`${ink.yellow('warning')} ${issueText(warning)}`)
  if (worstCase) output.print(`worst case ${worstCase.price}, ${seconds(worstCase.timeMs)} without hiring, along ${worstCase.criticalPath.join(' → ')}`)
  output.print(ok ? `${ink.green('ok')} ${path}: ${order.length} steps` : `${errors.length} error${errors.length === 1 ? '' : 's'} in ${path}`)
  return ok
}

/** What the cards of a running network offer; nothing where none runs or it does not answer. */
async function cardCapabilities(data: string): Promise<Map<string, Capability>> {
  const file = await readNetworkFile(data)
  if (!file) return new Map()
  try {
    const connection = await connectNats(file.operator, 'check', { reconnect: false })
    try {
      const directory = await openDirectory({ bus: natsBus(connection), clock: systemClock, verifier: createVerifier(createAuthorisations()) })
      return directory.capabilities()
    } finally {
      await connection.close()
    }
  } catch {
    return new Map()
  }
}
