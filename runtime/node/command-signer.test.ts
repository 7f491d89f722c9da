/** A signer behind a pipe does what a key here does, and whatever it does wrong loses nothing. */
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { ownerSignature } from '../evm/owner-signature.ts'
import { nativeSigner } from '../evm/native-signer.ts'
import { signTransaction } from '../evm/transaction.ts'
import { authorise } from '../identity/authorisation.ts'
import type { OwnerSigner } from '../ports/signer.ts'
import { commandAccounts, commandSigner } from './command-signer.ts'
import { ownerSignerContract } from './owner-signer.contract.ts'
import { systemClock } from './system-clock.ts'

const key = Buffer.alloc(32, 0x11)
const { address } = nativeSigner(key)
const command = (how: string): string => `"${process.execPath}" "${fileURLToPath(new URL('../evm/outside-signer.fixture.js', import.meta.url))}" ${how}`
const signer = (how = 'well', waitMs = 20_000): OwnerSigner => commandSigner({ address, command: command(how), clock: systemClock, waitMs })

ownerSignerContract('a key in this process', () => nativeSigner(key))
ownerSignerContract('a command', () => signer())

const transaction = { kind: 'transaction', chainId: 31_337, nonce: 4, to: `0x${'1'.repeat(40)}`, data: '0xabcd', gas: 60_000n, maxFeePerGas: 2n, maxPriorityFeePerGas: 1n } as const
const statement = (by: OwnerSigner) => authorise(by, Buffer.from('d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a', 'hex'), { notBefore: 0, notAfter: 1_000 }, 10)

describe('a signer behind a pipe', { timeout: 60_000 }, () => {
  it('gives the bytes that a key here gives', async () => {
    expect(await signTransaction(transaction, signer('chatters'))).toEqual(await signTransaction(transaction, nativeSigner(key)))
    expect(await statement(signer('low-v'))).toEqual(await statement(nativeSigner(key)))
    expect(await commandAccounts({ command: command('well'), clock: systemClock })).toEqual([address])
  })

  it.each([
    ['denies', 'signer.refused'], ['rejects', 'signer.refused'], ['dies', 'signer.absent'], ['dies-at-once', 'signer.absent'],
    ['locked', 'signer.absent'], ['edits', 'signer.wrong'], ['other', 'signer.wrong'], ['garbles', 'signer.wrong'], ['floods', 'signer.wrong'],
  ])('one that %s is %s', async (how, code) => {
    await expect(signTransaction(transaction, signer(how))).rejects.toMatchObject({ code })
  })

  it('one that is not there at all is absent, and one of another account signs nothing for ours', async () => {
    await expect(signTransaction(transaction, commandSigner({ address, command: 'no-such-signer-anywhere 2>&1', clock: systemClock }))).rejects.toMatchObject({ code: 'signer.absent' })
    await expect(statement(signer('other'))).rejects.toMatchObject({ code: 'signer.wrong' })
  })

  it('nobody waits longer for a person than is said, nor after the asker has gone', async () => {
    await expect(signTransaction(transaction, signer('silent', 300))).rejects.toMatchObject({ code: 'signer.refused' })
    const gone = new AbortController()
    const asked = signTransaction(transaction, signer('silent'), gone.signal)
    setImmediate(() => gone.abort(new Error('gone')))
    await expect(asked).rejects.toThrow('gone')
  })

  it('is asked one question at a time, and refuses when too many wait', async () => {
    const busy = signer('silent', 200)
    const digest = new Uint8Array(32).fill(1)
    const asks = Array.from({ length: 17 }, () => ownerSignature(busy, digest, transaction).catch((error: { code: string }) => error.code))
    expect(await asks[16]).toBe('signer.absent')
    await expect(asks[0]).resolves.toBe('signer.refused')
  })
})
