/**
 * Paid for the key of an output that is there already: no key without payment, no payment without key.
 * What is sealed may still be rubbish, which costs the payer its price.
 */
import { ask, good, play, PRICE, seller, type Row } from './books.ts'
import { both, judgesAll, keepsBack, neverWrites, silentOn } from './crooked.ts'
import type { Stage } from './stage.ts'

/** A provider looks for what it can claim at least so often. */
const SWEEP_MS = 60_000

export async function locked(stage: Stage): Promise<Row[]> {
  const mode = 'locked'
  const settle = { settle: mode } as const
  const most = { payer: PRICE, provider: PRICE }
  const nothing = { payer: '0', provider: '0' }
  const [honest, rubbish, mute, alice, mallory, trudy] = await Promise.all([
    stage.provider(seller('lock-honest')), stage.provider(seller('lock-rubbish', 'rubbish'), undefined, judgesAll(true, stage.evaluate)),
    stage.provider(seller('lock-mute'), both(silentOn('pay'), neverWrites('claim'))),
    stage.user('lock-alice'), stage.user('lock-mallory', keepsBack('pay')), stage.user('lock-trudy', keepsBack('pay', 1)),
  ])
  return [
    await play(stage, { mode, cheat: 'nobody', does: 'all as agreed', most: nothing }, honest, async (payee) =>
      ({ outputs: good(await ask(stage, alice, payee, settle)), worked: 1 })),
    await play(stage, { mode, cheat: 'provider', does: 'seals rubbish', most }, rubbish, async (payee) =>
      ({ outputs: good(await ask(stage, alice, payee, settle)), worked: 0 })),
    await play(stage, { mode, cheat: 'provider', does: 'keeps the key to itself', most: nothing }, mute, async (payee) =>
      ({ outputs: good(await ask(stage, alice, payee, settle)), worked: 0 })),
    await play(stage, { mode, cheat: 'payer', does: 'takes the sealed output and locks nothing', most }, honest, async (payee) =>
      ({ outputs: good(await ask(stage, mallory, payee, settle)), worked: 1 })),
    await play(stage, { mode, cheat: 'payer', does: 'has the key and does not fold', most: nothing }, honest, async (payee) => {
      const outputs = good(await ask(stage, trudy, payee, settle))
      await stage.skip(2 * SWEEP_MS)
      return { outputs, worked: 1 }
    }),
  ]
}
