/**
 * `aigen wallet create|import|show|balance|deposit|withdraw|lanes|history|policy`: the participant's
 * key, its money on and off the chain, and what it may spend. What only looks works beside a running
 * node; what moves money or sets a rule opens the participant's node.
 */
import Table from 'cli-table3'
import { readLedger, type Movement } from '../../agents/user/history.ts'
import { policyOf, type RuleState, type SpendingPolicy } from '../../agents/user/policy.ts'
import { balanceOf, lanesOf, rulesOf } from '../../agents/user/statement.ts'
import { deposit as payIn, setPolicy, withdraw as payOut } from '../../agents/user/treasury.ts'
import type { WalletContext } from '../../agents/user/wallet.machine.ts'
import { createWallet, encryptedAddress, hasWallet, keepOutside, openKeys, outsideWallet } from '../../runtime/identity/keys.ts'
import { checksumAddress } from '../../runtime/evm/native-signer.ts'
import { decryptKey } from '../../runtime/identity/keystore.ts'
import { commandAccounts } from '../../runtime/node/command-signer.ts'
import { systemClock } from '../../runtime/node/system-clock.ts'
import { systemRandom } from '../../runtime/node/system-random.ts'
import type { Rail } from '../../runtime/ports/rail.ts'
import { formatMoney } from '../../schemas/money.ts'
import { AigenError } from '../../schemas/error.ts'
import { readFile } from 'node:fs/promises'
import { BARE } from '../bare-table.ts'
import { isLight, joinAny, type Joined } from '../join.ts'
import type { Output } from '../output.ts'
import { askPassphrase, newPassphrase, typed } from '../passphrase.ts'
import { dataFolder, homeOf } from '../places.ts'
import { openSession, type UserSession } from '../user-session.ts'
import type { ReadOptions } from './bill.ts'

/** Longest file that a key is imported from. */
const IMPORT_MAX = 16 * 1024

export interface CreateOptions extends ReadOptions {
  /** False: the key lies in a plain private file. */
  readonly passphrase?: boolean
}

export interface PolicyOptions extends ReadOptions {
  readonly perRun?: string
  readonly perDay?: string
  readonly capability: readonly string[]
  readonly payee: readonly string[]
  readonly voucherKey?: string
  readonly clear?: boolean
}

export async function create({ data, as, passphrase = true }: CreateOptions, output: Output): Promise<boolean> {
  const home = homeOf(dataFolder(data), as)
  if (await hasWallet(home)) throw new AigenError('keys.present', home)
  return made(await createWallet({ home, random: systemRandom, ...(passphrase ? { passphrase: await newPassphrase() } : {}) }), passphrase, output)
}

export interface ImportOptions extends CreateOptions {
  /** Command that signs for the wallet: a device, a key service. */
  readonly signer?: string
  /** Which of its accounts, where it has several. */
  readonly account?: string
}

/** The wallet is one whose key lies outside; nothing of it is stored but its address and the command. */
async function bringOutside(home: string, command: string, account: string | undefined, output: Output): Promise<boolean> {
  const accounts = await commandAccounts({ command, clock: systemClock })
  const chosen = account === undefined ? accounts : accounts.filter((one) => one.toLowerCase() === account.toLowerCase())
  const [address] = chosen
  if (address === undefined || chosen.length > 1) throw new AigenError('usage.invalid', `The signer has ${accounts.length === 0 ? 'no account' : accounts.join(', ')}: name one of its accounts with --account.`)
  await keepOutside({ home, random: systemRandom, address, command })
  output.emit({ type: 'wallet', address, encrypted: false, signer: command })
  output.print(`${address}, signed for by: ${command}`)
  return true
}

/** From a key file of version 3, or one line of 64 hex digits; `-` types the digits unseen. */
export async function bringIn(file: string | undefined, { data, as, passphrase = true, signer, account }: ImportOptions, output: Output): Promise<boolean> {
  const home = homeOf(dataFolder(data), as)
  if ((file === undefined) === (signer === undefined)) throw new AigenError('usage.invalid', 'Give a key file, or --signer and its command.')
  if (await hasWallet(home)) throw new AigenError('keys.present', home)
  if (file === undefined) return bringOutside(home, signer!, account, output)
  const text = file === '-' ? await typed('Private key (64 hex digits): ') : await readFile(file, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new AigenError('usage.invalid', `${file} cannot be read (${cause.code}).`, { cause })
  })
  if (text.length > IMPORT_MAX) throw new AigenError('keys.broken', `${file} is no key file.`)
  const plain = /^\s*(?:0x)?([0-9a-fA-F]{64})\s*$/.exec(text)?.[1]
  // A file that comes encrypted stays so, under the passphrase it has.
  const secret = plain === undefined ? await askPassphrase('Passphrase of the file: ') : passphrase ? await newPassphrase() : undefined
  const key = plain === undefined ? await decryptKey(text, secret!) : Buffer.from(plain, 'hex')
  return made(await createWallet({ home, random: systemRandom, key, ...(passphrase && secret !== undefined ? { passphrase: secret } : {}) }), passphrase, output)
}

function made({ address }: { readonly address: string }, encrypted: boolean, output: Output): boolean {
  output.emit({ type: 'wallet', address, encrypted })
  output.print(`${address}${encrypted ? ', encrypted: without its passphrase it is lost' : ''}`)
  return true
}

/** Whose wallet it is; needs no network and, where it is encrypted, no passphrase. */
export async function show({ data, as }: ReadOptions, output: Output): Promise<boolean> {
  const home = homeOf(dataFolder(data), as)
  if (!(await hasWallet(home))) throw new AigenError('usage.invalid', 'There is no wallet yet: "aigen wallet create" makes one, and any other command a plain one.')
  const outside = await outsideWallet(home)
  if (outside) {
    output.emit({ type: 'wallet', address: outside.address, encrypted: false, signer: outside.command })
    output.print(`${outside.address}  signed for by: ${outside.command}`)
    return true
  }
  const address = await encryptedAddress(home)
  const known = address === undefined ? (await openKeys({ home, random: systemRandom })).wallet.address : checksumAddress(`0x${address}`)
  output.emit({ type: 'wallet', address: known, encrypted: address !== undefined })
  output.print(`${known}  ${address === undefined ? 'plain file' : 'encrypted'}`)
  return true
}

export function balance(options: ReadOptions, output: Output): Promise<boolean> {
  return reading(options, async ({ keys, ports }, rail) => {
    const { actors } = await readLedger(ports)
    const found = await balanceOf(actors, keys.participant, ports.clock.now(), rail)
    output.emit({ type: 'balance', wallet: keys.participant, ...found })
    const table = bare(output, ['', 'amount'])
    for (const [name, amount] of [['deposited', found.deposited], ['spent', found.spent], ['held by open runs', found.held], ['withdrawn', found.withdrawn], ['may be spent', found.available]] as const) table.push([name, right(amount)])
    if (found.chain) table.push(['free in the vault', right(found.chain.free)], ['outside the vault', right(found.chain.outside)])
    output.print(table.toString())
    if (found.policy.length > 0) output.print(`\n${rulesText(found.policy, output)}`)
    return true
  })
}

export function lanes(options: ReadOptions, output: Output): Promise<boolean> {
  return reading(options, async ({ ports }, rail) => {
    const { actors } = await readLedger(ports)
    const found = await lanesOf(actors, rail)
    const table = bare(output, ['payee', 'number', 'reserved', 'promised', 'claimed', 'state', 'lane'])
    for (const line of found) {
      output.emit({ type: 'lane', ...line })
      table.push([line.payee, right(String(line.number)), right(line.reserved), right(line.promised), right(line.claimed ?? '?'), line.state, output.ink.dim(line.lane)])
    }
    output.print(found.length === 0 ? 'No lanes yet.' : table.toString())
    return true
  })
}

export function history(options: ReadOptions & { readonly limit?: number }, output: Output): Promise<boolean> {
  return reading(options, async ({ ports }) => {
    const { movements, cut } = await readLedger(ports)
    const shown = options.limit === undefined ? movements : movements.slice(-options.limit)
    const table = bare(output, ['when', 'what', 'amount', 'whom or which run', 'receipt or transaction'])
    for (const one of shown) {
      output.emit({ type: 'movement', ...one })
      table.push([new Date(one.at).toISOString(), one.kind, right(one.amount), aboutOf(one), output.ink.dim(proofOf(one))])
    }
    output.print(shown.length === 0 ? 'Nothing has moved yet.' : table.toString())
    if (cut) output.say('what is older was compacted: balance and lanes are complete')
    return true
  })
}

export function deposit(amount: string, options: ReadOptions, output: Output): Promise<boolean> {
  return acting(options, async ({ user }) => {
    const done = await payIn(user, { amount, faucet: true })
    output.emit({ type: 'deposit', ...done })
    output.print(`deposited ${done.amount}, ${done.available} may be spent`)
    return true
  })
}

export function withdraw(amount: string, options: ReadOptions & { readonly to?: string }, output: Output): Promise<boolean> {
  return acting(options, async ({ user }) => {
    const done = await payOut(user, { amount, ...(options.to === undefined ? {} : { to: options.to }) })
    output.emit({ type: 'withdrawal', ...done })
    output.print(`withdrew ${done.amount} to ${done.to}, ${done.available} may be spent`)
    return true
  })
}

/** Without a rule it tells how the policy stands; each rule that is given stands in place of the one before. */
export async function policy({ perRun, perDay, capability, payee, voucherKey, clear = false, ...options }: PolicyOptions, output: Output): Promise<boolean> {
  const given: SpendingPolicy = { ...(perRun === undefined ? {} : { perRun }), ...(perDay === undefined ? {} : { perDay }), capabilities: rulesIn('capability', capability), payees: rulesIn('payee', payee), ...(voucherKey === undefined ? {} : { key: voucherKey }) }
  if (!clear && perRun === undefined && perDay === undefined && capability.length + payee.length === 0 && voucherKey === undefined) {
    return reading(options, async ({ ports }) => {
      const { actors } = await readLedger(ports)
      return tellRules(await rulesOf(actors, ports.clock.now()), output)
    })
  }
  // What is wrong is told before a node is opened.
  policyOf(given)
  return acting(options, async ({ user }) => {
    const { policy: before = {} } = (await user.node.host.look<WalletContext>('wallet'))!
    return tellRules(await setPolicy(user, clear ? given : { ...inMoney(before), ...given, capabilities: { ...inMoney(before).capabilities, ...given.capabilities }, payees: { ...inMoney(before).payees, ...given.payees } }), output)
  })
}

function inMoney({ perRun, perDay, capabilities = {}, payees = {}, key }: SpendingPolicy): SpendingPolicy {
  const money = (atomic: string): string => formatMoney(BigInt(atomic))
  return {
    ...(perRun === undefined ? {} : { perRun: money(perRun) }), ...(perDay === undefined ? {} : { perDay: money(perDay) }),
    capabilities: Object.fromEntries(Object.entries(capabilities).map(([id, amount]) => [id, money(amount)])),
    payees: Object.fromEntries(Object.entries(payees).map(([id, amount]) => [id, money(amount)])), ...(key === undefined ? {} : { key: money(key) }),
  }
}

function rulesIn(flag: string, words: readonly string[]): Record<string, string> {
  return Object.fromEntries(words.map((word) => {
    const [id, amount, ...rest] = word.split('=')
    if (!id || !amount || rest.length > 0) throw new AigenError('usage.invalid', `--${flag} ${word}: write it like NAME=0.50.`)
    return [id, amount]
  }))
}

function tellRules(rules: readonly RuleState[], output: Output): boolean {
  for (const rule of rules) output.emit({ type: 'rule', ...rule })
  output.print(rules.length === 0 ? 'No policy: a run may hold whatever the wallet has.' : rulesText(rules, output))
  return true
}

function rulesText(rules: readonly RuleState[], output: Output): string {
  const table = bare(output, ['policy', 'limit', 'spent today', 'held', 'left'])
  for (const { rule, limit, spent, held, left } of rules) table.push([rule, right(limit), right(spent), right(held), right(left)])
  return table.toString()
}

const aboutOf = ({ run, payee, to, lane, kind }: Movement): string => (kind === 'payment' ? `${payee} for ${run}` : run ?? payee ?? to ?? lane ?? '')
/** The first transaction of several, and how many more there are; `--json` has them all. */
const proofOf = ({ delivery, transactions: [first, ...more] = [] }: Movement): string => delivery ?? `${first ?? ''}${more.length === 0 ? '' : ` and ${more.length} more`}`
const right = (content: string) => ({ content, hAlign: 'right' as const })

function bare({ ink }: Output, head: readonly string[]): InstanceType<typeof Table> {
  return new Table({ head: head.map((text) => ink.dim(text)), chars: BARE, style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 } })
}

/** `look` at the participant, beside whatever runs it; with the chain where it has one. */
async function reading(options: ReadOptions, look: (joined: Pick<Joined, 'keys'> & { readonly ports: Pick<Joined['ports'], 'journal' | 'blobs' | 'clock'> }, rail: Rail | undefined) => Promise<boolean>): Promise<boolean> {
  const data = dataFolder(options.data)
  const joined = await joinAny(data, options.as)
  try {
    return await look(joined, isLight(homeOf(data, options.as)) ? undefined : (joined as Joined).ports.rail)
  } finally {
    await joined.ports.close()
  }
}

/** `act` in a node of the participant. Error `node.locked` where another process runs it. */
async function acting(options: ReadOptions, act: (session: UserSession) => Promise<boolean>): Promise<boolean> {
  const data = dataFolder(options.data)
  const session = await openSession({ data, name: options.as, light: isLight(homeOf(data, options.as)) })
  try {
    return await act(session)
  } finally {
    await session.close()
  }
}
