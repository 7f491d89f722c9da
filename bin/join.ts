/**
 * Joins the network of a data folder as a participant: opens its keys, asks to be taken in, connects.
 * Used by every command that needs a network; `aigen dev` hands over its own way of admission.
 */
import { existsSync } from 'node:fs'
import { join as joinPath } from 'node:path'
import { AigenError, asError } from '../schemas/error.ts'
import { openKeys, type Keys } from '../runtime/identity/keys.ts'
import { readNetworkFile, requestAdmission, requestLightAdmission, type Admit, type NetworkFile } from '../runtime/node/admission.ts'
import { connectPorts, type ConnectedPorts } from '../runtime/node/connect.ts'
import { connectLightPorts, type ConnectedLightPorts } from '../runtime/node/connect-light.ts'
import { systemClock } from '../runtime/node/system-clock.ts'
import { systemRandom } from '../runtime/node/system-random.ts'
import { unlock } from './unlock.ts'
import { homeOf } from './places.ts'

export interface Joined {
  readonly data: string
  readonly home: string
  readonly keys: Keys
  readonly ports: ConnectedPorts
}

export interface LightJoined extends Omit<Joined, 'ports'> {
  readonly ports: ConnectedLightPorts
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

/** Whether the participant has keys, and whether it keeps its journal in files. */
const isKnown = (home: string): boolean => ['wallet.key', 'wallet.json', 'wallet.signer.json'].some((name) => existsSync(joinPath(home, name)))
export const isLight = (home: string): boolean => existsSync(joinPath(home, 'journal'))

/** As a light node. Errors: `network.*`, `keys.*`; `usage.invalid` for a participant that has a full node. */
export async function joinLight(data: string, name: string | undefined): Promise<LightJoined> {
  const home = homeOf(data, name)
  // One wallet, one journal: two journals of the same lanes would promise the same money twice.
  if (isKnown(home) && !isLight(home)) throw new AigenError('usage.invalid', `${name} has a full node: give a light one a name of its own with --as.`)
  const file = await runningNetwork(data)
  const keys = await openKeys({ home, random: systemRandom, ...unlock })
  return { data, home, keys, ports: await connectLightPorts(await requestLightAdmission(file, keys.participant), keys.participant, home) }
}

/** Errors: `network.*`, `keys.*`, `chain.*`; `usage.invalid` for a participant that has a light node. */
export async function join(data: string, name: string | undefined, admit?: Admit): Promise<Joined> {
  const home = homeOf(data, name)
  if (isLight(home)) throw new AigenError('usage.invalid', `${name} has a light node: add --light, or take another name with --as.`)
  const ask = async (): Promise<Admit> => {
    const file = await runningNetwork(data)
    return (participant) => requestAdmission(file, participant)
  }
  const take = admit ?? await ask()
  const keys = await openKeys({ home, random: systemRandom, ...unlock })
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

/** As whatever node the participant has. Errors: those of `join` and `joinLight`. */
export function joinAny(data: string, name: string | undefined): Promise<Joined | LightJoined> {
  return isLight(homeOf(data, name)) ? joinLight(data, name) : join(data, name)
}
