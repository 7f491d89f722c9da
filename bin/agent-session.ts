/**
 * Sessions of commands that host agents and watchers, look at them, or steer those of another
 * process. Opening one goes on with every agent and watcher that its participant's journal left open.
 */
import { agentRooms } from '../agents/llm/agent-effects.ts'
import { agent } from '../agents/llm/planner.machine.ts'
import { serveSteering, steer, steerFrom } from '../agents/llm/steer.ts'
import { watcher } from '../agents/user/watcher.machine.ts'
import { watcherRooms } from '../agents/user/watcher-effects.ts'
import { readActors, type Actors } from '../runtime/actors/read-actors.ts'
import type { SteerRequest } from '../schemas/documents.gen.ts'
import { asError } from '../schemas/error.ts'
import { join } from './join.ts'
import { askOwnNode } from './own-node.ts'
import { openSession, type UserSession } from './user-session.ts'

/** A user's session whose node hosts agents and watchers and hears its owner's other processes. Errors: those of `openSession`. */
export function openAgentSession(data: string, name: string | undefined): Promise<UserSession> {
  return openSession({ data, name, rooms: (options) => [...agentRooms(options), ...watcherRooms(options)], prepare: serveSteering })
}

/** Agents and watchers of a journal that another process may own. Errors: those of `join`, `journal.*`. */
export async function readAgents<T>(data: string, name: string | undefined, look: (actors: Actors) => Promise<T>): Promise<T> {
  const { ports } = await join(data, name)
  try {
    return await look(await readActors({ journal: ports.journal, blobs: ports.blobs, clock: ports.clock, kinds: [agent, watcher] }))
  } finally {
    await ports.close()
  }
}

/**
 * Tells the owner's word to the process that runs the participant; where none does, `here` is called
 * with a session of this process after the word was taken. Where it stands then.
 */
export async function steerAgents(data: string, name: string | undefined, request: SteerRequest, here: (session: UserSession) => Promise<unknown>): Promise<string> {
  let session: UserSession
  try {
    session = await openAgentSession(data, name)
  } catch (thrown) {
    if (asError(thrown).code !== 'node.locked') throw thrown
    return askOwnNode(data, name, (wire, random) => steerFrom(wire, request, random))
  }
  try {
    const state = await steer(session.user, request)
    await here(session)
    return state
  } finally {
    await session.close()
  }
}
