/**
 * What an owner does with a wallet: deposit into the vault, withdraw from it, and say what may be
 * spent. Money that goes out is set aside in the wallet before the chain is asked (I4), and what a
 * crash leaves under way is finished when the node is opened again. Used by `openUser`, `aigen wallet`
 * and programs.
 */
import { canonicalText } from '../../schemas/canonical.ts'
import type { Address } from '../../schemas/documents.gen.ts'
import { AigenError, asError } from '../../schemas/error.ts'
import { participantId } from '../../schemas/id.ts'
import { formatMoney, parseMoney } from '../../schemas/money.ts'
import type { Node } from '../../runtime/node/node.ts'
import type { LaneLimits } from '../../runtime/payments/lane.ts'
import { purseActor, type PurseContext } from '../../runtime/payments/purse.machine.ts'
import { writeThrough } from '../../runtime/payments/write.ts'
import { encodeWrite } from '../../runtime/ports/rail-json.ts'
import type { VaultTerms } from '../../runtime/ports/rail.ts'
import { policyOf, type RuleState, type SpendingPolicy } from './policy.ts'
import { rulesOf } from './statement.ts'
import { available, type WalletContext } from './wallet.machine.ts'

/** Seconds that payees have to claim after an exit is begun. */
const CHALLENGE_DELAY = 86_400

type Treasurer = Pick<Node, 'host' | 'rail' | 'participant' | 'keys'>

/** The participant's vault: its wallet owns it, its voucher key signs for it. */
export function vaultOf({ participant, keys }: Pick<Node, 'participant' | 'keys'>): VaultTerms {
  return { owner: participant, voucherKey: keys.voucher.address.toLowerCase() as Address, delay: CHALLENGE_DELAY, number: 0 }
}

/**
 * Moves `amount` (atomic) from the wallet's account into its vault. Said again under the same `id` it
 * is the same deposit; it counts once it is mined. Errors: `wallet.empty` where the account has less
 * and there is no faucet; `chain.*`.
 */
export async function payIn({ host, rail, participant, keys }: Treasurer, { id, amount, faucet }: { readonly id: string; readonly amount: bigint; readonly faucet: boolean }): Promise<void> {
  const bring = async (as: string): Promise<void> => {
    const write = (key: string, what: Parameters<typeof encodeWrite>[0]): Promise<unknown> => writeThrough(host, participant, `${as}.${key}`, 'wallet', encodeWrite(what))
    if (faucet) await write('mint', { kind: 'mint', to: participant, amount })
    else if ((await rail.balance(participant)) < amount) throw new AigenError('wallet.empty', `${participant} needs ${formatMoney(amount, rail.terms.decimals)} ${rail.terms.symbol} for its vault`)
    // A relayed deposit is an authorisation of its own.
    if (rail.relayed !== true) await write('approve', { kind: 'approve', amount })
    await write('open', { kind: 'open', vault: vaultOf({ participant, keys }), amount })
  }
  await bring(id).catch((thrown: unknown) => {
    // A disk that has forgotten a deposit may still know its mint, whose dollars are in the vault: as when it has forgotten both, there are more from the faucet.
    if (!faucet || asError(thrown).code !== 'chain.reverted') throw thrown
    return bring(`${id}.again`)
  })
  await host.send('wallet', { type: 'deposited', id, amount: amount.toString() })
}

export interface DepositOptions {
  /** Decimal string of the dollar. */
  readonly amount: string
  /** Whether test dollars may be minted for it (devnet only). Default false. */
  readonly faucet?: boolean
}

/**
 * Deposits; what the wallet may spend then, decimal string. Called again before the first is mined,
 * with the same amount, it is the same deposit. Errors: those of `payIn`, `money.invalid`.
 */
export async function deposit({ node }: { readonly node: Node }, { amount: text, faucet = false }: DepositOptions): Promise<{ readonly id: string; readonly amount: string; readonly available: string }> {
  const { decimals } = node.rail.terms
  const amount = parseMoney(text, decimals)
  if (amount === 0n) throw new AigenError('money.invalid', 'nothing is deposited')
  const id = `deposit.${Object.keys((await walletOf(node)).deposits).length + 1}.${amount}`
  await payIn(node, { id, amount, faucet })
  return { id, amount: formatMoney(amount, decimals), available: formatMoney(available(await walletOf(node)), decimals) }
}

export interface WithdrawOptions {
  /** Decimal string of the dollar. */
  readonly amount: string
  /** Account that gets it; default the wallet's own. */
  readonly to?: string
}

/**
 * Withdraws what no run holds and no lane has reserved; resolves when it is mined.
 *
 * - `wallet.empty`: less is free, in the wallet or in the vault; nothing was done.
 * - `chain.reverted`: the chain refused it; nothing was done.
 * - `chain.unreachable`, `network.timeout`: it is not known yet; it goes on when the node is opened.
 */
export async function withdraw({ node }: { readonly node: Node }, { amount: text, to: account }: WithdrawOptions): Promise<{ readonly id: string; readonly amount: string; readonly to: Address; readonly available: string }> {
  const { rail, host, participant } = node
  const { decimals, symbol } = rail.terms
  const amount = parseMoney(text, decimals)
  if (amount === 0n) throw new AigenError('money.invalid', 'nothing is withdrawn')
  const to = account === undefined ? participant : participantId(account)
  const money = (atomic: bigint): string => `${formatMoney(atomic < 0n ? 0n : atomic, decimals)} ${symbol}`
  const free = (await rail.vault(rail.vaultId(vaultOf(node))))?.free ?? 0n
  if (amount > free) throw new AigenError('wallet.empty', `${money(free)} of the vault is not reserved in lanes`)
  const id = `withdrawal.${Object.keys((await walletOf(node)).withdrawals ?? {}).length + 1}.${Buffer.from(node.random.bytes(6)).toString('hex')}`
  const { snapshot } = await host.send('wallet', { type: 'withdraw', id, amount: amount.toString(), to })
  const context = snapshot.context as WalletContext
  if (!context.withdrawals?.[id]) throw new AigenError('wallet.empty', `${money(available(context))} is free of what runs hold`)
  await payOut(node, id)
  return { id, amount: formatMoney(amount, decimals), to, available: formatMoney(available(await walletOf(node)), decimals) }
}

/** Goes on with withdrawals that a crash, or a chain that did not answer, left under way. Never fails: what cannot be done now stays set aside. */
export async function finishWithdrawals(node: Treasurer): Promise<void> {
  const open = Object.entries((await walletOf(node)).withdrawals ?? {}).filter(([, { done }]) => !done)
  for (const [id] of open) await payOut(node, id).catch(() => undefined)
}

/** Brings a withdrawal that was set aside to the chain; done already, it changes nothing. Errors: `chain.*`, `network.timeout`. */
export async function payOut(node: Treasurer, id: string): Promise<void> {
  const { host, rail, participant } = node
  const { amount, to } = (await walletOf(node)).withdrawals![id]!
  try {
    await writeThrough(host, participant, id, 'wallet', encodeWrite({ kind: 'withdraw', vault: rail.vaultId(vaultOf(node)), amount: BigInt(amount), to }))
  } catch (thrown) {
    if (!asError(thrown).rule.retry) await host.send('wallet', { type: 'withdraw.failed', id })
    throw thrown
  }
  await host.send('wallet', { type: 'withdraw.done', id })
}

/**
 * What runs may hold and cost from now on, in place of the policy before; `{}` limits nothing. Amounts
 * are decimal strings. What open runs hold already they keep. Errors: those of `policyOf`.
 *
 * @example await setPolicy(user, { perRun: '0.50', perDay: '5.00', capabilities: { 'vision.ocr@1': '1.00' } })
 */
export async function setPolicy({ node }: { readonly node: Node }, policy: SpendingPolicy): Promise<RuleState[]> {
  await node.host.send('wallet', { type: 'policy', policy: policyOf(policy) })
  await limitPurses(node)
  return rulesOf(node.host, node.clock.now())
}

/** Tells the purses what the policy says of payees and the voucher key, where they do not know it yet: also what a crash left untold. */
export async function limitPurses(node: Pick<Node, 'host'>): Promise<void> {
  const { policy: { payees, key } = {} } = await walletOf(node)
  const limits: LaneLimits = { ...(payees ? { payees } : {}), ...(key === undefined ? {} : { key }) }
  for (let partition = 0; partition < node.host.width; partition++) {
    const known = (await node.host.look<PurseContext>(purseActor(partition)))!.limits ?? {}
    if (canonicalText(known) !== canonicalText(limits)) await node.host.send(purseActor(partition), { type: 'limits', limits })
  }
}

async function walletOf({ host }: Pick<Node, 'host'>): Promise<WalletContext> {
  return (await host.look<WalletContext>('wallet'))!
}
