/**
 * What a node shows to others (D5): whose node it is, the wallet's authorisation of its key, and
 * signing with it. One per node; the wire, the market and the payments sign through it.
 */
import type { Hash, NodeAuthorisation } from '../../schemas/documents.gen.ts'
import { AigenError } from '../../schemas/error.ts'
import { nodeId, participantId, type NodeId, type ParticipantId } from '../../schemas/id.ts'
import type { NodeSigner } from '../ports/signer.ts'
import { createAuthorisations, type Authorisations } from './authorisation.ts'
import { createVerifier, documentSigner, type Sign, type Verifier } from './signed.ts'
import { toText } from './text-bytes.ts'

export interface Credentials {
  readonly participant: ParticipantId
  /** The node key as base64url. */
  readonly node: NodeId
  readonly authorisation: NodeAuthorisation
  readonly auth: Hash
  readonly sign: Sign
  readonly verifier: Verifier
}

/**
 * The credentials of the node that holds `node` under `authorisation`. Errors `auth.forged` and
 * `auth.unauthorised` when the authorisation is not genuine or is for another key.
 */
export function createCredentials(
  node: NodeSigner,
  authorisation: NodeAuthorisation,
  authorisations: Authorisations = createAuthorisations(),
): Credentials {
  const admitted = authorisations.admit(authorisation)
  const id = nodeId(toText(node.publicKey))
  if (admitted.authorisation.node !== id) throw new AigenError('auth.unauthorised', 'The authorisation is for another node key.')
  const participant = participantId(admitted.authorisation.wallet)
  const verifier = createVerifier(authorisations)
  return {
    participant,
    node: id,
    authorisation: admitted.authorisation,
    auth: admitted.hash,
    sign: documentSigner(participant, node, admitted.hash, (bytes, sig) => verifier.remember(node.publicKey, bytes, sig)),
    verifier,
  }
}
