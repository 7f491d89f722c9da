/**
 * A gateway on a memory network, with its HTTP door on a loopback port, for tests: an embedder and
 * whatever providers a test adds, accounts and keys made directly.
 */
import { createHash } from 'node:crypto'
import type { Capability } from '../../schemas/documents.gen.ts'
import embed from '../../schemas/capabilities/text.embed@1.json' with { type: 'json' }
import { parseMoney } from '../../schemas/money.ts'
import { seededRandom } from '../../runtime/memory/random.ts'
import { evaluateHere, type MemoryWorld } from '../memory-network.fixture.ts'
import { defineProvider, type ProviderDefinition } from '../provider/define.ts'
import type { User } from '../user/user.ts'
import { openDatabase, type GatewayDatabase } from './database.ts'
import { openFrontDoor, type FrontDoor } from './door/front-door.ts'
import { openGateway, type Gateway, type GatewayOptions } from './gateway.ts'
import type { KeyLimits } from './keys.ts'

/** Vectors made from the text's hash: the same text, the same vector, of length 1. */
export function embedder(name: string, list: string, change: Partial<ProviderDefinition> = {}): ProviderDefinition {
  return defineProvider({
    name, capability: embed as Capability, price: { list }, latencyMs: 1_000, concurrency: 32, queue: 64,
    handler: async ({ texts }: { texts: string[] }) => ({ output: { vectors: texts.map(vectorOf), model: 'hash/512' }, units: { text: texts.length } }),
    ...change,
  })
}

export function vectorOf(text: string): number[] {
  const numbers = Array.from({ length: 16 }, (_, part) => [...createHash('sha256').update(`${part} ${text}`).digest()]).flat().map((byte) => byte / 255 - 0.5)
  const length = Math.hypot(...numbers)
  return numbers.map((one) => Math.round((one / length) * 10_000) / 10_000)
}

export interface TestGateway extends Gateway {
  readonly node: User & { kill(): Promise<void> }
  readonly door: FrontDoor
  readonly database: GatewayDatabase
  /** An account with credit, and a key of it. */
  account(email: string, credit: string, limits?: KeyLimits): Promise<{ customer: string; key: string; id: string }>
  /** The process dies: no door, no node, no word; the database stays. */
  kill(): Promise<void>
  stop(): Promise<void>
}

export interface TestGatewayOptions extends Partial<GatewayOptions> {
  readonly tier?: string
}

export async function openTestGateway(world: MemoryWorld, { tier = 'pay-as-you-go', ...options }: TestGatewayOptions = {}): Promise<TestGateway> {
  const database = options.database ?? await openDatabase({ file: ':memory:' })
  const node = await world.user('front-door', { deposit: 100_000_000n })
  const gateway = await openGateway({ user: node, database, evaluate: evaluateHere, ...options })
  const door = await openFrontDoor(gateway, { name: 'front-door', secret: 'a secret of thirty-two characters.', tier })
  const random = seededRandom(`accounts ${Math.trunc(performance.now())}`)
  let gone = false
  const kill = async (): Promise<void> => {
    gone = true
    await gateway.close()
    await door.close()
    await node.kill()
  }
  return {
    ...gateway, node, door, database, kill,
    account: async (email, credit, limits = {}) => {
      const customer = await door.accounts.account(email, true)
      if (parseMoney(credit) > 0n) await gateway.ledger.credit(customer, parseMoney(credit), `test ${email} ${Buffer.from(random.bytes(8)).toString('hex')}`)
      return { customer, ...(await door.accounts.makeKey(customer, 'test', limits)) }
    },
    stop: async () => {
      if (!gone) {
        await gateway.close()
        await door.close()
      }
      await database.close()
    },
  }
}
