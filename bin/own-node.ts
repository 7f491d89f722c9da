/**
 * The participant's node that another process of this machine runs: asked over the wire, as its owner.
 * Used by the commands that steer agents, watchers and runs.
 */
import { authorise } from '../runtime/identity/authorisation.ts'
import { openKeys } from '../runtime/identity/keys.ts'
import { createWire, type Wire } from '../runtime/identity/wire.ts'
import { joinAny } from './join.ts'
import { unlock } from './unlock.ts'

const DAY_MS = 86_400_000

/** `ask` with a wire of the participant's and 16 random bytes. Errors: those of `join`, and of the call. */
export async function askOwnNode<T>(data: string, name: string | undefined, ask: (wire: Wire, random: Uint8Array) => Promise<T>): Promise<T> {
  const { ports, keys, home } = await joinAny(data, name)
  try {
    const { bus, clock, random } = ports
    // A node key of its own: the running node is not taken for this process.
    const { node, authorisation: kept } = await openKeys({ home, random, nodeName: 'asker', ...unlock })
    const today = Math.floor(clock.now() / DAY_MS) * DAY_MS
    const authorisation = await authorise(keys.wallet, node.publicKey, { notBefore: today - DAY_MS, notAfter: today + 2 * DAY_MS }, clock.now(), kept)
    return await ask(createWire({ bus, clock, random, node, authorisation }), random.bytes(16))
  } finally {
    await ports.close()
  }
}
