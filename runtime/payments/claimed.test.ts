/** What both sides remember of the chain when they settle, and when they look again. */
import { describe, expect, it } from 'vitest'
import { virtualClock } from '../memory/clock.ts'
import type { LaneState, PaidRow, WriteOutcome } from '../ports/rail.ts'
import type { Hex } from '../ports/signer.ts'
import { openClaimed } from './claimed.ts'
import { laneReader } from './lane-reader.ts'

const LANE: Hex = `0x${'aa'.repeat(32)}`
const HASH: Hex = `0x${'cc'.repeat(32)}`
const row = (claimed: bigint): PaidRow => ({ lane: LANE, payee: '0xdd', paid: 1n, claimed, ref: LANE })
const done = (...paid: PaidRow[]): WriteOutcome => ({ state: 'done', ok: true, block: 1, paid, refused: [] })

class Chain {
  readonly clock = virtualClock()
  state: Partial<LaneState> | undefined = { claimed: 0n, reserved: 100n, exitAt: 0, closed: false }
  result: WriteOutcome = { state: 'pending' }
  asked: string[] = []
  readonly rail = {
    lane: async (): Promise<LaneState | undefined> => { this.asked.push('lane'); return this.state as LaneState | undefined },
    outcome: async (): Promise<WriteOutcome> => { this.asked.push('outcome'); return this.result },
  }
}

describe('what was paid of a lane', () => {
  it('is what the lane says, whatever a claim is said to have paid, and read again where that is not enough', async () => {
    const chain = new Chain()
    const claimed = openClaimed(chain)
    expect(await claimed.rows(HASH), 'not mined yet').toEqual([])
    chain.result = done(row(30n))
    expect([await claimed.rows(HASH), await claimed.rows(HASH)]).toEqual([[row(30n)], [row(30n)]])
    expect(await claimed.of(LANE, 30n), 'the claim is not believed').toBe(0n)
    expect(chain.asked).toEqual(['outcome', 'outcome', 'lane'])
    chain.state = { claimed: 40n }
    expect([await claimed.of(LANE, 31n), await claimed.of(LANE, 40n)]).toEqual([40n, 40n])
    expect(chain.asked).toEqual(['outcome', 'outcome', 'lane', 'lane'])
  })

  it('is looked up once by runs that end together, and again after one that failed', async () => {
    const chain = new Chain()
    chain.result = done(row(30n))
    const claimed = openClaimed(chain)
    await Promise.all([claimed.rows(HASH), claimed.rows(HASH)])
    expect(chain.asked).toEqual(['outcome'])
    const other: Hex = `0x${'ee'.repeat(32)}`
    const { outcome } = chain.rail
    chain.rail.outcome = async () => { throw new Error('away') }
    await expect(claimed.rows(other)).rejects.toThrow('away')
    chain.rail.outcome = outcome
    expect(await claimed.rows(other)).toEqual([row(30n)])
  })

  it('is read once for runs that wait for the same claim, and anew for one that asked a moment too late', async () => {
    const chain = new Chain()
    chain.state = { claimed: 30n }
    const claimed = openClaimed(chain)
    expect(await Promise.all([20n, 30n, 10n].map((enough) => claimed.of(LANE, enough)))).toEqual([30n, 30n, 30n])
    expect(chain.asked).toEqual(['lane'])
    const early = claimed.of(LANE, 31n)
    chain.state = { claimed: 50n }
    const late = [50n, 40n].map((enough) => claimed.of(LANE, enough))
    expect([await early, ...await Promise.all(late)]).toEqual([30n, 50n, 50n])
    expect(chain.asked).toEqual(['lane', 'lane', 'lane'])
    chain.rail.lane = async () => { throw new Error('away') }
    const both = [claimed.of(LANE, 60n), claimed.of(LANE, 61n)]
    expect(await Promise.allSettled(both)).toMatchObject([{ reason: { message: 'away' } }, { reason: { message: 'away' } }])
  })

  it('that the chain has lost again is found out within a minute', async () => {
    const chain = new Chain()
    chain.result = done(row(30n))
    const claimed = openClaimed(chain)
    chain.state = { claimed: 30n }
    expect([await claimed.of(LANE, 30n), await claimed.rows(HASH)]).toEqual([30n, [row(30n)]])
    chain.result = { state: 'unknown' }
    chain.state = { claimed: 0n }
    await chain.clock.advance(60_000)
    expect([await claimed.of(LANE, 30n), await claimed.rows(HASH)]).toEqual([0n, []])
  })
})

it('a lane is read again after a minute, and at once where what is known is not enough', async () => {
  const chain = new Chain()
  const read = laneReader(chain)
  const enough = ({ reserved }: LaneState): boolean => reserved >= 50n
  await read(LANE, enough)
  await read(LANE, enough)
  expect(chain.asked).toHaveLength(1)
  await read(LANE, () => false)
  expect(chain.asked).toHaveLength(2)
  await chain.clock.advance(60_000)
  await read(LANE, enough)
  expect(chain.asked).toHaveLength(3)
})
