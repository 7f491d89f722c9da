/**
 * Joins the network of a data folder as a participant: opens its keys, asks to be taken in, connects.
 * Used by every command that needs a network; `aigen dev` hands over its own way of admission.
 */
import { AigenError, asError } from '../schemas/error.ts'
import { openKeys, type Keys } from '../runtime/identity/keys.ts'
import { readNetworkFile, requestAdmission, type Admit, type NetworkFile } from '../runtime/node/admission.ts'
import { connectPorts, type ConnectedPorts } from '../runtime/node/connect.ts'
import { systemClock } from '../runtime/node/system-clock.ts'
import { systemRandom } from '../runtime/node/system-random.ts'
import { homeOf } from './places.ts'

export interface Joined {
  readonly data: string
  readonly home: string
  readonly keys: Keys
  readonly ports: ConnectedPorts
}

/** A machine that is busy starting everything may answer a connection too late. */
const CONNECT_ATTEMPTS = 4
const PAUSE_MS = 250
/** What may pass: a server that takes many in at once may not know the last of them yet. */
const PASSING: readonly string[] = ['network.timeout', 'network.unreachable', 'network.denied', 'chain.unreachable']

/** The network that runs on `data`. Error `network.unreachable` when none does. */
export async function runningNetwork(data: string): Promise<NetworkFile> {
  const file = await readNetworkFile(data)
  if (!file) throw new AigenError('network.unreachable', `No network runs on ${data}. Start one with "aigen dev" in another terminal.`)
  return file
}

/** Errors: `network.*`, `keys.*`, `chain.*`. */
export async function join(data: string, name: string | undefined, admit?: Admit): Promise<Joined> {
  const home = homeOf(data, name)
  const ask = async (): Promise<Admit> => {
    const file = await runningNetwork(data)
    return (participant) => requestAdmission(file, participant)
  }
  const take = admit ?? await ask()
  const keys = await openKeys({ home, random: systemRandom })
  for (let attempt = 1; ; attempt++) {
    try {
      return { data, home, keys, ports: await connectPorts(await take(keys.participant), keys.participant) }
    } catch (thrown) {
      const error = asError(thrown)
      if (attempt >= CONNECT_ATTEMPTS || !PASSING.includes(error.code)) throw error
      await systemClock.sleep(PAUSE_MS * attempt)
    }
  }
}
