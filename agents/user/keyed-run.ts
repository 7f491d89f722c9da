/**
 * A run that an actor pays for, as the body of an effect: started once under the actor's key,
 * followed to its end, its cost told whatever became of it. Used by agents and watchers, whose
 * budgets count on it (I1, I4): whoever repeats the effect after a crash finds the same run, and what
 * cannot be known is an error, never a guess.
 */
import { stepsOf } from '../../pipelines/steps-of.ts'
import { isAnswered, type RunContext } from '../../pipelines/run.machine.ts'
import { patienceMs } from '../../pipelines/patience.ts'
import type { LiveActor } from '../../runtime/actors/fold.ts'
import type { NodeParts } from '../../runtime/node/node.ts'
import type { Address, Capability } from '../../schemas/documents.gen.ts'
import { AigenError, asError, type ErrorBody } from '../../schemas/error.ts'
import { keyedRun, startRun, type StartOptions } from './run.ts'
import type { User } from './user.ts'

/** Beyond the plan's own worst case: hiring, settling, and steps in doubt, in ms. */
const SLACK_MS = 600_000

export interface KeyedRun {
  readonly key: string
  /** Actor that pays. */
  readonly payer: string
  /** Whether the payer, as it stands, wants the run to stop. */
  readonly stopping: (payer: LiveActor) => boolean
  /** What to run. Asked for only when no run has the key yet; it must not cost more than was put aside for it. */
  readonly options: () => Omit<StartOptions, 'key'>
}

export interface Settled {
  /** Null when nothing was started. */
  readonly run: string | null
  readonly output: unknown
  readonly error: ErrorBody | null
  /** Atomic, all attempts of all steps. */
  readonly charged: string
  /** Who worked, or was to. */
  readonly providers: readonly { readonly participant: Address; readonly name: string }[]
}

/** The user that a node's own rooms may act as: what `startRun` needs of one. */
export function userOf(parts: NodeParts, standard: ReadonlyMap<string, Capability> = new Map()): User {
  const closed = (): Promise<never> => Promise.reject(new AigenError('internal', 'a room does not open or close its node'))
  return {
    node: { ...parts, host: parts.host(), start: closed, close: closed },
    listeners: new Map(),
    evaluate: closed,
    capabilities: () => new Map([...standard, ...parts.directory.capabilities()]),
    close: closed,
  }
}

/**
 * The outcome of the run under `key`: started now, or found and gone on with. A run that cannot be
 * started (its document, its inputs, its budget) is an outcome with `run: null` and costs nothing.
 *
 * Errors: retryable ones of the node, to be repeated under the same key; `network.timeout` when the
 * run has not ended long after its own worst case, its cost then being unknown.
 */
export async function runOnce(user: User, { key, payer, stopping, options }: KeyedRun, signal: AbortSignal): Promise<Settled> {
  const { host } = user.node
  const id = keyedRun(key)
  const actor = `run/${id}`
  /** An effect of the payer runs this, so it has not ended. */
  const wantsStop = (): boolean => {
    const live = host.peek(payer)
    return live !== undefined && stopping(live)
  }
  if (!(await host.load(actor))) {
    if (wantsStop()) return nothing(new AigenError('agent.cancelled').toJSON())
    try {
      await startRun(user, { ...options(), key })
    } catch (thrown) {
      const error = asError(thrown)
      if (error.rule.retry || error.code === 'journal.conflict') throw error
      return nothing(error.toJSON())
    }
  }
  let asked = false
  /** A run takes `cancel` once it runs; before that it is asked again when it does. One that runs has not ended. */
  const cancel = (): void => {
    const live = host.peek(actor)
    if (asked || live?.snapshot.value !== 'running') return
    asked = true
    host.send(actor, { type: 'cancel' }).catch(() => (asked = false))
  }
  const look = (): void => {
    if (wantsStop()) cancel()
  }
  const unwatch = host.watch(({ id: changed }) => {
    if (changed === payer || changed === actor) look()
  })
  try {
    look()
    const { plan } = (await host.look<RunContext>(actor))!
    const ended = (): Promise<LiveActor> => host.until(actor, isAnswered, patienceMs(plan) + SLACK_MS, signal)
    const { snapshot } = await ended().catch((thrown: unknown) => {
      if (asError(thrown).code !== 'network.timeout') throw thrown
      cancel()
      return ended()
    })
    const context = snapshot.context as RunContext
    return { run: id, output: context.output, error: context.error, charged: context.spent, providers: await providersOf(user, context) }
  } finally {
    unwatch()
  }
}

function nothing(error: ErrorBody): Settled {
  return { run: null, output: null, error, charged: '0', providers: [] }
}

async function providersOf(user: User, run: RunContext): Promise<Settled['providers']> {
  const found = new Map<Address, string>()
  for await (const { context } of stepsOf(user.node.host, run)) {
    for (const { provider, providerName } of context?.attempts ?? []) found.set(provider, providerName)
    if (context?.agreement && context.offer) found.set(context.agreement.terms.provider, context.offer.name)
  }
  return [...found].slice(0, 32).map(([participant, name]) => ({ participant, name }))
}
