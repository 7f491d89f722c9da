/**
 * Answers NATS micro discovery (`$SRV.PING/INFO/STATS`, DESIGN Wire) for a provider, so that
 * existing NATS tools list it with its capabilities and figures. Each capability is an endpoint that
 * answers with its description; the work itself is hired by sealed calls, never through it.
 */
import { Svcm } from '@nats-io/services'
import { AigenError } from '../../schemas/error.ts'
import { checkOpen } from './connection.ts'
import { natsError } from './nats-error.ts'
import type { Connection } from './connection.ts'

export interface Announcement {
  readonly participant: string
  readonly node: string
  /** Shown by tools; characters other than letters, digits, `_` and `-` become `-`. */
  readonly name: string
  /** Semantic version of the provider's software. */
  readonly version: string
  readonly description?: string
  readonly capabilities: readonly { readonly id: string; readonly metadata?: Readonly<Record<string, string>> }[]
  /** Figures of a capability for `$SRV.STATS`, as JSON (calls, failures, p50…). */
  readonly stats?: (capability: string) => unknown
}

/** Announces a provider; resolves with how to take it back. Errors: `network.denied`, `network.closed`. */
export async function announce(connection: Connection, what: Announcement): Promise<{ stop(): Promise<void> }> {
  checkOpen(connection)
  const ids = new Map(what.capabilities.map(({ id }) => [endpointName(id), id]))
  if (ids.size !== what.capabilities.length) throw new AigenError('input.invalid', 'two capabilities have the same endpoint name')
  try {
    // the package brings its own copy of the client's types; the connection is the same object
    const service = await new Svcm(connection.nc as unknown as ConstructorParameters<typeof Svcm>[0]).add({
      name: endpointName(what.name), version: what.version, queue: '',
      description: what.description ?? 'AIGEN provider',
      metadata: { participant: what.participant, node: what.node, protocol: 'aigen.v1' },
      statsHandler: async (endpoint) => what.stats?.(ids.get((endpoint as { name?: string }).name ?? '') ?? '') ?? null,
    })
    for (const { id, metadata } of what.capabilities) {
      service.addEndpoint(endpointName(id), {
        subject: `aigen.v1.call.${what.participant}.${what.node}.about.${endpointName(id)}`,
        metadata: { capability: id, ...metadata },
        handler: (error, message) => {
          if (error === null) message.respond(JSON.stringify({ capability: id, participant: what.participant, node: what.node, ...metadata }))
        },
      })
    }
    await connection.nc.flush()
    return { stop: async () => { await service.stop() } }
  } catch (thrown) {
    throw natsError(thrown, 'discovery')
  }
}

function endpointName(text: string): string {
  return text.replace(/[^A-Za-z0-9_-]+/g, '-')
}
