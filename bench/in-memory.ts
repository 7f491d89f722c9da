/**
 * Ports in memory, and on them a user alone and a host alone: what `pipeline-runs` measures. Nobody else
 * is on the network, and no expression of the documents needs a thread.
 */
import { createHash } from 'node:crypto'
import { openUser, type User } from '../agents/user/user.ts'
import { evaluateWith } from '../pipelines/prepare.ts'
import { Host } from '../runtime/actors/host.ts'
import { nodeSigner } from '../runtime/identity/ed25519.ts'
import { toText } from '../runtime/identity/text-bytes.ts'
import { memoryBlobs } from '../runtime/memory/blobs.ts'
import { memoryNetwork } from '../runtime/memory/bus.ts'
import { memoryJournal } from '../runtime/memory/journal.ts'
import { MemoryRail } from '../runtime/memory/rail.ts'
import { memoryWallet } from '../runtime/memory/signer.ts'
import { systemClock } from '../runtime/node/system-clock.ts'
import { systemRandom } from '../runtime/node/system-random.ts'
import { nodeId, participantId } from '../schemas/id.ts'
import { leg, relay } from './relay.machine.ts'

export async function openAlone(): Promise<User> {
  const wallet = memoryWallet('bench wallet')
  const node = nodeSigner(createHash('sha256').update('bench node').digest())
  const participant = participantId(wallet.address)
  const rail = new MemoryRail({ clock: systemClock })
  const ports = {
    bus: memoryNetwork({ clock: systemClock }).bus(participant, { guardian: false }), journal: memoryJournal(new Map()), blobs: memoryBlobs({ shelves: new Map() }),
    transfer: memoryBlobs({ shelves: new Map(), shelf: participant }), rail, clock: systemClock, random: systemRandom,
  }
  const never = (): Promise<never> => Promise.reject(new Error('every expression here has a bound'))
  return openUser({ ports, keys: { participant, nodeId: nodeId(toText(node.publicKey)), wallet, voucher: memoryWallet('bench voucher'), node }, evaluate: evaluateWith({ evaluate: never }), deposit: 1_000_000n, faucet: true })
}

/** A host whose actors have a run's shape (`relay.machine`) on the same kind of ports. */
export async function openHostAlone(): Promise<Host> {
  const ask = { mode: 'idempotent' as const, run: ({ number }: { number: number }) => Promise.resolve({ type: 'leg.ask.done', value: { n: number } }) }
  const host = await Host.open({
    journal: memoryJournal(new Map()), blobs: memoryBlobs({ shelves: new Map() }), clock: systemClock, random: systemRandom,
    registry: { actors: [relay, leg], effects: { 'leg.ask': ask } },
  })
  host.resume()
  return host
}
