/**
 * What every owner's signer must do (port `signer.ts`): run over a key in this process and over a
 * command that is asked by a pipe. Whoever signs, the rails get the same signatures by the same account.
 */
import { describe, expect, it } from 'vitest'
import { railSigning } from '../evm/rail-signing.ts'
import { signatureIn, signTransaction } from '../evm/transaction.ts'
import { authorise, createAuthorisations } from '../identity/authorisation.ts'
import type { OwnerSigner } from '../ports/signer.ts'

const hex = (digit: string): `0x${string}` => `0x${digit.repeat(40)}`
const terms = { chainId: 31_337, contract: hex('1'), token: hex('2'), tokenDomain: { name: 'AIGEN Test Dollar', version: '1' } }

/** `make` gives a signer of its own each time, all of the same account. */
export function ownerSignerContract(name: string, make: () => OwnerSigner): void {
  describe(`owner's signer: ${name}`, () => {
    const rail = railSigning(terms)
    const owner = make().address.toLowerCase() as `0x${string}`
    const vault = { owner, voucherKey: hex('3'), delay: 3_600, number: 0 }
    const order = { vault, from: owner, amount: 5n, validBefore: 1_000, salt: `0x${'07'.repeat(32)}` as const }

    it('signs deposits, permits, reservations and releases so that the contract finds its account', async () => {
      const signer = make()
      const authorisation = { ...order, validAfter: 0 }
      expect(rail.recoverDeposit(authorisation, await rail.signDeposit(authorisation, signer))).toBe(owner)
      expect(rail.recoverDepositOrder(order, await rail.signDepositOrder(order, signer))).toBe(owner)
      expect(rail.recoverPermit(order, 3n, await rail.signPermit(order, 3n, signer))).toBe(owner)
      const reserve = { vault: rail.vaultId(vault), reserves: [{ payee: hex('4'), number: 1, total: 9n }, { payee: hex('5'), number: 2, total: 10n }], validBefore: 1_000 }
      expect(rail.recoverReserve(reserve, await rail.signReserve(reserve, signer))).toBe(owner)
      const release = { lane: order.salt, finalClaimed: 4n }
      expect(rail.recoverRelease(release, await rail.signRelease(release, signer))).toBe(owner)
    })

    it('signs transactions that say what was asked', async () => {
      const transaction = { kind: 'transaction', chainId: 31_337, nonce: 0, to: hex('1'), data: '0xabcd', gas: 60_000n, maxFeePerGas: 2_000_000_000n, maxPriorityFeePerGas: 0n } as const
      const first = await signTransaction(transaction, make())
      const replaced = await signTransaction({ ...transaction, maxFeePerGas: 3_000_000_000n }, make())
      expect(signatureIn(first.bytes)).toMatch(/^0x[0-9a-f]{128}(1b|1c)$/)
      expect(first.hash).not.toBe(replaced.hash)
    })

    it('authorises a node key, so that anybody can check it', async () => {
      const signer = make()
      const node = Buffer.from('d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a', 'hex')
      const authorisation = await authorise(signer, node, { notBefore: 0, notAfter: 1_000 }, 10)
      expect(createAuthorisations().admit(authorisation).authorisation).toEqual(authorisation)
    })
  })
}
