/** What every shelf of blobs does; run against memory and NATS (DESIGN, Wire; D10). */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Blobs, OwnBlobs } from './blobs.ts'

export interface BlobsSetup {
  /** Alice's shelf; holds at most `quota` bytes, where the factory says so. */
  readonly alice: Blobs
  /** Alice's shelf as she manages it; absent where nobody does. */
  readonly own?: OwnBlobs
  /** Bob's connection, which can read alice's shelf; absent where a shelf is private. */
  readonly bob?: Blobs
  /** The name under which bob reads alice's shelf. */
  readonly shelf?: string
  /** Total size in bytes at which alice's shelf is certainly full. */
  readonly full: number
  stop(): Promise<void>
}

const code = (value: string): object => expect.objectContaining({ code: value })
const pattern = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 8)) & 0xff)

/** Registers the conformance tests of a shelf. */
export function blobsContract(name: string, setUp: () => Promise<BlobsSetup>): void {
  describe(`${name} keeps blobs`, () => {
    let setup: BlobsSetup
    beforeAll(async () => { setup = await setUp() })
    afterAll(async () => { await setup?.stop() })

    test.each([0, 1, 1_000, 128 * 1024, 128 * 1024 + 1, 700_000])('%i bytes come back as they were', async (size) => {
      const data = pattern(size)
      await setup.alice.put(`size-${size}`, data)
      const back = await setup.alice.get(`size-${size}`)
      expect(back && Buffer.compare(back, data)).toBe(0)
      if (setup.bob !== undefined) {
        const there = await setup.bob.get(`size-${size}`, setup.shelf)
        expect(there && Buffer.compare(there, data)).toBe(0)
        expect(await setup.bob.get(`size-${size}`)).toBeUndefined()
      }
    })

    test('what is not there is undefined', async () => {
      expect(await setup.alice.get('nothing')).toBeUndefined()
      if (setup.bob !== undefined) expect(await setup.bob.get('nothing', setup.shelf)).toBeUndefined()
    })

    test('storing a key again changes nothing', async () => {
      await setup.alice.put('twice', pattern(300_000))
      await setup.alice.put('twice', pattern(300_000))
      expect(await setup.alice.get('twice')).toHaveLength(300_000)
    })

    test.each(['', 'a.b', 'a b', '../x', '*'])('key %j is refused', async (key) => {
      await expect(setup.alice.put(key, pattern(1))).rejects.toEqual(code('input.invalid'))
      await expect(setup.alice.get(key)).rejects.toEqual(code('input.invalid'))
    })

    test('a blob above the limit is refused', async () => {
      await expect(setup.alice.put('large', new Uint8Array(setup.alice.maxBytes + 1))).rejects.toEqual(code('blob.too-large'))
    })

    test('what is given up is gone, makes room and can be stored again; the rest is listed', async () => {
      const { own, alice } = setup
      if (own === undefined) return
      const listed = async (prefix: string): Promise<string[]> => {
        const keys: string[] = []
        for await (const key of own.keys(prefix)) keys.push(key)
        return keys.sort()
      }
      for (const key of ['give-1', 'give-2', 'keep-1']) await alice.put(key, pattern(300_000))
      expect(await listed('give-')).toEqual(['give-1', 'give-2'])
      await own.drop('give-1')
      await own.drop('give-nothing')
      expect(await listed('give-')).toEqual(['give-2'])
      expect(await alice.get('give-1')).toBeUndefined()
      expect(await alice.get('give-2')).toHaveLength(300_000)
      await alice.put('give-1', pattern(200_000))
      expect(await alice.get('give-1')).toHaveLength(200_000)
      for (let turn = 0; turn < 2 * setup.full / 900_000; turn++) {
        await alice.put('give-room', pattern(900_000))
        await own.drop('give-room')
      }
      for (const key of ['give-1', 'give-2', 'keep-1']) await own.drop(key)
      expect(await listed('')).toEqual(expect.arrayContaining(['size-1000']))
      await expect(own.drop('a.b')).rejects.toEqual(code('input.invalid'))
    })

    test('a full shelf says so, and what lies on it stays', async () => {
      await setup.alice.put('early', pattern(10))
      const one = Math.min(setup.alice.maxBytes, 400_000)
      let failure: unknown
      for (let stored = 0, i = 0; stored <= setup.full && failure === undefined; stored += one, i++) {
        await setup.alice.put(`fill-${i}`, new Uint8Array(one)).catch((thrown: unknown) => { failure = thrown })
      }
      expect(failure).toEqual(code('blob.quota'))
      expect(await setup.alice.get('early')).toHaveLength(10)
    })
  })
}
