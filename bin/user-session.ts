/**
 * A user's node for the length of a command: joined, locked, funded, with its telemetry and its
 * evaluator. Opening it goes on with every run that its journal left open.
 */
import { mkdir } from 'node:fs/promises'
import { openLightUser } from '../agents/user/light.ts'
import { openUser, type User, type UserOptions } from '../agents/user/user.ts'
import type { ConnectedPorts } from '../runtime/node/connect.ts'
import { makeBoundedEvaluator } from '../pipelines/evaluate-bounded.ts'
import { evaluateWith, type Evaluate } from '../pipelines/prepare.ts'
import type { Admit } from '../runtime/node/admission.ts'
import { lockHome } from '../runtime/node/lock.ts'
import type { Room } from '../runtime/node/node.ts'
import type { Telemetry } from '../runtime/telemetry/trace.ts'
import type { Capability } from '../schemas/documents.gen.ts'
import type { AigenError } from '../schemas/error.ts'
import { join, joinLight, type Joined, type LightJoined } from './join.ts'
import { openTelemetry } from './open-telemetry.ts'
import { standardCapabilities } from './pipeline-file.ts'
import { homeOf } from './places.ts'

/** What a user's vault holds on the devnet: 100 test dollars, from the faucet. */
export const DEPOSIT = 100_000_000n

export interface UserSession extends Omit<Joined, 'ports'> {
  readonly ports: Omit<ConnectedPorts, 'rail'>
  readonly user: User
  readonly telemetry: Telemetry
  /** Aborts, with the reason, when another process takes the journal or it is gone. */
  readonly lost: AbortSignal
  close(): Promise<void>
}

export interface SessionOptions {
  readonly data: string
  readonly name?: string | undefined
  readonly admit?: Admit
  /** Awaited before the journal's open runs go on. */
  readonly before?: Promise<unknown>
  /** On a light node: journal in files, no chain, relays for both reads and writes. */
  readonly light?: boolean
  /** What else the node hosts, and what it answers besides. */
  readonly rooms?: (options: { readonly evaluate: Evaluate; readonly standard: ReadonlyMap<string, Capability> }) => readonly Room[]
  readonly prepare?: UserOptions['prepare']
}

/** Errors: those of `join` and `openUser`; `node.locked` when another process runs this participant. */
export async function openSession({ data, name, admit, before, rooms, prepare, light = false }: SessionOptions): Promise<UserSession> {
  const home = homeOf(data, name)
  await mkdir(home, { recursive: true, mode: 0o700 })
  const undo: (() => Promise<unknown>)[] = [await lockHome(home)]
  const close = async (): Promise<void> => {
    for (const step of undo.splice(0).reverse()) await step()
  }
  try {
    const evaluator = makeBoundedEvaluator()
    undo.push(() => evaluator.close())
    const full = light ? undefined : await join(data, name, admit)
    const joined = full ?? await joinLight(data, name)
    undo.push(() => joined.ports.close())
    const telemetry = await openTelemetry({ 'aigen.participant': joined.keys.participant })
    undo.push(() => telemetry.close().catch(() => undefined))
    await Promise.all([before, evaluator.warm()])
    const lost = new AbortController()
    const evaluate = evaluateWith(evaluator)
    const standard = standardCapabilities()
    const options = {
      keys: joined.keys, telemetry, evaluate, deposit: DEPOSIT, faucet: true, shareEvidence: true, standard,
      ...(rooms ? { rooms: rooms({ evaluate, standard }) } : {}), ...(prepare ? { prepare } : {}),
      onLost: (error: AigenError) => lost.abort(error),
    }
    const user = await (full ? openUser({ ...options, ports: full.ports }) : openLightUser({ ...options, ports: (joined as LightJoined).ports }))
    undo.push(() => user.close())
    return { ...joined, user, telemetry, lost: lost.signal, close }
  } catch (error) {
    await close()
    throw error
  }
}
