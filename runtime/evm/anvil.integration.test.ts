/** Anvil keeps its state over stops and kills, and is never left behind nor mistaken for another process. */
import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { anvilPath, startAnvil, type Anvil } from './anvil.ts'
import { chainClient } from './client.ts'
import { deployDevnet, devnetDeployer, fundGas } from './deploy.ts'
import { evmRail } from './rail.ts'

let data: string
let running: Anvil[] = []

const start = async (): Promise<Anvil> => {
  const anvil = await startAnvil({ data, history: false })
  running.push(anvil)
  return anvil
}
const optionsOf = (anvil: Anvil) => ({ url: anvil.url, chainId: 31_337 })
const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

beforeEach(async () => {
  data = await mkdtemp(join(tmpdir(), 'aigen-anvil-'))
  running = []
})

afterEach(async () => {
  for (const anvil of running) await anvil.stop()
  await rm(data, { recursive: true, force: true })
})

it('deploys at the same addresses, once, and keeps them over a stop', async () => {
  const first = await start()
  const deployed = await deployDevnet(optionsOf(first))
  expect(await deployDevnet(optionsOf(first))).toEqual(deployed)
  await first.stop()
  const second = await start()
  const nonce = await chainClient(optionsOf(second)).getTransactionCount({ address: devnetDeployer().address })
  expect(nonce).toBe(4)
  const rail = await evmRail({ ...optionsOf(second), ...deployed })
  expect(rail.terms).toMatchObject({ ...deployed, decimals: 6, symbol: 'USDC', asset: `eip155:31337/erc20:${deployed.token}` })
})

/** Kills anvil and waits for the next one. */
const kill = async (anvil: Anvil): Promise<void> => {
  const pid = anvil.pid() ?? 0
  process.kill(pid, 'SIGKILL')
  await vi.waitFor(async () => {
    expect(anvil.pid()).not.toBe(pid)
    expect(await chainClient({ ...optionsOf(anvil), retries: 0 }).getChainId()).toBe(31_337)
  }, { timeout: 20_000, interval: 50 })
}

it('comes back on the same port when it dies, and again', async () => {
  const anvil = await start()
  const url = anvil.url
  await deployDevnet(optionsOf(anvil))
  for (let times = 0; times < 3; times += 1) await kill(anvil)
  expect(anvil.url).toBe(url)
})

it('goes on in its own time, over a kill and over a stop', async () => {
  const day = 86_400
  const first = await start()
  const rpc = (anvil: Anvil, method: string, params: unknown[]): Promise<unknown> => chainClient(optionsOf(anvil)).request({ method, params } as never)
  const ahead = async (anvil: Anvil): Promise<number> => {
    await rpc(anvil, 'evm_mine', [])
    return Number((await chainClient(optionsOf(anvil)).getBlock()).timestamp) - Math.floor(Date.now() / 1_000)
  }
  await rpc(first, 'evm_increaseTime', [day])
  expect(await ahead(first)).toBeGreaterThan(day - 5)
  await vi.waitFor(async () => expect(Number(await readFile(join(data, 'anvil-state.json.time'), 'utf8'))).toBeGreaterThan(day - 5), { timeout: 10_000 })
  await kill(first)
  await vi.waitFor(async () => expect(await ahead(first)).toBeGreaterThan(day - 5), { timeout: 10_000 })
  await first.stop()
  const second = await start()
  expect(await ahead(second)).toBeGreaterThan(day - 5)
  expect(await ahead(second)).toBeLessThan(day + 30)
})

it('starts from the copy when the state was torn by a kill', async () => {
  const first = await start()
  const deployed = await deployDevnet(optionsOf(first))
  await vi.waitFor(async () => expect(JSON.parse(await readFile(join(data, 'anvil-state.json.copy'), 'utf8'))).toHaveProperty('best_block_number', 4), { timeout: 20_000, interval: 200 })
  await first.stop()
  await truncate(join(data, 'anvil-state.json'), 1_000)
  const second = await start()
  expect((await evmRail({ ...optionsOf(second), ...deployed })).terms).toMatchObject(deployed)
  expect(await deployDevnet(optionsOf(second))).toEqual(deployed)
})

it('ends the orphan of a killed parent', async () => {
  // What a parent killed with SIGKILL leaves: a running anvil on our state file, and its id on file.
  const child = spawn(anvilPath(), ['--port', '0', '--state', join(data, 'anvil-state.json')], { stdio: 'ignore', detached: true })
  const orphan = child.pid ?? 0
  const gone = new Promise((done) => child.once('exit', done))
  await writeFile(join(data, 'anvil.pid'), String(orphan))
  const next = await start()
  await gone
  expect(alive(orphan)).toBe(false)
  expect(Number(await readFile(join(data, 'anvil.pid'), 'utf8'))).toBe(next.pid())
})

it('leaves a process alone that only has the same id', async () => {
  const bystander = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' })
  try {
    await writeFile(join(data, 'anvil.pid'), String(bystander.pid))
    await start()
    expect(alive(bystander.pid ?? 0)).toBe(true)
  } finally {
    bystander.kill('SIGKILL')
  }
})

it('gives gas where it is short, and maps errors', async () => {
  const anvil = await start()
  const options = optionsOf(anvil)
  const account = '0x00000000000000000000000000000000000a1ce5' as const
  await fundGas(options, [account])
  expect(await chainClient(options).getBalance({ address: account })).toBe(10n ** 19n)
  const nowhere = { url: 'http://127.0.0.1:9', chainId: 31_337, retries: 0 }
  await expect(deployDevnet(nowhere)).rejects.toMatchObject({ code: 'chain.unreachable' })
  const deployed = await deployDevnet(options)
  await expect(evmRail({ ...options, ...deployed, chainId: 1 })).rejects.toMatchObject({ code: 'chain.reverted' })
  await expect(evmRail({ ...options, token: deployed.token, contract: account })).rejects.toMatchObject({ code: 'chain.reverted' })
})
