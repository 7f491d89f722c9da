/**
 * What each payer owes a provider over all its lanes at once, however it hires: that, and not one lane, is
 * what can be lost to it (D6). It may owe little at first and more by what it has paid here, up to a bound.
 * What is secured or paid beforehand cannot be lost and does not count. Used by the verbs accept and
 * invoke, and for standing agreements.
 */
import type { Hash, Hex32, Terms } from '../../schemas/documents.gen.ts'
import { AigenError } from '../../schemas/error.ts'
import { parseMoney } from '../../schemas/money.ts'
import type { NodeParts } from '../../runtime/node/node.ts'
import { exposureOf, type CreditLine } from '../../runtime/payments/tab.ts'
import type { TillContext } from '../../runtime/payments/till.machine.ts'
import type { ProviderDefinition } from './define.ts'

const CALLS = 64
const AMOUNT = '1'
/** What it has paid lets a payer owe so many times as much as a stranger. */
const EARNED_MAX = 16n

export interface Credit {
  /** How far the payer is trusted for calls by these terms. */
  lineOf(terms: Terms, payer: string): Pick<CreditLine, 'most' | 'amount'>
  /** Error `node.busy` where one call more would be beyond it; an agreement that `lane` had is replaced. */
  check(terms: Terms, payer: string, lane?: Hex32): void
  /** Checks, and counts an agreement whose invoke may come at any time, until its lane has another or it is invoked; gives what takes that back. Error `node.busy`. */
  promise(lane: Hex32, agreement: Hash, terms: Terms, payer: string): () => void
  /** Counts a call whose actor is not journaled yet; gives what takes that back. */
  begin(id: string, lane: Hex32, terms: Terms, payer: string): () => void
  /** Calls on the lane that are begun and not journaled yet. */
  beginning(lane: Hex32): number
  close(): void
}

interface Sum {
  readonly calls: number
  readonly amount: bigint
  readonly paid: bigint
}

const NOTHING: Sum = { calls: 0, amount: 0n, paid: 0n }
const plus = (one: Sum, other: Sum, sign: 1 | -1 = 1): Sum => ({ calls: one.calls + sign * other.calls, amount: one.amount + BigInt(sign) * other.amount, paid: one.paid + BigInt(sign) * other.paid })

/** What is unpaid on a lane, whichever way it is settled, and what was paid. */
function sumOf({ open, owed, escrow, tab, cumulative }: TillContext): Sum {
  const single = open?.invoked && !open.prepaid && !escrow ? BigInt(owed?.amount ?? open.cap) : 0n
  const many = tab ? exposureOf(tab) : NOTHING
  return { calls: many.calls + (single > 0n ? 1 : 0), amount: many.amount + single, paid: BigInt(cumulative) }
}

/** Whether a call by these terms can be lost at all. */
export function isOnCredit({ settle, cap }: Terms): boolean {
  return settle !== 'escrow' && settle !== 'prepaid' && cap !== '0'
}

/** Errors `input.invalid`, `money.invalid`. */
export function checkCredit({ calls = CALLS, amount = AMOUNT }: NonNullable<ProviderDefinition['credit']>): void {
  if (!Number.isSafeInteger(calls) || calls < 1) throw new AigenError('input.invalid', `${calls} is no credit.calls`, { path: 'credit.calls' })
  parseMoney(amount)
}

export function openCredit({ host, rail }: Pick<NodeParts, 'host' | 'rail'>, definitions: readonly ProviderDefinition[]): Credit {
  const lanes = new Map<string, Sum & { readonly payer: string }>()
  /** The same, by payer. */
  const payers = new Map<string, Sum>()
  /** By call or lane. */
  const coming = new Map<string, { readonly payer: string; readonly lane: Hex32; readonly amount: bigint; readonly agreement?: Hash }>()

  const note = (till: TillContext): void => {
    const before = lanes.get(till.lane)
    const now = { payer: till.payer, ...sumOf(till) }
    lanes.set(till.lane, now)
    payers.set(till.payer, plus(plus(payers.get(till.payer) ?? NOTHING, before ?? NOTHING, -1), now))
    if (till.open?.invoked || till.open?.agreement !== coming.get(till.lane)?.agreement) coming.delete(till.lane)
  }
  const count = (): void => {
    lanes.clear()
    payers.clear()
    for (const { snapshot } of host().list('till')) note(snapshot.context as TillContext)
  }
  count()
  const unshare = host().onShare(count)
  const unwatch = host().watch(({ kind, snapshot }) => {
    if (kind.name === 'till') note(snapshot.context as TillContext)
  })

  const lineOf: Credit['lineOf'] = (terms, payer) => {
    const { calls = CALLS, amount = AMOUNT } = definitions.find(({ capability }) => capability.id === terms.capability)?.credit ?? {}
    const first = parseMoney(amount, rail.terms.decimals)
    const { paid } = payers.get(payer) ?? NOTHING
    const earned = first * (EARNED_MAX - 1n)
    return { most: calls, amount: (first + (paid < earned ? paid : earned)).toString() }
  }

  const check: Credit['check'] = (terms, payer, lane) => {
    const { most, amount } = lineOf(terms, payer)
    const own = [...coming].filter(([id, one]) => one.payer === payer && id !== lane).map(([, one]) => one)
    const owes = plus(payers.get(payer) ?? NOTHING, { calls: own.length, amount: own.reduce((total, one) => total + one.amount, 0n), paid: 0n })
    if (owes.calls > 0 && (owes.calls >= most || owes.amount + BigInt(terms.cap) > BigInt(amount))) throw new AigenError('node.busy', 'too much is unpaid')
  }

  return {
    lineOf,
    check,
    promise: (lane, agreement, terms, payer) => {
      check(terms, payer, lane)
      const one = { payer, lane, agreement, amount: BigInt(terms.cap) }
      coming.set(lane, one)
      return () => {
        if (coming.get(lane) === one) coming.delete(lane)
      }
    },
    begin: (id, lane, { cap }, payer) => {
      coming.set(id, { payer, lane, amount: BigInt(cap) })
      return () => void coming.delete(id)
    },
    beginning: (lane) => [...coming.entries()].filter(([id, one]) => id !== lane && one.lane === lane).length,
    close: () => {
      unshare()
      unwatch()
    },
  }
}
