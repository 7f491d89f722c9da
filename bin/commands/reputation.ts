/**
 * `aigen reputation ls|show|verify`: the latest registry that a quorum of guardians signed, as the
 * network keeps it, checked here (D9); and any registry or entry from a file.
 */
import { readFile } from 'node:fs/promises'
import Table from 'cli-table3'
import { createAuthorisations } from '../../runtime/identity/authorisation.ts'
import { createVerifier } from '../../runtime/identity/signed.ts'
import { openDirectory } from '../../runtime/market/directory.ts'
import { proveEntries, verifyEntry, verifyRegistry } from '../../runtime/market/registry.ts'
import { openReputation } from '../../runtime/market/reputation.ts'
import { readNetworkFile } from '../../runtime/node/admission.ts'
import { decodeJson } from '../../schemas/decode.ts'
import type { GuardianSet, Registry, ReputationEntry, ReputationFigures } from '../../schemas/documents.gen.ts'
import { AigenError, asError } from '../../schemas/error.ts'
import { validate } from '../../schemas/validate.ts'
import { BARE } from '../bare-table.ts'
import { join } from '../join.ts'
import type { Output } from '../output.ts'
import { dataFolder } from '../places.ts'

interface ReadOptions {
  readonly data?: string
}

interface Latest {
  readonly set: GuardianSet
  readonly registry: Registry
  /** Names on the cards, by participant. */
  readonly names: ReadonlyMap<string, string>
}

/** The latest registry and the names of those in it. Errors: `reputation.unknown`, those of `join`. */
async function latest({ data }: ReadOptions): Promise<Latest> {
  const { ports } = await join(dataFolder(data), undefined)
  try {
    const { guardians: set } = ports
    if (!set) throw new AigenError('reputation.unknown', 'this network has no guardians')
    const reputation = await openReputation({ bus: ports.bus, clock: ports.clock, guardians: set })
    const directory = await openDirectory({ bus: ports.bus, clock: ports.clock, verifier: createVerifier(createAuthorisations()) })
    const registry = reputation.registry()
    const names = new Map(directory.entries().map(({ card: { body } }) => [body.participant as string, body.name]))
    await directory.close()
    await reputation.close()
    if (!registry) throw new AigenError('reputation.unknown', 'no epoch has closed yet')
    return { set, registry, names }
  } finally {
    await ports.close()
  }
}

export async function list(options: ReadOptions, output: Output): Promise<boolean> {
  const { registry, names, set } = await latest(options)
  for (const entry of registry.entries) output.emit({ type: 'reputation', epoch: registry.header.epoch, name: names.get(entry.provider) ?? null, ...entry })
  output.print(registry.entries.length === 0 ? 'The guardians know of nobody yet.' : tableOf(registry.entries, names, output))
  output.print(output.ink.dim(`epoch ${registry.header.epoch}, to ${new Date(registry.header.to).toISOString()}: ${registry.header.reports.length} reports, signed by ${registry.signatures.length} of ${set.participants.length} guardians`))
  return true
}

export async function show(given: string, options: ReadOptions, output: Output): Promise<boolean> {
  const { registry, names, set } = await latest(options)
  const wanted = given.toLowerCase()
  const providers = [...new Set(registry.entries.map(({ provider }) => provider))].filter((one) => one === wanted || names.get(one) === given)
  const proven = providers.flatMap((one) => proveEntries(registry, one))
  if (proven.length === 0) throw new AigenError('reputation.unknown', `of ${given}`)
  for (const one of proven) {
    verifyEntry(one, set)
    output.emit({ type: 'reputation', name: names.get(one.entry.provider) ?? null, ...one })
  }
  output.print(tableOf(proven.map(({ entry }) => entry), names, output))
  for (const { entry, proof, header, signatures } of proven) {
    output.print(`\n${entry.capability} of ${entry.provider}: ${entry.figures.probes} probes, ${entry.figures.receipts} payers with receipts, ${entry.figures.complaints} with complaints`)
    output.print(`epoch ${header.epoch}, root ${header.root}, proof of ${proof.length} hashes, signed by\n  ${signatures.map(({ by }) => `${by}${names.has(by) ? ` ${names.get(by)}` : ''}`).join('\n  ')}`)
  }
  return true
}

export async function verify(file: string, options: ReadOptions & { readonly guardians?: string }, output: Output): Promise<boolean> {
  const set = await guardiansFrom(options)
  const value = await readDocument(file) as { readonly entry?: unknown; readonly entries?: readonly unknown[] }
  // A door answers one participant with a list of proven entries.
  const list = Array.isArray(value) ? value : value.entry === undefined && value.entries?.every((one) => typeof one === 'object' && one !== null && 'proof' in one) && value.entries.length > 0 ? value.entries : [value]
  let good = true
  for (const one of list) {
    try {
      const entries: readonly ReputationEntry[] = 'entry' in (one as object) ? [verifyEntry(one, set)] : verifyRegistry(one, set).entries
      output.emit({ type: 'verified', ok: true, entries })
      output.print(`${output.ink.green('good')} ${entries.length === 1 ? `${entries[0]!.capability} of ${entries[0]!.provider}` : `${entries.length} entries`}, signed by a quorum of ${set.quorum} of ${set.participants.length}`)
    } catch (thrown) {
      good = false
      const error = asError(thrown)
      output.emit({ type: 'verified', ok: false, error: error.toJSON() })
      output.print(`${output.ink.red('bad')} ${error.message} (${error.code})`)
    }
  }
  return good
}

async function guardiansFrom({ data, guardians }: ReadOptions & { readonly guardians?: string }): Promise<GuardianSet> {
  if (guardians !== undefined) return validate('GuardianSet', await readDocument(guardians))
  const set = (await readNetworkFile(dataFolder(data)))?.guardians
  if (!set) throw new AigenError('usage.invalid', 'Whose signatures count? Give --guardians FILE, or run it beside a network that has guardians.')
  return set
}

async function readDocument(file: string): Promise<unknown> {
  const bytes = await readFile(file).catch((cause: NodeJS.ErrnoException) => {
    throw new AigenError('usage.invalid', `${file} cannot be read (${cause.code}).`, { cause })
  })
  return decodeJson(bytes)
}

function tableOf(entries: readonly ReputationEntry[], names: ReadonlyMap<string, string>, { ink }: Output): string {
  const head = ['provider', 'capability', 'right', 'failed', 'up', 'p50', 'p95', 'late', 'probes', 'receipts', 'complaints']
  const table = new Table({ head: head.map((text) => ink.dim(text)), chars: BARE, style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 } })
  const share = (value: number | null): string => (value === null ? '–' : `${(value / 100).toFixed(value % 100 === 0 ? 0 : 1)} %`)
  const time = (value: number | null): string => (value === null ? '–' : `${value} ms`)
  const row = ({ success, errors, uptime, p50Ms, p95Ms, breaches, probes, receipts, complaints }: ReputationFigures): string[] => [
    success !== null && success < 5_000 ? ink.red(share(success)) : share(success), share(errors), share(uptime), time(p50Ms), time(p95Ms), String(breaches), String(probes), String(receipts), String(complaints),
  ]
  for (const { provider, capability, figures } of entries) table.push([names.get(provider) ?? provider, capability, ...row(figures)])
  return table.toString()
}
