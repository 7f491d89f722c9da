/** What a payee's watchtowers are handed: all that is due, once, and what was not taken again. */
import { expect, it } from 'vitest'
import { virtualClock } from '../../runtime/memory/clock.ts'
import { handOver } from './hand-over.ts'

const TOWER = `0x${'70'.repeat(20)}` as never

it('lanes that a tower has no room for hold up none behind them, and are said again', async () => {
  const clock = virtualClock()
  const tills = Array.from({ length: 250 }, (_, at) => ({ snapshot: { context: { voucher: { kind: 'plain', lane: `l${at}`, cumulative: '5' }, claimed: '0' } } }))
  const busy = new Set(tills.slice(0, 120).map(({ snapshot }) => snapshot.context.voucher.lane))
  let said: string[] = []
  const wire = {
    call: async (_to: unknown, _verb: unknown, { vouchers }: { vouchers: readonly { lane: string; cumulative: string }[] }) => {
      expect(vouchers.length).toBeLessThanOrEqual(100)
      said.push(...vouchers.map(({ lane }) => lane))
      return {
        held: vouchers.filter(({ lane }) => !busy.has(lane)).map(({ lane, cumulative }) => ({ lane, cumulative })),
        refused: vouchers.filter(({ lane }) => busy.has(lane)).map(({ lane }) => ({ lane, code: 'node.busy' })),
      }
    },
  }
  const stop = handOver({ host: { list: () => tills } as never, wire: wire as never, clock }, [TOWER])
  const round = async (): Promise<string[]> => {
    said = []
    await clock.advance(5_000)
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
    return said
  }
  expect(new Set(await round()).size).toBe(250)
  expect(new Set(await round())).toEqual(busy)
  busy.clear()
  expect((await round()).length).toBe(120)
  expect(await round()).toEqual([])
  await stop()
})
