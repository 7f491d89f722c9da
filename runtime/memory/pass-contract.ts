/**
 * The Pass contract in TypeScript: its rules and errors, on the chain's `Ledger` (D10). Checks all
 * before it changes anything, as `vault-contract.ts` does. Held to Pass.sol by `passes.contract.ts`.
 */
import { AigenError } from '../../schemas/error.ts'
import { passId } from '../evm/pass-id.ts'
import type { PassWrite } from '../ports/passes.ts'
import type { Hex } from '../ports/signer.ts'
import { move, type Ledger } from './ledger.ts'

const PERIOD_MAX = 366 * 86_400
const AHEAD_MAX = 1_000

const lower = (hex: string): Hex => hex.toLowerCase() as Hex
const revert = (reason: string): never => {
  throw new AigenError('chain.reverted', reason)
}

export interface PassContractOptions {
  /** The contract's own address, and the token that classes are priced in. */
  readonly contract: Hex
  readonly token: Hex
  /** Second of the block that is being made. */
  readonly now: () => number
}

export function isPassWrite(write: { readonly kind: string }): write is PassWrite {
  return write.kind.startsWith('pass-')
}

/** Where an account's expiry lies in the ledger. */
export function passKey(id: Hex, holder: Hex): string {
  return `${lower(id)} ${lower(holder)}`
}

/** Runs the write as `from`; a `dry` run changes nothing. Error `chain.reverted`. */
export function executePass(ledger: Ledger, write: PassWrite, from: Hex, dry: boolean, { contract, token, now }: PassContractOptions): void {
  switch (write.kind) {
    case 'pass-class': {
      const { number, price, period, ahead, quota } = write
      if (price <= 0n || period <= 0 || period > PERIOD_MAX || ahead <= 0 || ahead > AHEAD_MAX) revert('BadClass()')
      const id = passId(from, number)
      const known = ledger.passClasses.get(id)
      if (known && (known.price !== price || known.period !== period || known.ahead !== ahead || known.quota !== quota)) revert(`OtherTerms(${BigInt(id)})`)
      if (!dry && !known) ledger.passClasses.set(id, { id, provider: from, token, price, period, ahead, quota })
      return
    }
    case 'pass-approve':
      if (!dry) ledger.passAllowances.set(from, write.amount)
      return
    case 'pass-buy': {
      const { periods } = write
      const terms = ledger.passClasses.get(lower(write.pass)) ?? revert(`UnknownClass(${BigInt(write.pass)})`)
      const key = passKey(terms.id, from)
      const until = Math.max(ledger.passes.get(key) ?? 0, now()) + terms.period * periods
      if (periods <= 0 || periods > terms.ahead || until > now() + terms.period * terms.ahead) revert(`BadPeriods(${periods}, ${terms.ahead})`)
      const paid = terms.price * BigInt(periods)
      const [allowed, balance] = [ledger.passAllowances.get(from) ?? 0n, ledger.balances.get(from) ?? 0n]
      if (allowed < paid) revert(`ERC20InsufficientAllowance(${contract}, ${allowed}, ${paid})`)
      if (balance < paid) revert(`ERC20InsufficientBalance(${from}, ${balance}, ${paid})`)
      if (dry) return
      ledger.passAllowances.set(from, allowed - paid)
      ledger.passes.set(key, until)
      move(ledger, from, terms.provider, paid)
    }
  }
}
