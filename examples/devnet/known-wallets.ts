/**
 * Wallets of the devnet that a document can name (`providers.only`, `labels`, `escrow.agent`): made
 * from the participant's name, so that its address is the same on every machine, as those of anvil's
 * own accounts are. Everybody can make them, so they are used with the devnet's own chain only;
 * on a chain that AIGEN_RPC_URL names each wallet is new.
 */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { nativeSigner } from '../../runtime/evm/native-signer.ts'
import { openKey } from '../../runtime/identity/keys.ts'
import { systemRandom } from '../../runtime/node/system-random.ts'
import { participantId, type ParticipantId } from '../../schemas/id.ts'
import type { DevnetParticipant } from './participants.ts'

const keyOf = (name: string): Uint8Array => createHash('sha256').update(`aigen devnet wallet of ${name}`).digest()

/** Whose wallet is known: those that sell and those that decide. */
export function isKnown({ role, optional }: DevnetParticipant): boolean {
  return (role === 'provider' || role === 'payments') && !optional
}

/** The address that a devnet participant of this name has. @example knownAddress('careful-eye') // '0x…' */
export function knownAddress(name: string): ParticipantId {
  return participantId(nativeSigner(keyOf(name)).address)
}

/** Lays the wallets into the participants' folders, where none lies yet. Errors `keys.*`. */
export async function layKnownWallets(data: string, participants: readonly DevnetParticipant[]): Promise<void> {
  if (process.env['AIGEN_RPC_URL']?.trim()) return
  for (const { name } of participants.filter(isKnown)) await openKey(join(data, 'participants', name), 'wallet', () => keyOf(name), systemRandom)
}
