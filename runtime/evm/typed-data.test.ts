/** Every digest equals viem's, whatever the values; and values that do not fit are refused. */
import fc from 'fast-check'
import { encodeAbiParameters, hashTypedData, keccak256 } from 'viem'
import { describe, expect, it } from 'vitest'
import type { Voucher } from '../ports/rail.ts'
import type { Hex } from '../ports/signer.ts'
import { toHex } from './hex.ts'
import { nodeAuthorisationDigest, VaultTypedData } from './typed-data.ts'
import { nodeAuthorisationRequest, typedRequests } from './typed-request.ts'

const CONTRACT: Hex = '0x5FbDB2315678afecb367f032d93F642f64180aa3'
const TOKEN: Hex = '0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512'
const CHAIN = 31_337
const typed = new VaultTypedData(CHAIN, CONTRACT, TOKEN)
const domain = { name: 'AIGEN Vault', version: '1', chainId: CHAIN, verifyingContract: CONTRACT } as const

const hash = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(toHex)
const address = fc.uint8Array({ minLength: 20, maxLength: 20 }).map(toHex)
const uint128 = fc.bigInt({ min: 0n, max: (1n << 128n) - 1n })
const uint48 = fc.integer({ min: 0, max: 2 ** 48 - 1 })
const safe = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER })

const TYPES = {
  Voucher: [{ name: 'laneId', type: 'bytes32' }, { name: 'cumulative', type: 'uint128' }, { name: 'ref', type: 'bytes32' }],
  LockedVoucher: [
    { name: 'laneId', type: 'bytes32' }, { name: 'cumulative', type: 'uint128' }, { name: 'lockAmount', type: 'uint128' },
    { name: 'lockHash', type: 'bytes32' }, { name: 'lockExpiry', type: 'uint48' }, { name: 'ref', type: 'bytes32' },
  ],
  EscrowVoucher: [
    { name: 'laneId', type: 'bytes32' }, { name: 'cumulative', type: 'uint128' }, { name: 'amount', type: 'uint128' },
    { name: 'arbiter', type: 'address' }, { name: 'challengeEnd', type: 'uint48' }, { name: 'expiry', type: 'uint48' },
    { name: 'ref', type: 'bytes32' },
  ],
  Ruling: [{ name: 'voucherHash', type: 'bytes32' }, { name: 'payeeAmount', type: 'uint128' }],
  Release: [{ name: 'laneId', type: 'bytes32' }, { name: 'finalClaimed', type: 'uint128' }],
  Deposit: [
    { name: 'vaultId', type: 'bytes32' }, { name: 'from', type: 'address' }, { name: 'amount', type: 'uint128' },
    { name: 'validBefore', type: 'uint48' }, { name: 'salt', type: 'bytes32' },
  ],
  Permit: [
    { name: 'owner', type: 'address' }, { name: 'spender', type: 'address' }, { name: 'value', type: 'uint256' },
    { name: 'nonce', type: 'uint256' }, { name: 'deadline', type: 'uint256' },
  ],
  NodeAuthorisation: [
    { name: 'wallet', type: 'address' }, { name: 'node', type: 'bytes32' }, { name: 'notBefore', type: 'uint64' },
    { name: 'notAfter', type: 'uint64' },
  ],
} as const

describe('typed data', () => {
  it('digests vouchers as viem does', () => {
    const voucher: fc.Arbitrary<Voucher> = fc.oneof(
      fc.record({ kind: fc.constant('plain' as const), lane: hash, cumulative: uint128, ref: hash }),
      fc.record({
        kind: fc.constant('locked' as const), lane: hash, cumulative: uint128, lockAmount: uint128, lockHash: hash, lockExpiry: uint48, ref: hash,
      }),
      fc.record({
        kind: fc.constant('escrow' as const), lane: hash, cumulative: uint128, amount: uint128, arbiter: address, challengeEnd: uint48,
        expiry: uint48, ref: hash,
      }),
    )
    const names = { plain: 'Voucher', locked: 'LockedVoucher', escrow: 'EscrowVoucher' } as const
    fc.assert(fc.property(voucher, (one) => {
      const message = { ...one, laneId: one.lane } as never
      expect(toHex(typed.voucher(one))).toBe(hashTypedData({ domain, types: TYPES, primaryType: names[one.kind], message }))
    }))
  })

  it('digests rulings, releases and node authorisations as viem does', () => {
    fc.assert(fc.property(hash, uint128, address, safe, safe, (id, amount, wallet, notBefore, notAfter) => {
      expect(toHex(typed.ruling({ voucher: id, payeeAmount: amount })))
        .toBe(hashTypedData({ domain, types: TYPES, primaryType: 'Ruling', message: { voucherHash: id, payeeAmount: amount } }))
      expect(toHex(typed.release({ lane: id, finalClaimed: amount })))
        .toBe(hashTypedData({ domain, types: TYPES, primaryType: 'Release', message: { laneId: id, finalClaimed: amount } }))
      const node = Buffer.from(id.slice(2), 'hex')
      expect(toHex(nodeAuthorisationDigest({ wallet, node, notBefore, notAfter }))).toBe(hashTypedData({
        domain: { name: 'AIGEN', version: '1' }, types: TYPES, primaryType: 'NodeAuthorisation',
        message: { wallet, node: id, notBefore: BigInt(notBefore), notAfter: BigInt(notAfter) },
      }))
    }))
  })

  it('digests deposit orders and their permits as viem does', () => {
    fc.assert(fc.property(address, uint128, uint48, hash, safe, (from, amount, validBefore, salt, nonce) => {
      const vault = { owner: from, voucherKey: CONTRACT, delay: 60, number: 1 }
      const order = { vault, from, amount, validBefore, salt }
      expect(toHex(typed.depositOrder(order)))
        .toBe(hashTypedData({ domain, types: TYPES, primaryType: 'Deposit', message: { vaultId: typed.vaultId(vault), from, amount, validBefore, salt } }))
      const token = { name: 'AIGEN Test Dollar', version: '1' }
      expect(toHex(typed.permit(order, BigInt(nonce), token))).toBe(hashTypedData({
        domain: { ...token, chainId: CHAIN, verifyingContract: TOKEN }, types: TYPES, primaryType: 'Permit',
        message: { owner: from, spender: CONTRACT, value: amount, nonce: BigInt(nonce), deadline: BigInt(validBefore) },
      }))
    }))
  })

  it('makes vault and lane ids as the contract does', () => {
    fc.assert(fc.property(address, address, uint48, safe, (owner, voucherKey, delay, number) => {
      const words = (...entries: [string, unknown][]): Hex =>
        keccak256(encodeAbiParameters(entries.map(([type]) => ({ type })), entries.map(([, value]) => value) as never))
      const id = typed.vaultId({ owner, voucherKey, delay, number })
      expect(id).toBe(words(
        ['uint256', BigInt(CHAIN)], ['address', CONTRACT], ['address', owner], ['address', voucherKey], ['address', TOKEN],
        ['uint48', delay], ['uint64', BigInt(number)],
      ))
      expect(typed.laneId(id, owner, number)).toBe(words(['bytes32', id], ['address', owner], ['uint64', BigInt(number)]))
    }))
  })

  it('asks an owner for what it digests, in the words of a signer', () => {
    const asked = typedRequests({ chainId: CHAIN, contract: CONTRACT, token: TOKEN })
    const token = { name: 'AIGEN Test Dollar', version: '1' }
    const same = (digest: Uint8Array, { kind: _kind, ...request }: object & { kind: string }): void => {
      // As it crosses a pipe.
      expect(toHex(digest)).toBe(hashTypedData(JSON.parse(JSON.stringify(request)) as never))
    }
    const reserves = fc.array(fc.record({ payee: address, number: safe, total: uint128 }), { minLength: 1, maxLength: 4 })
    fc.assert(fc.property(address, address, hash, uint128, uint48, safe, reserves, (owner, voucherKey, salt, amount, time, number, rows) => {
      const vault = { owner, voucherKey, delay: 3_600, number }
      const order = { vault, from: owner, amount, validBefore: time, salt }
      const authorisation = { ...order, validAfter: 0 }
      same(typed.release({ lane: salt, finalClaimed: amount }), asked.release({ lane: salt, finalClaimed: amount }))
      same(typed.reserve({ vault: salt, reserves: rows, validBefore: time }), asked.reserve({ vault: salt, reserves: rows, validBefore: time }))
      same(typed.depositOrder(order), asked.depositOrder(order, typed.vaultId(vault)))
      same(typed.permit(order, BigInt(number), token), asked.permit(order, BigInt(number), token))
      same(typed.deposit(authorisation, token), asked.deposit(authorisation, typed.depositNonce(authorisation), token))
      const node = { wallet: owner, node: Buffer.from(salt.slice(2), 'hex'), notBefore: time, notAfter: time + 1 }
      same(nodeAuthorisationDigest(node), nodeAuthorisationRequest(node))
    }), { numRuns: 30 })
  })

  it('takes hex in any case for the same digest', () => {
    const voucher = { kind: 'plain', lane: `0x${'ab'.repeat(32)}`, cumulative: 1n, ref: `0x${'cd'.repeat(32)}` } as const
    const upper = { ...voucher, lane: `0x${'AB'.repeat(32)}`, ref: `0x${'CD'.repeat(32)}` } as const
    expect(typed.voucher(upper)).toEqual(typed.voucher(voucher))
  })

  it('refuses what does not fit its type', () => {
    const good = { kind: 'locked', lane: `0x${'00'.repeat(32)}`, cumulative: 1n, lockAmount: 1n, lockHash: `0x${'00'.repeat(32)}`, lockExpiry: 1, ref: `0x${'00'.repeat(32)}` } as const
    const bad: object[] = [
      { cumulative: -1n }, { cumulative: 1n << 128n }, { lockExpiry: 2 ** 48 }, { lockExpiry: -1 }, { lockExpiry: 1.5 }, { lockExpiry: Number.NaN },
      { lane: '0x00' }, { lane: `0x${'zz'.repeat(32)}` }, { ref: '00'.repeat(32) }, { lockHash: `0x${'00'.repeat(33)}` },
    ]
    for (const change of bad) {
      expect(() => typed.voucher({ ...good, ...change } as Voucher)).toThrowError(expect.objectContaining({ code: 'input.invalid' }))
    }
  })
})
