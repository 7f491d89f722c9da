/**
 * A whole network on a real NATS server and a real EVM node, for tests: every participant has its
 * own account and key files, its node runs in this process over real connections.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startAnvil, type Anvil } from '../runtime/evm/anvil.ts'
import { deployDevnet, fundGas, type Deployment } from '../runtime/evm/deploy.ts'
import { openKeys, type Keys } from '../runtime/identity/keys.ts'
import { startServer } from '../runtime/nats/server.ts'
import type { NatsServer } from '../runtime/nats/nats-server.ts'
import { connectPorts, type Connections } from '../runtime/node/connect.ts'
import { connectLightPorts, devnetLight } from '../runtime/node/connect-light.ts'
import type { Node, NodePorts } from '../runtime/node/node.ts'
import { systemRandom } from '../runtime/node/system-random.ts'
import { openPayments, type Payments, type PaymentsOptions } from './payments/open.ts'
import { evaluateHere } from './memory-network.fixture.ts'
import type { ProviderDefinition } from './provider/define.ts'
import { provide, type Provider, type Selling } from './provider/provide.ts'
import { openRelay } from './payments/relay.ts'
import { openLightUser } from './user/light.ts'
import { openUser, type User, type UserOptions } from './user/user.ts'

const CHAIN_ID = 31_337

export class RealWorld {
  readonly nats: NatsServer
  readonly anvil: Anvil
  readonly #home: string
  readonly #deployment: Deployment
  readonly #open = new Set<() => Promise<void>>()

  private constructor(home: string, nats: NatsServer, anvil: Anvil, deployment: Deployment) {
    this.#home = home
    this.nats = nats
    this.anvil = anvil
    this.#deployment = deployment
  }

  static async open(): Promise<RealWorld> {
    const home = await mkdtemp(join(tmpdir(), 'aigen-world-'))
    const [nats, anvil] = await Promise.all([startServer({ dataDir: join(home, 'nats'), random: systemRandom }), startAnvil({ data: join(home, 'chain'), history: false })])
    return new RealWorld(home, nats, anvil, await deployDevnet({ url: anvil.url, chainId: CHAIN_ID }))
  }

  /** One that sells a capability, or several under one name. */
  async provider(selling: Selling): Promise<Provider> {
    const { name } = [selling].flat()[0] as ProviderDefinition
    const { keys, ports, close } = await this.#admit(name)
    const provider = await provide(selling, { ports, keys }, evaluateHere)
    this.#open.add(async () => {
      await provider.stop(0)
      await close()
    })
    return provider
  }

  async payments(name: string, options: Partial<PaymentsOptions> = {}): Promise<Payments> {
    const { keys, ports, close } = await this.#admit(name)
    const payments = await openPayments({ name, ports, keys, evaluate: evaluateHere, deposit: 10_000_000n, faucet: true, ...options })
    this.#open.add(async () => {
      await payments.stop(0)
      await close()
    })
    return payments
  }

  async user(name: string, options: Partial<UserOptions> = {}): Promise<User> {
    const { keys, ports, close } = await this.#admit(name)
    const user = await openUser({ ports, keys, evaluate: evaluateHere, deposit: 10_000_000n, faucet: true, ...options })
    this.#open.add(async () => {
      await user.close()
      await close()
    })
    return user
  }

  /** A full node that relays, with its card out. */
  async relay(name: string): Promise<Node> {
    const { keys, ports, close } = await this.#admit(name)
    const { node, stop } = await openRelay({ ports, keys, name })
    this.#open.add(async () => {
      await stop()
      await close()
    })
    return node
  }

  /** A user on a light node: network credentials, a folder, and no address of the chain. */
  async lightUser(name: string): Promise<User> {
    const home = join(this.#home, name)
    const keys = await openKeys({ home, random: systemRandom })
    const { network, journal } = await this.nats.admit(keys.participant)
    const light = devnetLight({ network, journal, chain: { url: '', chainId: CHAIN_ID, ...this.#deployment } })
    const ports = await connectLightPorts(light, keys.participant, home)
    const user = await openLightUser({ ports, keys, evaluate: evaluateHere, deposit: 10_000_000n, faucet: true })
    this.#open.add(async () => {
      await user.close()
      await ports.close()
    })
    return user
  }

  /** What another process of `name` has: keys and connections of its own, and no node. */
  async beside(name: string): Promise<{ keys: Keys; ports: NodePorts }> {
    const { keys, ports, close } = await this.#admit(name)
    this.#open.add(close)
    return { keys, ports }
  }

  async close(): Promise<void> {
    await Promise.allSettled([...this.#open].map((close) => close()))
    await Promise.allSettled([this.nats.stop(), this.anvil.stop()])
    await rm(this.#home, { recursive: true, force: true })
  }

  async #admit(name: string) {
    const keys = await openKeys({ home: join(this.#home, name), random: systemRandom })
    const { network, journal } = await this.nats.admit(keys.participant)
    const connections: Connections = { network, journal, chain: { url: this.anvil.url, chainId: CHAIN_ID, ...this.#deployment } }
    await fundGas({ url: this.anvil.url, chainId: CHAIN_ID }, [keys.wallet.address])
    const { close, ...ports } = await connectPorts(connections, keys.participant)
    return { keys, ports, close }
  }
}
