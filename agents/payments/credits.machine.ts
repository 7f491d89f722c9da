/**
 * The book of a payment provider's credit accounts, in double entry: what each has paid in (in dollars,
 * or in another asset at the rate of its invoice), has free, has held for calls under way, has spent,
 * has paid as fees and has taken out again. Every entry has a key and happens once (I1), sums to zero
 * in each asset (I2), and takes no account below zero: a call is held at its worst before it is
 * hired, so that this holds however many are bought at once (I4). One actor a node.
 */
import { assign, createMachine, enqueueActions } from 'xstate'
import type { Address } from '../../schemas/documents.gen.ts'
import { defineActor } from '../../runtime/actors/actor.ts'
import { balanceIn, post, type Book, type Postings } from '../../runtime/payments/ledger.ts'

/** The asset in which credit is kept; others are named as their invoices do. */
export const CREDIT_ASSET = 'USD'

/** Atomic. deposited = free + held + spent + fees + owed + refunded. */
export interface Account {
  readonly deposited: string
  readonly free: string
  readonly held: string
  readonly spent: string
  readonly fees: string
  /** Asked back, and not on the chain yet. */
  readonly owed: string
  readonly refunded: string
}

export interface Refund {
  readonly account: Address
  readonly amount: string
  readonly done: boolean
}

export interface CreditsContext {
  readonly book: Book
  /** Deposits that were posted, by what brought them, and invoices by the payment that settled them. */
  readonly posted: Readonly<Record<string, true | string>>
  /** Calls under way, by the purchase. */
  readonly holds: Readonly<Record<string, { readonly account: Address; readonly amount: string }>>
  /** Credit that was asked back, by account and key. */
  readonly refunds: Readonly<Record<string, Refund>>
}

export type CreditsEvent =
  | { type: 'deposit'; id: string; account: Address; amount: string }
  | { type: 'acknowledge'; id: string; reference: string; account: Address; amount: string; paid: { readonly asset: string; readonly amount: string } }
  | { type: 'hold'; id: string; account: Address; amount: string }
  | { type: 'settle'; id: string; spent: string; fee: string }
  | { type: 'refund'; id: string; account: Address; amount: string }
  | { type: 'refunded'; id: string }

/** Accounts of a participant that never fall below zero; the others are where its money came from. */
const OWN = ['free', 'held', 'spent', 'fees', 'owed', 'refunded'] as const
const neverNegative = (account: string): boolean => OWN.some((name) => account.endsWith(`:${name}`))

/** Postings of one participant's accounts. */
function of(account: Address, postings: Postings): Postings {
  return Object.fromEntries(Object.entries(postings).map(([name, amount]) => [`${account}:${name}`, amount]))
}

export function accountOf(context: Pick<CreditsContext, 'book'> | undefined, account: Address): Account {
  const has = (name: string): bigint => (context ? balanceIn(context.book, CREDIT_ASSET, `${account}:${name}`) : 0n)
  const own = Object.fromEntries(OWN.map((name) => [name, has(name).toString()])) as Record<(typeof OWN)[number], string>
  return { deposited: (-has('paid') - has('exchanged')).toString(), ...own }
}

/** How many participants have an account. */
export function accountsIn({ book }: Pick<CreditsContext, 'book'>): ReadonlySet<string> {
  return new Set(Object.keys(book[CREDIT_ASSET] ?? {}).map((account) => account.slice(0, account.indexOf(':'))))
}

type At<Type extends CreditsEvent['type']> = { readonly context: CreditsContext; readonly event: Extract<CreditsEvent, { type: Type }> }

/** The book after the entry; as before where an account would fall below zero. */
function entered(context: CreditsContext, kind: string, account: Address, postings: Postings, paid?: { readonly asset: string; readonly postings: Postings }): Book | undefined {
  return post(context.book, kind, { [CREDIT_ASSET]: of(account, postings), ...(paid ? { [paid.asset]: of(account, paid.postings) } : {}) }, neverNegative)
}

function deposited({ context, event: { id, account, amount } }: At<'deposit'>): Partial<CreditsContext> {
  const sum = BigInt(amount)
  return { posted: { ...context.posted, [id]: true }, book: entered(context, 'deposit', account, { paid: -sum, free: sum })! }
}

/** Both assets balance: what was exchanged stands between them. */
function acknowledged({ context, event: { id, reference, account, amount, paid } }: At<'acknowledge'>): Partial<CreditsContext> {
  const [sum, other] = [BigInt(amount), BigInt(paid.amount)]
  const book = entered(context, 'invoice', account, { exchanged: -sum, free: sum }, { asset: paid.asset, postings: { paid: -other, exchanged: other } })!
  return { posted: { ...context.posted, [id]: reference, [`payment/${reference}`]: id }, book }
}

function settled({ context, event: { id, spent, fee } }: At<'settle'>): Partial<CreditsContext> {
  const { [id]: hold, ...holds } = context.holds
  const [held, cost, due] = [BigInt(hold!.amount), BigInt(spent), BigInt(fee)]
  const book = entered(context, 'settle', hold!.account, { held: -held, spent: cost, fees: due, free: held - cost - due })
  return book ? { holds, book } : {}
}

const machine = createMachine({
  id: 'credits',
  types: {} as { context: CreditsContext; events: CreditsEvent },
  context: { book: {}, posted: {}, holds: {}, refunds: {} },
  initial: 'open',
  states: {
    open: {
      on: {
        deposit: { guard: ({ context, event }) => context.posted[event.id] === undefined, actions: assign((at) => deposited(at as At<'deposit'>)) },
        // One payment settles one invoice, once; who acknowledges it sees in the context which.
        acknowledge: {
          guard: ({ context, event }) => context.posted[event.id] === undefined && context.posted[`payment/${event.reference}`] === undefined,
          actions: assign((at) => acknowledged(at as At<'acknowledge'>)),
        },
        hold: {
          actions: enqueueActions(({ context, event: { id, account, amount }, enqueue }) => {
            const tell = (type: string): void => enqueue({ type: 'tell', params: { to: id, event: { type } } } as any)
            if (context.holds[id]) return tell('held')
            const book = entered(context, 'hold', account, { free: -BigInt(amount), held: BigInt(amount) })
            if (!book) return tell('short')
            enqueue.assign({ holds: { ...context.holds, [id]: { account, amount } }, book })
            return tell('held')
          }),
        },
        settle: { guard: ({ context, event }) => context.holds[event.id] !== undefined, actions: assign((at) => settled(at as At<'settle'>)) },
        // Set aside first, in the account as in the wallet that pays it out.
        refund: {
          guard: ({ context, event }) => context.refunds[event.id] === undefined && BigInt(event.amount) > 0n && BigInt(event.amount) <= BigInt(accountOf(context, event.account).free),
          actions: assign(({ context, event: { id, account, amount } }) => ({
            refunds: { ...context.refunds, [id]: { account, amount, done: false } }, book: entered(context, 'refund', account, { free: -BigInt(amount), owed: BigInt(amount) })!,
          })),
        },
        refunded: {
          guard: ({ context, event }) => context.refunds[event.id]?.done === false,
          actions: assign(({ context, event: { id } }) => {
            const refund = context.refunds[id]!
            return { refunds: { ...context.refunds, [id]: { ...refund, done: true } }, book: entered(context, 'refunded', refund.account, { owed: -BigInt(refund.amount), refunded: BigInt(refund.amount) })! }
          }),
        },
      },
    },
  },
})

/** The first version kept four figures an account: the same in double entry. */
function migrate(state: any, version: string): object | undefined {
  if (!version.startsWith('credits@1:')) return undefined
  const { accounts, posted, holds } = state.context as { accounts: Record<Address, Record<'deposited' | 'held' | 'spent' | 'fees', string>>; posted: Record<string, true>; holds: CreditsContext['holds'] }
  let book: Book = {}
  for (const [account, { deposited: paid, held, spent, fees }] of Object.entries(accounts)) {
    const [sum, kept, cost, due] = [BigInt(paid), BigInt(held), BigInt(spent), BigInt(fees)]
    book = post(book, 'migrate', { [CREDIT_ASSET]: of(account as Address, { paid: -sum, held: kept, spent: cost, fees: due, free: sum - kept - cost - due }) }, () => false)!
  }
  return { ...state, context: { book, posted, holds, refunds: {} } satisfies CreditsContext }
}

export const credits = defineActor('credits', '2', machine, { pays: [], holds: [], rests: { open: 'asked by purchases, deposits, and who pays out or acknowledges' } }, { migrate })
