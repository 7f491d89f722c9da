/** `aigen provide MODULE`: sells what the module's default export defines until it is stopped. */
import { pathToFileURL } from 'node:url'
import type { ProviderDefinition } from '../../agents/provider/define.ts'
import { provide as startProvider } from '../../agents/provider/provide.ts'
import type { ProviderWithDoor } from '../../agents/provider/with-door.ts'
import type { Evaluate } from '../../pipelines/prepare.ts'
import { openKey } from '../../runtime/identity/keys.ts'
import { toText } from '../../runtime/identity/text-bytes.ts'
import { announce } from '../../runtime/nats/discovery.ts'
import { systemRandom } from '../../runtime/node/system-random.ts'
import { AigenError } from '../../schemas/error.ts'
import { participantId } from '../../schemas/id.ts'
import { writeDoorFile } from '../door-file.ts'
import type { Output } from '../output.ts'
import { moduleFile } from '../places.ts'
import { runRole } from '../role.ts'

export interface ProvideOptions {
  readonly data?: string
  readonly as?: string
  /** Port of the HTTP door; true takes a free one. */
  readonly http?: number | true
  readonly httpHost?: string
  readonly httpUrl?: string
  /** Addresses of who is handed the vouchers. */
  readonly watchtower?: readonly string[]
}

/** Version told to NATS tools: that of the protocol's software. */
export const VERSION = '0.1.0'

export async function provide(module: string, options: ProvideOptions, output: Output): Promise<boolean> {
  const definitions = await loadDefinitions(module, options.as)
  const watchtowers = (options.watchtower ?? []).map((address) => participantId(address))
  const [{ name }] = definitions as readonly [ProviderDefinition]
  // Models are loaded while it is being taken in.
  const selling = definitions.map((one) => {
    const loaded = Promise.resolve().then(() => one.start?.())
    loaded.catch(() => undefined)
    return { ...one, start: () => loaded }
  })
  return runRole({
    data: options.data, name: options.as ?? name, output,
    open: async ({ home, ports, keys, telemetry, evaluate, onLost, stopping, alone, introduce }) => {
      const provider = options.http === undefined
        ? await startProvider(selling, { ports, keys, telemetry, onLost, watchtowers }, evaluate)
        : await withDoor(selling, { ports, keys, telemetry, onLost, watchtowers }, evaluate, options, home)
      const announced = await announce(ports.connection, {
        participant: keys.participant, node: keys.nodeId, name, version: VERSION, description: definitions.map(({ capability }) => capability.title).join(', '),
        capabilities: definitions.map(({ capability: { id, unit }, price: { list } }) => ({ id, metadata: { list, unit } })), stats: () => provider.stats(),
      })
      for (const { capability: { id, unit, per }, price: { list } } of definitions) introduce(`sells ${id} for ${list} a ${per === undefined ? '' : `${per} `}${unit}`)
      if ('url' in provider) introduce(`access keys open ${String(provider.url)}`)
      if (alone) {
        for (const { capability: { id, unit, per }, price: { list } } of definitions) {
          output.emit({ type: 'provider', name, participant: keys.participant, capability: id, list })
          output.print(`${name} sells ${id} for ${list} a ${per === undefined ? '' : `${per} `}${unit} as ${keys.participant}`)
        }
        if ('url' in provider) output.print(`access keys open ${String(provider.url)}: aigen key issue --as ${options.as ?? name} --to … --quota …`)
      }
      return async () => {
        await announced.stop().catch(() => undefined)
        await provider.stop(stopping.aborted ? 1_000 : 0)
      }
    },
  })
}

/** The same with an HTTP door, whose operator's token lies in the participant's folder while it runs. */
async function withDoor(
  definition: readonly ProviderDefinition[], node: Parameters<typeof startProvider>[1], evaluate: Evaluate, { http, httpHost, httpUrl }: ProvideOptions, home: string,
): Promise<ProviderWithDoor> {
  const adminToken = toText(systemRandom.bytes(24))
  // Loaded where it is asked for: most providers have no HTTP door.
  const { provideWithDoor } = await import('../../agents/provider/with-door.ts')
  const provider = await provideWithDoor(definition, node, evaluate, {
    adminToken, root: await openKey(home, 'access', () => systemRandom.bytes(32), systemRandom),
    ...(typeof http === 'number' ? { port: http } : {}), ...(httpHost === undefined ? {} : { hostname: httpHost }), ...(httpUrl === undefined ? {} : { publicUrl: httpUrl }),
  })
  const remove = await writeDoorFile(home, { url: provider.url, adminToken, pid: process.pid })
  return {
    ...provider,
    stop: async (drainMs) => {
      await remove()
      await provider.stop(drainMs)
    },
  }
}

/** The module's default export: a definition, a list of them, or a function that gives either for the participant's name. */
async function loadDefinitions(given: string, name: string | undefined): Promise<readonly ProviderDefinition[]> {
  const file = moduleFile(given, process.cwd())
  let said: unknown
  try {
    said = ((await import(pathToFileURL(file).href)) as { default?: unknown }).default
    if (typeof said === 'function') said = await (said as (options: { name: string | undefined }) => unknown)({ name })
  } catch (cause) {
    throw new AigenError('usage.invalid', `${given} cannot be loaded: ${(cause as Error).message}`, { cause })
  }
  const definitions = (Array.isArray(said) ? said : [said]) as (ProviderDefinition | undefined)[]
  if (definitions.length === 0 || definitions.some((one) => typeof one?.handler !== 'function' || typeof one.name !== 'string')) {
    throw new AigenError('usage.invalid', `${given} has no provider as its default export: export default defineProvider({ … }).`)
  }
  return definitions as ProviderDefinition[]
}
