/**
 * What a scene cost: who cheated, what the chain says that each side was paid, and what each lost
 * beside the most that the README of the payments rooms allows. Used by the programs of each mode.
 */
import { defineProvider, formatMoney, hire, parseMoney, type Capability, type HireOptions, type Provider, type ProviderDefinition, type User } from 'aigen'
import type { Stage } from './stage.ts'

/** What one call costs. */
export const PRICE = '0.01'
const UPPER: Capability = {
  id: 'money.shout@1', title: 'Shout', description: 'Gives the text in capitals.', unit: 'call',
  input: { type: 'object', additionalProperties: false, required: ['text'], properties: { text: { type: 'string' } } },
  output: { type: 'object', additionalProperties: false, required: ['text'], properties: { text: { type: 'string' } } },
}

export interface Scene {
  readonly mode: string
  readonly cheat: 'nobody' | 'provider' | 'payer' | 'arbiter' | 'hub' | 'provider and arbiter' | 'payer and arbiter'
  readonly does: string
  /** The most that each side may lose, decimal strings of the dollar. */
  readonly most: { readonly payer: string; readonly provider: string }
}

/** What came of it besides money. */
export interface Outcome {
  /** Outputs as they were agreed that the payer has. */
  readonly outputs: number
  /** Calls that the provider did as agreed. */
  readonly worked: number
  /** What an agent got beside the seller. */
  readonly fee?: string
}

export interface Row extends Scene {
  readonly paid: string
  readonly lost: { readonly payer: string; readonly provider: string }
  /** That paid the provider; undefined where nothing was. */
  readonly transaction: string | undefined
  /** Whether nobody lost more than may be lost. */
  readonly held: boolean
}

/** A seller of one call at `PRICE`; `says` what it delivers in place of what is asked for. */
export const seller = (name: string, says?: string): ProviderDefinition => defineProvider({
  name, capability: UPPER, price: { list: PRICE }, latencyMs: 200,
  handler: async ({ text }: { text: string }) => ({ output: { text: says ?? text.toUpperCase() }, units: { call: 1 } }),
})

/** Hires one call of `from`, and waits for what follows; the output, or the code of why there is none. */
export function ask(stage: Stage, user: User, from: `0x${string}`, options: Partial<HireOptions>): Promise<string> {
  const call: HireOptions = { capability: UPPER.id, input: { text: 'hi' }, expect: 'output.text == "HI"', maxPrice: PRICE, deadlineMs: 15_000, attempts: 1, only: [from], timeoutMs: 1_200_000, ...options }
  return stage.until(hire(user, call).then(({ output }) => (output as { text: string }).text, (error: { code?: string }) => error.code ?? String(error)))
}

/** How many outputs are as they were agreed. */
export const good = (output: string): number => (output === 'HI' ? 1 : 0)

/** Plays a scene and counts: what `payee` has got is asked of the chain. */
export async function play(stage: Stage, scene: Scene, payee: Provider, act: (payee: `0x${string}`) => Promise<Outcome>): Promise<Row> {
  const { participant, rail } = payee.node
  const money = (text: string): bigint => parseMoney(text, rail.terms.decimals)
  const said = (amount: bigint): string => formatMoney(amount > 0n ? amount : 0n, rail.terms.decimals)
  const before = await rail.balance(participant)
  const known = await stage.claimOf(participant)
  const { outputs, worked, fee = '0' } = await act(participant)
  const earned = await rail.balance(participant) - before
  const paid = earned + money(fee)
  const payer = paid - money(PRICE) * BigInt(outputs)
  const provider = money(PRICE) * BigInt(worked) - earned
  const claim = await stage.claimOf(participant)
  return {
    ...scene, paid: said(paid), lost: { payer: said(payer), provider: said(provider) }, transaction: claim === known ? undefined : claim,
    held: payer <= money(scene.most.payer) && provider <= money(scene.most.provider),
  }
}

/** The rows as a table for people. */
export function table(rows: readonly Row[]): string {
  const cells = [
    ['mode', 'who cheats', 'and does what', 'paid', 'payer lost', 'of', 'provider lost', 'of', 'claimed in', ''],
    ...rows.map(({ mode, cheat, does, paid, lost, most, transaction = '-', held }) =>
      [mode, cheat, does, paid, lost.payer, most.payer, lost.provider, most.provider, transaction.slice(0, 12), held ? '' : 'TOO MUCH']),
  ]
  const widths = cells[0]!.map((_, column) => Math.max(...cells.map((row) => row[column]!.length)))
  return cells.map((row) => row.map((cell, column) => cell.padEnd(widths[column]!)).join('  ').trimEnd()).join('\n')
}
