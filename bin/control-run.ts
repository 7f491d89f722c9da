/**
 * The owner's word on a run, told to the process that runs the participant; where none does, to its
 * journal by this process, which moves nothing unless it is to. Used by `aigen runs`.
 */
import { mkdir } from 'node:fs/promises'
import { controlFrom, controlRun } from '../agents/user/control.ts'
import { queryRun } from '../agents/user/inspect.ts'
import { runLine } from '../agents/user/run-line.ts'
import { withUserAtRest } from '../agents/user/user.ts'
import { holderOf, lockHome } from '../runtime/node/lock.ts'
import type { ControlAnswer, ControlRequest } from '../schemas/documents.gen.ts'
import { AigenError, asError } from '../schemas/error.ts'
import { joinAny } from './join.ts'
import { askOwnNode } from './own-node.ts'
import { homeOf } from './places.ts'
import { openReadSession } from './read-session.ts'

/** Where the run stands then, a query's answer, and whether a running node gave it. Errors: those of `join` and `controlRun`. */
export async function controlAnywhere(data: string, name: string | undefined, request: ControlRequest): Promise<ControlAnswer & { readonly live: boolean }> {
  const home = homeOf(data, name)
  if ((await holderOf(home)) === undefined) {
    const rest = await (request.want === 'query' ? queryRead(data, name, request) : controlAtRest(data, name, home, request)).catch((thrown) => {
      // Somebody began to run it in this moment.
      if (asError(thrown).code !== 'node.locked') throw thrown
    })
    if (rest) return { ...rest, live: false }
  }
  return { ...await askOwnNode(data, name, (wire, random) => controlFrom(wire, request, random)), live: true }
}

async function queryRead(data: string, name: string | undefined, { run, name: path }: ControlRequest): Promise<ControlAnswer> {
  const session = await openReadSession(data, name)
  try {
    return { state: (await runLine(session.actors, run)).state, value: await queryRun(session.actors, run, path) }
  } finally {
    await session.close()
  }
}

async function controlAtRest(data: string, name: string | undefined, home: string, request: ControlRequest): Promise<ControlAnswer> {
  await mkdir(home, { recursive: true, mode: 0o700 })
  const unlock = await lockHome(home)
  try {
    const { ports, keys } = await joinAny(data, name)
    try {
      return await withUserAtRest({ ports, keys, evaluate: atRest }, (node) => controlRun({ node }, request))
    } finally {
      await ports.close()
    }
  } finally {
    await unlock()
  }
}

const atRest = (): never => {
  throw new AigenError('internal', 'a node at rest evaluates nothing')
}
