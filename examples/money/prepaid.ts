/**
 * Paid before the work: a provider that takes the money and leaves costs its price, a payer that
 * leaves at once costs nothing, since the provider has the voucher and a vault's delay to claim it.
 */
import { ask, good, play, PRICE, seller, type Row } from './books.ts'
import { keepsBack, silentOn } from './crooked.ts'
import { pause, vaultOf, type Stage } from './stage.ts'

export async function prepaid(stage: Stage): Promise<Row[]> {
  const mode = 'prepaid'
  const settle = { settle: mode } as const
  const most = { payer: PRICE, provider: '0' }
  const [honest, gone, alice, mallory] = await Promise.all([
    stage.provider(seller('pre-honest')), stage.provider(seller('pre-gone'), silentOn('invoke')),
    stage.user('pre-alice'), stage.user('pre-mallory', keepsBack('settle')),
  ])
  return [
    await play(stage, { mode, cheat: 'nobody', does: 'all as agreed', most: { payer: '0', provider: '0' } }, honest, async (payee) =>
      ({ outputs: good(await ask(stage, alice, payee, settle)), worked: 1 })),
    await play(stage, { mode, cheat: 'provider', does: 'takes the money and is silent', most }, gone, async (payee) =>
      ({ outputs: good(await ask(stage, alice, payee, settle)), worked: 0 })),
    await play(stage, { mode, cheat: 'payer', does: 'takes the output and closes the lane', most }, honest, async (payee) => {
      const { rail, keys, participant } = mallory.node
      const outputs = good(await ask(stage, mallory, payee, settle))
      const { delay } = vaultOf(mallory)
      const lane = rail.laneId(rail.vaultId(vaultOf(mallory)), payee, 0)
      const write = async (kind: 'exit' | 'finalize'): Promise<void> => {
        const { bytes, hash } = await rail.prepare({ kind, lane }, keys.wallet, await rail.nonce(participant))
        await rail.broadcast(bytes)
        // A node answers before it is mined: the day must not begin to pass before the exit counts.
        while ((await rail.outcome(hash)).state !== 'done') await pause(5)
      }
      await write('exit')
      await stage.skip((delay + 60) * 1_000, 60)
      await write('finalize')
      return { outputs, worked: 1 }
    }),
  ]
}
