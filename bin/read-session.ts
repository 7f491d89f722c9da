/**
 * A participant's runs for commands that only look: joined, but neither locked nor fenced, so that
 * they work while another process of the participant runs them.
 */
import { readRuns } from '../agents/user/read.ts'
import type { ReadActors } from '../runtime/actors/read-actors.ts'
import { joinAny, type Joined, type LightJoined } from './join.ts'

export type ReadSession = (Joined | LightJoined) & {
  readonly actors: ReadActors
  close(): Promise<void>
}

/** Errors: those of `joinAny`, `journal.*`. */
export async function openReadSession(data: string, name: string | undefined): Promise<ReadSession> {
  const joined = await joinAny(data, name)
  try {
    return { ...joined, actors: await readRuns(joined.ports), close: () => joined.ports.close() }
  } catch (error) {
    await joined.ports.close()
    throw error
  }
}
