/**
 * The devnet's guardians from genesis (D9): the participants of that role, by the keys in their
 * folders, which are made here when there are none yet. Told to everybody who is taken in.
 */
import { join } from 'node:path'
import { openKeys } from '../../runtime/identity/keys.ts'
import { systemRandom } from '../../runtime/node/system-random.ts'
import type { GuardianSet } from '../../schemas/documents.gen.ts'
import type { DevnetParticipant } from './participants.ts'

/** Short, so that a change shows while one watches. */
const EPOCH_MS = 20_000

/** The set, with a quorum of 2f + 1 of n ≥ 3f + 1; undefined where nobody is a guardian. Errors `keys.*`. */
export async function genesisGuardians(data: string, participants: readonly DevnetParticipant[]): Promise<GuardianSet | undefined> {
  const names = participants.filter(({ role }) => role === 'guardian').map(({ name }) => name)
  if (names.length === 0) return undefined
  const keys = await Promise.all(names.map((name) => openKeys({ home: join(data, 'participants', name), random: systemRandom })))
  return { participants: keys.map(({ participant }) => participant), quorum: 2 * Math.floor((names.length - 1) / 3) + 1, epochMs: EPOCH_MS }
}
