/** A payment provider's room as a node of its own, with its card out: a relay, a watchtower. */
import { openNode, type Node, type NodeOptions, type Room } from '../../runtime/node/node.ts'
import { announcePresence, type Description } from '../presence.ts'

/** A node with nothing but this room, and how it ends. */
export interface Alone {
  readonly node: Node
  stop(): Promise<void>
}

/** `prepare` has the node serve before it starts; `offer` goes on its card. Errors: those of `openNode` and `prepare`. */
export async function openAlone({ name, ...options }: Omit<NodeOptions, 'rooms'> & { readonly name: string }, room: Room, prepare: (node: Node) => void | Promise<void>, offer: Partial<Description> = {}): Promise<Alone> {
  const node = await openNode({ ...options, rooms: [room] })
  try {
    await prepare(node)
    await node.start()
    const presence = await announcePresence(node, () => ({ name, roles: ['payment-provider'], offers: [], ...offer }))
    return {
      node,
      stop: async () => {
        presence.leave()
        await node.close()
      },
    }
  } catch (error) {
    await node.close()
    throw error
  }
}
