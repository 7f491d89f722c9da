/**
 * The owner's word on a run: pause, resume, cancel, a signal, an answer, a question. Each but the question is an
 * event in the journal before it is answered, so that it stands after a crash (D2). A user's node
 * hears it from this process, and over the wire from its owner's other processes: from the same
 * participant only, so that nobody on the network can steer a stranger's spending (I8); but whoever a
 * step with `approve` names may answer it. Used by `aigen runs` and by programs.
 */
import type { Approval, GateContext } from '../../pipelines/gate.machine.ts'
import type { RunContext } from '../../pipelines/run.machine.ts'
import { SIGNAL_BYTES_MAX, SIGNALS_MAX } from '../../pipelines/signals.ts'
import type { Wire } from '../../runtime/identity/wire.ts'
import type { Node } from '../../runtime/node/node.ts'
import { canonicalText, hashOf } from '../../schemas/canonical.ts'
import type { ControlAnswer, ControlRequest } from '../../schemas/documents.gen.ts'
import { AigenError } from '../../schemas/error.ts'
import { newId, type ParticipantId } from '../../schemas/id.ts'
import { validate } from '../../schemas/validate.ts'
import { parkedOf, queryRun } from './inspect.ts'
import { hasEnded, runLine } from './run-line.ts'

const VERB = 'control'
const TIMEOUT_MS = 10_000

/**
 * Does what the owner wants; where the run stands then, and a query's answer. `id` names a signal: of
 * one id only the first counts (default: a new one).
 *
 * - `pause`: no step starts any more; those under way end and are paid.
 * - `resume`: what was held back starts, and what was parked takes events again.
 * - `cancel`: what is under way is asked to stop, what was delivered is paid, the rest is given back.
 * - `signal`: for the step that waits for its name; kept with the run until one does.
 * - `answer`: approves the step `name` or rejects it; `by` is who says so (default: the owner).
 * - `query`: what `name` is the path of, without an event.
 *
 * Errors: `run.unknown`, `run.ended`, `run.parked`, `input.invalid`, `input.too-large`; `journal.machine-changed` for
 * what this code cannot replay; those of `Host.send`.
 *
 * @example await controlRun(user, { run, want: 'signal', name: 'approved', data: { by: 'ann' } })
 */
export async function controlRun({ node }: { readonly node: Pick<Node, 'host' | 'clock' | 'random' | 'participant'> }, request: ControlRequest, id: string = newId('req', node.clock.now(), node.random.bytes(10)), by: string = node.participant): Promise<ControlAnswer> {
  const { host } = node
  const { run, want, name } = validate('ControlRequest', request)
  const actor = `run/${run}`
  // Who is not asked learns nothing of the run.
  if (by !== node.participant && (await host.look<GateContext>(gateId(run, name ?? '')))?.plan.approve?.by !== by) throw new AigenError('auth.unauthorised', 'these are the runs of another participant')
  const line = await runLine(host, run)
  if (want === 'query') return { state: line.state, value: await queryRun(host, run, name) }
  const context = (await host.look<RunContext>(actor))!
  if (hasEnded(line)) {
    if (want === 'cancel' && context.cancelled) return { state: line.state }
    throw new AigenError('run.ended', `${run}: ${line.state}`)
  }
  if (want === 'resume') await unpark(host, run)
  else if (line.state === 'parked') throw new AigenError('run.parked', (await host.load(actor))!.parked)
  if (want === 'signal') await signal(host, request, id)
  else if (want === 'answer') await answer(host, request, by, node.participant)
  // Said twice is said once.
  else if (want === 'cancel' ? !context.cancelled : context.paused !== (want === 'pause')) await host.send(actor, { type: want })
  return { state: (await runLine(host, run)).state }
}

/** Mends all that can be; the error of the first that cannot. */
async function unpark(host: Node['host'], run: string): Promise<void> {
  const mended = await Promise.allSettled(parkedOf(host, run).map(({ actor }) => host.unpark(actor)))
  for (const one of mended) if (one.status === 'rejected') throw one.reason
}

async function signal(host: Node['host'], { run, name, data = null }: ControlRequest, id: string): Promise<void> {
  if (name === undefined) throw new AigenError('input.invalid', 'A signal has a name.', { path: 'name' })
  const bytes = Buffer.byteLength(canonicalText(data))
  if (bytes > SIGNAL_BYTES_MAX) throw new AigenError('input.too-large', `${bytes} bytes, a signal has at most ${SIGNAL_BYTES_MAX}.`, { path: 'data' })
  const { snapshot } = await host.send(`run/${run}`, { type: 'signal', id, name, data })
  if (!(snapshot.context as RunContext).signals.some((one) => one.id === id)) throw new AigenError('input.too-large', `${run} has ${SIGNALS_MAX} signals and takes no more.`)
}

/** The actor of a step that waits; one of a sub-pipeline is named with its way there: sub.sign. */
function gateId(run: string, step: string): string {
  return `gate/${run}/${step.replaceAll('.', '/')}`
}

/** Longest comment of an answer. */
const COMMENT_MAX = 1_000

async function answer(host: Node['host'], { run, name = '', data }: ControlRequest, by: string, owner: string): Promise<void> {
  const { approved, comment = null } = (typeof data === 'object' && data !== null ? data : {}) as { readonly approved?: unknown; readonly comment?: unknown }
  if (typeof approved !== 'boolean') throw new AigenError('input.invalid', 'An answer says approved: true or false.', { path: 'data.approved' })
  if (comment !== null && (typeof comment !== 'string' || comment.length > COMMENT_MAX)) throw new AigenError('input.invalid', `A comment is text of at most ${COMMENT_MAX} characters.`, { path: 'data.comment' })
  const gate = gateId(run, name)
  const actor = await host.load(gate)
  const { plan } = (actor?.snapshot.context ?? {}) as Partial<GateContext>
  if (!plan?.approve) throw new AigenError('input.invalid', `${name} waits for no approval.`, { path: 'name' })
  if (by !== (plan.approve.by === 'owner' ? owner : plan.approve.by)) throw new AigenError('auth.unauthorised', `${name} is for ${plan.approve.by} to approve`)
  // What it asks for may be evaluated still.
  let { snapshot } = await host.until(gate, ({ value }) => value !== 'preparing', TIMEOUT_MS)
  if (snapshot.value === 'waiting') snapshot = (await host.send(gate, { type: 'answer', approved, by, comment })).snapshot
  // Said twice is said once; what came too late, or after another's word, did not count.
  const { output } = snapshot.context as { readonly output: Approval | null }
  if (output?.approved !== approved || output.by !== by) throw new AigenError('input.invalid', `${name} waits for no approval any more.`, { path: 'name' })
}

/** Answers the owner's other processes, and whoever a step waits for. Called by `openUser`. */
export function serveControl(node: Node): void {
  node.wire.serve(VERB, (body) => validate('ControlRequest', body), async (body, { caller, callId }) => {
    if (caller !== node.participant && body.want !== 'answer') throw new AigenError('auth.unauthorised', 'these are the runs of another participant')
    return controlRun({ node }, body, callId, caller)
  })
}

/** The same through the running node of `owner`, by default of this participant. Errors: `network.no-responders` when none runs; those of `controlRun`. */
export function controlFrom(wire: Wire, request: ControlRequest, random: Uint8Array, owner: ParticipantId = wire.participant): Promise<ControlAnswer> {
  const callId = `c-${hashOf([request.run, Buffer.from(random).toString('hex')]).slice(7, 39)}`
  return wire.call(owner, VERB, { ...request }, { callId, timeoutMs: TIMEOUT_MS, validate: (value) => validate('ControlAnswer', value) })
}
