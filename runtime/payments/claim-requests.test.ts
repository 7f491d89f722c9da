/** What payees are asked to claim when many runs end together. */
import { expect, it } from 'vitest'
import { AigenError } from '../../schemas/error.ts'
import type { Hex32, LaneClaim } from '../../schemas/documents.gen.ts'
import { virtualClock } from '../memory/clock.ts'
import { openClaimRequests } from './claim-requests.ts'

const PAYEE = '0xaa'
const lane = (n: number): Hex32 => `0x${n.toString(16).padStart(64, '0')}`
const claimOf = (one: Hex32): LaneClaim => ({ lane: one, hash: lane(99), claimed: '1' })

/** A payee whose answers are given by hand. */
function open() {
  const clock = virtualClock()
  const asked: { readonly payee: string; readonly lanes: readonly Hex32[]; readonly who: string; answer(error?: AigenError): Promise<void> }[] = []
  const requests = openClaimRequests<string>(clock, (payee, lanes, who) => new Promise((resolve, reject) => asked.push({
    payee, lanes, who,
    answer: async (error) => {
      if (error) reject(error)
      else resolve(lanes.map(claimOf))
      await clock.advance(0)
    },
  })))
  return { clock, asked, requests }
}

it('a hundred runs that end together are asked for in three requests, whatever a payee takes from one caller at once', async () => {
  const { asked, requests } = open()
  const all = Array.from({ length: 100 }, (_, n) => requests.of(PAYEE, [lane(n), lane(200)], `run ${n}`))
  expect(asked.map(({ lanes }) => lanes.length)).toEqual([2, 2])
  await asked[0]!.answer()
  expect(asked[2]).toMatchObject({ who: 'run 2', lanes: expect.arrayContaining([lane(2), lane(99), lane(200)]) })
  expect(asked[2]!.lanes, 'each of them once').toHaveLength(99)
  await asked[1]!.answer()
  await asked[2]!.answer()
  expect((await Promise.all(all)).map((claims, n) => claims.some((one) => one.lane === lane(n)))).toEqual(Array(100).fill(true))
  expect(asked).toHaveLength(3)
})

it('payees do not wait for each other, and a request has no more lanes than its schema takes', async () => {
  const { asked, requests } = open()
  const wide = Array.from({ length: 600 }, (_, n) => lane(n))
  const all = [...[1, 2, 3, 4].map((n) => requests.of(PAYEE, wide, `run ${n}`)), requests.of('0xbb', [lane(1)], 'other'), requests.of(PAYEE, [lane(700)], 'run 5')]
  expect(asked.map(({ payee, who }) => [payee, who])).toEqual([[PAYEE, 'run 1'], [PAYEE, 'run 2'], ['0xbb', 'other']])
  await asked[0]!.answer()
  expect(asked[3], 'the same 600 twice would be too many to count on').toMatchObject({ who: 'run 3' })
  for (const one of asked) await one.answer()
  await asked[4]!.answer()
  await Promise.all(all)
  expect(asked.map(({ lanes }) => lanes.length)).toEqual([600, 600, 1, 600, 601])
})

it('a busy payee is asked again until it has had fifteen seconds', async () => {
  const { clock, asked, requests } = open()
  const claims = requests.of(PAYEE, [lane(1)], 'run 1')
  await asked[0]!.answer(new AigenError('node.busy'))
  await clock.advance(100)
  await asked[1]!.answer()
  expect(await claims).toEqual([claimOf(lane(1))])

  const refused = requests.of(PAYEE, [lane(1)], 'run 1').catch((error: AigenError) => error.code)
  for (let n = 2; n < asked.length; n++) {
    await asked[n]!.answer(new AigenError('node.busy'))
    await clock.advance(2_000)
  }
  expect([await refused, asked.length]).toEqual(['node.busy', 10])
})

it('a lane that the payee does not know keeps none of the others from being claimed, and is found by halves', async () => {
  const { asked, requests } = open()
  const unknown = lane(77)
  const ends = Array.from({ length: 100 }, (_, n) => requests.of(PAYEE, [lane(n)], '').then(() => 'claimed', (error: AigenError) => error.code))
  for (let n = 0; n < asked.length; n++) await asked[n]!.answer(asked[n]!.lanes.includes(unknown) ? new AigenError('voucher.lane') : undefined)
  const ended = await Promise.all(ends)
  expect([ended[77], ended.filter((end) => end === 'claimed').length]).toEqual(['voucher.lane', 99])
  expect(asked.length).toBeLessThan(20)
})

it('nobody is asked for those who have given up: a payee that does not answer has no queue that only grows', async () => {
  const { clock, asked, requests } = open()
  const stop = new AbortController()
  const ends = Array.from({ length: 50 }, (_, n) => requests.of(PAYEE, [lane(n)], '', n === 0 ? stop.signal : undefined).catch((error: AigenError) => error.code))
  stop.abort(new AigenError('network.closed'))
  await clock.advance(40_000)
  expect(await Promise.all(ends)).toEqual(['network.closed', ...Array(49).fill('network.timeout')])
  await asked[0]!.answer(new AigenError('network.timeout'))
  await asked[1]!.answer()
  expect(asked).toHaveLength(2)
  const claims = requests.of(PAYEE, [lane(1)], '')
  await asked[2]!.answer()
  expect(await claims).toEqual([claimOf(lane(1))])
})

it('a payee that is away is not asked once more for each of those who wait', async () => {
  const { asked, requests } = open()
  const ends = [1, 2, 3, 4].map((n) => requests.of(PAYEE, [lane(n)], '').catch((error: AigenError) => error.code))
  for (let n = 0; n < 3; n++) await asked[n]!.answer(new AigenError('network.timeout'))
  expect([await Promise.all(ends), asked.length]).toEqual([Array(4).fill('network.timeout'), 3])
})
