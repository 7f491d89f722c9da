/**
 * Paid through a hub, under one lock: it pays the provider on its own lane when, and only when, it can
 * be paid for it. What the payer paid is what came to the hub; the rest beside the price is its fee.
 */
import { formatMoney, type Payments, type Provider, type User } from 'aigen'
import { ask, good, play, PRICE, seller, type Row, type Scene } from './books.ts'
import { both, judgesAll, keepsBack, neverWrites, silentOn } from './crooked.ts'
import type { Stage } from './stage.ts'

/** Half a percent of the price, the hub's default. */
const FEE = '0.00005'
const WITH_FEE = '0.01005'
/** A provider looks for what it can claim at least so often. */
const SWEEP_MS = 60_000

export async function hub(stage: Stage): Promise<Row[]> {
  const [honest, rubbish, mute, safe, gone, greedy, alice, mallory] = await Promise.all([
    stage.provider(seller('hub-honest')), stage.provider(seller('hub-rubbish', 'rubbish'), undefined, judgesAll(true, stage.evaluate)),
    stage.provider(seller('hub-mute'), both(silentOn('pay'), neverWrites('claim'))),
    stage.payments('hub-safe'), stage.payments('hub-gone', silentOn('pay', { acts: false })), stage.payments('hub-greedy', silentOn('pay')),
    stage.user('hub-alice'), stage.user('hub-mallory', keepsBack('pay')),
  ])
  const scene = (what: Omit<Scene, 'mode'>, user: User, provider: Provider, by: Payments): Promise<Row> => play(stage, { mode: 'hub', ...what }, provider, async (payee) => {
    const { participant, rail } = by.user.node
    const of = async (): Promise<bigint> => await rail.balance(participant) - await rail.balance(payee)
    const before = await of()
    const output = await ask(stage, user, payee, { settle: 'locked', through: { hub: participant, maxFee: '0.001' } })
    await stage.skip(2 * SWEEP_MS)
    return { outputs: good(output), worked: provider === honest ? 1 : 0, fee: formatMoney(await of() - before, rail.terms.decimals) }
  })
  return [
    await scene({ cheat: 'nobody', does: 'all as agreed, for a fee', most: { payer: FEE, provider: '0' } }, alice, honest, safe),
    await scene({ cheat: 'provider', does: 'seals rubbish', most: { payer: WITH_FEE, provider: '0' } }, alice, rubbish, safe),
    await scene({ cheat: 'provider', does: 'keeps the key to itself', most: { payer: '0', provider: '0' } }, alice, mute, safe),
    await scene({ cheat: 'payer', does: 'takes the sealed output and locks nothing', most: { payer: '0', provider: PRICE } }, mallory, honest, safe),
    await scene({ cheat: 'hub', does: 'takes the lock and is gone', most: { payer: '0', provider: PRICE } }, alice, honest, gone),
    await scene({ cheat: 'hub', does: 'has the key and keeps it', most: { payer: WITH_FEE, provider: '0' } }, alice, honest, greedy),
  ]
}
