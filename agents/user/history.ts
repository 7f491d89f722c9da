/**
 * What a wallet did, oldest first: deposits, holds, reservations, payments, claims, releases and
 * withdrawals, each with the hash of its delivery or its transactions. Folded from the journal, so only
 * what took effect is told; what the chain confirmed is found by the key of the write. Looks only.
 * Used by `aigen wallet history` and by programs.
 */
import type { Address, Hash, Hex32 } from '../../schemas/documents.gen.ts'
import { formatMoney } from '../../schemas/money.ts'
import { run, type RunContext } from '../../pipelines/run.machine.ts'
import type { ActorEvent, ActorKind } from '../../runtime/actors/actor.ts'
import type { Image } from '../../runtime/actors/image.ts'
import { readActors, type ReadActors } from '../../runtime/actors/read-actors.ts'
import { advance, restore, type Outcome } from '../../runtime/actors/transition.ts'
import type { SenderContext } from '../../runtime/evm/sender.ts'
import { sender, type NodePorts } from '../../runtime/node/node.ts'
import { purse, type PurseContext } from '../../runtime/payments/purse.machine.ts'
import { wallet, type WalletContext } from './wallet.machine.ts'

/** Movements that are kept of a journal; the oldest go first. */
const MOVES_MAX = 10_000

/** One movement. */
export interface Movement {
  /** Ms since the epoch. */
  readonly at: number
  /** `payment` is a voucher for a delivery, `claim` what payees drew at the end of a run, `release` what it had held and did not spend. */
  readonly kind: 'deposit' | 'withdrawal' | 'hold' | 'reserve' | 'payment' | 'claim' | 'release'
  /** Decimal string of the dollar. */
  readonly amount: string
  readonly run?: string
  readonly payee?: Address
  readonly lane?: Hex32
  /** Hash of the delivery that is paid: with its voucher, the receipt. */
  readonly delivery?: Hash
  readonly to?: Address
  /** Those that are remembered. */
  readonly transactions?: readonly string[]
}

export interface Ledger {
  readonly actors: ReadActors
  readonly movements: readonly Movement[]
  /** Whether what lies further back was compacted, or was more than is kept. */
  readonly cut: boolean
}

/** A movement with the key of the chain write that made it. */
type Draft = Movement & { readonly key?: string }

/** Errors: `journal.*`, `network.*`. */
export async function readLedger({ journal, blobs, clock }: Pick<NodePorts, 'journal' | 'blobs' | 'clock'>): Promise<Ledger> {
  const drafts: Draft[] = []
  const states = new Map<string, Outcome['snapshot']>()
  let cut = false
  const kindOf = (actor: string): ActorKind | undefined => (actor === 'wallet' ? wallet : actor.startsWith('purse/') ? purse : undefined)
  const actors = await readActors({
    journal, blobs, clock, kinds: [wallet, purse, sender, run],
    onEvent: ({ actor, event }, problem) => {
      const kind = kindOf(actor)
      if (!kind || problem) return
      const before = states.get(actor)
      const { snapshot } = advance(kind, before, event)
      states.set(actor, snapshot)
      if (!before) return
      drafts.push(...(kind === wallet ? ofWallet : ofPurse)(before.context, snapshot.context, event))
      if (drafts.length > MOVES_MAX) cut = drafts.splice(0, drafts.length - MOVES_MAX).length > 0
    },
    onImage: (image: Image, problem) => {
      const kind = kindOf(image.actor)
      if (!kind) return
      cut = true
      if (problem) return
      const state = image.machine === kind.hash ? image.state : kind.migrate?.(image.state, image.machine)
      if (state) states.set(image.actor, restore(kind, state))
    },
  })
  const movements = drafts.flatMap((draft) => [...claimsOf(actors, draft), finished(actors, draft)])
  return { actors, movements: movements.toSorted((one, other) => one.at - other.at), cut }
}

const money = (atomic: bigint): string => formatMoney(atomic)
const runOf = (actor: string): string => actor.split('/', 2)[1]!

function ofWallet(before: WalletContext, after: WalletContext, event: ActorEvent): Draft[] {
  const { type, at = 0 } = event
  const id = String(event['id'])
  if (type === 'deposited' && before.deposits[id] === undefined) return [{ at, kind: 'deposit', amount: money(BigInt(after.deposits[id]!)), key: `${id}.open` }]
  const moved = after.withdrawals?.[id]
  if (type === 'withdraw.done' && moved && before.withdrawals?.[id]?.done === false) return [{ at, kind: 'withdrawal', amount: money(BigInt(moved.amount)), to: moved.to, key: id }]
  const actor = String(event['run'])
  const [was, is] = [before.holds[actor], after.holds[actor]]
  if (type === 'hold' && was === undefined && is !== undefined) return [{ at, kind: 'hold', amount: money(BigInt(is)), run: runOf(actor) }]
  if (type === 'close' && was !== undefined) return [{ at, kind: 'release', amount: money(BigInt(was) - BigInt(String(event['spent']))), run: runOf(actor) }]
  return []
}

function ofPurse(before: PurseContext, after: PurseContext, event: ActorEvent): Draft[] {
  const { type, at = 0 } = event
  const changed = Object.entries(after.lanes).filter(([key, lane]) => before.lanes[key] !== lane)
  if (type === 'lanes.reserve.done') {
    return changed.flatMap(([key, { payee, id, reserved }]) => {
      const more = BigInt(reserved) - BigInt(before.lanes[key]?.reserved ?? '0')
      return more > 0n ? [{ at, kind: 'reserve' as const, amount: money(more), payee, lane: id, key: String(event['key']) }] : []
    })
  }
  return changed.flatMap(([key, { payee, id, cumulative, payment }]) => {
    const more = BigInt(cumulative) - BigInt(before.lanes[key]?.cumulative ?? '0')
    if (more <= 0n) return []
    const hirer = String(event['for'])
    return [{ at, kind: 'payment' as const, amount: money(more), run: runOf(hirer), payee, lane: id, ...(payment ? { delivery: payment.delivery } : {}) }]
  })
}

/** With the transaction of the write that made it. */
function finished(actors: ReadActors, { key, ...movement }: Draft): Movement {
  if (key === undefined) return movement
  for (const { snapshot } of actors.list('sender')) {
    const found = (snapshot.context as SenderContext).results.find((one) => one.key === key)
    if (found?.hash) return { ...movement, transactions: [found.hash] }
  }
  return movement
}

/** Of a run that closed: what its payees had drawn by then. */
function claimsOf(actors: ReadActors, { kind, run: id, at }: Draft): Movement[] {
  const ended = kind === 'release' ? actors.context<RunContext>(`run/${id}`) : undefined
  if (!ended || ended.settled === '0') return []
  return [{ at, kind: 'claim', amount: money(BigInt(ended.settled)), run: ended.run, transactions: ended.transactions }]
}
