/**
 * How a wallet stands, from the journal beside the chain: balance, policy and lanes. Looks only, so
 * that it works while another process runs the participant. Used by `aigen wallet` and by programs.
 */
import type { Address, Hex32 } from '../../schemas/documents.gen.ts'
import { formatMoney } from '../../schemas/money.ts'
import type { Actors } from '../../runtime/actors/read-actors.ts'
import { limitsOf } from '../../runtime/payments/limits.ts'
import type { PurseContext } from '../../runtime/payments/purse.machine.ts'
import type { Rail } from '../../runtime/ports/rail.ts'
import { policyState, type RuleState } from './policy.ts'
import { available, type WalletContext } from './wallet.machine.ts'

/** Decimal strings of the dollar. */
export interface Balance {
  readonly deposited: string
  readonly spent: string
  /** Set aside for open runs. */
  readonly held: string
  readonly withdrawn: string
  /** What a new run could hold. */
  readonly available: string
  /** Null where the node has no chain to ask. */
  readonly chain: {
    readonly vault: Hex32
    /** In the vault and not reserved in lanes: what can be withdrawn. */
    readonly free: string
    /** Of the wallet's account, outside the vault. */
    readonly outside: string
  } | null
  readonly policy: readonly RuleState[]
}

/** A lane of the participant, as its journal and as the chain have it; decimal strings. */
export interface LaneLine {
  readonly lane: Hex32
  readonly payee: Address
  readonly number: number
  readonly reserved: string
  /** Signed away with the latest voucher. */
  readonly promised: string
  /** Drawn by the payee so far; null where the node has no chain to ask. */
  readonly claimed: string | null
  readonly state: 'idle' | 'in use' | 'reserving' | 'closed'
}

/** The balance; `rail` where there is a chain to ask. Errors: `chain.unreachable`, `journal.*`. */
export async function balanceOf(actors: Pick<Actors, 'look' | 'all'>, account: Address, at: number, rail?: Rail): Promise<Balance> {
  const context = (await actors.look<WalletContext>('wallet')) ?? { deposits: {}, holds: {}, spent: '0' }
  const sum = (amounts: readonly string[]): string => formatMoney(amounts.reduce((total, one) => total + BigInt(one), 0n))
  const purses = await pursesOf(actors)
  const vault = purses[0]?.vault
  const [state, outside] = rail ? await Promise.all([vault === undefined ? undefined : rail.vault(vault), rail.balance(account)]) : []
  return {
    deposited: sum(Object.values(context.deposits)), spent: sum([context.spent]), held: sum(Object.values(context.holds)),
    withdrawn: sum(Object.values(context.withdrawals ?? {}).map(({ amount }) => amount)), available: formatMoney(available(context)),
    chain: vault === undefined || outside === undefined ? null : { vault, free: formatMoney(state?.free ?? 0n), outside: formatMoney(outside) },
    policy: await rulesOf(actors, at),
  }
}

/** Every rule of the policy, those that the purses apply included. Errors: `journal.*`. */
export async function rulesOf(actors: Pick<Actors, 'look' | 'all'>, at: number): Promise<RuleState[]> {
  const context = (await actors.look<WalletContext>('wallet')) ?? { holds: {} }
  const ofPurses = limitsOf(await pursesOf(actors), at).map(({ rule, limit, spent, held }) => ({
    rule, limit: formatMoney(limit), spent: formatMoney(spent), held: formatMoney(held), left: formatMoney(limit > spent + held ? limit - spent - held : 0n),
  }))
  return [...policyState(context, at), ...ofPurses]
}

/** Every lane that the participant pays on. Errors: `chain.unreachable`, `journal.*`. */
export async function lanesOf(actors: Pick<Actors, 'all'>, rail?: Rail): Promise<LaneLine[]> {
  const lanes = (await pursesOf(actors)).flatMap((one) => Object.values(one.lanes))
  return Promise.all(lanes.map(async ({ id, payee, number, reserved, cumulative, reserving, use }) => {
    const onChain = rail ? await rail.lane(id) : undefined
    return {
      lane: id, payee, number, reserved: formatMoney(BigInt(reserved)), promised: formatMoney(BigInt(cumulative)),
      claimed: rail ? formatMoney(onChain?.claimed ?? 0n) : null,
      state: onChain?.closed ? 'closed' : reserving ? 'reserving' : use ? 'in use' : 'idle',
    } satisfies LaneLine
  }))
}

async function pursesOf(actors: Pick<Actors, 'all'>): Promise<PurseContext[]> {
  const found: PurseContext[] = []
  for await (const { snapshot } of actors.all('purse')) found.push(snapshot.context as PurseContext)
  return found
}
