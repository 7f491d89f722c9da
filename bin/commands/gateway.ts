/**
 * `aigen gateway`: the client provider, an OpenAI-compatible HTTP door whose calls are hired on the
 * network. Its database and the secret of its sessions lie in the participant's folder, unless
 * DATABASE_URL names a Postgres database. `aigen gateway key create` and the like work on that
 * database beside the server, for the operator of this machine.
 */
import { readFileSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { openDatabase, type GatewayDatabase } from '../../agents/gateway/database.ts'
import { openAccounts, type Accounts } from '../../agents/gateway/door/accounts.ts'
import { openFrontDoor } from '../../agents/gateway/door/front-door.ts'
import { openGateway } from '../../agents/gateway/gateway.ts'
import { readLimits } from '../../agents/gateway/keys.ts'
import { openLedger, type Ledger } from '../../agents/gateway/ledger.ts'
import { TIERS } from '../../agents/gateway/tiers.ts'
import { openUser } from '../../agents/user/user.ts'
import { parseDuration } from '../../pipelines/duration.ts'
import { parseDocument } from '../../pipelines/document.ts'
import { systemClock } from '../../runtime/node/system-clock.ts'
import { systemRandom } from '../../runtime/node/system-random.ts'
import type { Pipeline } from '../../schemas/documents.gen.ts'
import { AigenError, asError } from '../../schemas/error.ts'
import { formatMoney, parseMoney } from '../../schemas/money.ts'
import type { Output } from '../output.ts'
import { libraryNames, readPipelineFile, standardCapabilities } from '../pipeline-file.ts'
import { dataFolder, homeOf } from '../places.ts'
import { runRole } from '../role.ts'

/** Name of the participant without --as, and the port that is taken first without --port. */
const NAME = 'front-door'
const PORT = 8_787
/** What its vault holds on the devnet: 100 test dollars, from the faucet. */
const DEPOSIT = 100_000_000n

interface Place {
  readonly data?: string
  readonly as?: string
}

export interface GatewayCommandOptions extends Place {
  readonly port?: number
  readonly host?: string
  readonly url?: string
  readonly tier: string
  readonly signUp: boolean
  readonly pipeline: readonly string[]
}

export async function gateway(options: GatewayCommandOptions, output: Output): Promise<boolean> {
  const { as: name = NAME } = options
  const home = homeOf(dataFolder(options.data), name)
  const pipelines = pipelinesOf(options.pipeline)
  return runRole({
    data: options.data, name, output,
    open: async ({ ports, keys, telemetry, evaluate, onLost, alone, introduce }) => {
      const undo: (() => Promise<unknown>)[] = []
      const close = async (): Promise<void> => {
        for (const step of undo.splice(0).reverse()) await step()
      }
      try {
        const database = await openPlace(home)
        undo.push(() => database.close())
        const user = await openUser({ ports, keys, telemetry, evaluate, onLost, deposit: DEPOSIT, faucet: true, standard: standardCapabilities() })
        undo.push(() => user.close())
        const opened = await openGateway({ user, database, evaluate, pipelines, onProblem: (error) => output.say(`a call stays open: ${error.message}`) })
        undo.push(() => opened.close())
        const door = { name, secret: await secretOf(home), tier: options.tier, signUp: options.signUp, ...(options.host ? { hostname: options.host } : {}), ...(options.url ? { publicUrl: options.url } : {}) }
        const front = await openFrontDoor(opened, { ...door, port: options.port ?? PORT }).catch((thrown) => {
          // Somebody has the usual port: any other will do, unless it was asked for.
          if (options.port !== undefined || asError(thrown).code !== 'node.locked') throw thrown
          return openFrontDoor(opened, { ...door, port: 0 })
        })
        undo.push(() => front.close())
        await writeFile(join(home, 'gateway.json'), JSON.stringify({ url: front.url }))
        const { settled, released, running } = opened.reconciled
        if (settled + released + running > 0) output.say(`calls left open: ${settled} settled, ${released} released, ${running} still running`)
        introduce(`${front.url}/v1 speaks OpenAI's API; a key: aigen gateway key create`)
        if (alone) {
          output.emit({ type: 'gateway', name, participant: keys.participant, baseUrl: `${front.url}/v1` })
          output.print(`${name} serves ${front.url}/v1 as ${keys.participant}\na key: aigen gateway key create --account you@example.org --credit 1`)
        }
        return close
      } catch (error) {
        await close()
        throw error
      }
    },
  })
}

export interface AccountOptions extends Place {
  readonly account: string
}

export interface KeyCreateOptions extends AccountOptions {
  readonly name: string
  readonly tier?: string
  readonly credit?: string
  readonly budget?: string
  readonly per?: string
  readonly rpm?: string
  readonly tpm?: string
  readonly parallel?: string
  readonly maxTokens?: string
  readonly allow: readonly string[]
}

export function createKey(options: KeyCreateOptions, output: Output): Promise<boolean> {
  const whole = (text: string | undefined): number | undefined => (text === undefined ? undefined : Number(text))
  const limits = readLimits(Object.fromEntries(Object.entries({
    maxBudget: options.budget, budgetDurationMs: options.per === undefined ? undefined : parseDuration(options.per), rpm: whole(options.rpm), tpm: whole(options.tpm),
    maxParallel: whole(options.parallel), maxTokens: whole(options.maxTokens), allowed: options.allow.length > 0 ? options.allow : undefined,
  }).filter(([, value]) => value !== undefined)))
  return beside(options, async ({ ledger, accounts, home }) => {
    const known = await accounts.account(options.account).catch(() => undefined)
    const customer = known ?? await accounts.account(options.account, true)
    // An account that the operator opens is meant to spend what it is given.
    if (options.tier !== undefined || known === undefined) await ledger.enrol(customer, options.tier ?? 'pay-as-you-go')
    const { id, key } = await accounts.makeKey(customer, options.name, limits)
    if (options.credit !== undefined) await ledger.credit(customer, parseMoney(options.credit), `aigen ${id}`)
    const url = urlOf(home)
    const baseUrl = url === undefined ? undefined : `${url}/v1`
    output.emit({ type: 'key', id, key, account: options.account, limits, ...(baseUrl ? { baseUrl } : {}) })
    output.print(key)
    if (baseUrl) output.say(`for ${baseUrl}`)
  })
}

export function revokeKey(id: string, options: AccountOptions, output: Output): Promise<boolean> {
  return beside(options, async ({ ledger, accounts }) => {
    if (!(await ledger.revoke(await accounts.account(options.account), id))) throw new AigenError('gateway.unknown', `${options.account} has no key ${id}.`)
    output.emit({ type: 'revoked', id })
    output.print(`${id} is revoked`)
  })
}

export function credit(options: AccountOptions & { readonly amount: string; readonly reference: string }, output: Output): Promise<boolean> {
  return beside(options, async ({ ledger, accounts }) => {
    const customer = await accounts.account(options.account)
    await ledger.credit(customer, parseMoney(options.amount), options.reference)
    show(options.account, await ledger.customer(customer), output)
  })
}

export function setTier(tier: string, options: AccountOptions, output: Output): Promise<boolean> {
  return beside(options, async ({ ledger, accounts }) => {
    const customer = await accounts.account(options.account)
    await ledger.enrol(customer, tier)
    show(options.account, await ledger.customer(customer), output)
  })
}

/** Adds the whole ledger up anew; false when it does not balance. */
export function audit(options: Place, output: Output): Promise<boolean> {
  return beside(options, async ({ ledger }) => {
    const { sum, wrong, balances } = await ledger.audit()
    const texts = Object.fromEntries(Object.entries(balances).map(([account, amount]) => [account, amount < 0n ? `-${formatMoney(-amount)}` : formatMoney(amount)]))
    output.emit({ type: 'ledger', sum: sum.toString(), wrong, balances: texts })
    for (const [account, amount] of Object.entries(texts)) output.print(`${account}  ${amount}`)
    output.print(sum === 0n && wrong.length === 0 ? 'every entry balances' : `the ledger is wrong: ${wrong.join(', ')}`)
    return sum === 0n && wrong.length === 0
  })
}

function show(account: string, { tier, balance, free, plan, held }: Awaited<ReturnType<Ledger['customer']>>, output: Output): void {
  const texts = { tier, balance: formatMoney(balance), free: formatMoney(free), plan: formatMoney(plan), held: formatMoney(held) }
  output.emit({ type: 'account', account, ...texts })
  output.print(`${account}: ${Object.entries(texts).map(([name, value]) => `${name} ${value}`).join(', ')}`)
}

interface Beside {
  readonly home: string
  readonly ledger: Ledger
  readonly accounts: Accounts
}

async function beside({ data, as: name = NAME }: Place, act: (place: Beside) => Promise<boolean | void>): Promise<boolean> {
  const home = homeOf(dataFolder(data), name)
  const database = await openPlace(home)
  try {
    const ledger = openLedger({ db: database.db, clock: systemClock, tiers: TIERS })
    const accounts = await openAccounts({ database, ledger, clock: systemClock, random: systemRandom, secret: await secretOf(home), baseUrl: urlOf(home) ?? 'http://127.0.0.1', tier: 'free' })
    return (await act({ home, ledger, accounts })) ?? true
  } finally {
    await database.close()
  }
}

async function openPlace(home: string): Promise<GatewayDatabase> {
  await mkdir(home, { recursive: true, mode: 0o700 })
  return openDatabase({ file: join(home, 'gateway.db'), url: process.env['DATABASE_URL'] })
}

/** Where the gateway was last reached. */
function urlOf(home: string): string | undefined {
  try {
    return (JSON.parse(readFileSync(join(home, 'gateway.json'), 'utf8')) as { url: string }).url
  } catch {
    return undefined
  }
}

async function secretOf(home: string): Promise<string> {
  const path = join(home, 'gateway.secret')
  const made = Buffer.from(systemRandom.bytes(32)).toString('base64url')
  // Made once: whoever comes second finds the first one's.
  await writeFile(path, made, { flag: 'wx', mode: 0o600 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error
  })
  return readFile(path, 'utf8')
}

function pipelinesOf(files: readonly string[]): Map<string, Pipeline> {
  return new Map([...libraryNames(), ...files].map((given) => {
    const { pipeline, issues } = parseDocument(readPipelineFile(given, process.cwd()).text)
    if (!pipeline) throw new AigenError('pipeline.invalid', `${given}: ${issues[0]?.path}: ${issues[0]?.message}.`, { issues })
    return [pipeline.name, pipeline]
  }))
}
