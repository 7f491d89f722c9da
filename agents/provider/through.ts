/**
 * A provider's side of hubs (payments.md): a call whose payer has no lane to it is paid on the lane of
 * a hub that granted it. The call settles locked, so that it makes no difference who pays for the key:
 * worst loss the work of one call, as ever.
 */
import type { AcceptRequest, Address } from '../../schemas/documents.gen.ts'
import { AigenError } from '../../schemas/error.ts'
import type { NodeParts } from '../../runtime/node/node.ts'
import { checkGranted, HUB_CAPABILITY, verifyGrant } from '../../runtime/market/grant.ts'
import type { ProviderDefinition } from './define.ts'

/** Who owns the lane of an agreement: the caller, or the hub whose grant came with it. Errors as `verifyGrant`; `market.refused` for a hub that is not taken. */
export function ownerOf({ wire, directory, clock }: Pick<NodeParts, 'wire' | 'directory' | 'clock'>, definitions: readonly ProviderDefinition[], { terms, lane, grant }: AcceptRequest, caller: Address): Address {
  if (!grant) return caller
  verifyGrant(grant, { lane, payer: caller, payee: terms.payee }, wire.credentials.verifier, clock.now())
  checkGranted(terms, grant)
  const { hub } = grant.body
  const entry = directory.entry(hub)
  const offers = entry?.alive === true && entry.card.body.offers.some(({ capability }) => capability.id === HUB_CAPABILITY)
  const hubs = definitions.find(({ capability }) => capability.id === terms.capability)?.hubs
  if (hub === wire.participant || hub === caller || !(hubs ? hubs.includes(hub) : offers)) throw new AigenError('market.refused', 'this hub is not taken', { path: 'grant.body.hub' })
  return hub
}
