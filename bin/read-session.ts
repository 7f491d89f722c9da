/**
 * A participant's runs for commands that only look: joined, but neither locked nor fenced, so that
 * they work while another process of the participant runs them.
 */
import { readRuns } from '../agents/user/read.ts'
import type { Actors } from '../runtime/actors/read-actors.ts'
import { join, type Joined } from './join.ts'

export interface ReadSession extends Joined {
  readonly actors: Actors
  close(): Promise<void>
}

/** Errors: those of `join`, `journal.*`. */
export async function openReadSession(data: string, name: string | undefined): Promise<ReadSession> {
  const joined = await join(data, name)
  try {
    return { ...joined, actors: await readRuns(joined.ports), close: () => joined.ports.close() }
  } catch (error) {
    await joined.ports.close()
    throw error
  }
}
