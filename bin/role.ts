/**
 * One role of a participant as a process: taken in, locked, connected, with telemetry and an
 * evaluator, until it is stopped. By itself it joins a running network; as a child of `aigen dev` it
 * is taken in over the channel to its parent, and stops when that closes. Used by `aigen provide`,
 * `guardian`, `gateway` and `payments`.
 */
import { mkdir } from 'node:fs/promises'
import { makeBoundedEvaluator, type BoundedEvaluator } from '../pipelines/evaluate-bounded.ts'
import { evaluateWith, type Evaluate } from '../pipelines/prepare.ts'
import type { Admit } from '../runtime/node/admission.ts'
import type { Connections } from '../runtime/node/connect.ts'
import { lockHome } from '../runtime/node/lock.ts'
import type { NodeOptions } from '../runtime/node/node.ts'
import type { Telemetry } from '../runtime/telemetry/trace.ts'
import { AigenError, asError, fromBody, type ErrorBody } from '../schemas/error.ts'
import { aborted, onInterrupt } from './interrupt.ts'
import { join, runningNetwork, type Joined } from './join.ts'
import { openTelemetry } from './open-telemetry.ts'
import type { Output } from './output.ts'
import { dataFolder, homeOf } from './places.ts'

/** A child that cannot stop in this time ends all the same. */
const STOP_MS = 7_000

/** What a role is opened with. */
export interface RoleSession extends Joined {
  readonly name: string
  readonly telemetry: Telemetry
  readonly evaluate: Evaluate
  /** Give it to `openNode`: the process ends when another one takes the journal. */
  readonly onLost: NonNullable<NodeOptions['onLost']>
  /** Aborts when the process is asked to stop. */
  readonly stopping: AbortSignal
  /** Whether a person started it: a child says nothing on its own. */
  readonly alone: boolean
  /** Says in one line what the participant does, for who started the network. */
  introduce(line: string): void
}

export interface RoleOptions {
  readonly data?: string | undefined
  /** Name of the participant's folder. */
  readonly name: string
  readonly output: Output
  /** Opens the role; resolves with how to stop it. Called once. */
  open(session: RoleSession): Promise<() => Promise<unknown> | void>
}

/** Runs the role until it is stopped; true when it ended in order. Errors: those of `join` and `open`. */
export async function runRole({ data: given, name, output, open }: RoleOptions): Promise<boolean> {
  const data = dataFolder(given)
  const lifeline = process.send ? openLifeline() : undefined
  if (!lifeline) await runningNetwork(data)
  const home = homeOf(data, name)
  await mkdir(home, { recursive: true, mode: 0o700 })
  const interrupt = lifeline ?? onInterrupt()
  const undo: (() => Promise<unknown> | void)[] = [await lockHome(home)]
  let problem: AigenError | undefined
  const lines: string[] = []
  try {
    const joined = await join(data, name, lifeline?.admit)
    undo.push(() => joined.ports.close())
    const telemetry = await openTelemetry({ 'aigen.participant': joined.keys.participant, 'aigen.name': name })
    undo.push(() => telemetry.close().catch(() => undefined))
    // Most expressions have a static bound; threads for others start when one comes.
    let evaluator: BoundedEvaluator | undefined
    undo.push(() => evaluator?.close())
    const evaluate = evaluateWith({ evaluate: (template, context) => (evaluator ??= makeBoundedEvaluator({ threads: 1 })).evaluate(template, context) })
    const lost = new AbortController()
    const onLost = (error: AigenError): void => {
      problem = error
      lost.abort()
    }
    undo.push(await open({ ...joined, name, telemetry, evaluate, onLost, stopping: interrupt.signal, alone: !lifeline, introduce: (line) => void lines.push(line) }))
    process.send?.({ type: 'live', does: lines.join('; ') })
    if (!lifeline) output.say('Ctrl-C stops it.')
    await Promise.race([aborted(interrupt.signal), aborted(lost.signal)])
    if (problem) throw problem
    return true
  } finally {
    if (lifeline) setTimeout(() => process.exit(1), STOP_MS).unref()
    for (const step of undo.reverse()) await step()
    interrupt.release()
  }
}

/** The channel to `aigen dev`: asks it to be taken in, and stops when it is gone. */
function openLifeline(): { signal: AbortSignal; admit: Admit; release(): void } {
  const abort = new AbortController()
  const stop = (): void => abort.abort()
  // Ctrl-C reaches the whole group; the parent decides when its children stop.
  const ignore = (): void => {}
  process.on('SIGINT', ignore).on('SIGTERM', stop).on('disconnect', stop)
  if (!process.connected) stop()
  const admit: Admit = (participant) => new Promise<Connections>((resolve, reject) => {
    process.on('message', (message: { type?: string; connections?: Connections; error?: ErrorBody }) => {
      if (message.type === 'admitted') resolve(message.connections!)
      else if (message.type === 'refused') reject(fromBody(message.error!))
    })
    abort.signal.addEventListener('abort', () => reject(new AigenError('network.closed', 'the parent is gone')), { once: true })
    process.send!({ type: 'admit', participant }, (error: Error | null) => error && reject(asError(error, 'network.closed')))
  })
  return { signal: abort.signal, admit, release: () => void (process.connected && process.disconnect()) }
}
