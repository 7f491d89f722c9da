/**
 * `aigen key …`: access keys for enterprises without a node. The provider's operator issues, lists,
 * revokes and invoices (through the door of its running process); the holder makes a key pair, opens
 * what was sealed to it, and narrows it, all without a network.
 */
import { chmod, readFile, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import Table from 'cli-table3'
import { openAccessKey } from '../../agents/user/key-client.ts'
import type { KeyLine } from '../../agents/provider/access.ts'
import { parseDuration } from '../../pipelines/duration.ts'
import { attenuate, describeKey } from '../../runtime/identity/access-key.ts'
import { publicKeyOf } from '../../runtime/identity/hpke.ts'
import { openKey } from '../../runtime/identity/keys.ts'
import { toText } from '../../runtime/identity/text-bytes.ts'
import { systemClock } from '../../runtime/node/system-clock.ts'
import { systemRandom } from '../../runtime/node/system-random.ts'
import { decodeJson } from '../../schemas/decode.ts'
import type { AccessCaveat, AccessInvoice, OpenAccessKey, SealedAccessKey } from '../../schemas/documents.gen.ts'
import { AigenError, fromBody } from '../../schemas/error.ts'
import { formatMoney, parseMoney } from '../../schemas/money.ts'
import { validate } from '../../schemas/validate.ts'
import { BARE } from '../bare-table.ts'
import { readDoorFile } from '../door-file.ts'
import type { Output } from '../output.ts'
import { dataFolder, homeOf } from '../places.ts'

export interface LimitOptions {
  readonly capability?: readonly string[]
  readonly quota?: string
  readonly amount?: string
  readonly maxPrice?: string
  readonly rate?: string
  readonly expires?: string
}

interface AtProvider {
  readonly data?: string
  readonly as: string
}

/** Makes the holder's key pair, or shows the public part of the one that is there. */
export async function make({ out }: { out: string }, output: Output): Promise<boolean> {
  const publicKey = toText(publicKeyOf(await holderKey(out)))
  output.emit({ type: 'holder', publicKey, folder: resolve(out) })
  output.print(publicKey)
  output.say(`Give this public key to the provider; the private one stays in ${resolve(out)}.`)
  return true
}

export async function issue(options: LimitOptions & AtProvider & { to: string; label?: string; out?: string }, output: Output): Promise<boolean> {
  const sealed = await ask<SealedAccessKey>(options, 'POST', '/admin/keys', { holder: options.to, limits: limitsOf(options), ...(options.label === undefined ? {} : { label: options.label }) })
  const text = `${JSON.stringify(sealed, null, 1)}\n`
  if (options.out !== undefined) await writeFile(options.out, text)
  output.emit({ type: 'sealed-key', ...(options.out === undefined ? {} : { file: resolve(options.out) }), sealed })
  output.print(options.out === undefined ? text.trimEnd() : `sealed to ${options.to}: ${options.out}`)
  return true
}

export async function open(file: string, options: { key: string; out?: string }, output: Output): Promise<boolean> {
  const access = await openAccessKey(await readDocument(file), await holderKey(options.key))
  const to = options.out ?? join(dirname(file), 'access-key.json')
  await writePrivate(to, access)
  const { id, provider, rates, doors } = access.grant.body
  output.emit({ type: 'access-key', file: resolve(to), id, provider, rates, doors })
  output.print(`${id} of ${provider}: ${rates.map(({ capability, unitPrice, per, unit }) => `${capability} at ${formatMoney(BigInt(unitPrice))} a ${per === undefined ? '' : `${per} `}${unit}`).join(', ')}`)
  output.print(`${to} holds the key: keep it as a password`)
  return true
}

export async function narrow(file: string, options: LimitOptions & { out: string }, output: Output): Promise<boolean> {
  const access = validate('OpenAccessKey', await readDocument(file))
  const key = attenuate(access.key, limitsOf(options))
  await writePrivate(options.out, { ...access, key } satisfies OpenAccessKey)
  output.emit({ type: 'access-key', file: resolve(options.out), ...describeKey(key) })
  output.print(`${options.out}: ${limitsText(describeKey(key).caveats)}`)
  return true
}

export async function list(options: AtProvider, output: Output): Promise<boolean> {
  const { keys } = await ask<{ keys: KeyLine[] }>(options, 'GET', '/admin/keys')
  const { ink } = output
  const table = new Table({ head: ['key', 'for', 'served', 'charged', 'limits', ''].map((text) => ink.dim(text)), chars: BARE, style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 } })
  for (const key of keys) {
    output.emit({ type: 'key', ...key, charged: formatMoney(BigInt(key.charged)) })
    table.push([key.id, key.label, key.served, formatMoney(BigInt(key.charged)), limitsText(key.limits), key.revokedAt === null ? '' : ink.red('revoked')])
  }
  output.print(keys.length === 0 ? 'no keys were issued' : table.toString())
  return true
}

export async function show(id: string, options: AtProvider, output: Output): Promise<boolean> {
  return showLine(await ask<KeyLine>(options, 'GET', `/admin/keys/${encodeURIComponent(id)}`), output)
}

export async function revoke(id: string, options: AtProvider, output: Output): Promise<boolean> {
  return showLine(await ask<KeyLine>(options, 'DELETE', `/admin/keys/${encodeURIComponent(id)}`), output)
}

export async function invoice(id: string, options: AtProvider, output: Output): Promise<boolean> {
  const said = validate('AccessInvoice', await ask<AccessInvoice>(options, 'GET', `/admin/keys/${encodeURIComponent(id)}/invoice`))
  for (const { call, capability, delivery: { body } } of said.body.lines) {
    output.print(`${call}  ${new Date(body.at).toISOString()}  ${capability}  ${Object.entries(body.units).map(([unit, count]) => `${count} ${unit}`).join(', ')}  ${formatMoney(BigInt(body.amount))}  ${body.outputHash}`)
  }
  output.print(`total ${formatMoney(BigInt(said.body.total))} ${said.body.asset}`)
  output.emit({ type: 'invoice', ...said })
  return true
}

function showLine(key: KeyLine, output: Output): boolean {
  output.emit({ type: 'key', ...key, charged: formatMoney(BigInt(key.charged)) })
  output.print(`${key.id} ${key.label} ${key.revokedAt === null ? 'valid' : `revoked ${new Date(key.revokedAt).toISOString()}`}, ${key.served} served for ${formatMoney(BigInt(key.charged))}, ${limitsText(key.limits)}`)
  return true
}

/** The caveat that the flags stand for. Error `usage.invalid` naming the flag. */
function limitsOf({ capability, quota, amount, maxPrice, rate, expires }: LimitOptions): AccessCaveat {
  const whole = (flag: string, text: string): number => {
    if (!/^[1-9][0-9]{0,8}$/.test(text)) throw new AigenError('usage.invalid', `--${flag} ${text}: expected a whole number above 0.`)
    return Number(text)
  }
  const limits: AccessCaveat = {
    ...(capability === undefined || capability.length === 0 ? {} : { capabilities: [...capability] as NonNullable<AccessCaveat['capabilities']> }),
    ...(quota === undefined ? {} : { calls: whole('quota', quota) }),
    ...(amount === undefined ? {} : { amount: parseMoney(amount).toString() }),
    ...(maxPrice === undefined ? {} : { price: parseMoney(maxPrice).toString() }),
    ...(rate === undefined ? {} : { perMinute: whole('rate', rate.replace(/\/m(in)?$/, '')) }),
    ...(expires === undefined ? {} : { until: systemClock.now() + parseDuration(expires) }),
  }
  if (Object.keys(limits).length === 0) throw new AigenError('usage.invalid', 'A key needs a limit: --quota, --amount, --max-price, --rate, --expires or --capability.')
  return limits
}

function limitsText(caveats: readonly AccessCaveat[]): string {
  return caveats.map(({ capabilities, calls, amount, price, perMinute, until }) => [
    capabilities?.join(' '), calls === undefined ? '' : `${calls} calls`, amount === undefined ? '' : `${formatMoney(BigInt(amount))} in all`,
    price === undefined ? '' : `${formatMoney(BigInt(price))} a call`, perMinute === undefined ? '' : `${perMinute}/m`, until === undefined ? '' : `until ${new Date(until).toISOString()}`,
  ].filter(Boolean).join(', ')).join(' · ')
}

const holderKey = (folder: string): Promise<Uint8Array> => openKey(resolve(folder), 'holder', () => systemRandom.bytes(32), systemRandom)

async function readDocument(file: string): Promise<unknown> {
  const bytes = await readFile(file).catch((cause: NodeJS.ErrnoException) => {
    throw new AigenError('usage.invalid', `${file} cannot be read (${cause.code}).`, { cause })
  })
  return decodeJson(bytes)
}

async function writePrivate(file: string, value: object): Promise<void> {
  await writeFile(file, `${JSON.stringify(value, null, 1)}\n`, { mode: 0o600 })
  await chmod(file, 0o600)
}

async function ask<T>({ data, as }: AtProvider, method: string, path: string, body?: object): Promise<T> {
  const { url, adminToken } = await readDoorFile(homeOf(dataFolder(data), as))
  const response = await fetch(`${url}${path}`, {
    method, headers: { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' }, ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  }).catch((cause: unknown) => {
    throw new AigenError('network.unreachable', `the door at ${url}`, { cause })
  })
  const said = await response.json() as T & { error?: Parameters<typeof fromBody>[0] }
  if (said.error) throw fromBody(said.error)
  return said
}
