import { createCipheriv } from 'node:crypto'
import { scrypt as slowScrypt } from '@noble/hashes/scrypt.js'
import fc from 'fast-check'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { seededRandom } from '../memory/random.ts'
import { keccak } from '../evm/keccak.ts'
import { generateWalletKey, nativeSigner } from '../evm/native-signer.ts'
import { createWallet, openKeys } from './keys.ts'
import { decryptKey, encryptKey } from './keystore.ts'

/** Published with the definition of version 3, and by geth for keys with leading zeros. */
const vector = (crypto: object): string => JSON.stringify({ crypto: { cipher: 'aes-128-ctr', ...crypto }, id: '3198bc9c-6672-5ab3-d995-4942343ae5b6', version: 3 })
const SCRYPT = vector({
  cipherparams: { iv: '83dbcc02d8ccb40e466191a123791e0e' }, ciphertext: 'd172bf743a674da9cdad04534d56926ef8358534d458fffccd4e6ad2fbde479c', kdf: 'scrypt',
  kdfparams: { dklen: 32, n: 262144, r: 1, p: 8, salt: 'ab0c7876052600dd703518d6fc3fe8984592145b591fc8fb5c6d43190334ba19' }, mac: '2103ac29920d71da29f15d75b4a16dbe95cfd7ff8faea1056c33131d846e3097',
})
const PBKDF2 = vector({
  cipherparams: { iv: '6087dab2f9fdbbfaddc31a909735c1e6' }, ciphertext: '5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46', kdf: 'pbkdf2',
  kdfparams: { c: 262144, dklen: 32, prf: 'hmac-sha256', salt: 'ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd' }, mac: '517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2',
})
const SHORT = vector({
  cipherparams: { iv: '3ca92af36ad7c2cd92454c59cea5ef00' }, ciphertext: '108b7d34f3442fc26ab1ab90ca91476ba6bfa8c00975a49ef9051dc675aa', kdf: 'scrypt',
  kdfparams: { dklen: 32, n: 2, r: 8, p: 1, salt: 'd0769e608fb86cda848065642a9c6fa046845c928175662b8e356c77f914cd3b' }, mac: '75d0e6759f7b3cefa319c3be41680ab6beea7d8328653474bd06706d4cc67420',
})
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const random = seededRandom('keystore')
const KEY = generateWalletKey(random)

describe('encrypted key files (Web3 Secret Storage 3)', () => {
  const key = '7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d'
  // Its n is above what OpenSSL takes with r = 1, and takes seconds elsewhere.
  it.runIf(process.env['AIGEN_LONG'])('opens the published vector of scrypt', async () => {
    expect(hex(await decryptKey(SCRYPT, 'testpassword'))).toBe(key)
  }, 60_000)
  it('opens what OpenSSL refuses for its n beside r = 1', async () => {
    const salt = '00'.repeat(32)
    const kdfparams = { dklen: 32, n: 65_536, r: 1, p: 1, salt }
    const derived = Buffer.from(slowScrypt(Buffer.from('long enough'), Buffer.from(salt, 'hex'), { N: 65_536, r: 1, p: 1, dkLen: 32 }))
    const cipher = createCipheriv('aes-128-ctr', derived.subarray(0, 16), Buffer.alloc(16))
    const ciphertext = cipher.update(KEY)
    const mac = hex(keccak(Buffer.concat([derived.subarray(16), ciphertext])))
    expect(hex(await decryptKey(vector({ cipherparams: { iv: '00'.repeat(16) }, ciphertext: hex(ciphertext), kdf: 'scrypt', kdfparams, mac }), 'long enough'))).toBe(hex(KEY))
  })
  it('opens the published vectors of PBKDF2, and of a key whose leading zeros were dropped', async () => {
    expect(hex(await decryptKey(PBKDF2, 'testpassword'))).toBe(key)
    expect(hex(await decryptKey(SHORT, 'foo'))).toBe('000081c29e8142bb6a81bef5a92bda7a8328a5c85bb2f9542e76f9b0f94fc018')
  })
  it('opens what it wrote, under the right passphrase only, and never writes the key', async () => {
    const file = await encryptKey(KEY, 'pässwörd with ünicode', random, 2)
    expect(hex(await decryptKey(JSON.stringify(file), 'pässwörd with ünicode'))).toBe(hex(KEY))
    await expect(decryptKey(JSON.stringify(file), 'passwörd with ünicode')).rejects.toMatchObject({ code: 'keys.locked' })
    expect(JSON.stringify(file)).not.toContain(hex(KEY))
    expect(`0x${file.address}`).toBe(nativeSigner(KEY).address.toLowerCase())
    await expect(encryptKey(KEY, 'short', random, 2)).rejects.toMatchObject({ code: 'input.invalid', path: 'passphrase' })
  })
  it('a file that was changed anywhere never gives another key', async () => {
    const text = JSON.stringify(await encryptKey(KEY, 'long enough', random, 2))
    await fc.assert(fc.asyncProperty(fc.nat(text.length - 1), fc.constantFrom(...'0123456789abcdef{}",:'), async (at, letter) => {
      const changed = text.slice(0, at) + letter + text.slice(at + 1)
      const outcome = await decryptKey(changed, 'long enough').then(hex, (error: { code: string }) => error.code)
      expect([hex(KEY), 'keys.broken', 'keys.locked']).toContain(outcome)
    }), { numRuns: 300 })
  })
  it('refuses what would take memory or rounds without end, before it derives anything', async () => {
    const greedy = (kdfparams: object): string => vector({ ...JSON.parse(SHORT).crypto, kdfparams: { ...JSON.parse(SHORT).crypto.kdfparams, ...kdfparams } })
    for (const params of [{ n: 2 ** 30 }, { n: 2 ** 20, r: 64 }, { p: 1_000 }, { n: 3 }, { n: 0 }, { salt: 'zz' }, { dklen: 64 }]) {
      await expect(decryptKey(greedy(params), 'foo')).rejects.toMatchObject({ code: 'keys.broken' })
    }
    for (const text of ['', 'null', '{}', '[]', '{"version":1}', 'x'.repeat(20_000)]) await expect(decryptKey(text, 'foo')).rejects.toMatchObject({ code: 'keys.broken' })
  })
})

describe('a wallet in an encrypted file', () => {
  it('is opened by its passphrase, is never made anew beside it, and no key of it is on the disk', async () => {
    const root = await mkdtemp(join(tmpdir(), 'aigen-keystore-'))
    const home = join(root, 'me')
    try {
      const { address } = await createWallet({ home, random, key: KEY, passphrase: 'long enough', cost: 2 })
      expect(address).toBe(nativeSigner(KEY).address)
      const keys = await openKeys({ home, random, passphrase: async () => 'long enough' })
      expect(keys.wallet.address).toBe(address)
      await expect(openKeys({ home, random })).rejects.toMatchObject({ code: 'keys.locked' })
      await expect(openKeys({ home, random, passphrase: async () => 'not that one' })).rejects.toMatchObject({ code: 'keys.locked' })
      await expect(createWallet({ home, random, passphrase: 'long enough', cost: 2 })).rejects.toMatchObject({ code: 'keys.present' })
      const files = await readdir(home)
      expect(files.sort()).toEqual(['node.key', 'voucher.key', 'wallet.json'])
      for (const file of files) expect(await readFile(join(home, file), 'utf8')).not.toContain(hex(KEY))
    } finally {
      await rm(root, { recursive: true, force: true })
    }
  })
  it('a key without a passphrase is a plain file, as one that is made on first use', async () => {
    const root = await mkdtemp(join(tmpdir(), 'aigen-keystore-'))
    const home = join(root, 'me')
    try {
      const { address } = await createWallet({ home, random, key: KEY })
      expect((await openKeys({ home, random })).wallet.address).toBe(address)
      await expect(createWallet({ home, random })).rejects.toMatchObject({ code: 'keys.present' })
    } finally {
      await rm(root, { recursive: true, force: true })
    }
  })
})
