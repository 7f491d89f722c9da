/** `aigen provide BUNDLE.json`: sells a pipeline as one capability and pays its steps, until it is stopped. */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { bundleDefinition, provideBundle as openBundle } from '../../agents/provider/bundle.ts'
import { announce } from '../../runtime/nats/discovery.ts'
import { decodeJson } from '../../schemas/decode.ts'
import { AigenError } from '../../schemas/error.ts'
import { participantId } from '../../schemas/id.ts'
import type { Output } from '../output.ts'
import { standardCapabilities } from '../pipeline-file.ts'
import { runRole } from '../role.ts'
import { DEPOSIT } from '../user-session.ts'
import { VERSION, type ProvideOptions } from './provide.ts'

export async function provideBundle(given: string, options: ProvideOptions, output: Output): Promise<boolean> {
  const document = readBundle(given)
  const watchtowers = (options.watchtower ?? []).map((address) => participantId(address))
  // What is wrong with it is said before anything is started.
  const { name, capability, price } = bundleDefinition(document, standardCapabilities(), () => { throw new AigenError('internal') }, () => { throw new AigenError('internal') })
  return runRole({
    data: options.data, name: options.as ?? name, output,
    open: async ({ ports, keys, telemetry, evaluate, onLost, stopping, alone, introduce }) => {
      const provider = await openBundle(document, { ports, keys, telemetry, evaluate, onLost, watchtowers, deposit: DEPOSIT, faucet: true, standard: standardCapabilities() })
      const announced = await announce(ports.connection, {
        participant: keys.participant, node: keys.nodeId, name, version: VERSION, description: capability.title,
        capabilities: [{ id: capability.id, metadata: { list: price.list, unit: capability.unit } }], stats: () => provider.stats(),
      })
      introduce(`sells ${capability.id} for ${price.list} a call, and pays its steps`)
      if (alone) {
        output.emit({ type: 'provider', name, participant: keys.participant, capability: capability.id, list: price.list })
        output.print(`${name} sells ${capability.id} for ${price.list} a call as ${keys.participant}, and pays its steps`)
      }
      return async () => {
        await announced.stop().catch(() => undefined)
        await provider.stop(stopping.aborted ? 1_000 : 0)
      }
    },
  })
}

function readBundle(given: string): unknown {
  try {
    return decodeJson(readFileSync(resolve(given)))
  } catch (cause) {
    if (cause instanceof AigenError) throw cause
    throw new AigenError('usage.invalid', `${given} cannot be read (${(cause as NodeJS.ErrnoException).code}).`, { cause })
  }
}
