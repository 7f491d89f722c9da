/** A light node hires, pays and settles like a full one, and is deceived by no relay (DESIGN Words, I1, I4, I8). */
import { afterEach, describe, expect, it } from 'vitest'
import type { RunContext } from '../pipelines/run.machine.ts'
import { virtualClock } from '../runtime/memory/clock.ts'
import type { MemoryJournalHooks } from '../runtime/memory/journal.ts'
import type { Node, NodePorts } from '../runtime/node/node.ts'
import type { Rail } from '../runtime/ports/rail.ts'
import type { ChainProof } from '../runtime/ports/chain-proofs.ts'
import { keysOf, MemoryWorld, SHOUT, shouter } from './memory-network.fixture.ts'
import type { RelayContext } from './payments/relay.machine.ts'
import { hire } from './user/hire.ts'
import { finishRun, listRuns } from './user/run.ts'
import { available, type WalletContext } from './user/wallet.machine.ts'
import type { User } from './user/user.ts'

const call = { capability: SHOUT.id, input: { text: 'hi' }, maxPrice: '0.02' }

describe('a light node', () => {
  let world: MemoryWorld
  afterEach(() => world.close())

  async function ground(...relays: ((ports: NodePorts) => NodePorts)[]): Promise<Node[]> {
    world = new MemoryWorld({ clock: virtualClock() })
    await world.drive(world.provider(shouter('p1', '0.01', 90)))
    return Promise.all(relays.map((change, i) => world.drive(world.relay(`relay ${i}`, change))))
  }
  const honest = (ports: NodePorts): NodePorts => ports
  /** A relay whose chain, as it tells it, is another. */
  const lying = (change: (rail: Rail) => Partial<Rail>) => (ports: NodePorts): NodePorts => ({ ...ports, rail: Object.assign(Object.create(ports.rail) as Rail, change(ports.rail)) })
  const lyingProofs = (change: (proof: ChainProof) => ChainProof) => lying(({ proofs }) => ({ proofs: { ...proofs!, prove: async (reads) => change(await proofs!.prove(reads)) } }))

  const balanced = async (user: User, spent: bigint): Promise<void> => {
    expect(world.rail.imbalance()).toBe(0n)
    expect(available(user.node.host.context<WalletContext>('wallet')!)).toBe(10_000_000n - spent)
    expect(await world.rail.balance(keysOf('p1').participant)).toBe(spent)
  }

  it.each(['full', 'light'] as const)('hires, pays and settles like any other: %s', async (kind) => {
    const relays = await ground(honest, honest)
    const user = await world.drive(kind === 'full' ? world.user('alice') : world.lightUser('alice', relays))
    const { output, charged, bill } = await world.drive(hire(user, call))
    expect([output, charged, bill.settled]).toEqual([{ text: 'HI', quality: 90 }, '0.01', '0.01'])
    await balanced(user, 10_000n)
    await expect(world.drive(hire(user, { ...call, maxPrice: '0.001' }))).rejects.toMatchObject({ code: expect.stringMatching(/^(market|step)\./) })
  })

  it('sends nothing to the chain itself: its account is at its first nonce', async () => {
    const relays = await ground(honest)
    const user = await world.drive(world.lightUser('alice', relays))
    await world.drive(hire(user, call))
    expect(await world.rail.nonce(user.node.participant)).toBe(0)
    expect(await world.rail.nonce(relays[0]!.participant)).toBeGreaterThan(2)
  })

  it.each([
    ['an altered word', lyingProofs((proof) => ({ ...proof, accounts: proof.accounts.map((one) => ({ ...one, slots: one.slots.map((slot) => ({ ...slot, proof: slot.proof.map(flip) })) })) }))],
    ['no words', lyingProofs((proof) => ({ ...proof, accounts: proof.accounts.map((one) => ({ ...one, slots: one.slots.map((slot) => ({ ...slot, proof: [] })) })) }))],
    ['another account', lyingProofs((proof) => ({ ...proof, accounts: proof.accounts.map((one) => ({ ...one, account: `0x${'11'.repeat(20)}` })) }))],
    ['another header', lyingProofs((proof) => ({ ...proof, header: flip(proof.header) }))],
    ['an unreadable header', lyingProofs((proof) => ({ ...proof, header: '0x00' }))],
  ])('believes no relay that proves %s, and asks the next', async (what, liar) => {
    const relays = await ground(liar, honest, honest)
    const user = await world.drive(world.lightUser('alice', relays, { quorum: 2 }))
    expect(await world.drive(hire(user, call))).toMatchObject({ charged: '0.01' })
    await balanced(user, 10_000n)
    // A whole other header is another chain: only a quorum tells it from the real one.
    if (what === 'another header') return
    const alone = await world.drive(world.lightUser('bob', relays.slice(0, 1), { deposit: 0n }))
    await expect(world.drive(alone.node.rail.balance(user.node.participant))).rejects.toMatchObject({ code: 'chain.unproven' })
  })

  it('believes no block that too few relays name, and none that is stale', async () => {
    const relays = await ground(honest, honest)
    await world.drive(world.user('carol'))
    let old: ChainProof | undefined
    const stale = await world.drive(world.relay('stale', lying(({ proofs }) => ({ proofs: { ...proofs!, prove: async (reads) => (old ??= await proofs!.prove(reads)) } }))))
    const bob = await world.drive(world.lightUser('bob', [stale], { deposit: 0n }))
    const first = await world.drive(bob.node.rail.balance(keysOf('carol').participant))
    for (let i = 0; i < 8; i++) await world.rail.broadcast((await world.rail.prepare({ kind: 'mint', to: keysOf('dave').participant, amount: 1n }, keysOf('dave').wallet, i)).bytes)
    const both = await world.drive(world.lightUser('erin', [stale, relays[0]!], { deposit: 0n, quorum: 2 }))
    // The stale one is asked first: its block is real, and too far behind what the other has seen.
    await expect(world.drive(both.node.rail.head())).resolves.toMatchObject({ block: (await world.rail.head()).block })
    expect(first).toBe(0n)
    const fork = await world.drive(world.relay('fork', lying(({ proofs }) => ({
      proofs: {
        prove: async (reads) => ({ ...await proofs!.prove(reads), header: flip((await proofs!.prove(reads)).header) }),
        block: async (number) => ({ hash: `0x${'ab'.repeat(32)}`, head: number }),
      },
    }))))
    const frank = await world.drive(world.lightUser('frank', [relays[0]!, fork], { deposit: 0n, quorum: 2 }))
    await expect(world.drive(frank.node.rail.head())).rejects.toMatchObject({ code: 'chain.unproven', message: expect.stringMatching(/1 of 2 relays/) })
  })

  it('a relay that takes orders and sits on them costs time, no money', async () => {
    const relays = await ground(lying(() => ({ broadcast: async () => `0x${'00'.repeat(32)}` as const })), honest)
    const user = await world.drive(world.lightUser('alice', relays, { quorum: 1 }), 400_000)
    expect(await world.drive(hire(user, call), 400_000)).toMatchObject({ charged: '0.01' })
    await balanced(user, 10_000n)
  })

  it('a relay that says it is done when it is not is not believed', async () => {
    const done = { state: 'done', ok: true, block: 1, paid: [], refused: [] } as const
    const relays = await ground(lying(() => ({ broadcast: async () => `0x${'00'.repeat(32)}` as const, outcome: async () => done })), honest)
    const user = await world.drive(world.lightUser('alice', relays, { quorum: 1 }), 400_000)
    expect((await world.drive(user.node.rail.vault(user.node.rail.vaultId(vaultOf(user)))))?.free).toBe(10_000_000n)
    expect(await world.drive(hire(user, call), 400_000)).toMatchObject({ charged: '0.01' })
    await balanced(user, 10_000n)
  })

  it('a relay that alters an amount, redirects or repeats a word moves nothing', async () => {
    const relays = await ground(honest)
    const user = await world.drive(world.lightUser('alice', relays))
    await world.drive(hire(user, call))
    const { rail, keys } = user.node
    const thief = keysOf('relay 0').wallet
    const vault = rail.vaultId(vaultOf(user))
    const before = await world.rail.vault(vault)
    await world.rail.broadcast((await world.rail.prepare({ kind: 'mint', to: user.node.participant, amount: 500n }, thief, await world.rail.nonce(thief.address))).bytes)
    const { bytes } = await world.drive(rail.prepare({ kind: 'open', vault: vaultOf(user), amount: 500n }, keys.wallet, 99))
    const { write } = JSON.parse(Buffer.from(bytes.slice(2), 'hex').toString()) as { write: any }
    const authorisation = { ...write.authorisation, amount: 500n }
    const attempt = async (change: object): Promise<unknown> => world.rail.prepare({ kind: 'open-authorised', authorisation: { ...authorisation, ...change }, signature: write.signature }, thief, await world.rail.nonce(thief.address))
    await expect(attempt({ amount: 400n })).rejects.toMatchObject({ code: 'chain.reverted' })
    await expect(attempt({ vault: { ...authorisation.vault, owner: thief.address } })).rejects.toMatchObject({ code: 'chain.reverted' })
    await expect(attempt({ salt: `0x${'00'.repeat(32)}` })).rejects.toMatchObject({ code: 'chain.reverted' })
    const prepared = await attempt({}) as { bytes: `0x${string}` }
    await world.rail.broadcast(prepared.bytes)
    await expect(attempt({})).rejects.toMatchObject({ code: 'chain.reverted', message: expect.stringMatching(/Used/) })
    expect((await world.rail.vault(vault))!.free - before!.free).toBe(500n)
  })

  it('a relay carries nobody’s words but the caller’s, so many an hour', async () => {
    const [relay] = await ground(honest)
    const alice = await world.drive(world.lightUser('alice', [relay!]))
    const bob = await world.drive(world.lightUser('bob', [relay!], { deposit: 0n }))
    const { bytes } = await world.drive(alice.node.rail.prepare({ kind: 'mint', to: alice.node.participant, amount: 1n }, alice.node.keys.wallet, 50))
    await expect(world.drive(bob.node.rail.broadcast(bytes))).rejects.toMatchObject({ message: expect.stringMatching(/another participant/) })
    const foreign = await world.drive(bob.node.rail.prepare({ kind: 'mint', to: alice.node.participant, amount: 1n }, bob.node.keys.wallet, 51))
    await expect(world.drive(bob.node.rail.broadcast(foreign.bytes))).rejects.toMatchObject({ message: expect.stringMatching(/another participant/) })
    await expect(world.drive(bob.node.wire.call(relay!.participant, 'prove', { reads: [{ account: `0x${'11'.repeat(20)}`, slots: [`0x${'11'.repeat(32)}`] }] }, { callId: 'x', timeoutMs: 5_000 }))).rejects.toMatchObject({ code: 'input.invalid' })
    await expect(world.drive(bob.node.wire.call(relay!.participant, 'relay', { order: { account: bob.node.participant, number: 1, bump: 0, write: { kind: 'withdraw', vault: `0x${'11'.repeat(32)}`, amount: '1', to: bob.node.participant } } }, { callId: 'y', timeoutMs: 5_000 }))).rejects.toMatchObject({ code: 'input.invalid' })
    for (let number = 100; ; number++) {
      const { bytes: one } = await world.drive(bob.node.rail.prepare({ kind: 'mint', to: bob.node.participant, amount: 1n }, bob.node.keys.wallet, number))
      const sent = await world.drive(bob.node.rail.broadcast(one).then(() => true, () => false))
      if (!sent) break
      await world.drive(bob.node.rail.broadcast(one))
      expect(number).toBeLessThan(400)
    }
    const { orders } = relay!.host.context<RelayContext>('relay')!
    expect(Object.values(orders).filter(({ account }) => account === bob.node.participant)).toHaveLength(240)
  })

  it.each(['before', 'after'] as const)('killed %s each append of a run, loses nothing and pays nothing twice', async (when) => {
    for (let nth = 1; ; nth += 3) {
      const relays = await ground(honest)
      await world.drive((await world.drive(world.lightUser('alice', relays))).close())
      let count = 0
      let armed = false
      let die: () => void = () => undefined
      const died = new Promise<void>((resolve) => (die = resolve))
      const hook = (): Promise<void> | void => {
        if (!armed || ++count < nth) return
        die()
        return new Promise(() => undefined)
      }
      const hooks: MemoryJournalHooks = when === 'before' ? { beforeAppend: hook } : { afterAppend: hook }
      const doomed = await world.drive(world.lightUser('alice', relays, {}, hooks))
      armed = true
      const finished = hire(doomed, { ...call, key: 'once' })
      finished.catch(() => undefined)
      const over = await world.drive(Promise.race([died.then(() => 'died' as const), finished.then(() => 'done' as const)]))
      if (over === 'done') break
      await doomed.kill()
      const again = await world.drive(world.lightUser('alice', relays))
      expect(await world.drive(hire(again, { ...call, key: 'once' })), `killed ${when} append ${nth}`).toMatchObject({ output: { text: 'HI' }, charged: '0.01' })
      for (const { run } of await listRuns(again)) await world.drive(finishRun(again, run, 60_000))
      expect([...again.node.host.list('run')].map(({ snapshot }) => (snapshot.context as RunContext).spent)).toEqual(['10000'])
      await balanced(again, 10_000n)
      await world.close()
      expect(nth, 'the run has an end').toBeLessThan(80)
    }
  }, 60_000)
})

/** A byte near the end of the hex text turned. */
function flip(hex: `0x${string}`): `0x${string}` {
  const at = hex.length - 3
  return `${hex.slice(0, at)}${hex[at] === '0' ? '1' : '0'}${hex.slice(at + 1)}` as `0x${string}`
}

function vaultOf({ node }: User) {
  return { owner: node.participant, voucherKey: node.keys.voucher.address.toLowerCase() as `0x${string}`, delay: 86_400, number: 0 }
}
