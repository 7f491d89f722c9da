import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import careful from './careful-ocr.ts'
import pages from './careful-pages.ts'
import { encodePng } from './png.ts'
import quick from './quick-ocr.ts'
import { testContext } from './test-context.ts'

const scan = (name: string): Uint8Array => readFileSync(new URL(`../scans/${name}`, import.meta.url))

async function read(provider: typeof quick, bytes: Uint8Array, signal?: AbortSignal): Promise<any> {
  const context = testContext({ signal })
  const { output, units } = await provider.handler({ image: context.put(bytes, 'image/png') }, context)
  expect(units).toEqual({ page: 1 })
  return output
}

describe('vision.ocr', () => {
  beforeAll(async () => { await Promise.all([quick.start?.(), careful.start?.()]) }, 60_000)
  afterAll(async () => { await Promise.all([quick.stop?.(), careful.stop?.()]) })

  it('both read the good scan', async () => {
    for (const provider of [quick, careful]) {
      const { confidence, text, words } = await read(provider, scan('memo.png'))
      expect(confidence).toBeGreaterThan(85)
      expect(words).toBeGreaterThan(90)
      for (const fact of ['$148,250', '14 March 2001', 'Canada goose', '(ORD)']) expect(text).toContain(fact)
    }
  }, 60_000)

  it('only the careful one reads the poor scan, and the quick one says so', async () => {
    const poor = await read(quick, scan('memo-poor.png'))
    expect(poor.confidence).toBeLessThan(85)
    expect(poor.text).not.toContain('$148,250')
    expect(poor.doubtful.length).toBeGreaterThan(5)
    const { confidence, text } = await read(careful, scan('memo-poor.png'))
    expect(confidence).toBeGreaterThan(85)
    for (const fact of ['$148,250', '14 March 2001', 'Canada goose', '(ORD)']) expect(text).toContain(fact)
  }, 60_000)

  const bomb = Buffer.from(scan('memo.png'))
  bomb.writeUInt32BE(60_000, 16)
  bomb.writeUInt32BE(60_000, 20)
  it.each([
    ['no image', Buffer.from('hello, this is text and no image at all')],
    ['nothing', new Uint8Array(0)],
    ['a PNG cut off', scan('memo.png').subarray(0, 9_000)],
    ['a PNG that declares 3.6 gigapixels', bomb],
    ['a JPEG of garbage', Buffer.concat([Buffer.from([0xff, 0xd8, 0xff, 0xc0, 0, 11, 8, 0, 50, 0, 50, 1, 1, 0x11, 0]), Buffer.alloc(400, 7)])],
    ['a JPEG that declares 4 gigapixels', Buffer.concat([Buffer.from([0xff, 0xd8, 0xff, 0xc0, 0, 11, 8, 255, 255, 255, 255]), Buffer.alloc(99)])],
  ])('refuses %s, and reads on', async (_name, bytes) => {
    for (const provider of [quick, careful]) await expect(read(provider, bytes)).rejects.toMatchObject({ code: 'step.input', path: 'image' })
  }, 60_000)

  it('reads a blank page as no text', async () => {
    const blank = encodePng({ width: 200, height: 200, pixels: new Uint8Array(40_000).fill(255) })
    for (const provider of [quick, careful]) {
      const { text, confidence } = await read(provider, blank)
      expect(text.trim()).toBe('')
      expect(confidence).toBeLessThan(85)
    }
  }, 60_000)

  it('stops when cancelled, and reads on', async () => {
    const stop = new AbortController()
    const reading = read(quick, scan('memo.png'), stop.signal)
    setImmediate(() => stop.abort())
    await expect(reading).rejects.toMatchObject({ code: 'step.cancelled' })
    expect((await read(quick, scan('memo.png'))).confidence).toBeGreaterThan(85)
  }, 60_000)
})

describe('vision.pages', () => {
  afterAll(() => pages.stop?.())

  async function readAll(files: readonly Uint8Array[], heard: (page: any, count: number) => void, signal?: AbortSignal): Promise<any> {
    const context = testContext({ signal })
    let count = 0
    return pages.handler({ pages: files.map((bytes) => context.put(bytes, 'image/png')) }, { ...context, emit: async (page) => heard(page, ++count) })
  }

  it('sends each page ahead, in order, and gives them all', async () => {
    const heard: any[] = []
    const { output, units } = await readAll([scan('memo.png'), scan('memo-poor.png')], (page) => heard.push(page))
    expect([heard, output.whole, units]).toEqual([output.pages, true, { page: 2 }])
    expect(heard.map(({ page }) => page)).toEqual([1, 2])
    for (const { text } of heard) expect(text).toContain('$148,250')
  }, 60_000)

  it('gives up with the pages that were read, and counts those; without any it gives nothing', async () => {
    const stop = new AbortController()
    const { output, units } = await readAll([scan('memo.png'), scan('memo-poor.png')], () => setTimeout(() => stop.abort(), 20), stop.signal)
    expect([output.pages.length, output.whole, units]).toEqual([1, false, { page: 1 }])
    await expect(readAll([scan('memo.png')], () => undefined, AbortSignal.abort())).rejects.toMatchObject({ code: 'step.cancelled' })
  }, 60_000)

  it('names the page that cannot be read', async () => {
    await expect(readAll([scan('memo.png'), Buffer.from('no image')], () => undefined)).rejects.toMatchObject({ code: 'step.input', path: 'pages[1]' })
  }, 60_000)
})
