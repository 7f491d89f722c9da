import { chmod, lstat, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { seededRandom } from '../memory/random.ts'
import { memoryWallet } from '../memory/signer.ts'
import type { OwnerSigner } from '../ports/signer.ts'
import { authorise } from './authorisation.ts'
import { createWallet, hasWallet, keepOutside, openKeys } from './keys.ts'
import { codeOfAsync } from './two-nodes.fixture.ts'

describe('openKeys', () => {
  let root: string
  let home: string
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'aigen-keys-'))
    home = join(root, 'keys')
  })
  afterEach(() => rm(root, { recursive: true, force: true }))

  it('makes private files once and reads the same keys again', async () => {
    const made = await openKeys({ home, random: seededRandom(1) })
    const again = await openKeys({ home, random: seededRandom(2) })
    expect(again.participant).toBe(made.participant)
    expect(again.nodeId).toBe(made.nodeId)
    expect(again.voucher.address).toBe(made.voucher.address)
    expect(made.voucher.address).not.toBe(made.wallet.address)
    expect((await lstat(home)).mode & 0o777).toBe(0o700)
    expect((await readdir(home)).sort()).toEqual(['node.key', 'voucher.key', 'wallet.key'])
    for (const file of await readdir(home)) expect((await lstat(join(home, file))).mode & 0o777).toBe(0o600)
  })

  it('gives all of several processes that start at once the same keys', async () => {
    const all = await Promise.all([1, 2, 3, 4, 5, 6].map((seed) => openKeys({ home, random: seededRandom(seed) })))
    expect(new Set(all.map((keys) => keys.participant)).size).toBe(1)
    expect(new Set(all.map((keys) => keys.nodeId)).size).toBe(1)
    expect((await readdir(home)).length).toBe(3)
  })

  it('keeps one wallet for several nodes of a home', async () => {
    const one = await openKeys({ home, random: seededRandom(1) })
    const two = await openKeys({ home, random: seededRandom(2), nodeName: 'node-2' })
    expect(two.participant).toBe(one.participant)
    expect(two.nodeId).not.toBe(one.nodeId)
  })

  it.each([0o644, 0o640, 0o604, 0o660])('refuses a key file of mode %o', async (mode) => {
    await openKeys({ home, random: seededRandom(1) })
    await chmod(join(home, 'wallet.key'), mode)
    expect(await codeOfAsync(openKeys({ home, random: seededRandom(1) }))).toBe('keys.exposed')
  })

  it('refuses a folder that others can enter', async () => {
    await mkdir(home, { mode: 0o755 })
    await chmod(home, 0o755)
    expect(await codeOfAsync(openKeys({ home, random: seededRandom(1) }))).toBe('keys.exposed')
  })

  it.each(['', 'nonsense', '00'.repeat(32), 'ff'.repeat(32), 'ab'.repeat(31)])('never overwrites a broken file (%s)', async (text) => {
    await mkdir(home, { mode: 0o700 })
    await writeFile(join(home, 'wallet.key'), text, { mode: 0o600 })
    expect(await codeOfAsync(openKeys({ home, random: seededRandom(1) }))).toBe('keys.broken')
    expect(await readFile(join(home, 'wallet.key'), 'utf8')).toBe(text)
  })

  it('does not follow a symbolic link', async () => {
    await mkdir(home, { mode: 0o700 })
    await writeFile(join(root, 'elsewhere'), '11'.repeat(32), { mode: 0o600 })
    await symlink(join(root, 'elsewhere'), join(home, 'wallet.key'))
    expect(await codeOfAsync(openKeys({ home, random: seededRandom(1) }))).toBe('keys.broken')
  })

  describe('of a wallet whose key lies outside', () => {
    const { address, sign } = memoryWallet('outside')
    const DAY_MS = 86_400_000

    it('keeps its address and command, asks its signer, and never stands beside another wallet', async () => {
      await keepOutside({ home, random: seededRandom(1), address, command: 'my-device' })
      expect(await hasWallet(home)).toBe(true)
      const asked: unknown[] = []
      const keys = await openKeys({ home, random: seededRandom(2), signer: (outside) => {
        asked.push(outside)
        return { address: outside.address, sign }
      } })
      expect([keys.wallet.address, asked]).toEqual([address, [{ address, command: 'my-device' }]])
      expect((await readdir(home)).sort()).toEqual(['node.key', 'voucher.key', 'wallet.signer.json'])
      expect(await codeOfAsync(openKeys({ home, random: seededRandom(3) }))).toBe('signer.absent')
      expect(await codeOfAsync(createWallet({ home, random: seededRandom(4) }))).toBe('keys.present')
      expect(await codeOfAsync(keepOutside({ home, random: seededRandom(4), address, command: 'other' }))).toBe('keys.present')
      await writeFile(join(home, 'wallet.signer.json'), '{"command":"x"}')
      expect(await codeOfAsync(openKeys({ home, random: seededRandom(3) }))).toBe('keys.broken')
    })

    it('asks for a node key once, not at every start: again near its end, for another key, or where what was kept is not whole', async () => {
      await keepOutside({ home, random: seededRandom(1), address, command: 'my-device' })
      let asked = 0
      const signer = (): OwnerSigner => ({ address, sign: (digest) => {
        asked += 1
        return sign(digest)
      } })
      const start = async (at: number, nodeName = 'node'): Promise<string> => {
        const { wallet, node, authorisation } = await openKeys({ home, random: seededRandom(at), nodeName, signer })
        return (await authorise(wallet, node.publicKey, { notBefore: at - DAY_MS, notAfter: at + 90 * DAY_MS }, at, authorisation)).signature
      }
      const first = await start(100 * DAY_MS)
      expect([await start(101 * DAY_MS), await start(182 * DAY_MS), asked]).toEqual([first, first, 1])
      expect([(await start(186 * DAY_MS)) === first, asked]).toEqual([false, 2])
      await start(186 * DAY_MS, 'asker')
      expect(asked).toBe(3)
      await writeFile(join(home, 'node.authorisation.json'), '{"wallet":"0x')
      await start(187 * DAY_MS)
      expect(asked).toBe(4)
    })
  })
})
