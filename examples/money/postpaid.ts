/**
 * Paid after a delivery that passes what was agreed: a provider that delivers rubbish is owed nothing,
 * a payer that takes the output and does not pay gets one call, no second on that lane, and on other
 * lanes no more than the provider's credit.
 */
import { ask, good, play, PRICE, seller, type Row } from './books.ts'
import { judgesAll, keepsBack } from './crooked.ts'
import type { Stage } from './stage.ts'

const CREDIT = '0.02'

export async function postpaid(stage: Stage): Promise<Row[]> {
  const mode = 'postpaid'
  const settle = { settle: mode } as const
  const most = { payer: '0', provider: PRICE }
  const [honest, wary, rubbish, alice, mallory] = await Promise.all([
    stage.provider(seller('post-honest')), stage.provider({ ...seller('post-wary'), credit: { amount: CREDIT } }), stage.provider(seller('post-rubbish', 'rubbish'), undefined, judgesAll(true, stage.evaluate)),
    stage.user('post-alice'), stage.user('post-mallory', keepsBack('pay')),
  ])
  return [
    await play(stage, { mode, cheat: 'nobody', does: 'all as agreed', most: { payer: '0', provider: '0' } }, honest, async (payee) =>
      ({ outputs: good(await ask(stage, alice, payee, settle)), worked: 1 })),
    await play(stage, { mode, cheat: 'provider', does: 'delivers rubbish', most }, rubbish, async (payee) =>
      ({ outputs: good(await ask(stage, alice, payee, settle)), worked: 0 })),
    await play(stage, { mode, cheat: 'payer', does: 'takes the output and pays nothing', most }, honest, async (payee) =>
      ({ outputs: good(await ask(stage, mallory, payee, settle)), worked: 1 })),
    await play(stage, { mode, cheat: 'payer', does: `the same on lane after lane; credit ${CREDIT}`, most: { payer: '0', provider: CREDIT } }, wary, async (payee) => {
      let outputs = 0
      for (let lanes = 0; lanes < 4; lanes++) outputs += good(await ask(stage, mallory, payee, settle))
      return { outputs, worked: outputs }
    }),
  ]
}
