/**
 * `aigen credit balance|deposit|buy|invoice|acknowledge|refund`: an account with a payment provider, which
 * pays calls from it; and its operator's word that an invoice was paid.
 */
import { readFile } from 'node:fs/promises'
import { acknowledgeInvoice, buyOnCredit, creditBalance, creditInvoice, depositCredit, refundCredit, type AtOptions } from '../../agents/user/credit.ts'
import type { User } from '../../agents/user/user.ts'
import { AigenError } from '../../schemas/error.ts'
import type { Pipeline } from '../../schemas/documents.gen.ts'
import { validate } from '../../schemas/validate.ts'
import { parseDuration } from '../../pipelines/duration.ts'
import { answerText } from '../answer.ts'
import type { Output } from '../output.ts'
import { dataFolder } from '../places.ts'
import { readWords } from '../run-pipeline.ts'
import { openSession } from '../user-session.ts'
import type { ReadOptions } from './bill.ts'

export interface CreditOptions extends ReadOptions, AtOptions {}

export interface BuyOptions {
  readonly input: readonly string[]
  readonly maxPrice: string
  readonly deadline?: string
  readonly expect?: string
  readonly key?: string
}

const INVOICE_BYTES_MAX = 64 * 1024

async function asUser<T>({ data, as }: ReadOptions, act: (user: User) => Promise<T>): Promise<T> {
  const session = await openSession({ data: dataFolder(data), name: as })
  try {
    return await act(session.user)
  } finally {
    await session.close()
  }
}

const newKey = (user: User): string => Buffer.from(user.node.random.bytes(8)).toString('hex')

/** Said before anything is asked for: who hears no answer must be able to ask for the same again, and not for another. */
function sayKey(output: Output, given: string | undefined, key: string): void {
  if (given === undefined) output.say(`key ${key}: where this ends without an answer, say the same with --key ${key}`)
}

export function balance(options: CreditOptions, output: Output): Promise<boolean> {
  return asUser(options, async (user) => {
    const account = await creditBalance(user, options)
    output.emit({ type: 'credit', ...account })
    output.print(`${account.free} free of ${account.deposited}: ${account.held} held, ${account.spent} spent, ${account.fees} fees${account.refunded ? `, ${account.refunded} taken out` : ''}`)
    return true
  })
}

export function deposit(amount: string, options: CreditOptions, output: Output): Promise<boolean> {
  return asUser(options, async (user) => {
    const paid = await depositCredit(user, amount, options)
    output.emit({ type: 'deposit', amount: paid })
    output.print(`${paid} deposited`)
    return true
  })
}

/** One call, paid from the account. */
export function buy(capability: string, { input, maxPrice, deadline, expect, key, ...options }: CreditOptions & BuyOptions, output: Output): Promise<boolean> {
  return asUser(options, async (user) => {
    const known = user.capabilities().get(capability)
    if (!known) throw new AigenError('market.no-provider', `nobody offers ${capability}`)
    const { inputs, blobs } = await readWords({ input: known.input } as Pipeline, input, process.cwd())
    if (blobs.length > 0) throw new AigenError('usage.invalid', 'Files are not bought on credit: hire with "aigen run".')
    const request = {
      key: key ?? newKey(user), capability, input: inputs, maxPrice,
      ...(deadline === undefined ? {} : { deadlineMs: parseDuration(deadline) }), ...(expect === undefined ? {} : { expect }),
    }
    sayKey(output, key, request.key)
    const bought = await buyOnCredit(user, request, options)
    output.emit({ type: 'bought', capability, key: request.key, ...bought })
    output.print(`${answerText(bought.output, [], output.ink)}\n\n${bought.charged} to ${bought.provider ?? 'its provider'} and ${bought.fee} fee, from the account`)
    return true
  })
}

/** Prints the signed invoice, whole: it is what is acknowledged, and the proof of what was promised. */
export function invoice(amount: string, { asset, ...options }: CreditOptions & { readonly asset: string }, output: Output): Promise<boolean> {
  return asUser(options, async (user) => {
    const made = await creditInvoice(user, amount, asset, options)
    output.emit({ type: 'invoice', invoice: made })
    output.say(`pay ${made.body.amount} ${made.body.asset} to ${made.body.payTo}, as ${made.body.id}, before ${new Date(made.body.expiresAt).toISOString()}`)
    output.print(JSON.stringify(made))
    return true
  })
}

export async function acknowledge(file: string, { reference, ...options }: ReadOptions & { readonly reference: string }, output: Output): Promise<boolean> {
  const text = await readFile(file, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new AigenError('usage.invalid', `${file} cannot be read (${cause.code}).`, { cause })
  })
  if (text.length > INVOICE_BYTES_MAX) throw new AigenError('input.too-large', `${file} is no invoice.`)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new AigenError('usage.invalid', `${file} is no invoice.`, { cause })
  }
  const made = validate('Invoice', value)
  return asUser(options, async (user) => {
    const { account, credit } = await acknowledgeInvoice(user, made, reference)
    output.emit({ type: 'acknowledged', account, credit, reference })
    output.print(`${credit} credited to ${account}`)
    return true
  })
}

export function refund(amount: string, { key, ...options }: CreditOptions & { readonly key?: string }, output: Output): Promise<boolean> {
  return asUser(options, async (user) => {
    const name = key ?? newKey(user)
    sayKey(output, key, name)
    const { state, amount: paid } = await refundCredit(user, amount, name, options)
    output.emit({ type: 'refund', state, amount: paid })
    output.print(state === 'done' ? `${paid} paid out` : `${paid} is set aside and under way`)
    return true
  })
}
