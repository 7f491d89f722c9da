/**
 * The rail of a light node (port `rail.ts`, DESIGN Words): no RPC. Reads are proven (`relays.ts`);
 * writes are words signed by the owner that any relay may carry to the chain and none can change,
 * redirect or repeat to effect. A write is done when its effect is proven, whoever says what.
 *
 * It numbers its own writes by what the sender saw done, so the sender actor journals and repeats them
 * as it does transactions (D1). Made by `runtime/node`. Keeps I1, I8.
 */
import { canonicalBytes, sha256 } from '../../schemas/canonical.ts'
import { AigenError, asError } from '../../schemas/error.ts'
import { fromHex, toHex } from '../evm/hex.ts'
import { railSigning } from '../evm/rail-signing.ts'
import { authorisationSlot, balanceSlot, creditSlot, laneOf, laneSlots, nonceSlot, rulingSlot, vaultOf, vaultSlots, type TokenLayout, type VaultWords } from '../evm/storage.ts'
import type { Clock } from '../ports/clock.ts'
import type { Random } from '../ports/random.ts'
import { decodeWrite, encodeWrite, type RailWriteJson } from '../ports/rail-json.ts'
import type { Rail, RailTerms, RailWrite, WriteOutcome } from '../ports/rail.ts'
import type { Hex, OwnerSigner } from '../ports/signer.ts'
import { trustRelays, type Relay, type Trust, type TrustOptions } from './relays.ts'

export interface LightRailOptions {
  readonly terms: RailTerms
  readonly layout: TokenLayout
  readonly clock: Clock
  readonly random: Random
}

export interface LightRail extends Rail {
  /** Gives it its relays, once there is a wire to reach them by; until then `chain.unreachable`. */
  connect(options: Omit<TrustOptions, 'clock' | 'relays'> & { readonly relays: readonly Relay[] }): void
}

/** How long a signed word is good for, in seconds: what a relay holds back, it can use no longer. */
const VALID_S = 600
/** Relays are asked about an order this often, in ms, and its effect is looked up this often whatever they say. */
const ASK_MS = 200
const LOOK_MS = 3_000
const VAULTS_MAX = 1_000
const ORDERS_MAX = 300

export interface Order { readonly account: Hex, readonly number: number, readonly bump: number, readonly write: RailWriteJson }

/** What is known of an order that is under way. */
interface Sent {
  readonly order: Order
  /** Relays that took it, and why each of the others would not. */
  readonly takers: Set<Relay>
  readonly refusals: Map<Relay, AigenError>
  turn: number
  askedAt: number
  lookedAt: number
}

const lower = (hex: string): Hex => hex.toLowerCase() as Hex

/** The order in the bytes that were signed and journaled. */
export function readOrder(bytes: Hex): Order {
  return JSON.parse(new TextDecoder().decode(fromHex(bytes))) as Order
}

/** By what both sides know an order. */
export function orderId(bytes: Hex): Hex {
  return toHex(sha256(fromHex(bytes)))
}

export function lightRail({ terms, layout, clock, random }: LightRailOptions): LightRail {
  const signing = railSigning(terms)
  const vaults = new Map<Hex, VaultWords>()
  const sent = new Map<Hex, Sent>()
  let relays: readonly Relay[] = []
  let trust: Trust | undefined

  const contractWords = async (slots: readonly Hex[]) => read(terms.contract, slots)
  const read = async (account: Hex, slots: readonly Hex[]) => {
    if (!trust) throw new AigenError('chain.unreachable', 'no relay is known yet')
    const { header, words } = await trust.read([{ account, slots }])
    return { header, words: words[0]! }
  }
  /** What a vault is made of never changes once it is open. */
  const vaultTerms = async (id: Hex): Promise<VaultWords | undefined> => {
    const known = vaults.get(id)
    if (known) return known
    const vault = vaultOf((await contractWords(vaultSlots(id))).words)
    if (vault && vaults.size < VAULTS_MAX) vaults.set(id, vault)
    return vault
  }

  /** The owner's word for the write. */
  const signedWrite = async (write: RailWrite, signer: OwnerSigner, signal?: AbortSignal): Promise<RailWrite> => {
    const validBefore = Math.floor(clock.now() / 1_000) + VALID_S
    switch (write.kind) {
      case 'mint':
        return write
      case 'open': {
        const authorisation = { vault: write.vault, from: lower(signer.address), amount: write.amount, validAfter: 0, validBefore, salt: toHex(random.bytes(32)) }
        return { kind: 'open-authorised', authorisation, signature: await signing.signDeposit(authorisation, signer, signal) }
      }
      case 'reserve': {
        const order = { vault: write.vault, reserves: write.reserves.map((row) => ({ ...row, payee: lower(row.payee) })), validBefore }
        return { kind: 'reserve-ordered', order, signature: await signing.signReserve(order, signer, signal) }
      }
      default:
        throw new AigenError('input.invalid', `A light node's relays do not carry ${write.kind}: open this participant on a full node for it.`)
    }
  }

  /** Whether the write has had its effect, proven, and the block that shows it. */
  const effect = async (write: RailWrite): Promise<{ done: boolean, block: number, over: boolean }> => {
    if (write.kind === 'open-authorised') {
      const { authorisation } = write
      const slot = authorisationSlot(layout, authorisation.from, toHex(signing.depositNonce(authorisation)))
      const { header, words: [used] } = await read(terms.token, [slot])
      return { done: used === 1n, block: header.number, over: header.time >= authorisation.validBefore }
    }
    if (write.kind !== 'reserve-ordered') throw new AigenError('internal', write.kind)
    let [done, over, block] = [true, true, Number.MAX_SAFE_INTEGER]
    for (const { payee, number, total } of write.order.reserves) {
      const { header, words } = await contractWords(laneSlots(signing.laneId(write.order.vault, payee, number)))
      done &&= (laneOf(words)?.reserved ?? 0n) >= total
      over &&= header.time >= write.order.validBefore
      block = Math.min(block, header.number)
      if (!done) break
    }
    return { done, block, over }
  }

  const settled = (ok: boolean, block: number, reason?: string): WriteOutcome => ({ state: 'done', ok, block, ...(reason === undefined ? {} : { reason }), paid: [], refused: [] })

  const outcome = async (id: Hex): Promise<WriteOutcome> => {
    const known = sent.get(id)
    if (!known) return { state: 'unknown' }
    const write = decodeWrite(known.order.write)
    const wait = known.askedAt + ASK_MS - clock.monotonic()
    if (wait > 0) await clock.sleep(wait)
    known.askedAt = clock.monotonic()
    let claimed: string | undefined
    for (const relay of [...known.takers]) {
      const status = await relay.status(id).catch((): undefined => undefined)
      if (status?.state === 'done') claimed = status.transaction ?? id
      if (status?.state === 'failed') {
        known.takers.delete(relay)
        known.refusals.set(relay, new AigenError('chain.reverted', status.reason))
      }
    }
    // The faucet's gift is in nobody's signed word: what it was good for shows when it is deposited.
    if (write.kind === 'mint') return claimed === undefined ? undecided(known) : settled(true, 0)
    if (claimed === undefined && clock.monotonic() - known.lookedAt < LOOK_MS) return undecided(known)
    known.lookedAt = clock.monotonic()
    const { done, block, over } = await effect(write)
    if (done) return settled(true, block)
    if (over) return settled(false, block, 'No relay carried it to the chain in time.')
    return undecided(known)
  }

  /** One relay's refusal may be a lie; that of all is as good as the chain's. */
  const undecided = ({ refusals, takers }: Sent): WriteOutcome => {
    if (relays.length > 0 && relays.every((relay) => refusals.has(relay))) return settled(false, 0, [...refusals.values()].at(-1)!.message)
    return { state: takers.size > 0 ? 'pending' : 'unknown' }
  }

  const remember = (bytes: Hex): Sent => {
    const id = orderId(bytes)
    const known = sent.get(id)
    if (known) return known
    if (sent.size >= ORDERS_MAX) sent.delete(sent.keys().next().value!)
    const fresh: Sent = { order: readOrder(bytes), takers: new Set(), refusals: new Map(), turn: 0, askedAt: -ASK_MS, lookedAt: -LOOK_MS }
    sent.set(id, fresh)
    return fresh
  }

  return {
    terms,
    relayed: true,
    ...signing,
    connect: ({ relays: given, ...options }) => {
      trust = trustRelays({ ...options, relays: given, clock })
      relays = given
    },
    lane: async (id) => {
      const lane = laneOf((await contractWords(laneSlots(id))).words)
      if (!lane) return undefined
      const vault = await vaultTerms(lane.vault)
      if (!vault) throw new AigenError('chain.unproven', 'a lane without a vault')
      // One contract serves every token: who reserves worthless ones has reserved nothing here.
      if (vault.token !== terms.token) return undefined
      return { id: lower(id), ...lane, owner: vault.owner, voucherKey: vault.voucherKey, delay: vault.delay }
    },
    vault: async (id) => {
      const vault = vaultOf((await contractWords(vaultSlots(id))).words)
      if (!vault || vault.token !== terms.token) return undefined
      const { token: _token, ...state } = vault
      return { id: lower(id), ...state }
    },
    balance: async (account) => (await read(terms.token, [balanceSlot(layout, account)])).words[0]!,
    permitNonce: async (account) => (await read(terms.token, [nonceSlot(layout, account)])).words[0]!,
    credit: async (account) => (await contractWords([creditSlot(terms.token, account)])).words[0]!,
    ruling: async (voucher) => {
      const [ruled] = (await contractWords([rulingSlot(voucher)])).words
      return ruled === 0n ? undefined : ruled! - 1n
    },
    head: async () => {
      const { header } = await contractWords([rulingSlot(`0x${'00'.repeat(32)}`)])
      return { block: header.number, time: header.time }
    },
    nonce: async (_account, next = 0) => next,
    prepare: async (write, signer, number, bump = 0, signal) => {
      // The same word again: a second one could be carried beside the first.
      if (bump > 0) throw new AigenError('chain.unreachable', 'a signed word is not replaced, it is sent again')
      const order: Order = { account: lower(signer.address), number, bump, write: encodeWrite(await signedWrite(write, signer, signal)) }
      const bytes = toHex(canonicalBytes(order))
      return { bytes, hash: orderId(bytes) }
    },
    broadcast: async (bytes) => {
      const known = remember(bytes)
      if (relays.length === 0) throw new AigenError('chain.unreachable', 'no relay is known yet')
      const failures: AigenError[] = []
      // Another one each time: the last one may sit on it.
      for (let tries = 0; tries < relays.length; tries += 1) {
        const relay = relays[known.turn++ % relays.length]!
        try {
          await relay.send(bytes)
          known.takers.add(relay)
          known.refusals.delete(relay)
          return orderId(bytes)
        } catch (thrown) {
          const error = asError(thrown)
          failures.push(error)
          if (error.code === 'chain.reverted') known.refusals.set(relay, error)
        }
      }
      const reverted = failures.every(({ code }) => code === 'chain.reverted')
      throw new AigenError(reverted ? 'chain.reverted' : 'chain.unreachable', failures.map(({ message }) => message).join(' · '))
    },
    outcome,
  }
}
