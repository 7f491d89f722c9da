import { readFileSync } from 'node:fs'
import { beforeAll, describe, expect, it } from 'vitest'
import { amountOf } from './amount.ts'
import { isoDay } from './day.ts'
import entities from './entities.ts'
import { testContext } from './test-context.ts'

const find = async (text: string): Promise<any> => (await entities.handler({ text }, testContext())).output

describe('text.entities', () => {
  beforeAll(() => entities.start?.())

  it('finds what the memo names, at its place', async () => {
    const text = readFileSync(new URL('../scans/memo.txt', import.meta.url), 'utf8')
    const found = await find(text)
    const names = (kind: string): string[] => found[kind].map((mention: { name: string }) => mention.name)
    expect(names('people')).toEqual(expect.arrayContaining(['Dale Whitcomb', 'Captain Robert Miller']))
    expect(names('places')).toEqual(expect.arrayContaining(["Chicago O'Hare International", 'Chicago']))
    expect(names('organisations').join()).toMatch(/Smithsonian|Federal Aviation Administration/)
    expect(found.dates.map((date: { iso: string }) => date.iso)).toEqual(['2001-03-16', '2001-03-14'])
    expect(found.money).toEqual([{ name: '$148,250', start: expect.any(Number), end: expect.any(Number), amount: 148250, currency: 'USD' }])
    for (const kind of ['people', 'places', 'organisations', 'dates', 'money']) {
      for (const { name, start, end } of found[kind]) expect(text.slice(start, end).replaceAll('\n', ' ')).toBe(name)
    }
  })

  it.each([['', 0], ['   \n\n', 0], ['🙂'.repeat(2_000), 1], ['('.repeat(40_000), 1], ['a '.repeat(25_000), 1], ['Helen Marsh '.repeat(4_000), 1], ['a'.repeat(50_000), 1], ['A International '.repeat(3_000), 1]])(
    'gives an answer to odd text %#', async (text) => {
      expect(await find(text)).toMatchObject({ people: expect.any(Array), sentences: expect.any(Number) })
    }, 20_000)

  it('counts thousands of characters started', async () => {
    for (const [length, kchar] of [[0, 1], [1_000, 1], [1_001, 2], [50_000, 50]] as const) {
      expect((await entities.handler({ text: 'a'.repeat(length) }, testContext())).units).toEqual({ kchar })
    }
  })
})

it.each([
  ['14 March 2001', '2001-03-14'], ['March 14, 2001', '2001-03-14'], ['the 14th of March 2001', '2001-03-14'], ['2001-03-14', '2001-03-14'],
  ['3/14/2001', '2001-03-14'], ['Sept. 9 1999', '1999-09-09'], ['30 February 2001', null], ['last March', null], ['20G1', null], ['14 Marrch 2001', null],
])('day of %s is %s', (text, day) => expect(isoDay(text)).toBe(day))

it.each([
  ['$148,250', 148250, 'USD'], ['$148,250.50', 148250.5, 'USD'], ['$1.5 million', 1500000, 'USD'], ['20 euros', 20, 'EUR'], ['CHF 12', 12, 'CHF'],
  ['$148, 258', null, 'USD'], ['$14,82', null, 'USD'], ['$', null, 'USD'], ['12', 12, null],
])('amount of %s is %s %s', (text, amount, currency) => expect(amountOf(text)).toEqual({ amount, currency }))
