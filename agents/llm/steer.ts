/**
 * The owner's word from another process: the node that hosts a participant's agents and watchers is
 * told over the wire to approve, reject, cancel or stop. Only the same participant is heard, so
 * nobody on the network can approve a stranger's spending (I8). Used by `aigen agent` and `aigen watch`.
 */
import type { Wire } from '../../runtime/identity/wire.ts'
import type { Node } from '../../runtime/node/node.ts'
import { hashOf } from '../../schemas/canonical.ts'
import type { SteerRequest } from '../../schemas/documents.gen.ts'
import { AigenError } from '../../schemas/error.ts'
import { validate } from '../../schemas/validate.ts'
import { stopWatcher, watcherReport } from '../user/watch.ts'
import { agentReport, approveAgent, cancelAgent, rejectAgent } from './pursue.ts'

const VERB = 'steer'
const TIMEOUT_MS = 5_000

/** What the steering needs of a user. */
type Host = { readonly node: Pick<Node, 'host'> }

/** Answers the owner's other processes; for `openUser({ prepare })`. */
export function serveSteering(node: Node): void {
  node.wire.serve(VERB, (body) => validate('SteerRequest', body), async (body, { caller }) => {
    if (caller !== node.participant) throw new AigenError('auth.unauthorised', 'these are the agents of another participant')
    return { state: await steer({ node }, body) }
  })
}

/** Does what the owner wants; where it stands then. Errors `agent.*`, `watcher.unknown`. */
export async function steer(user: Host, { id, want, question, reason }: SteerRequest): Promise<string> {
  const { host } = user.node
  if (want === 'stop') {
    await stopWatcher(user, id)
    return (await watcherReport(host, id)).state
  }
  if (want === 'approve') await approveAgent(user, id, question)
  else if (want === 'reject') await rejectAgent(user, id, reason, question)
  else await cancelAgent(user, id)
  return (await agentReport(user, id)).state
}

/** The same through the participant's running node. Errors `network.no-responders` when none runs; those of `steer`. */
export async function steerFrom(wire: Wire, request: SteerRequest, random: Uint8Array): Promise<string> {
  const callId = `s-${hashOf([request.id, Buffer.from(random).toString('hex')]).slice(7, 39)}`
  const answer = await wire.call(wire.participant, VERB, { ...request }, { callId, timeoutMs: TIMEOUT_MS, validate: (value) => validate('SteerAnswer', value) })
  return answer.state
}
