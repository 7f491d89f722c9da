/** On a real chain: what two RPC addresses agree on is what the contract says, at the head and below it. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { startAnvil } from '../evm/anvil.ts'
import { proofsFrom } from '../evm/chain-proofs.ts'
import { deployDevnet, fundGas } from '../evm/deploy.ts'
import { evmRail } from '../evm/rail.ts'
import { memoryWallet } from '../memory/signer.ts'
import { systemClock } from '../node/system-clock.ts'
import type { RailWrite } from '../ports/rail.ts'
import type { Hex } from '../ports/signer.ts'
import { provenRail } from './proven-rail.ts'

it('lanes and vaults are proven at the head and at a depth, and an address that is stuck is not believed', async () => {
  const data = await mkdtemp(join(tmpdir(), 'aigen-proven-'))
  const anvil = await startAnvil({ data, history: false })
  try {
    const options = { url: anvil.url, chainId: 31_337 }
    const rail = await evmRail({ ...options, ...await deployDevnet(options) })
    const owner = memoryWallet('proven owner')
    const address = owner.address.toLowerCase() as Hex
    const payee: Hex = `0x${'b1'.repeat(20)}`
    const terms = { owner: address, voucherKey: address, delay: 3_600, number: 0 }
    const vault = rail.vaultId(terms)
    const lane = rail.laneId(vault, payee, 3)
    await fundGas(options, [address])
    const send = async (write: RailWrite): Promise<void> => {
      const { bytes, hash } = await rail.prepare(write, owner, await rail.nonce(address))
      await rail.broadcast(bytes)
      while ((await rail.outcome(hash)).state !== 'done') await systemClock.sleep(5)
    }
    await send({ kind: 'mint', to: address, amount: 100n })
    await send({ kind: 'approve', amount: 100n })
    await send({ kind: 'open', vault: terms, amount: 100n })
    for (const total of [10n, 20n, 30n]) await send({ kind: 'reserve', vault, reserves: [{ payee, number: 3, total }] })
    const other = proofsFrom(options)
    const proven = provenRail(rail, { witnesses: [other], clock: systemClock })
    expect(await proven.lane(lane)).toEqual(await rail.lane(lane))
    expect(await proven.vault(vault)).toEqual(await rail.vault(vault))
    for (const depth of [1, 2, 3]) expect(await proven.lane(lane, depth), `${depth} deep`).toEqual(await rail.lane(lane, depth))
    expect([(await proven.lane(lane, 2))?.reserved, await proven.lane(lane, 3)]).toEqual([10n, undefined])
    expect(await proven.lane(vault)).toBeUndefined()
    for (let blocks = 0; blocks < 6; blocks += 1) await send({ kind: 'mint', to: address, amount: 1n })
    // It proves what was true six blocks ago, and says that the chain goes no further.
    const stuck = { prove: (reads: Parameters<typeof other.prove>[0]) => other.prove(reads, 6), block: async (number: number) => { const { hash, head } = await other.block(number); return { head: head - 6, ...(number <= head - 6 && hash ? { hash } : {}) } } }
    await expect(provenRail(Object.assign(Object.create(rail) as typeof rail, { proofs: stuck }), { witnesses: [other], clock: systemClock }).lane(lane)).rejects.toMatchObject({ code: 'chain.unproven' })
  } finally {
    await anvil.stop()
    await rm(data, { recursive: true, force: true })
  }
})
