/** The sender over an anvil that is killed between blocks: nothing that was told as done stays lost, and nothing happens twice. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { defineActor } from '../actors/actor.ts'
import { Host } from '../actors/host.ts'
import type { Registry } from '../actors/registry.ts'
import { memoryJournal } from '../memory/journal.ts'
import { seededRandom } from '../memory/random.ts'
import { memoryWallet } from '../memory/signer.ts'
import { systemClock } from '../node/system-clock.ts'
import { encodeWrite } from '../ports/rail-json.ts'
import type { Rail, RailWrite } from '../ports/rail.ts'
import { startAnvil, type Anvil } from './anvil.ts'
import { deployDevnet, fundGas } from './deploy.ts'
import { evmRail } from './rail.ts'
import { chainEffects } from './sender-effects.ts'
import { senderMachine } from './sender.machine.ts'
import type { SenderContext } from './sender.ts'

const wallet = memoryWallet('killed chain')
const owner = wallet.address.toLowerCase() as `0x${string}`
const vault = { owner, voucherKey: owner, delay: 3_600, number: 0 }
const payee = `0x${'b1'.repeat(20)}` as const

let data: string
let anvil: Anvil
let rail: Rail
let host: Host

beforeEach(async () => {
  data = await mkdtemp(join(tmpdir(), 'aigen-sender-'))
  anvil = await startAnvil({ data, history: false })
  const options = { url: anvil.url, chainId: 31_337, retries: 0, timeoutMs: 3_000 }
  rail = await evmRail({ ...options, ...await deployDevnet(options) })
  await fundGas(options, [owner])
  // What was there before is saved, as on any chain that is older than a second.
  await vi.waitFor(async () => expect(JSON.parse(await readFile(join(data, 'anvil-state.json'), 'utf8'))).toHaveProperty('best_block_number', 4), { timeout: 10_000 })
  const effects = chainEffects({ rail, clock: systemClock, pollMs: 20, roundMs: 3_000, signer: () => wallet }) as Registry['effects']
  const registry = { actors: [defineActor('sender', '1', senderMachine)], effects }
  host = await Host.open({ journal: memoryJournal(new Map()), clock: systemClock, random: seededRandom('sender'), registry })
  await host.start('sender/x', { account: owner })
})

afterEach(async () => {
  await host.close()
  await anvil.stop()
  await rm(data, { recursive: true, force: true })
})

async function write(key: string, what: RailWrite): Promise<void> {
  await host.send('sender/x', { type: 'send', key, to: 'nobody', write: encodeWrite(what) })
  const find = (context: SenderContext) => context.results.find((one) => one.key === key)
  const actor = await host.until('sender/x', ({ context }) => find(context as SenderContext) !== undefined, 40_000)
  expect(find(actor.snapshot.context as SenderContext)).toMatchObject({ type: 'chain.write.done' })
}

const fund = async (): Promise<void> => {
  await write('mint', { kind: 'mint', to: owner, amount: 100n })
  await write('approve', { kind: 'approve', amount: 100n })
  await write('open', { kind: 'open', vault, amount: 60n })
}

const kill = async (): Promise<void> => {
  const pid = anvil.pid() ?? 0
  process.kill(pid, 'SIGKILL')
  await vi.waitFor(() => expect(anvil.pid()).not.toBe(pid), { timeout: 20_000, interval: 5 })
}

const reserve = (total: bigint): RailWrite => ({ kind: 'reserve', vault: rail.vaultId(vault), reserves: [{ payee, number: 0, total }] })
const state = async (): Promise<unknown> => {
  const [lane, of] = await Promise.all([rail.lane(rail.laneId(rail.vaultId(vault), payee, 0)), rail.vault(rail.vaultId(vault))])
  return { reserved: lane?.reserved, free: of?.free, left: await rail.balance(owner) }
}

it('brings back a deposit and goes on, when the kill took the blocks', async () => {
  await fund()
  await kill()
  await write('reserve', reserve(20n))
  expect(await state()).toEqual({ reserved: 20n, free: 40n, left: 40n })
  expect(await rail.nonce(owner)).toBe(4)
})

it('brings them back with nothing else to do', async () => {
  await fund()
  await write('reserve', reserve(20n))
  await kill()
  await vi.waitFor(async () => expect(await state()).toEqual({ reserved: 20n, free: 40n, left: 40n }), { timeout: 40_000, interval: 200 })
})

it('comes through kills in the middle of writes', async () => {
  const writing = (async () => {
    await fund()
    for (let total = 1n; total <= 12n; total += 1n) await write(`reserve ${total}`, reserve(total))
  })()
  for (const results of [4, 8, 12]) {
    await host.until('sender/x', ({ context }) => (context as SenderContext).results.length >= results, 40_000)
    await kill()
  }
  await writing
  expect(await state()).toEqual({ reserved: 12n, free: 48n, left: 40n })
  expect(await rail.nonce(owner)).toBe(15)
}, 120_000)
