/**
 * `aigen provide MODULE`: sells what the module's default export defines until it is stopped. As a
 * child of `aigen dev` it is taken in over the channel to its parent, and stops when that closes.
 */
import { mkdir } from 'node:fs/promises'
import { pathToFileURL } from 'node:url'
import type { ProviderDefinition } from '../../agents/provider/define.ts'
import { provide as startProvider } from '../../agents/provider/provide.ts'
import { makeBoundedEvaluator, type BoundedEvaluator } from '../../pipelines/evaluate-bounded.ts'
import { evaluateWith } from '../../pipelines/prepare.ts'
import { announce } from '../../runtime/nats/discovery.ts'
import type { Admit } from '../../runtime/node/admission.ts'
import type { Connections } from '../../runtime/node/connect.ts'
import { lockHome } from '../../runtime/node/lock.ts'
import { AigenError, asError, fromBody, type ErrorBody } from '../../schemas/error.ts'
import { aborted, onInterrupt } from '../interrupt.ts'
import { join, runningNetwork } from '../join.ts'
import { openTelemetry } from '../open-telemetry.ts'
import type { Output } from '../output.ts'
import { dataFolder, homeOf, moduleFile } from '../places.ts'

export interface ProvideOptions {
  readonly data?: string
  readonly as?: string
}

/** Version told to NATS tools: that of the protocol's software. */
const VERSION = '0.1.0'
/** A child that cannot stop in this time ends all the same. */
const STOP_MS = 7_000

export async function provide(module: string, options: ProvideOptions, output: Output): Promise<boolean> {
  const data = dataFolder(options.data)
  const lifeline = process.send ? openLifeline() : undefined
  if (!lifeline) await runningNetwork(data)
  const definition = await loadDefinition(module)
  // Loads its models while it is being taken in.
  const loaded = Promise.resolve().then(() => definition.start?.())
  loaded.catch(() => undefined)
  const name = options.as ?? definition.name
  const home = homeOf(data, name)
  await mkdir(home, { recursive: true, mode: 0o700 })
  const interrupt = lifeline ?? onInterrupt()
  const undo: (() => Promise<unknown> | void)[] = [await lockHome(home)]
  let problem: AigenError | undefined
  try {
    const { ports, keys } = await join(data, name, lifeline?.admit)
    undo.push(() => ports.close())
    const telemetry = await openTelemetry({ 'aigen.participant': keys.participant, 'aigen.provider': name })
    undo.push(() => telemetry.close().catch(() => undefined))
    // Expressions that a provider agrees to have a static bound; threads for others start when one comes.
    let evaluator: BoundedEvaluator | undefined
    undo.push(() => evaluator?.close())
    const evaluate = evaluateWith({ evaluate: (template, context) => (evaluator ??= makeBoundedEvaluator({ threads: 1 })).evaluate(template, context) })
    const lost = new AbortController()
    const provider = await startProvider({ ...definition, start: () => loaded }, {
      ports, keys, telemetry, onLost: (error) => {
        problem = error
        lost.abort()
      },
    }, evaluate)
    undo.push(() => provider.stop(interrupt.signal.aborted ? 1_000 : 0))
    const announced = await announce(ports.connection, {
      participant: keys.participant, node: keys.nodeId, name: definition.name, version: VERSION, description: definition.capability.title,
      capabilities: [{ id: definition.capability.id, metadata: { list: definition.price.list, unit: definition.capability.unit } }],
      stats: () => provider.stats(),
    })
    undo.push(() => announced.stop().catch(() => undefined))
    process.send?.({ type: 'live' })
    if (!lifeline) {
      output.emit({ type: 'provider', name: definition.name, participant: keys.participant, capability: definition.capability.id, list: definition.price.list })
      output.print(`${definition.name} sells ${definition.capability.id} for ${definition.price.list} a ${definition.capability.unit} as ${keys.participant}`)
      output.say('Ctrl-C stops it.')
    }
    await Promise.race([aborted(interrupt.signal), aborted(lost.signal)])
    if (problem) throw problem
    return true
  } finally {
    if (lifeline) setTimeout(() => process.exit(1), STOP_MS).unref()
    for (const step of undo.reverse()) await step()
    interrupt.release()
  }
}

async function loadDefinition(given: string): Promise<ProviderDefinition> {
  const file = moduleFile(given, process.cwd())
  let definition: ProviderDefinition | undefined
  try {
    definition = ((await import(pathToFileURL(file).href)) as { default?: ProviderDefinition }).default
  } catch (cause) {
    throw new AigenError('usage.invalid', `${given} cannot be loaded: ${(cause as Error).message}`, { cause })
  }
  if (typeof definition?.handler !== 'function' || typeof definition.name !== 'string') {
    throw new AigenError('usage.invalid', `${given} has no provider as its default export: export default defineProvider({ … }).`)
  }
  return definition
}

/** The channel to `aigen dev`: asks it to be taken in, and stops when it is gone. */
function openLifeline(): { signal: AbortSignal; admit: Admit; release(): void } {
  const abort = new AbortController()
  const stop = (): void => abort.abort()
  // Ctrl-C reaches the whole group; the parent decides when its providers stop.
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
