import { beforeEach, describe, expect, it } from 'vitest'
import { virtualClock, type VirtualClock } from '../memory/clock.ts'
import { MemoryRail } from '../memory/rail.ts'
import { memoryWallet } from '../memory/signer.ts'
import type { ChainProofs } from '../ports/chain-proofs.ts'
import type { Rail, RailWrite } from '../ports/rail.ts'
import type { Hex } from '../ports/signer.ts'
import { provenRail } from './proven-rail.ts'

const owner = memoryWallet('owner')
const address = owner.address.toLowerCase() as Hex
const terms = { owner: address, voucherKey: address, delay: 3_600, number: 0 }
const payee: Hex = `0x${'b1'.repeat(20)}`

describe('a rail that believes no single address', () => {
  let clock: VirtualClock
  let chain: MemoryRail
  let vault: Hex
  let lane: Hex
  const send = async (write: RailWrite): Promise<void> => void await chain.broadcast((await chain.prepare(write, owner, await chain.nonce(address))).bytes)
  /** Lets time pass until it is settled: an address that does not know a block is asked again after a while. */
  const drive = async <T>(promise: Promise<T>): Promise<T> => {
    let over = false
    void promise.then(() => (over = true), () => (over = true))
    while (!over) {
      await new Promise((resolve) => setImmediate(resolve))
      await clock.advance(100)
    }
    return promise
  }

  beforeEach(async () => {
    clock = virtualClock()
    chain = new MemoryRail({ clock })
    vault = chain.vaultId(terms)
    lane = chain.laneId(vault, payee, 3)
    await send({ kind: 'mint', to: address, amount: 100n })
    await send({ kind: 'approve', amount: 100n })
    await send({ kind: 'open', vault: terms, amount: 100n })
    await send({ kind: 'reserve', vault, reserves: [{ payee, number: 3, total: 60n }] })
  })

  /** The chain as it is now, for ever: true, proven, and old. */
  const stuck = async (): Promise<ChainProofs> => {
    const answers = new Map<string, Awaited<ReturnType<ChainProofs['prove']>>>()
    const { proofs } = chain
    const keep: ChainProofs = { block: (number) => proofs.block(number), prove: async (reads) => { const proof = await proofs.prove(reads); answers.set(JSON.stringify(reads), proof); return proof } }
    const { head } = await proofs.block(0)
    const rail = provenRail(Object.assign(Object.create(chain) as Rail, { terms: chain.terms, proofs: keep }), { witnesses: [proofs], clock })
    await rail.lane(lane)
    return { prove: async (reads) => answers.get(JSON.stringify(reads))!, block: async (number) => ({ ...(number <= head ? await proofs.block(number) : {}), head }) }
  }
  const over = (own: ChainProofs, ...witnesses: ChainProofs[]): Rail => provenRail(Object.assign(Object.create(chain) as Rail, { terms: chain.terms, proofs: own }), { witnesses, clock })

  it('says what the chain says', async () => {
    const rail = provenRail(chain, { witnesses: [chain.proofs], clock })
    expect(await rail.lane(lane)).toEqual(await chain.lane(lane))
    expect(await rail.vault(vault)).toEqual(await chain.vault(vault))
    expect([await rail.lane(vault), await rail.vault(lane), await rail.ruling(lane), await rail.credit(payee), (await rail.head()).block]).toEqual([undefined, undefined, undefined, 0n, (await chain.head()).block])
    expect(rail.laneId(vault, payee, 3)).toBe(lane)
  })

  it.each(['own', 'other'] as const)('does not believe the %s address that is stuck before the lane was closed', async (which) => {
    const old = await stuck()
    await send({ kind: 'exit', lane })
    for (let blocks = 0; blocks < 6; blocks += 1) await send({ kind: 'mint', to: address, amount: 1n })
    const rail = which === 'own' ? over(old, chain.proofs) : over(chain.proofs, old)
    await drive(expect(rail.lane(lane)).rejects.toMatchObject({ code: 'chain.unproven' }))
    // A third that is there outvotes it.
    expect(await drive(over(old, chain.proofs, chain.proofs).lane(lane))).toMatchObject({ exitAt: expect.any(Number), reserved: 60n })
    expect((await drive(over(old, chain.proofs, chain.proofs).lane(lane)))!.exitAt).toBeGreaterThan(0)
  })

  it('does not believe a chain of its own, nor words without a proof, nor silence', async () => {
    const fork = new MemoryRail({ clock })
    const silent: ChainProofs = { prove: () => Promise.reject(new Error('gone')), block: () => Promise.reject(new Error('gone')) }
    const empty: ChainProofs = { ...chain.proofs, prove: async (reads) => { const proof = await chain.proofs.prove(reads); return { ...proof, accounts: proof.accounts.map((one) => ({ ...one, slots: one.slots.map((slot) => ({ ...slot, proof: [] })) })) } } }
    for (const [own, other] of [[fork.proofs, chain.proofs], [chain.proofs, fork.proofs]] as const) await drive(expect(over(own, other).lane(lane)).rejects.toMatchObject({ code: 'chain.unproven' }))
    await drive(expect(over(empty, empty).lane(lane)).rejects.toMatchObject({ code: 'chain.unproven' }))
    await drive(expect(over(chain.proofs, silent).lane(lane)).rejects.toMatchObject({ code: 'chain.unproven' }))
    await drive(expect(over(silent, silent).lane(lane)).rejects.toMatchObject({ code: expect.stringMatching(/^chain\./) }))
    expect(await drive(over(empty, chain.proofs).lane(lane))).toMatchObject({ reserved: 60n })
  })

  it('needs as many addresses as must agree', () => {
    expect(() => provenRail(chain, { witnesses: [], clock })).toThrow(expect.objectContaining({ code: 'usage.invalid' }))
  })
})
