/**
 * A whole network on memory ports, for tests: production nodes over one broker, one chain and a
 * disk a participant (D10). A participant's process can be killed and started again on its disk.
 */
import { createHash } from 'node:crypto'
import type { Capability, GuardianSet } from '../schemas/documents.gen.ts'
import { evaluateWith } from '../pipelines/prepare.ts'
import type { Limits } from '../runtime/actors/keeper.ts'
import { nodeSigner } from '../runtime/identity/ed25519.ts'
import type { Keys } from '../runtime/identity/keys.ts'
import { toText } from '../runtime/identity/text-bytes.ts'
import { memoryBlobs, type MemoryShelves } from '../runtime/memory/blobs.ts'
import { memoryNetwork, type MemoryNetworkOptions } from '../runtime/memory/bus.ts'
import { memoryJournal, type MemoryDisk, type MemoryJournalHooks } from '../runtime/memory/journal.ts'
import { MemoryRail } from '../runtime/memory/rail.ts'
import type { VirtualClock } from '../runtime/memory/clock.ts'
import { seededRandom } from '../runtime/memory/random.ts'
import { memoryWallet } from '../runtime/memory/signer.ts'
import { lightRail } from '../runtime/light/rail.ts'
import { openNode, type Node, type NodePorts } from '../runtime/node/node.ts'
import { TEST_DOLLAR_LAYOUT } from '../runtime/evm/storage.ts'
import { systemClock } from '../runtime/node/system-clock.ts'
import type { Bus } from '../runtime/ports/bus.ts'
import type { WalletSigner } from '../runtime/ports/signer.ts'
import type { Clock } from '../runtime/ports/clock.ts'
import { noTelemetry, type Telemetry } from '../runtime/telemetry/trace.ts'
import { nodeId, participantId, type ParticipantId } from '../schemas/id.ts'
import { openPayments, type Payments, type PaymentsOptions } from './payments/open.ts'
import { openGuardian, type Guardian, type GuardianOptions } from './guardian/guardian.ts'
import { prepareRelay, relayRoom } from './payments/relay.ts'
import { openWatchtower } from './payments/watchtower.ts'
import type { ProviderDefinition } from './provider/define.ts'
import { provide, type Provider } from './provider/provide.ts'
import { openLightUser, type LightUserOptions } from './user/light.ts'
import { openUser, type User, type UserOptions } from './user/user.ts'

/** Evaluates in this thread only: tests of killable workers are in `pipelines/`. */
export const evaluateHere = evaluateWith({ evaluate: () => Promise.resolve({ ok: false, message: 'needs a worker' }) as never })

/** Keys of a participant; `other` gives another node of it. */
export function keysOf(name: string, other = ''): Keys & { readonly wallet: WalletSigner } {
  const wallet = memoryWallet(`${name} wallet`)
  const node = nodeSigner(createHash('sha256').update(`${name} node${other}`).digest())
  return { participant: participantId(wallet.address), nodeId: nodeId(toText(node.publicKey)), wallet, voucher: memoryWallet(`${name} voucher`), node }
}

export class MemoryWorld {
  readonly clock: Clock
  readonly rail: MemoryRail
  readonly #network
  readonly #disks = new Map<string, MemoryDisk>()
  readonly #shelves = new Map<string, MemoryShelves>()
  /** Ciphertext on its way, a shelf a participant: tests tamper with it. */
  readonly transfers: MemoryShelves = new Map()
  /** Guardians of the network, by name, and how they close epochs; set before anybody is opened. */
  guardians: { readonly names: readonly string[]; readonly quorum: number; readonly epochMs: number } | undefined
  /** Who providers hand their vouchers to; set before they are opened. */
  watchtowers: readonly ParticipantId[] = []
  readonly #open = new Set<() => Promise<void>>()
  #opened = 0

  /** Of every node that is opened, how much it keeps in memory. */
  readonly #limits: { readonly limits?: Limits }

  constructor(options: { clock?: Clock; network?: Partial<MemoryNetworkOptions>; limits?: Limits; history?: number } = {}) {
    this.#limits = options.limits ? { limits: options.limits } : {}
    this.clock = options.clock ?? systemClock
    this.rail = new MemoryRail({ clock: this.clock, history: options.history ?? 0 })
    this.#network = memoryNetwork({ clock: this.clock, ...options.network })
  }

  ports(name: string, hooks: MemoryJournalHooks = {}): NodePorts & { bus: Bus } {
    const { participant } = keysOf(name)
    const disk = this.#disks.get(name) ?? new Map()
    this.#disks.set(name, disk)
    const shelves = this.#shelves.get(name) ?? new Map()
    this.#shelves.set(name, shelves)
    return {
      bus: this.#network.bus(participant, { guardian: this.guardians?.names.includes(name) === true }),
      ...(this.guardians ? { guardians: this.guardianSet() } : {}),
      journal: memoryJournal(disk, hooks),
      blobs: memoryBlobs({ shelves }),
      transfer: memoryBlobs({ shelves: this.transfers, shelf: participant }),
      rail: this.rail,
      clock: this.clock,
      random: seededRandom(`${name} ${this.#opened++}`),
    }
  }

  /** A participant's journal as it is now, to put back later as an old store: `() => void` puts it back. */
  keepStore(name: string): () => void {
    const kept = [...this.#disks.get(name)!].map(([partition, records]) => [partition, [...records]] as const)
    return () => void this.#disks.set(name, new Map(kept.map(([partition, records]) => [partition, [...records]])))
  }

  guardianSet(): GuardianSet {
    const { names, quorum, epochMs } = this.guardians!
    return { participants: names.map((name) => keysOf(name).participant), quorum, epochMs }
  }

  async guardian(name: string, options: Partial<GuardianOptions> & Pick<GuardianOptions, 'book'>, hooks: MemoryJournalHooks = {}): Promise<Guardian & { kill(): Promise<void> }> {
    const ports = this.ports(name, hooks)
    const guardian = await openGuardian({ ports, keys: keysOf(name), name, set: this.guardianSet(), evaluate: evaluateHere, deposit: 10_000_000n, faucet: true, ...options })
    const close = (): Promise<void> => guardian.close().catch(() => undefined)
    this.#open.add(close)
    return { ...guardian, kill: () => this.#kill(close, ports.bus) }
  }

  /** One that sells a capability, or several under one name. */
  async provider(selling: ProviderDefinition | readonly ProviderDefinition[], hooks: MemoryJournalHooks = {}, telemetry: Telemetry = noTelemetry): Promise<Provider & { kill(): Promise<void> }> {
    const { name } = [selling].flat()[0] as ProviderDefinition
    const ports = this.ports(name, hooks)
    const provider = await provide(selling, { ports, keys: keysOf(name), telemetry, watchtowers: this.watchtowers, ...this.#limits }, evaluateHere)
    const close = (): Promise<void> => provider.stop(0).catch(() => undefined)
    this.#open.add(close)
    return { ...provider, kill: () => this.#kill(close, ports.bus) }
  }

  async user(name: string, options: Partial<UserOptions> = {}, hooks: MemoryJournalHooks = {}): Promise<User & { kill(): Promise<void> }> {
    const ports = this.ports(name, hooks)
    const user = await openUser({ ports, keys: keysOf(name), evaluate: evaluateHere, deposit: 10_000_000n, faucet: true, ...this.#limits, ...options })
    const close = (): Promise<void> => user.close().catch(() => undefined)
    this.#open.add(close)
    return { ...user, kill: () => this.#kill(close, ports.bus) }
  }

  async payments(name: string, options: Partial<PaymentsOptions> = {}, hooks: MemoryJournalHooks = {}): Promise<Payments & { kill(): Promise<void> }> {
    const ports = this.ports(name, hooks)
    const payments = await openPayments({ name, ports, keys: keysOf(name), evaluate: evaluateHere, deposit: 10_000_000n, faucet: true, ...this.#limits, ...options })
    const close = (): Promise<void> => payments.stop(0).catch(() => undefined)
    this.#open.add(close)
    return { ...payments, kill: () => this.#kill(close, ports.bus) }
  }

  /** One that claims for payees that are away. */
  async watchtower(name: string, hooks: MemoryJournalHooks = {}): Promise<{ readonly node: Node; kill(): Promise<void> }> {
    const ports = this.ports(name, hooks)
    const tower = await openWatchtower({ ports, keys: keysOf(name), name })
    const close = (): Promise<void> => tower.stop().catch(() => undefined)
    this.#open.add(close)
    return { node: tower.node, kill: () => this.#kill(close, ports.bus) }
  }

  /** A full node that relays for light ones. */
  async relay(name: string, change: (ports: NodePorts) => NodePorts = (ports) => ports): Promise<Node & { kill(): Promise<void> }> {
    const ports = this.ports(name)
    const node = await openNode({ ports: change(ports), keys: keysOf(name), rooms: [relayRoom] })
    await prepareRelay(node)
    await node.start()
    const close = (): Promise<void> => node.close().catch(() => undefined)
    this.#open.add(close)
    return { ...node, kill: () => this.#kill(close, ports.bus) }
  }

  /** A user on a light node: no chain, only what `relays` carry and prove. */
  async lightUser(name: string, relays: readonly Node[], options: Partial<LightUserOptions> = {}, hooks: MemoryJournalHooks = {}): Promise<User & { kill(): Promise<void> }> {
    const { rail: _rail, ...ports } = this.ports(name, hooks)
    const rail = lightRail({ terms: this.rail.terms, layout: TEST_DOLLAR_LAYOUT, clock: this.clock, random: ports.random })
    const user = await openLightUser({
      ports: { ...ports, rail }, keys: keysOf(name), evaluate: evaluateHere, deposit: 10_000_000n, faucet: true,
      relays: relays.map(({ participant }) => participant), ...options,
    })
    const close = (): Promise<void> => user.close().catch(() => undefined)
    this.#open.add(close)
    return { ...user, kill: () => this.#kill(close, ports.bus) }
  }

  /** A dead process says nothing any more and is not closed either. */
  async #kill(close: () => Promise<void>, bus: Bus): Promise<void> {
    this.#open.delete(close)
    // Not awaited: what the dead process was doing never ends.
    void bus.close()
  }

  /** Lets virtual time pass, a little at a time, until `promise` settles. Fails after `forMs` of it. */
  async drive<T>(promise: Promise<T>, forMs = 120_000): Promise<T> {
    const clock = this.clock as VirtualClock
    let settled = false
    const done = promise.finally(() => (settled = true))
    done.catch(() => undefined)
    const until = clock.monotonic() + forMs
    while (!settled) {
      for (let turn = 0; turn < 20 && !settled; turn++) await new Promise((resolve) => setImmediate(resolve))
      if (settled) break
      if (clock.monotonic() > until) throw new Error(`not settled within ${forMs} ms of virtual time`)
      await clock.advance(Math.max(1, Math.min(100, (clock.next() ?? 0) - clock.now())))
    }
    return done
  }

  async close(): Promise<void> {
    const all = Promise.all([...this.#open].map((close) => close()))
    this.#open.clear()
    await ('advance' in this.clock ? this.drive(all) : all)
  }
}

export const SHOUT: Capability = {
  id: 'text.shout@1',
  title: 'Shout',
  description: 'Gives the text in capitals.',
  unit: 'call',
  input: { type: 'object', additionalProperties: false, required: ['text'], properties: { text: { type: 'string' } } },
  output: { type: 'object', additionalProperties: false, required: ['text', 'quality'], properties: { text: { type: 'string' }, quality: { type: 'number' } } },
}

/** A provider of `text.shout@1` whose quality and behaviour a test chooses. */
export function shouter(name: string, list: string, quality: number, change: Partial<ProviderDefinition> = {}): ProviderDefinition {
  return {
    name, capability: SHOUT, price: { list }, latencyMs: 100,
    handler: async ({ text }: { text: string }) => ({ output: { text: text.toUpperCase(), quality }, units: { call: 1 } }),
    ...change,
  }
}
