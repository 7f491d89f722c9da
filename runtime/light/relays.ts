/**
 * A light node's way to the chain: relays, of whom none is trusted. A word of storage counts when its
 * proof holds under a block that a quorum of them names and that is not far behind what a quorum has
 * seen; fewer liars than the quorum can delay, never deceive. Used by `rail.ts` and, with RPC addresses in place of relays, by `proven-rail.ts`. Keeps I8.
 */
import { AigenError, asError } from '../../schemas/error.ts'
import { provenWords, readHeader, type Header } from '../evm/proof.ts'
import type { ChainProofs, StorageRead } from '../ports/chain-proofs.ts'
import type { Clock } from '../ports/clock.ts'
import type { Hex } from '../ports/signer.ts'

/** What a relay says of an order; only `failed` is ever believed, and only of that relay. */
export interface OrderStatus {
  readonly state: 'unknown' | 'pending' | 'done' | 'failed'
  readonly transaction?: Hex | undefined
  readonly reason?: string | undefined
}

/** Who says what stands in the chain, and proves it: a relay, or an RPC address. */
export interface Witness extends ChainProofs {
  readonly name: string
}

export interface Relay extends Witness {
  /** Hands over an order, canonical bytes as hex. `chain.reverted` when it says that it would fail. */
  send(order: Hex): Promise<void>
  status(id: Hex): Promise<OrderStatus>
}

export interface TrustOptions {
  readonly relays: readonly Witness[]
  /** Relays that must name the same block: more than there can be liars. */
  readonly quorum: number
  readonly clock: Clock
  /** Blocks that a proof may lie behind what a quorum has seen (default 5). */
  readonly behindMax?: number
  /** Seconds that the block may be old; absent for a chain that mines only when there is something to mine. */
  readonly ageMax?: number
}

export interface Proven {
  readonly header: Header
  readonly words: readonly (readonly bigint[])[]
}

export interface Trust {
  /**
   * Words of storage, proven, as they stood `depth` blocks below the head (default 0, which is all that
   * relays on the wire prove). `chain.unproven` when no relay and quorum could be found that hold.
   */
  read(reads: readonly StorageRead[], depth?: number): Promise<Proven>
}

/** A relay may be a block behind the other: it is asked again, so often and after so long. */
const ASKS_MAX = 4
const ASK_MS = 250

export function trustRelays({ relays, quorum, clock, behindMax = 5, ageMax }: TrustOptions): Trust {
  if (quorum < 1 || quorum > relays.length) throw new AigenError('usage.invalid', `a quorum of ${quorum} among ${relays.length} relays`)
  let first = 0
  /** The latest block that was trusted: the chain does not go back further than it may be behind. */
  let seen = 0

  const confirm = async (relay: Witness, header: Header): Promise<{ agrees: boolean, head: number }> => {
    for (let asks = 1; ; asks += 1) {
      const { hash, head } = await relay.block(header.number)
      if (hash !== undefined) return { agrees: hash.toLowerCase() === header.hash, head }
      if (asks >= ASKS_MAX) return { agrees: false, head }
      await clock.sleep(ASK_MS)
    }
  }

  const readFrom = async (relay: Witness, reads: readonly StorageRead[], depth: number): Promise<Proven> => {
    const proof = await relay.prove(reads, depth)
    const header = readHeader(proof.header)
    const answers = quorum === 1 ? [] : await Promise.allSettled(relays.filter((one) => one !== relay).map((one) => confirm(one, header)))
    const others = answers.flatMap((answer) => answer.status === 'fulfilled' ? [answer.value] : [])
    const agreeing = 1 + others.filter(({ agrees }) => agrees).length
    if (agreeing < quorum) throw new AigenError('chain.unproven', `${agreeing} of ${quorum} relays name block ${header.number} as ${relay.name} does`)
    // At least one honest relay has seen it, and of all that the honest have seen it is not the least: of two
    // that must agree, the one that is stuck would have said how far the chain is.
    const reached = [header.number, ...others.map(({ head }) => head)].sort((a, b) => b - a)[Math.min(quorum - 1, relays.length - quorum)]!
    if (header.number > Math.max(reached - depth, 0)) throw new AigenError('chain.unproven', `block ${header.number} is not ${depth} below ${reached}`)
    if (header.number < Math.max(reached, seen) - depth - behindMax) throw new AigenError('chain.unproven', `block ${header.number} is stale, ${Math.max(reached, seen)} is reached`)
    if (ageMax !== undefined && header.time < clock.now() / 1_000 - ageMax) throw new AigenError('chain.unproven', `block ${header.number} is too old`)
    const words = await provenWords(proof, header, reads)
    seen = Math.max(seen, header.number + depth)
    return { header, words }
  }

  return {
    read: async (reads, depth = 0) => {
      const failures: AigenError[] = []
      for (let turn = 0; turn < relays.length; turn += 1) {
        const place = (first + turn) % relays.length
        try {
          const proven = await readFrom(relays[place]!, reads, depth)
          first = place
          return proven
        } catch (thrown) {
          failures.push(asError(thrown))
        }
      }
      const worst = failures.find(({ code }) => code === 'chain.unproven') ?? failures[0]
      throw new AigenError(worst?.code === 'chain.unproven' ? 'chain.unproven' : 'chain.unreachable', failures.map(({ message }) => message).join(' · '), { cause: worst })
    },
  }
}
