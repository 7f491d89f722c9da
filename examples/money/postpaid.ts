/**
 * Paid after a delivery that passes what was agreed: a provider that delivers rubbish is owed nothing,
 * a payer that takes the output and does not pay gets one call, and no second on that lane.
 */
import { ask, good, play, PRICE, seller, type Row } from './books.ts'
import { judgesAll, keepsBack } from './crooked.ts'
import type { Stage } from './stage.ts'

export async function postpaid(stage: Stage): Promise<Row[]> {
  const mode = 'postpaid'
  const settle = { settle: mode } as const
  const most = { payer: '0', provider: PRICE }
  const [honest, rubbish, alice, mallory] = await Promise.all([
    stage.provider(seller('post-honest')), stage.provider(seller('post-rubbish', 'rubbish'), undefined, judgesAll(true, stage.evaluate)),
    stage.user('post-alice'), stage.user('post-mallory', keepsBack('pay')),
  ])
  return [
    await play(stage, { mode, cheat: 'nobody', does: 'all as agreed', most: { payer: '0', provider: '0' } }, honest, async (payee) =>
      ({ outputs: good(await ask(stage, alice, payee, settle)), worked: 1 })),
    await play(stage, { mode, cheat: 'provider', does: 'delivers rubbish', most }, rubbish, async (payee) =>
      ({ outputs: good(await ask(stage, alice, payee, settle)), worked: 0 })),
    await play(stage, { mode, cheat: 'payer', does: 'takes the output and pays nothing', most }, honest, async (payee) =>
      ({ outputs: good(await ask(stage, mallory, payee, settle)), worked: 1 })),
  ]
}
