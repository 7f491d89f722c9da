/**
 * Deliveries signed together: one signature over the root of their Merkle tree, and to each the way
 * there. What a provider finishes in one turn, as the calls of one commit group do, costs it one signature,
 * and its payer one check of a root that it has met before. Used by the provider's work and by whoever
 * verifies a delivery.
 */
import { hash } from 'node:crypto'
import type { Delivery, DeliveryBody, Hex32, NodeAuthorisation } from '../../schemas/documents.gen.ts'
import { AigenError } from '../../schemas/error.ts'
import type { Sign, Verifier } from '../identity/signed.ts'
import { leadsTo, merkleTree } from '../market/merkle.ts'
import { deliveryText } from './delivery-text.ts'

/** Deliveries of one group: a proof is then at most six hashes. */
const GROUP_MAX = 64

/** A leaf is a SHA-256 hash over a tagged text, which no pair of hashes is: no inner node stands for a delivery. */
function leafOf(body: DeliveryBody): Hex32 {
  return `0x${hash('sha256', `aigen/v1/delivery\n${deliveryText(body)}`)}`
}

/** SHA-256 of two hashes in order, a tenth of the time of Keccak here. */
function pairOf(one: string, other: string): Hex32 {
  const [low, high] = one < other ? [one, other] : [other, one]
  return `0x${hash('sha256', Buffer.from(low.slice(2) + high.slice(2), 'hex'))}`
}

/** The deliveries of `bodies`, signed together; one alone is signed by itself. */
export function signTogether(bodies: readonly DeliveryBody[], sign: Sign): Delivery[] {
  if (bodies.length < 2) return bodies.map((body) => ({ body, signature: sign('delivery', body) }))
  const { root, proof } = merkleTree(bodies.map(leafOf), pairOf)
  const signature = sign('delivery-group', { root })
  return bodies.map((body, index) => ({ body, signature, group: { root, proof: proof(index) } }))
}

/** Signs what is handed in within one turn of the event loop together. */
export function groupSigner(sign: Sign): (body: DeliveryBody) => Promise<Delivery> {
  let waiting: { readonly body: DeliveryBody; readonly resolve: (delivery: Delivery) => void; readonly reject: (error: unknown) => void }[] = []
  const close = (): void => {
    const group = waiting
    waiting = []
    for (let from = 0; from < group.length; from += GROUP_MAX) {
      const part = group.slice(from, from + GROUP_MAX)
      try {
        const signed = signTogether(part.map(({ body }) => body), sign)
        part.forEach(({ resolve }, index) => resolve(signed[index]!))
      } catch (thrown) {
        for (const { reject } of part) reject(thrown)
      }
    }
  }
  return (body) => new Promise((resolve, reject) => {
    if (waiting.push({ body, resolve, reject }) === 1) setImmediate(close)
  })
}

/** Checks who signed a delivery, alone or with others, as of `at`. Errors `auth.*`; `auth.forged` where the proof leads elsewhere. */
export function verifySigned({ body, signature, group }: Delivery, verifier: Verifier, at: number): NodeAuthorisation {
  if (!group) return verifier.verify('delivery', body, signature, at)
  if (!leadsTo(group.root, leafOf(body), group.proof, pairOf)) throw new AigenError('auth.forged', 'the proof does not lead from the delivery to the root', { path: 'group.proof' })
  return verifier.verify('delivery-group', { root: group.root }, signature, at)
}
