/**
 * What every payment rail must do (port `rail.ts`): run by `runtime/memory` and, over anvil, by
 * `runtime/evm`. Covers the on-chain faults of reference/payments.md; I1 and I2 throughout.
 */
import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Claim, EscrowVoucher, LockedVoucher, PlainVoucher, Rail, RailWrite, VaultTerms, Voucher, WriteOutcome } from './rail.ts'
import type { Hex, WalletSigner } from './signer.ts'

export interface RailHarness {
  readonly rail: Rail
  /** A rail whose terms name another contract and another chain, for signatures that must not fit. */
  readonly elsewhere: { readonly contract: Rail['signVoucher'], readonly chain: Rail['signVoucher'] }
  /** A new account with gas. */
  account(): Promise<WalletSigner>
  /** A contract wallet for which `key` signs (ERC-1271). */
  wallet(key: WalletSigner): Promise<Hex>
  /** The next write is mined in this second (never before the head's). */
  at(time: number): Promise<void>
  stop(): Promise<void>
}

const REF: Hex = `0x${'11'.repeat(32)}`
const DELAY = 3_600
const DOLLAR = 1_000_000n
const ORDER = 0xffff_ffff_ffff_ffff_ffff_ffff_ffff_fffe_baae_dce6_af48_a03b_bfd2_5e8c_d036_4141n

type Done = Extract<WriteOutcome, { state: 'done' }>

const sha256 = (hex: Hex): Hex => `0x${createHash('sha256').update(Buffer.from(hex.slice(2), 'hex')).digest('hex')}`
const lower = (hex: string): Hex => hex.toLowerCase() as Hex

/** The same signature with its s mirrored and v flipped: valid to a careless ecrecover (EIP-2). */
function highS(signature: Hex): Hex {
  const s = ORDER - BigInt(`0x${signature.slice(66, 130)}`)
  const v = signature.endsWith('1b') ? '1c' : '1b'
  return `0x${signature.slice(2, 66)}${s.toString(16).padStart(64, '0')}${v}`
}

export function railContract(name: string, make: () => Promise<RailHarness>): void {
  describe(`rail: ${name}`, () => {
    let harness: RailHarness
    let rail: Rail
    let owner: WalletSigner
    let key: WalletSigner
    let payee: WalletSigner
    let stranger: WalletSigner
    let arbiter: WalletSigner
    let terms: VaultTerms
    let vault: Hex
    let laneNumber = 0

    beforeAll(async () => {
      harness = await make()
      rail = harness.rail
      owner = await harness.account()
      key = await harness.account()
      payee = await harness.account()
      stranger = await harness.account()
      arbiter = await harness.account()
      terms = { owner: lower(owner.address), voucherKey: lower(key.address), delay: DELAY, number: 1 }
      vault = rail.vaultId(terms)
      await send({ kind: 'mint', to: owner.address, amount: 100_000n * DOLLAR }, owner)
      await send({ kind: 'approve', amount: 100_000n * DOLLAR }, owner)
      await send({ kind: 'open', vault: terms, amount: 10_000n * DOLLAR }, owner)
    }, 60_000)

    afterAll(async () => {
      await harness?.stop()
    })

    /** Prepares, broadcasts and waits until it is mined. */
    async function send(write: RailWrite, signer: WalletSigner): Promise<Done> {
      const { bytes, hash } = await rail.prepare(write, signer, await rail.nonce(signer.address))
      expect(await rail.broadcast(bytes)).toBe(hash)
      return mined(hash)
    }

    async function mined(hash: Hex): Promise<Done> {
      for (let tries = 0; tries < 200; tries += 1) {
        const outcome = await rail.outcome(hash)
        if (outcome.state === 'done') return outcome
      }
      throw new Error('not mined')
    }

    async function refusedWith(write: RailWrite, signer: WalletSigner, reason: RegExp): Promise<void> {
      await expect(rail.prepare(write, signer, await rail.nonce(signer.address))).rejects.toMatchObject({
        code: 'chain.reverted', message: expect.stringMatching(reason),
      })
    }

    /** A new lane to the payee with `total` reserved. */
    async function lane(total: bigint): Promise<Hex> {
      laneNumber += 1
      await send({ kind: 'reserve', vault, reserves: [{ payee: payee.address, number: laneNumber, total }] }, owner)
      return rail.laneId(vault, payee.address, laneNumber)
    }

    const plain = (id: Hex, cumulative: bigint): PlainVoucher => ({ kind: 'plain', lane: id, cumulative, ref: REF })
    const signed = (voucher: Voucher, preimage?: Hex): Claim =>
      ({ voucher, signature: rail.signVoucher(voucher, key), ...(preimage === undefined ? {} : { preimage }) })
    /** Sent by a stranger: anybody may, and the money goes to the payee only. */
    const claim = (...claims: Claim[]): Promise<Done> => send({ kind: 'claim', claims }, stranger)
    const reason = (done: Done): string | undefined => done.refused[0]?.reason
    const freeOf = async (): Promise<bigint> => (await rail.vault(vault))?.free ?? -1n
    /** Chain times in the tests only grow; each starts well after the one before. */
    const later = async (): Promise<number> => (await rail.head()).time + 100

    it('opens, deposits, reserves by absolute totals', async () => {
      expect(await rail.vault(vault)).toMatchObject({ ...terms, id: vault })
      const free = await freeOf()
      await send({ kind: 'open', vault: terms, amount: 5n }, owner)
      await send({ kind: 'deposit', vault, amount: 7n }, owner)
      expect(await freeOf()).toBe(free + 12n)
      const id = await lane(100n)
      const again = [{ payee: payee.address, number: laneNumber, total: 100n }, { payee: payee.address, number: laneNumber, total: 60n }]
      expect((await send({ kind: 'reserve', vault, reserves: again }, owner)).ok).toBe(true)
      expect(await freeOf()).toBe(free + 12n - 100n)
      await send({ kind: 'reserve', vault, reserves: [{ payee: payee.address, number: laneNumber, total: 150n }] }, owner)
      expect(await rail.lane(id)).toMatchObject({
        id, vault, payee: lower(payee.address), number: laneNumber, reserved: 150n, claimed: 0n, delay: DELAY, exitAt: 0, closed: false, voucherKey: terms.voucherKey,
      })
      expect(await freeOf()).toBe(free + 12n - 150n)
    })

    it('knows nothing of lanes and vaults that are not there', async () => {
      expect(await rail.lane(REF)).toBeUndefined()
      expect(await rail.vault(REF)).toBeUndefined()
      expect(await rail.ruling(REF)).toBeUndefined()
      expect(await rail.outcome(REF)).toEqual({ state: 'unknown' })
    })

    it('reserves several lanes in one write, all or nothing', async () => {
      const free = await freeOf()
      const numbers = [901, 902, 903]
      await send({ kind: 'reserve', vault, reserves: numbers.map((number) => ({ payee: payee.address, number, total: 10n })) }, owner)
      for (const number of numbers) expect((await rail.lane(rail.laneId(vault, payee.address, number)))?.reserved).toBe(10n)
      const tooMuch = [{ payee: payee.address, number: 904, total: 1n }, { payee: payee.address, number: 905, total: free }]
      await refusedWith({ kind: 'reserve', vault, reserves: tooMuch }, owner, /InsufficientFree/)
      await refusedWith({ kind: 'reserve', vault, reserves: [{ payee: payee.address, number: 904, total: 1n << 104n }] }, owner, /TooMuch/)
      expect(await rail.lane(rail.laneId(vault, payee.address, 904))).toBeUndefined()
      expect(await freeOf()).toBe(free - 30n)
    })

    it('lets only the owner reserve, exit and withdraw', async () => {
      const id = await lane(1n)
      await refusedWith({ kind: 'reserve', vault, reserves: [{ payee: payee.address, number: 1, total: 1n }] }, stranger, /NotOwner/)
      await refusedWith({ kind: 'exit', lane: id }, stranger, /NotOwner/)
      await refusedWith({ kind: 'withdraw', vault, amount: 1n, to: stranger.address }, stranger, /NotOwner/)
      await refusedWith({ kind: 'withdraw', vault, amount: await freeOf() + 1n, to: owner.address }, owner, /InsufficientFree/)
      await refusedWith({ kind: 'reserve', vault, reserves: [{ payee: rail.terms.contract, number: 1, total: 1n }] }, owner, /BadReceiver/)
      await refusedWith({ kind: 'deposit', vault: REF, amount: 1n }, owner, /UnknownVault/)
      await refusedWith({ kind: 'open', vault: { ...terms, delay: 0 }, amount: 0n }, owner, /BadTerms/)
    })

    it('withdraws free balance', async () => {
      const [free, held] = [await freeOf(), await rail.balance(owner.address)]
      await send({ kind: 'withdraw', vault, amount: 9n, to: owner.address }, owner)
      expect([await freeOf(), await rail.balance(owner.address)]).toEqual([free - 9n, held + 9n])
    })

    it('pays the highest cumulative once, whoever sends it', async () => {
      const id = await lane(100n)
      const before = await rail.balance(payee.address)
      expect(await claim(signed(plain(id, 30n)))).toMatchObject({
        ok: true, paid: [{ lane: id, payee: lower(payee.address), paid: 30n, claimed: 30n, ref: REF }], refused: [],
      })
      expect(reason(await claim(signed(plain(id, 30n))))).toBe('nothing-new')
      expect(reason(await claim(signed(plain(id, 20n))))).toBe('nothing-new')
      expect((await claim(signed(plain(id, 100n)))).paid).toMatchObject([{ paid: 70n, claimed: 100n }])
      expect(reason(await claim(signed(plain(id, 101n))))).toBe('over-reserve')
      expect(await rail.balance(payee.address)).toBe(before + 100n)
      expect(await rail.lane(id)).toMatchObject({ reserved: 100n, claimed: 100n })
    })

    it('refuses every signature that is not the voucher key’s over this voucher', async () => {
      const id = await lane(100n)
      const other = await lane(100n)
      const voucher = plain(id, 10n)
      const good = rail.signVoucher(voucher, key)
      const bad: [string, Hex][] = [
        ['another key', rail.signVoucher(voucher, stranger)],
        ['the owner, who is not the voucher key', rail.signVoucher(voucher, owner)],
        ['another lane', rail.signVoucher(plain(other, 10n), key)],
        ['another amount', rail.signVoucher(plain(id, 11n), key)],
        ['another ref', rail.signVoucher({ ...voucher, ref: `0x${'22'.repeat(32)}` }, key)],
        ['another contract', harness.elsewhere.contract(voucher, key)],
        ['another chain', harness.elsewhere.chain(voucher, key)],
        ['high s', highS(good)],
        ['truncated', good.slice(0, -2) as Hex],
        ['compact', good.slice(0, 130) as Hex],
        ['empty', '0x'],
        ['v 0 or 1', `${good.slice(0, 130)}${good.endsWith('1b') ? '00' : '01'}` as Hex],
        ['zeros', `0x${'00'.repeat(65)}`],
      ]
      const done = await claim(...bad.map(([, signature]) => ({ voucher, signature })))
      expect(done.refused.map(({ row, reason: why }) => [bad[row]?.[0], why])).toEqual(bad.map(([what]) => [what, 'signature']))
      expect(done.paid).toEqual([])
      expect(reason(await claim(signed(plain(REF, 1n))))).toBe('unknown-lane')
      expect((await claim({ voucher, signature: good })).paid).toHaveLength(1)
    })

    it('recovers locally what the chain would accept, and nothing else', () => {
      const voucher = plain(REF, 10n)
      const good = rail.signVoucher(voucher, key)
      expect(rail.recover(voucher, good)).toBe(lower(key.address))
      expect(rail.recover(plain(REF, 11n), good)).not.toBe(lower(key.address))
      for (const bad of [highS(good), good.slice(0, -2), '0x', `0x${'00'.repeat(65)}`, `0x${'ff'.repeat(65)}`, `${good.slice(0, 130)}00`]) {
        expect(() => rail.recover(voucher, bad as Hex)).toThrowError(expect.objectContaining({ code: 'auth.forged' }))
      }
      expect(() => rail.voucherDigest(plain(REF, 1n << 128n))).toThrowError(expect.objectContaining({ code: 'input.invalid' }))
      expect(() => rail.voucherDigest(plain(REF, -1n))).toThrowError(expect.objectContaining({ code: 'input.invalid' }))
    })

    it('skips and reports bad rows of a batch, and pays the others', async () => {
      const ids = [await lane(50n), await lane(50n), await lane(50n)] as const
      const before = await rail.balance(payee.address)
      const done = await claim(
        signed(plain(ids[0], 5n)), signed(plain(ids[0], 5n)), { voucher: plain(ids[1], 5n), signature: '0x1234' },
        signed(plain(ids[2], 51n)), signed(plain(ids[1], 6n)), signed(plain(ids[0], 7n)),
      )
      expect(done.refused.map(({ row, reason: why }) => [row, why])).toEqual([[1, 'nothing-new'], [2, 'signature'], [3, 'over-reserve']])
      expect(done.paid.map(({ paid, claimed }) => [paid, claimed])).toEqual([[5n, 5n], [6n, 6n], [2n, 7n]])
      expect(await rail.balance(payee.address)).toBe(before + 13n)
    })

    it('takes 200 rows and not one more', async () => {
      const numbers = Array.from({ length: 200 }, (_, i) => 10_000 + i)
      await send({ kind: 'reserve', vault, reserves: numbers.map((number) => ({ payee: payee.address, number, total: 2n })) }, owner)
      const rows = numbers.map((number) => signed(plain(rail.laneId(vault, payee.address, number), 2n)))
      const done = await claim(...rows)
      expect([done.paid.length, done.refused.length]).toEqual([200, 0])
      for (const wrong of [[], [...rows, ...rows.slice(0, 1)]]) {
        await expect(rail.prepare({ kind: 'claim', claims: wrong }, stranger, 0)).rejects.toMatchObject({ code: 'input.invalid' })
      }
    }, 30_000)

    it('does not even encode what does not fit its type', async () => {
      const good = signed(plain(await lane(5n), 1n))
      const bad: Claim[] = [
        { ...good, preimage: '0x12' }, { ...good, signature: '0xzz' }, { ...good, voucher: plain('0x12', 1n) },
        { ...good, voucher: plain(good.voucher.lane, 1n << 128n) }, { ...good, voucher: plain(good.voucher.lane, -1n) },
      ]
      for (const claims of bad) {
        await expect(rail.prepare({ kind: 'claim', claims: [claims] }, stranger, 0)).rejects.toMatchObject({ code: 'input.invalid' })
      }
    })

    it('pays a locked voucher for its preimage before its expiry, to the second', async () => {
      const preimage: Hex = `0x${'5e'.repeat(32)}`
      const make = async (lockExpiry: number): Promise<LockedVoucher> => ({
        kind: 'locked', lane: await lane(50n), cumulative: 20n, lockAmount: 20n, lockHash: sha256(preimage), lockExpiry, ref: REF,
      })
      const time = await later()
      const [early, late] = [await make(time), await make(time)]
      expect(reason(await claim(signed(early)))).toBe('preimage')
      expect(reason(await claim(signed(early, `0x${'5f'.repeat(32)}`)))).toBe('preimage')
      expect(reason(await claim(signed({ ...early, lockAmount: 21n }, preimage)))).toBe('malformed')
      await harness.at(time - 1)
      expect(await rail.revealed?.(early)).toBeUndefined()
      expect((await claim(signed(early, preimage))).paid).toMatchObject([{ paid: 20n }])
      // Whoever paid for the key has it from the claim, if from nobody else.
      if (rail.revealed) expect(await rail.revealed(early)).toBe(preimage)
      await harness.at(time)
      expect(reason(await claim(signed(late, preimage)))).toBe('expired')
      // Folding an opened lock: a plain voucher of the same cumulative moves nothing twice.
      expect(reason(await claim(signed(plain(early.lane, 20n))))).toBe('nothing-new')
    })

    it('does not take a locked voucher for a plain one', async () => {
      const id = await lane(50n)
      const locked: LockedVoucher = { kind: 'locked', lane: id, cumulative: 20n, lockAmount: 20n, lockHash: REF, lockExpiry: 2 ** 40, ref: REF }
      expect(reason(await claim({ voucher: plain(id, 20n), signature: rail.signVoucher(locked, key) }))).toBe('signature')
    })

    const escrow = async (challengeEnd: number, expiry: number): Promise<EscrowVoucher> => ({
      kind: 'escrow', lane: await lane(50n), cumulative: 20n, amount: 15n, arbiter: lower(arbiter.address), challengeEnd, expiry, ref: REF,
    })
    const ruleWrite = (voucher: EscrowVoucher, payeeAmount: bigint, by: WalletSigner): RailWrite => {
      const digest: Hex = `0x${Buffer.from(rail.voucherDigest(voucher)).toString('hex')}`
      return { kind: 'rule', voucher, payeeAmount, signature: rail.signRuling({ voucher: digest, payeeAmount }, by) }
    }

    it('pays an escrow voucher from challengeEnd on, without anybody’s help, until its expiry', async () => {
      const time = await later()
      const [one, two] = [await escrow(time, time + 10), await escrow(time, time + 10)]
      await harness.at(time - 1)
      expect(reason(await claim(signed(one)))).toBe('too-early')
      await harness.at(time)
      expect((await claim(signed(one))).paid).toMatchObject([{ paid: 20n }])
      await refusedWith(ruleWrite(two, 0n, arbiter), stranger, /ChallengeOver/)
      await harness.at(time + 10)
      expect(reason(await claim(signed(two)))).toBe('expired')
    })

    it('follows the arbiter’s ruling, made once and in time', async () => {
      const time = await later()
      const voucher = await escrow(time, time + 100)
      await refusedWith(ruleWrite(voucher, 6n, stranger), stranger, /BadSignature/)
      await refusedWith(ruleWrite(voucher, 16n, arbiter), stranger, /RulingTooHigh/)
      await send(ruleWrite(voucher, 6n, arbiter), stranger)
      await refusedWith(ruleWrite(voucher, 7n, arbiter), stranger, /AlreadyRuled/)
      expect(await rail.ruling(`0x${Buffer.from(rail.voucherDigest(voucher)).toString('hex')}`)).toBe(6n)
      expect((await claim(signed(voucher))).paid).toMatchObject([{ paid: 11n, claimed: 11n }])
      await harness.at(time + 1)
      expect(reason(await claim(signed(voucher)))).toBe('nothing-new')
    })

    it('gives nothing of the amount when the ruling says so', async () => {
      const voucher = await escrow(await later(), 2 ** 40)
      await send(ruleWrite(voucher, 0n, arbiter), stranger)
      expect((await claim(signed(voucher))).paid).toMatchObject([{ paid: 5n, claimed: 5n }])
    })

    it('closes at once by the payee’s release, after its vouchers', async () => {
      const id = await lane(50n)
      const free = await freeOf()
      const release = { lane: id, finalClaimed: 20n }
      const signature = await rail.signRelease(release, payee)
      expect(rail.recoverRelease(release, signature)).toBe(lower(payee.address))
      await refusedWith({ kind: 'release', release, signature }, stranger, /ClaimFirst/)
      await claim(signed(plain(id, 20n)))
      await refusedWith({ kind: 'release', release, signature: await rail.signRelease(release, key) }, stranger, /BadSignature/)
      await send({ kind: 'release', release, signature }, stranger)
      expect(await rail.lane(id)).toMatchObject({ closed: true, claimed: 20n })
      expect(await freeOf()).toBe(free + 30n)
    })

    it('never uses a closed lane again', async () => {
      const id = await lane(50n)
      const number = laneNumber
      const release = { lane: id, finalClaimed: 0n }
      await send({ kind: 'release', release, signature: '0x' }, payee)
      expect(reason(await claim(signed(plain(id, 10n))))).toBe('closed')
      await refusedWith({ kind: 'reserve', vault, reserves: [{ payee: payee.address, number, total: 60n }] }, owner, /LaneIsClosed/)
      await refusedWith({ kind: 'exit', lane: id }, owner, /LaneIsClosed/)
      await refusedWith({ kind: 'finalize', lane: id }, owner, /LaneIsClosed/)
      await refusedWith({ kind: 'release', release, signature: await rail.signRelease(release, payee) }, stranger, /LaneIsClosed/)
    })

    it('lets the owner exit after the delay, to the second, and the payee claim until then', async () => {
      const id = await lane(50n)
      const number = laneNumber
      await refusedWith({ kind: 'finalize', lane: id }, owner, /NotYet/)
      const time = await later()
      await harness.at(time)
      await send({ kind: 'exit', lane: id }, owner)
      const exitAt = (await rail.lane(id))?.exitAt ?? 0
      expect(exitAt).toBe(time + DELAY)
      // Asking again starts no second delay, and nothing can be topped up on the way out.
      await send({ kind: 'exit', lane: id }, owner)
      expect((await rail.lane(id))?.exitAt).toBe(exitAt)
      await refusedWith({ kind: 'reserve', vault, reserves: [{ payee: payee.address, number, total: 60n }] }, owner, /LaneIsExiting/)
      await harness.at(exitAt - 1)
      await refusedWith({ kind: 'finalize', lane: id }, owner, /NotYet/)
      await claim(signed(plain(id, 10n)))
      const free = await freeOf()
      await harness.at(exitAt)
      await claim(signed(plain(id, 15n)))
      await send({ kind: 'finalize', lane: id }, stranger)
      expect(await freeOf()).toBe(free + 35n)
      expect(reason(await claim(signed(plain(id, 20n))))).toBe('closed')
      expect((await rail.lane(id))?.claimed).toBe(15n)
    })

    it('deposits by the depositor’s authorisation, relayed by anybody, once and for one vault', async () => {
      const time = await later()
      await harness.at(time)
      const free = await freeOf()
      const authorisation = { vault: terms, from: owner.address, amount: 40n, validAfter: 0, validBefore: time + 50, salt: REF }
      const signature = await rail.signDeposit(authorisation, owner)
      const write = { kind: 'open-authorised', authorisation, signature } as const
      await refusedWith({ ...write, signature: await rail.signDeposit(authorisation, stranger) }, stranger, /ERC3009InvalidSignature/)
      await refusedWith({ ...write, authorisation: { ...authorisation, amount: 41n } }, stranger, /ERC3009InvalidSignature/)
      await refusedWith({ ...write, authorisation: { ...authorisation, vault: { ...terms, owner: lower(stranger.address) } } }, stranger, /ERC3009InvalidSignature/)
      await refusedWith({ ...write, authorisation: { ...authorisation, salt: `0x${'22'.repeat(32)}` } }, stranger, /ERC3009InvalidSignature/)
      expect((await send(write, stranger)).ok).toBe(true)
      expect(await freeOf()).toBe(free + 40n)
      await refusedWith(write, stranger, /ERC3009UsedAuthorization/)
      const late = { ...authorisation, salt: sha256(REF) }
      await harness.at(time + 50)
      await refusedWith({ kind: 'open-authorised', authorisation: late, signature: await rail.signDeposit(late, owner) }, stranger, /ERC3009InvalidAuthorizationTime/)
    })

    it('deposits by the depositor’s order and permit, relayed by anybody, once and for one vault', async () => {
      const time = await later()
      await harness.at(time)
      const depositor = await harness.account()
      await send({ kind: 'mint', to: depositor.address, amount: 100n }, stranger)
      const free = await freeOf()
      const order = { vault: terms, from: lower(depositor.address), amount: 40n, validBefore: time + 50, salt: REF }
      const signature = await rail.signDepositOrder(order, depositor)
      expect(rail.recoverDepositOrder(order, signature)).toBe(order.from)
      const nonce = await rail.permitNonce(depositor.address)
      const permit = await rail.signPermit(order, nonce, depositor)
      const write = { kind: 'open-permitted', order, signature, permit } as const
      // A permit names no vault: who takes it to another one, or asks for more, lacks the order.
      await refusedWith({ ...write, order: { ...order, vault: { ...terms, owner: lower(stranger.address) } } }, stranger, /BadSignature/)
      await refusedWith({ ...write, order: { ...order, amount: 41n } }, stranger, /BadSignature/)
      await refusedWith({ ...write, signature: await rail.signDepositOrder(order, stranger) }, stranger, /BadSignature/)
      await refusedWith({ ...write, signature: highS(signature) }, stranger, /BadSignature/)
      await refusedWith({ ...write, permit: '0x1234' }, stranger, /BadSignature/)
      // Without a permit that holds there is no allowance.
      for (const bad of ['0x', await rail.signPermit(order, nonce + 1n, depositor), await rail.signPermit(order, nonce, stranger), highS(permit)] as const) {
        await refusedWith({ ...write, permit: bad }, stranger, /ERC20InsufficientAllowance/)
      }
      expect((await send(write, stranger)).ok).toBe(true)
      expect([await freeOf(), await rail.balance(depositor.address), await rail.permitNonce(depositor.address)]).toEqual([free + 40n, 60n, nonce + 1n])
      await refusedWith(write, stranger, /OrderUsed/)
      // With an allowance an order needs no permit; each serves once.
      await send({ kind: 'approve', amount: 60n }, depositor)
      const bare = { ...order, amount: 10n, salt: sha256(REF) }
      const without = { kind: 'open-permitted', order: bare, signature: await rail.signDepositOrder(bare, depositor), permit: '0x' } as const
      expect((await send(without, stranger)).ok).toBe(true)
      await refusedWith(without, stranger, /OrderUsed/)
      expect(await freeOf()).toBe(free + 50n)
      await harness.at(time + 50)
      await refusedWith(write, stranger, /Late/)
    })

    it('takes a contract wallet’s word for a reservation, and no contract’s for a voucher', async () => {
      const wallet = await harness.wallet(stranger)
      const its: VaultTerms = { owner: wallet, voucherKey: lower(key.address), delay: DELAY, number: 2 }
      const id = rail.vaultId(its)
      await send({ kind: 'open', vault: its, amount: 30n }, owner)
      const time = await later()
      await harness.at(time)
      const order = { vault: id, reserves: [{ payee: payee.address, number: 1, total: 30n }], validBefore: time + 50 }
      const write = { kind: 'reserve-ordered', order, signature: await rail.signReserve(order, stranger) } as const
      await refusedWith({ ...write, signature: await rail.signReserve(order, key) }, payee, /BadSignature/)
      await refusedWith({ ...write, signature: '0x' }, payee, /BadSignature/)
      expect((await send(write, payee)).ok).toBe(true)
      const paid = rail.laneId(id, payee.address, 1)
      expect((await claim(signed(plain(paid, 30n)))).paid).toMatchObject([{ paid: 30n }])
      // As voucher key a contract wallet is nobody: its key's signature is another account's (EIP-7702).
      const unpaid: VaultTerms = { owner: lower(owner.address), voucherKey: wallet, delay: DELAY, number: 3 }
      await send({ kind: 'open', vault: unpaid, amount: 30n }, owner)
      await send({ kind: 'reserve', vault: rail.vaultId(unpaid), reserves: [{ payee: payee.address, number: 1, total: 30n }] }, owner)
      const voucher = plain(rail.laneId(rail.vaultId(unpaid), payee.address, 1), 30n)
      expect(reason(await claim({ voucher, signature: rail.signVoucher(voucher, stranger) }))).toBe('signature')
      await send({ kind: 'release', release: { lane: voucher.lane, finalClaimed: 0n }, signature: '0x' }, payee)
      await send({ kind: 'withdraw', vault: rail.vaultId(unpaid), amount: 30n, to: owner.address }, owner)
    })

    it('reserves by the owner’s order, relayed by anybody; a replay changes nothing', async () => {
      const time = await later()
      await harness.at(time)
      laneNumber += 1
      const number = laneNumber
      const free = await freeOf()
      const order = { vault, reserves: [{ payee: payee.address, number, total: 30n }], validBefore: time + 50 }
      const signature = await rail.signReserve(order, owner)
      const write = { kind: 'reserve-ordered', order, signature } as const
      expect(rail.recoverReserve(order, signature)).toBe(lower(owner.address))
      await refusedWith({ ...write, signature: await rail.signReserve(order, stranger) }, stranger, /BadSignature/)
      await refusedWith({ ...write, signature: highS(signature) }, stranger, /BadSignature/)
      await refusedWith({ ...write, order: { ...order, reserves: [{ payee: stranger.address, number, total: 30n }] } }, stranger, /BadSignature/)
      await refusedWith({ ...write, order: { ...order, validBefore: time + 51 } }, stranger, /BadSignature/)
      await refusedWith({ ...write, order: { ...order, vault: REF } }, stranger, /UnknownVault/)
      for (let times = 0; times < 2; times += 1) expect((await send(write, stranger)).ok).toBe(true)
      expect(await freeOf()).toBe(free - 30n)
      const id = rail.laneId(vault, payee.address, number)
      expect(await rail.lane(id)).toMatchObject({ reserved: 30n, owner: lower(owner.address) })
      await send({ kind: 'release', release: { lane: id, finalClaimed: 0n }, signature: '0x' }, payee)
      await refusedWith(write, stranger, /LaneIsClosed/)
      await harness.at(time + 50)
      await refusedWith(write, stranger, /Late/)
    })

    it('broadcasts the same bytes again without doing anything twice', async () => {
      const held = await rail.balance(stranger.address)
      const { bytes, hash } = await rail.prepare({ kind: 'mint', to: stranger.address, amount: 3n }, stranger, await rail.nonce(stranger.address))
      expect((await rail.outcome(hash)).state).toBe('unknown')
      for (let times = 0; times < 3; times += 1) expect(await rail.broadcast(bytes)).toBe(hash)
      expect((await mined(hash)).ok).toBe(true)
      expect(await rail.broadcast(bytes)).toBe(hash)
      expect(await rail.balance(stranger.address)).toBe(held + 3n)
    })

    it('mines one of two transactions of the same nonce', async () => {
      const nonce = await rail.nonce(stranger.address)
      const held = await rail.balance(payee.address)
      const one = await rail.prepare({ kind: 'mint', to: payee.address, amount: 3n }, stranger, nonce)
      const two = await rail.prepare({ kind: 'mint', to: payee.address, amount: 3n }, stranger, nonce, 1)
      expect(one.hash).not.toBe(two.hash)
      await rail.broadcast(two.bytes)
      await mined(two.hash)
      await rail.broadcast(one.bytes)
      expect((await rail.outcome(one.hash)).state).toBe('unknown')
      expect(await rail.balance(payee.address)).toBe(held + 3n)
      expect(await rail.nonce(stranger.address)).toBe(nonce + 1)
    })

    it('reports a write that is mined but fails, with its reason', async () => {
      const id = await lane(50n)
      const release = { lane: id, finalClaimed: 0n }
      const nonce = await rail.nonce(owner.address)
      const exit = await rail.prepare({ kind: 'exit', lane: id }, owner, nonce)
      await send({ kind: 'release', release, signature: '0x' }, payee)
      await rail.broadcast(exit.bytes)
      expect(await mined(exit.hash)).toMatchObject({ ok: false, reason: expect.stringMatching(/LaneIsClosed/) })
      expect(await rail.nonce(owner.address)).toBe(nonce + 1)
    })

    it('holds exactly what it owes (I2)', async () => {
      // Every lane of these tests is to one payee and either numbered up or in the ranges used above.
      const numbers = [...Array.from({ length: laneNumber }, (_, i) => i + 1), 901, 902, 903, ...Array.from({ length: 200 }, (_, i) => 10_000 + i)]
      let owed = await freeOf() + await rail.credit(payee.address)
      for (const number of numbers) {
        const state = await rail.lane(rail.laneId(vault, payee.address, number))
        if (state !== undefined && !state.closed) owed += state.reserved - state.claimed
      }
      expect(await rail.balance(rail.terms.contract)).toBe(owed)
    })
  })
}
