/**
 * Staked before the work and decided by an agent that holds no money: who cheats alone gains nothing;
 * an agent that lies, or is silent when a provider cheats, costs one side one call.
 */
import type { Payments, Provider, User } from 'aigen'
import { ask, good, play, PRICE, seller, type Row, type Scene } from './books.ts'
import { judgesAll, keepsBack, rulesAlways, silentOn } from './crooked.ts'
import type { Stage } from './stage.ts'

const FEE = '0.001'
const CHALLENGE_MS = 30_000
/** A provider looks for what it can claim at least so often. */
const SWEEP_MS = 60_000

export async function escrow(stage: Stage): Promise<Row[]> {
  const terms = { fee: FEE, challengeMs: CHALLENGE_MS }
  const [honest, rubbish, safe, mute, liar, alice, mallory, trudy] = await Promise.all([
    stage.provider(seller('escrow-honest')), stage.provider(seller('escrow-rubbish', 'rubbish'), undefined, judgesAll(true, stage.evaluate)),
    stage.payments('escrow-safe', undefined, terms), stage.payments('escrow-mute', silentOn('complain', { acts: false }), terms), stage.payments('escrow-liar', rulesAlways(0n), terms),
    stage.user('escrow-alice'), stage.user('escrow-mallory', keepsBack('pay', 1)), stage.user('escrow-trudy', undefined, { evaluate: judgesAll(false, stage.evaluate) }),
  ])
  const scene = (what: Omit<Scene, 'mode'>, user: User, provider: Provider, agent: Payments): Promise<Row> => play(stage, { mode: 'escrow', ...what }, provider, async (payee) => {
    const output = await ask(stage, user, payee, { settle: 'escrow', escrow: { agent: agent.user.node.participant } })
    if (what.cheat !== 'nobody') await stage.skip(CHALLENGE_MS + 2 * SWEEP_MS)
    const worked = provider === honest ? 1 : 0
    // Who says of a good output that it is not has it all the same.
    return { outputs: user === trudy ? worked : good(output), worked, fee: FEE }
  })
  const fee = { payer: FEE, provider: '0' }
  return [
    await scene({ cheat: 'nobody', does: 'all as agreed, for a fee', most: fee }, alice, honest, safe),
    await scene({ cheat: 'provider', does: 'delivers rubbish', most: fee }, alice, rubbish, safe),
    await scene({ cheat: 'payer', does: 'takes the output and is silent', most: fee }, mallory, honest, safe),
    await scene({ cheat: 'payer', does: 'complains about a good output', most: fee }, trudy, honest, safe),
    await scene({ cheat: 'provider and arbiter', does: 'delivers rubbish, and the arbiter is silent', most: { payer: '0.011', provider: '0' } }, alice, rubbish, mute),
    await scene({ cheat: 'payer and arbiter', does: 'complains, and the arbiter rules for it', most: { payer: FEE, provider: PRICE } }, trudy, honest, liar),
  ]
}
