import { afterEach, describe, expect, it } from 'vitest'
import { virtualClock } from '../../runtime/memory/clock.ts'
import { keysOf, MemoryWorld, SHOUT, shouter } from '../memory-network.fixture.ts'
import { hire } from './hire.ts'
import { readLedger } from './history.ts'
import { balanceOf, lanesOf } from './statement.ts'
import { deposit, setPolicy, withdraw } from './treasury.ts'

const OTHER = '0x00000000000000000000000000000000000000aa'

describe('an owner’s wallet', () => {
  let world: MemoryWorld
  afterEach(() => world.close())
  const opened = async () => {
    world = new MemoryWorld({ clock: virtualClock() })
    await world.drive(world.provider(shouter('p1', '0.01', 90)))
    return world.drive(world.user('alice'))
  }

  it('refuses a run that its policy does not allow before anything is asked for, and says which rule', async () => {
    const user = await opened()
    const call = { capability: SHOUT.id, input: { text: 'hi' }, maxPrice: '0.02' }
    await world.drive(setPolicy(user, { perDay: '0.1', capabilities: { [SHOUT.id]: '0.045' } }))
    expect((await world.drive(hire(user, call))).charged).toBe('0.01')
    await expect(world.drive(hire(user, call))).rejects.toMatchObject({ code: 'policy.refused', path: `capabilities.${SHOUT.id}` })
    await world.drive(setPolicy(user, { perDay: '0.045' }))
    await expect(world.drive(hire(user, call))).rejects.toMatchObject({ code: 'policy.refused', path: 'perDay' })
    // A payee's limit counts from when it is set; nobody else is left then, and why is told.
    await world.drive(setPolicy(user, { payees: { [keysOf('p1').participant]: '0.015' } }))
    expect((await world.drive(hire(user, call))).charged).toBe('0.01')
    await expect(world.drive(hire(user, call))).rejects.toMatchObject({ code: 'policy.refused', path: 'steps.call', message: expect.stringContaining(`payees.${keysOf('p1').participant} allows 0.015, 0.005 of it is left`) })
    await world.drive(setPolicy(user, {}))
    expect((await world.drive(hire(user, call))).charged).toBe('0.01')
  })

  it('deposits and withdraws; its books and the chain agree, and its history names receipts and transactions', async () => {
    const user = await opened()
    const { node } = user
    await world.drive(hire(user, { capability: SHOUT.id, input: { text: 'hi' }, maxPrice: '0.02' }))
    const put = await world.drive(deposit(user, { amount: '5', faucet: true }))
    expect(put).toMatchObject({ amount: '5', available: '14.99' })
    const before = await node.rail.balance(OTHER)
    expect(await world.drive(withdraw(user, { amount: '2.5', to: OTHER }))).toMatchObject({ amount: '2.5', to: OTHER, available: '12.49' })
    expect(await node.rail.balance(OTHER) - before).toBe(2_500_000n)
    await expect(world.drive(withdraw(user, { amount: '13' }))).rejects.toMatchObject({ code: 'wallet.empty' })

    const { movements, actors, cut } = await world.drive(readLedger(world.ports('alice')))
    const balance = await balanceOf(actors, node.participant, node.clock.now(), node.rail)
    expect(balance).toMatchObject({ deposited: '15', spent: '0.01', held: '0', withdrawn: '2.5', available: '12.49' })
    const [lane, ...none] = await lanesOf(actors, node.rail)
    expect([lane, none]).toMatchObject([{ promised: '0.01', claimed: '0.01' }, []])
    // What the wallet may spend is in the vault: free there, or reserved and not yet promised.
    expect(Number(balance.chain!.free) + Number(lane!.reserved) - Number(lane!.promised)).toBeCloseTo(12.49, 9)
    expect(cut).toBe(false)
    expect(movements.map(({ kind, amount }) => [kind, amount])).toEqual([
      ['deposit', '10'], ['hold', '0.04'], ['reserve', lane!.reserved], ['payment', '0.01'], ['claim', '0.01'], ['release', '0.03'], ['deposit', '5'], ['withdrawal', '2.5'],
    ])
    expect(movements.find(({ kind }) => kind === 'payment')).toMatchObject({ delivery: expect.stringMatching(/^sha256-/), payee: lane!.payee, lane: lane!.lane, run: expect.stringMatching(/^run_/) })
    for (const one of movements.filter(({ kind }) => ['deposit', 'reserve', 'claim', 'withdrawal'].includes(kind))) expect(one.transactions).toEqual([expect.stringMatching(/^0x[0-9a-f]{64}$/)])
  })
})
