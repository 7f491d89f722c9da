/**
 * How a process joins a network that another process of this machine runs (`aigen dev`): a private
 * file says where it is, a request on a subject that only the operator may use asks to be taken in.
 * Whoever can read the file is the same person; strangers join by credentials they were given.
 */
import { chmod, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { decodeJson } from '../../schemas/decode.ts'
import { AigenError, asError, fromBody, type ErrorBody } from '../../schemas/error.ts'
import { participantId, type ParticipantId } from '../../schemas/id.ts'
import { natsBus } from '../nats/bus.ts'
import { connectNats } from '../nats/connection.ts'
import type { Credentials } from '../nats/credentials.ts'
import type { NatsServer } from '../nats/nats-server.ts'
import { devnetLight, type LightConnections } from './connect-light.ts'
import type { Connections } from './connect.ts'
import { isRunning } from './lock.ts'

const SUBJECT = 'aigen.dev.admit'
const BYTES_MAX = 64 * 1024
/** Taking a participant in reloads the server's configuration and funds an account. */
const ADMIT_MS = 20_000

/** What `<data>/devnet.json` says. */
export interface NetworkFile {
  readonly version: 1
  /** The process that runs the network. */
  readonly pid: number
  readonly startedAt: number
  readonly nats: Pick<NatsServer, 'url' | 'version' | 'source' | 'warnings' | 'pid' | 'dataDir'>
  readonly chain: Connections['chain']
  readonly operator: Credentials
  /** Genesis of its guardians, when it has any: what verification of reputation takes. */
  readonly guardians?: Connections['guardians']
}

const fileOf = (data: string): string => join(data, 'devnet.json')

/** Writes the file, readable by its owner only; resolves with how to take it away again. */
export async function writeNetworkFile(data: string, file: NetworkFile): Promise<() => Promise<void>> {
  const path = fileOf(data)
  await writeFile(`${path}.new`, JSON.stringify(file, null, 1), { mode: 0o600 })
  await chmod(`${path}.new`, 0o600)
  await rename(`${path}.new`, path)
  return async () => {
    if ((await readNetworkFile(data))?.pid === file.pid) await rm(path, { force: true })
  }
}

/** The network of `data` that runs now; `undefined` when none does. */
export async function readNetworkFile(data: string): Promise<NetworkFile | undefined> {
  const text = await readFile(fileOf(data), 'utf8').catch(() => undefined)
  if (text === undefined) return undefined
  try {
    const file = JSON.parse(text) as NetworkFile
    return file.version === 1 && isRunning(file.pid) ? file : undefined
  } catch {
    return undefined
  }
}

export type Admit = (participant: ParticipantId) => Promise<Connections>

/** Answers requests for admission; resolves with how to stop. Errors: `network.*`. */
export async function serveAdmission(operator: Credentials, admit: Admit): Promise<() => Promise<void>> {
  const connection = await connectNats(operator, 'admission')
  const bus = natsBus(connection)
  const encode = (value: object): { data: Uint8Array } => ({ data: new TextEncoder().encode(JSON.stringify(value)) })
  await bus.subscribe(SUBJECT, async ({ data }) => {
    try {
      const { participant, light } = decodeJson(data, { bytesMax: BYTES_MAX }) as { participant?: unknown; light?: unknown }
      const connections = await admit(participantId(participant as string))
      // A light node is told neither of a journal account nor of a way to the chain.
      return encode(light === true ? { light: devnetLight(connections) } : { connections })
    } catch (thrown) {
      return encode({ error: asError(thrown).toJSON() })
    }
  })
  return async () => {
    await bus.close()
    await connection.close()
  }
}

/** Asks the process that runs the network to take `participant` in. Errors: `network.*`, and its own. */
export async function requestAdmission(file: NetworkFile, participant: ParticipantId): Promise<Connections> {
  const { connections } = await ask(file, { participant })
  if (!connections) throw new AigenError('network.garbled')
  return connections
}

/** The same for a light node. Errors: `network.*`, and its own. */
export async function requestLightAdmission(file: NetworkFile, participant: ParticipantId): Promise<LightConnections> {
  const { light } = await ask(file, { participant, light: true })
  if (!light) throw new AigenError('network.garbled')
  return light
}

async function ask(file: NetworkFile, request: object): Promise<{ connections?: Connections; light?: LightConnections }> {
  const connection = await connectNats(file.operator, 'join', { reconnect: false })
  const bus = natsBus(connection)
  try {
    const answer = await bus.request(SUBJECT, new TextEncoder().encode(JSON.stringify(request)), { timeoutMs: ADMIT_MS })
    const { error, ...taken } = decodeJson(answer.data, { bytesMax: BYTES_MAX }) as { connections?: Connections; light?: LightConnections; error?: ErrorBody }
    if (error) throw fromBody(error)
    return taken
  } finally {
    await bus.close()
    await connection.close()
  }
}
