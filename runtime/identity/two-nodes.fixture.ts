/**
 * Participants for the tests of this room: deterministic keys, a virtual clock, a memory network.
 */
import { expect } from 'vitest'
import type { NodeAuthorisation } from '../../schemas/documents.gen.ts'
import { AigenError, type ErrorCode } from '../../schemas/error.ts'
import { generateWalletKey, nativeSigner } from '../evm/native-signer.ts'
import { virtualClock } from '../memory/clock.ts'
import { seededRandom } from '../memory/random.ts'
import type { Clock } from '../ports/clock.ts'
import type { Random } from '../ports/random.ts'
import type { NodeSigner, WalletSigner } from '../ports/signer.ts'
import { authoriseNode } from './authorisation.ts'
import { createCredentials, type Credentials } from './credentials.ts'
import { nodeSigner } from './ed25519.ts'
import { checkHello, openHello, type Session } from './session.ts'

export const START = 1_700_000_000_000
export const DAY = 86_400_000

export interface Party {
  readonly wallet: WalletSigner
  readonly node: NodeSigner
  readonly authorisation: NodeAuthorisation
  readonly self: Credentials
  readonly random: Random
}

/** The participant called `name`: the same keys each time; `node` gives another node of it. */
export function party(name: string, node = 'a', term = { notBefore: START - DAY, notAfter: START + 30 * DAY }): Party {
  const random = seededRandom(`${name}/${node}`)
  const wallet = nativeSigner(generateWalletKey(seededRandom(name)))
  const key = nodeSigner(random.bytes(32))
  const authorisation = authoriseNode(wallet, key.publicKey, term)
  return { wallet, node: key, authorisation, self: createCredentials(key, authorisation), random }
}

/** Both ends of a session from `caller` to `callee`. */
export function pairOf(caller: Party, callee: Party, clock: Clock = virtualClock(START)): { caller: Session; callee: Session } {
  const hello = openHello({ ...caller, clock }, callee.self.participant)
  const { session, welcome } = checkHello({ ...callee, clock }, hello.bytes).accept(['p0'])
  return { caller: hello.finish(welcome), callee: session }
}

/** The code of what `act` throws; fails when it does not throw an `AigenError`. */
export function codeOf(act: () => unknown): ErrorCode {
  try {
    act()
  } catch (error) {
    if (error instanceof AigenError) return error.code
    throw error
  }
  expect.unreachable('it should have thrown')
}

/** The code that `promise` rejects with. */
export async function codeOfAsync(promise: Promise<unknown>): Promise<ErrorCode> {
  let error: unknown
  try {
    await promise
  } catch (thrown) {
    error = thrown
  }
  return codeOf(() => {
    if (error !== undefined) throw error
  })
}
