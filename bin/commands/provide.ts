/** `aigen provide MODULE`: sells what the module's default export defines until it is stopped. */
import { pathToFileURL } from 'node:url'
import type { ProviderDefinition } from '../../agents/provider/define.ts'
import { provide as startProvider } from '../../agents/provider/provide.ts'
import { announce } from '../../runtime/nats/discovery.ts'
import { AigenError } from '../../schemas/error.ts'
import type { Output } from '../output.ts'
import { moduleFile } from '../places.ts'
import { runRole } from '../role.ts'

export interface ProvideOptions {
  readonly data?: string
  readonly as?: string
}

/** Version told to NATS tools: that of the protocol's software. */
const VERSION = '0.1.0'

export async function provide(module: string, options: ProvideOptions, output: Output): Promise<boolean> {
  const definition = await loadDefinition(module)
  // Loads its models while it is being taken in.
  const loaded = Promise.resolve().then(() => definition.start?.())
  loaded.catch(() => undefined)
  return runRole({
    data: options.data, name: options.as ?? definition.name, output,
    open: async ({ ports, keys, telemetry, evaluate, onLost, stopping, alone }) => {
      const provider = await startProvider({ ...definition, start: () => loaded }, { ports, keys, telemetry, onLost }, evaluate)
      const { capability: { id, title, unit }, price: { list }, name } = definition
      const announced = await announce(ports.connection, {
        participant: keys.participant, node: keys.nodeId, name, version: VERSION, description: title,
        capabilities: [{ id, metadata: { list, unit } }], stats: () => provider.stats(),
      })
      if (alone) {
        output.emit({ type: 'provider', name, participant: keys.participant, capability: id, list })
        output.print(`${name} sells ${id} for ${list} a ${unit} as ${keys.participant}`)
      }
      return async () => {
        await announced.stop().catch(() => undefined)
        await provider.stop(stopping.aborted ? 1_000 : 0)
      }
    },
  })
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
