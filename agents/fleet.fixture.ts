/**
 * The memory network with participants of several nodes: those of one share its disk and a bus on its
 * own account, and have node keys of their own. A node can be killed, as a process is.
 */
import { memoryNetwork, type MemoryNetwork } from '../runtime/memory/bus.ts'
import type { NodeOptions } from '../runtime/node/node.ts'
import { evaluateHere, keysOf, MemoryWorld } from './memory-network.fixture.ts'
import type { ProviderDefinition } from './provider/define.ts'
import { provide, type Provider } from './provider/provide.ts'
import { openUser, type User } from './user/user.ts'

/** What a member adds to what runs. */
export interface Mortal {
  /** It says nothing and writes nothing any more; what it was doing never ends. */
  readonly kill: () => void
  readonly leave: () => Promise<void>
}

export class FleetWorld extends MemoryWorld {
  readonly #accounts = new Map<string, MemoryNetwork>()
  readonly #leaves = new Set<() => Promise<void>>()
  readonly partitions: number

  constructor(options: ConstructorParameters<typeof MemoryWorld>[0], partitions = 1) {
    super(options)
    this.partitions = partitions
  }

  seller(definition: ProviderDefinition, node: string): Promise<Provider & Mortal> {
    return this.#join(definition.name, node, (options) => provide(definition, options, evaluateHere), (provider) => provider.stop(0))
  }

  payer(name: string, node: string): Promise<User & Mortal> {
    return this.#join(name, node, (options) => openUser({ ...options, evaluate: evaluateHere, deposit: 10_000_000n, faucet: true }), (user) => user.close())
  }

  async #join<Running extends object>(name: string, node: string, open: (options: Omit<NodeOptions, 'rooms'>) => Promise<Running>, close: (running: Running) => Promise<void>): Promise<Running & Mortal> {
    const account = this.#accounts.get(name) ?? memoryNetwork({ clock: this.clock })
    this.#accounts.set(name, account)
    const own = account.bus()
    let dead = false
    const ports = { ...this.ports(name, { beforeAppend: () => (dead ? new Promise(() => undefined) : undefined) }), own }
    const running = await open({ ports, keys: keysOf(name, node), fleet: true, partitions: this.partitions })
    const leave = async (): Promise<void> => {
      this.#leaves.delete(leave)
      await close(running).catch(() => undefined)
    }
    this.#leaves.add(leave)
    return {
      ...running, leave,
      kill: () => {
        dead = true
        this.#leaves.delete(leave)
        void ports.bus.close()
        void own.close()
      },
    }
  }

  override async close(): Promise<void> {
    for (const leave of [...this.#leaves]) await this.drive(leave())
    await super.close()
  }
}
