import { afterEach, describe, expect, it } from 'vitest'
import type { Capability } from '../schemas/documents.gen.ts'
import { blobRef } from '../runtime/identity/parcel.ts'
import { virtualClock } from '../runtime/memory/clock.ts'
import { keysOf, MemoryWorld } from './memory-network.fixture.ts'
import type { BlobRef, ProviderDefinition } from './provider/define.ts'
import { finishRun, startRun, type Finished } from './user/run.ts'
import type { User } from './user/user.ts'
import { available, type WalletContext } from './user/wallet.machine.ts'

const FLIP: Capability = {
  id: 'image.flip@1', title: 'Flip', description: 'Gives the bytes the other way round.', unit: 'call',
  input: { type: 'object', additionalProperties: false, required: ['image'], properties: { image: { $ref: 'aigen:blob#image' } } },
  output: { type: 'object', additionalProperties: false, required: ['image'], properties: { image: { $ref: 'aigen:blob#image' } } },
}
const flipper = (name: string, list = '0.01', change: Partial<ProviderDefinition> = {}): ProviderDefinition => ({
  name, capability: FLIP, price: { list }, latencyMs: 100,
  handler: async ({ image }: { image: BlobRef }, { load, store }) => ({ output: { image: await store((await load(image)).toReversed(), 'image/png') }, units: { call: 1 } }),
  ...change,
})
const document = {
  name: 'flip', version: '1.0.0', input: { type: 'object', required: ['image'], properties: { image: { $ref: 'aigen:blob#image' } } }, budget: { max: '0.25' },
  steps: { only: { uses: FLIP.id, with: { image: '${input.image}' }, price: { max: '0.05' }, sla: { deadline: '2s', grace: '1s' }, retry: { attempts: 2, on: ['output', 'timeout', 'failed'], elsewhere: true } } },
  output: '${steps.only.image}',
}
const bytes = Uint8Array.from({ length: 300_000 }, (_, n) => n % 251)
const image = blobRef(bytes, 'image/png')

/** A shelf that keeps something else than it is given, or nothing. */
class BadShelf extends Map<string, Uint8Array> {
  readonly #spoil: (data: Uint8Array) => Uint8Array | undefined
  constructor(spoil: (data: Uint8Array) => Uint8Array | undefined) {
    super()
    this.#spoil = spoil
  }
  override set(key: string, data: Uint8Array): this {
    const kept = this.#spoil(data)
    return kept ? super.set(key, kept) : this
  }
}

describe('large values that are missing or spoiled', () => {
  let world: MemoryWorld
  afterEach(() => world.close())

  const open = async (...providers: ProviderDefinition[]): Promise<User> => {
    world = new MemoryWorld({ clock: virtualClock() })
    for (const definition of providers) await world.drive(world.provider(definition))
    return world.drive(world.user('alice'))
  }
  const run = (user: User): Promise<Finished> => world.drive(startRun(user, { document, inputs: { image }, blobs: [{ bytes, mediaType: 'image/png' }] }).then((id) => finishRun(user, id, 110_000)))
  const balanced = (user: User, spent: bigint): void => {
    const wallet = user.node.host.context<WalletContext>('wallet')!
    expect(wallet.holds).toEqual({})
    expect(available(wallet)).toBe(10_000_000n - spent)
    expect(world.rail.imbalance()).toBe(0n)
  }
  const spoilers: [string, (data: Uint8Array) => Uint8Array | undefined][] = [
    ['missing', () => undefined],
    ['changed', (data) => data.map((byte, at) => (at === 5 ? byte ^ 1 : byte))],
    ['cut', (data) => data.subarray(0, data.length - 1)],
    ['longer', (data) => Uint8Array.from([...data, 0])],
  ]

  it('are fetched, flipped, paid and kept', async () => {
    const user = await open(flipper('p1'))
    const finished = await run(user)
    expect(finished.error).toBeNull()
    expect(Buffer.compare((await user.node.blobs.get((finished.output as BlobRef).$blob))!, bytes.toReversed())).toBe(0)
    expect(finished.bill).toMatchObject({ spent: '0.01', settled: '0.01' })
    balanced(user, 10_000n)
  })

  it('an input nobody gave starts nothing', async () => {
    const user = await open(flipper('p1'))
    await expect(world.drive(startRun(user, { document, inputs: { image } }))).rejects.toMatchObject({ code: 'blob.missing' })
    await expect(world.drive(startRun(user, { document, inputs: { image }, blobs: [{ bytes: bytes.slice(1), mediaType: 'image/png' }] }))).rejects.toMatchObject({ code: 'blob.missing' })
    expect([...user.node.host.list('run')]).toEqual([])
  })

  it.each(spoilers)('an input that is %s on the way costs nothing', async (_what, spoil) => {
    const user = await open(flipper('p1'))
    world.transfers.set(keysOf('alice').participant, new BadShelf(spoil))
    const finished = await run(user)
    expect(finished.error?.code).toMatch(/^blob\.(missing|corrupt)$/)
    expect(finished.bill.spent).toBe('0')
    balanced(user, 0n)
  })

  it.each(spoilers)('an output that is %s on the way is not paid, and the step goes elsewhere', async (_what, spoil) => {
    const user = await open(flipper('bad', '0.01'), flipper('good', '0.02'))
    world.transfers.set(keysOf('bad').participant, new BadShelf(spoil))
    const finished = await run(user)
    expect(finished.error).toBeNull()
    expect(finished.bill).toMatchObject({ spent: '0.02', settled: '0.02' })
    expect(await world.rail.balance(keysOf('bad').participant)).toBe(0n)
    balanced(user, 20_000n)
  })

  it('a reference that its maker never stored is not paid', async () => {
    const user = await open(flipper('bad', '0.01', { handler: async () => ({ output: { image: blobRef(Uint8Array.of(1, 2, 3), 'image/png') }, units: { call: 1 } }) }))
    const finished = await run(user)
    expect(finished.error?.code).toMatch(/^(blob\.missing|step\.)/)
    expect(finished.bill.spent).toBe('0')
    balanced(user, 0n)
  })

  it('a reference that lies about the size is not paid', async () => {
    const user = await open(flipper('bad', '0.01', {
      handler: async (_input, { store }) => ({ output: { image: { ...(await store(Uint8Array.of(1, 2, 3), 'image/png')), size: 7 } }, units: { call: 1 } }),
    }))
    const finished = await run(user)
    expect(finished.error?.code).toMatch(/^(blob\.|step\.)/)
    expect(finished.bill.spent).toBe('0')
    balanced(user, 0n)
  })

  it('a lane that was disputed is not in the way of the next run with the same provider', async () => {
    const user = await open(flipper('p1'))
    const shelf = new BadShelf((data) => (spoiled ? undefined : data))
    let spoiled = true
    world.transfers.set(keysOf('p1').participant, shelf)
    expect((await run(user)).error).not.toBeNull()
    spoiled = false
    for (let attempt = 0; attempt < 2; attempt++) {
      const finished = await run(user)
      if (attempt === 1) expect(finished.error).toBeNull()
    }
  })
})
