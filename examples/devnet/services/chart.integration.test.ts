import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import chart from './chart.ts'
import { testContext } from './test-context.ts'

const bars = { mark: 'bar', data: { name: 'rows' }, encoding: { x: { field: 'a', type: 'nominal' }, y: { field: 'b', type: 'quantitative' } } }
const rows = [{ a: 'one', b: 3 }, { a: 'two', b: 5 }]

async function draw(spec: object, data?: object): Promise<{ svg: string; width: number; height: number; marks: number }> {
  const context = testContext()
  const { output, units } = await chart.handler({ spec, data }, context)
  expect(units).toEqual({ chart: 1 })
  const { image, ...rest } = output as { image: { $blob: string; size: number; mediaType: string }; width: number; height: number; marks: number }
  expect(image.mediaType).toBe('image/svg+xml')
  return { svg: new TextDecoder().decode(await context.load(image)), ...rest }
}

describe('chart.render', () => {
  beforeAll(() => chart.start?.(), 60_000)
  afterAll(() => chart.stop?.())

  it('draws the data, the same each time', async () => {
    const first = await draw(bars, { rows })
    expect(first.svg).toMatch(/^<svg/)
    expect(first.svg).toContain('two')
    expect(first.marks).toBeGreaterThan(2)
    expect((await draw(bars, { rows })).svg).toBe(first.svg)
  }, 20_000)

  it('has the world', async () => {
    const { svg } = await draw({ width: 400, height: 200, projection: { type: 'equalEarth' }, data: { name: 'world' }, mark: 'geoshape' })
    expect(svg.length).toBeGreaterThan(20_000)
  }, 20_000)

  it('escapes what comes from data', async () => {
    const { svg } = await draw(bars, { rows: [{ a: '<script>alert(1)</script>', b: 1 }] })
    expect(svg).not.toContain('<script')
  })

  const many = Array.from({ length: 9_000 }, (_, a) => ({ a, b: a }))
  it.each([
    ['data from a file', { ...bars, data: { url: 'file:///etc/passwd' } }, /url/],
    ['data from the network', { ...bars, data: { url: 'http://127.0.0.1:9/x.json' } }, /url/],
    ['a link', { ...bars, encoding: { ...bars.encoding, href: { field: 'a' } } }, /href/],
    ['an image mark', { ...bars, mark: 'image' }, /Image/],
    ['an image mark by type', { ...bars, mark: { type: 'image' } }, /Image/],
    ['a lookup from elsewhere', { ...bars, transform: [{ lookup: 'a', from: { data: { url: '/etc/passwd' }, key: 'x' } }] }, /url/],
    ['a chart too wide', { ...bars, width: 100_000 }, /pixels/],
    ['billions of rows', { ...bars, data: { sequence: { start: 0, stop: 3e9, as: 'a' } } }, /memory|deadline|array length/],
    ['millions of marks', { ...bars, mark: 'point', data: { sequence: { start: 0, stop: 60_000, as: 'a' } }, encoding: { x: { field: 'a', type: 'quantitative' } } }, /marks/],
    ['a cross product', { ...bars, data: { name: 'many' }, mark: 'point', transform: [{ window: [{ op: 'values', as: 'all', field: 'a' }], frame: [null, null] }, { flatten: ['all'] }] }, /memory|deadline|marks/],
    ['an expression outside the language', { ...bars, transform: [{ calculate: 'constructor.constructor("return process")()', as: 'a' }] }, /./],
    ['a broken expression', { ...bars, transform: [{ calculate: '1 +', as: 'a' }] }, /./],
    ['no chart at all', { what: 1 }, /./],
  ])('refuses %s', async (_name, spec, message) => {
    await expect(draw(spec, { rows, many })).rejects.toMatchObject({ code: expect.stringMatching(/^step\.(input|timeout)$/), message: expect.stringMatching(message) })
  }, 30_000)

  it('draws on after all that', async () => {
    expect((await draw(bars, { rows })).marks).toBeGreaterThan(2)
  }, 20_000)
})
