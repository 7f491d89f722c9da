import { afterEach, describe, expect, it } from 'vitest'
import { virtualClock } from '../../runtime/memory/clock.ts'
import type { MemoryJournalHooks } from '../../runtime/memory/journal.ts'
import { openLiar } from '../liar.fixture.ts'
import { dieAt, STRIDE } from '../die-at.fixture.ts'
import { keysOf, MemoryWorld, SHOUT, shouter } from '../memory-network.fixture.ts'
import { hire, type HireOptions } from '../user/hire.ts'
import { billNow, keyedRun } from '../user/run.ts'
import type { User } from '../user/user.ts'
import { available, type WalletContext } from '../user/wallet.machine.ts'

const seller = keysOf('p1').participant
const agent = keysOf('safe').participant
const call = { capability: SHOUT.id, input: { text: 'hi' }, maxPrice: '0.05', deadlineMs: 10_000, attempts: 1, settle: 'escrow', key: 'one' } satisfies HireOptions
type Who = 'payer' | 'provider' | 'agent'
interface Outcome { readonly how: 'accepted' | 'ruled'; readonly spent: bigint; readonly seller: bigint }
const ACCEPTED: Outcome = { how: 'accepted', spent: 11_000n, seller: 10_000n }
const RULED: Outcome = { how: 'ruled', spent: 1_000n, seller: 0n }

describe('in escrow, whoever dies at whichever append, nothing is lost and nothing paid twice (I1, I2)', () => {
  let world: MemoryWorld
  afterEach(() => world.close())

  const settled = async (user: User, { how, spent, seller: due }: Outcome, where: string, nth: number): Promise<void> => {
    const bill = await billNow(user, keyedRun('one'))
    expect(bill.steps[0], where).toMatchObject({ escrow: { state: how } })
    const wallet = user.node.host.context<WalletContext>('wallet')!
    expect(wallet.holds, where).toEqual({})
    expect(available(wallet), where).toBe(10_000_000n - spent)
    // What a payee was not asked for in time it claims by itself.
    const claimed = async (): Promise<boolean> => (await world.rail.balance(seller)) === due && (await world.rail.balance(agent)) === 1_000n
    for (let waited = 0; waited < 200_000 && !(await claimed()); waited += 5_000) await world.drive(world.clock.sleep(5_000))
    // Beyond the end of the challenge, now and then: what was settled once is not settled again.
    if (nth % 9 === 0) await world.drive(world.clock.sleep(150_000), 400_000)
    expect(await world.rail.balance(seller), where).toBe(due)
    expect(await world.rail.balance(agent), where).toBe(1_000n)
    expect(world.rail.imbalance(), where).toBe(0n)
  }
  const finish = (user: User): Promise<unknown> => hire(user, call).catch((error) => error)

  /** One run with the death of `who`; false when it was over before that. */
  const round = async (who: Who, outcome: Outcome, nth: number, when: 'before' | 'after'): Promise<boolean> => {
    world = new MemoryWorld({ clock: virtualClock() })
    const fault = dieAt(nth, when)
    const hooksOf = (one: Who): MemoryJournalHooks => (one === who ? fault.hooks : {})
    const safe = await world.drive(world.payments('safe', {}, hooksOf('agent')))
    const sell = (hooks: MemoryJournalHooks) => world.drive(world.provider(shouter('p1', '0.01', 90), hooks))
    const provider = outcome === ACCEPTED ? await sell(hooksOf('provider')) : undefined
    if (!provider) await world.drive(openLiar(world, 'p1', '0.01', { output: { text: 7 } }))
    const user = await world.drive(world.user('alice', {}, hooksOf('payer')))
    fault.arm()
    const hired = finish(user)
    const over = await world.drive(Promise.race([fault.died.then(() => 'died' as const), hired.then(() => 'done' as const)]))
    if (over === 'done') return false
    const where = `${who} killed ${when} append ${nth}`
    if (who === 'payer') {
      await user.kill()
      const again = await world.drive(world.user('alice'))
      await world.drive(finish(again), 300_000)
      await settled(again, outcome, where, nth)
    } else {
      if (who === 'agent') await safe.kill().then(() => world.drive(world.payments('safe')))
      else await provider!.kill().then(() => sell({}))
      await world.drive(hired, 300_000)
      await settled(user, outcome, where, nth)
    }
    await world.close()
    return true
  }

  it.each<[Who, string, Outcome, 'before' | 'after']>([
    ['payer', 'an accepted call', ACCEPTED, 'before'], ['payer', 'an accepted call', ACCEPTED, 'after'],
    ['payer', 'a disputed call', RULED, 'before'], ['payer', 'a disputed call', RULED, 'after'],
    ['provider', 'an accepted call', ACCEPTED, 'before'], ['provider', 'an accepted call', ACCEPTED, 'after'],
    ['agent', 'an accepted call', ACCEPTED, 'before'], ['agent', 'an accepted call', ACCEPTED, 'after'],
    ['agent', 'a disputed call', RULED, 'before'], ['agent', 'a disputed call', RULED, 'after'],
  ])('the %s in %s', async (who, _what, outcome, when) => {
    let nth = 1
    while (await round(who, outcome, nth, when)) expect(nth += STRIDE, 'it has an end').toBeLessThan(90)
    expect(nth).toBeGreaterThan(3)
  }, 120_000)
})
