/**
 * A provider that also answers over HTTP, for clients with an access key (issue, narrow, revoke) and
 * no node. Used by `aigen provide --http`.
 */
import type { Evaluate } from '../../pipelines/prepare.ts'
import { openNode } from '../../runtime/node/node.ts'
import { openDoor } from '../http/door.ts'
import { openAccess, type Access } from './access.ts'
import { providerDoor } from './door/door.ts'
import { openGate } from './gate.ts'
import { openKeyedCalls } from './keyed-calls.ts'
import { accessRoom, type ChunkListeners } from './keyed-work.ts'
import { listOf, prepareShop, type provide, providerRooms, readyToSell, type Provider, type Selling } from './provide.ts'

export interface DoorSettings {
  /** Makes and checks this provider's access keys, 32 bytes; a lost one ends every key issued. */
  readonly root: Uint8Array
  /** What the operator shows to reach `/admin`. */
  readonly adminToken: string
  /** Default 0: a free one. */
  readonly port?: number
  /** Default 127.0.0.1. */
  readonly hostname?: string
  /** The address told in card and grants, where a proxy stands in front; default the door's own. */
  readonly publicUrl?: string
}

export interface ProviderWithDoor extends Provider {
  readonly url: string
  readonly access: Access
}

/** Starts selling on the network and at an HTTP door. Errors: those of `provide`; `node.locked` when the port is taken. */
export async function provideWithDoor(selling: Selling, { watchtowers = [], ...options }: Parameters<typeof provide>[1], evaluate: Evaluate, settings: DoorSettings): Promise<ProviderWithDoor> {
  const { root, adminToken, publicUrl } = settings
  const definitions = listOf(selling)
  const gate = openGate(definitions)
  const listeners: ChunkListeners = new Map()
  await readyToSell(selling)
  const node = await openNode({ ...options, rooms: [...providerRooms(selling, evaluate, gate), accessRoom(definitions, evaluate, gate, listeners)] })
  const doors: string[] = []
  const shop = await prepareShop(node, selling, () => doors.map((url) => ({ kind: 'provider', url })), watchtowers)
  await node.start()
  const access = openAccess(node, definitions, root)
  const calls = openKeyedCalls({ node, definitions, evaluate, root, listeners, busy: shop.admission.busy })
  const door = await openDoor(providerDoor({ node, definitions, calls, access, adminToken, doors: () => doors }), settings)
  const url = publicUrl ?? door.url
  doors.push(url)
  const provider = await shop.open()
  return {
    ...provider, url, access,
    stop: async (drainMs) => {
      await door.close()
      await provider.stop(drainMs)
    },
  }
}
