/** The kit alone, on two small processes: one asks, the other writes down what it was asked (D10). */
import { describe, expect, it } from 'vitest'
import { asError } from '../../schemas/error.ts'
import type { Fault, Point } from './faults.ts'
import type { LifePorts, Observer } from './process.ts'
import { World } from './world.ts'

const [ASKER, WRITER] = ['asker', 'writer']

interface Writer { readonly found: number; readonly clock: LifePorts['clock'] }

/** The asker asks every 20 ms; the writer answers each with the sequence it stored it under. */
function small(faults: readonly Fault[], observer: Observer = {}, seed: number | string = 1) {
  const world = new World({ seed, faults, traced: true, observer })
  const heard: string[] = []
  const failures: string[] = []
  const writer = world.add<Writer>({
    name: 'writer', participant: WRITER,
    boot: async ({ bus, journal, clock }, life) => {
      const log = await journal.open('p0')
      let last = await log.last()
      const found = last
      let before = Promise.resolve()
      await bus.subscribe(`aigen.v1.hello.${WRITER}`, async ({ data }) => {
        const turn = before.then(async () => {
          try {
            last = await log.append(data, last, `${life.number}.${last}`)
          } catch (thrown) {
            failures.push(`${life.number} ${asError(thrown).code}`)
            if (asError(thrown).code === 'journal.conflict') world.lost(life, thrown)
          }
        })
        before = turn
        await turn
        return { data: Buffer.from(String(last)) }
      })
      return { found, clock }
    },
  })
  world.add({
    name: 'asker', participant: ASKER,
    boot: async ({ bus, clock }) => {
      const ask = (): void => {
        clock.timer(clock.now() + 20, ask)
        bus.request(`aigen.v1.hello.${WRITER}`, Buffer.from('x'), { timeoutMs: 100 }).then(({ data }) => heard.push(Buffer.from(data).toString()), (error) => heard.push(asError(error).code))
      }
      ask()
      return {}
    },
  })
  world.start('writer')
  world.start('asker')
  return { world, writer, heard, failures, for: (ms: number) => world.run(() => false, ms) }
}
const at = (kind: 'crash', point: Point, nth: number, downMs: number): Fault => ({ kind, process: 'writer', point, nth, downMs })

describe('a world', () => {
  it('is the same from the same seed, and another from another', async () => {
    const trace = async (seed: number): Promise<readonly string[]> => {
      const one = small([at('crash', 'append.after', 3, 50), { kind: 'delay', hop: 4, ms: 60 }, { kind: 'duplicate', hop: 6 }], {}, seed)
      await one.for(50)
      one.world.arm()
      await one.for(1_000)
      one.world.close()
      return one.world.trace.lines
    }
    const first = await trace(1)
    expect(first.length).toBeGreaterThan(100)
    expect(await trace(1)).toEqual(first)
    expect(await trace(2)).not.toEqual(first)
  })

  it.each<Point>(['append.before', 'append.after', 'receive', 'send'])('has a process die at %s; the next life finds its disk', async (point) => {
    const one = small([at('crash', point, 2, 100)])
    await one.for(100)
    one.world.arm()
    let stored = 0
    await one.world.run(() => {
      const down = one.writer.life?.alive === false
      if (down) stored = one.writer.disk.get('p0')!.length
      return down
    }, 1_000)
    expect(one.writer.running).toBeUndefined()
    await one.for(90)
    expect(one.writer.disk.get('p0'), 'a dead process writes nothing').toHaveLength(stored)
    await one.for(500)
    expect(one.writer.life?.number).toBe(2)
    expect(one.writer.running?.found).toBe(stored)
    expect(one.heard).toContain('network.timeout')
    expect(one.failures).toEqual([])
  })

  it('has a process stand still and go on where it was', async () => {
    const one = small([{ kind: 'pause', process: 'writer', point: 'append.before', nth: 1, ms: 300, taken: false }])
    await one.for(100)
    one.world.arm()
    await one.for(50)
    const { length } = one.writer.disk.get('p0')!
    await one.for(200)
    expect(one.writer.disk.get('p0')).toHaveLength(length)
    await one.for(300)
    expect(one.writer.life?.number).toBe(1)
    expect(one.writer.disk.get('p0')!.length).toBeGreaterThan(length + 5)
  })

  it('has another take over meanwhile; the first finds that it has lost its journal', async () => {
    const writes: string[] = []
    const one = small([{ kind: 'pause', process: 'writer', point: 'append.before', nth: 1, ms: 300, taken: true }], { appended: (_name, life, _partition, sequence) => writes.push(`${life.number} ${sequence}`) })
    await one.for(100)
    one.world.arm()
    await one.for(1_000)
    expect(one.writer.life).toMatchObject({ number: 2, node: 1 })
    expect(one.failures).toEqual(['1 journal.conflict'])
    const lives = writes.map((line) => Number(line[0]))
    expect(lives).toEqual(lives.toSorted())
    expect(writes.map((line) => Number(line.split(' ')[1]))).toEqual(writes.map((_, index) => index + 1))
  })

  it('has a disk lose its tail', async () => {
    const one = small([{ kind: 'forget', process: 'writer', point: 'append.after', nth: 1, downMs: 100, records: 2 }])
    await one.for(200)
    one.world.arm()
    let before = 0
    await one.world.run(() => { before = Math.max(before, one.writer.disk.get('p0')!.length); return one.writer.life?.alive === false }, 1_000)
    await one.for(200)
    expect(one.writer.running?.found).toBe(before - 2)
  })

  it.each([[false, 0], [true, 1]])('gives no answer to an append, stored: %s', async (stored, more) => {
    const one = small([{ kind: 'unacknowledged', process: 'writer', nth: 1, stored }])
    await one.for(100)
    const { length } = one.writer.disk.get('p0')!
    one.world.arm()
    await one.world.run(() => one.failures.length > 0, 1_000)
    expect(one.failures).toEqual(['1 journal.unknown'])
    expect(one.writer.disk.get('p0')).toHaveLength(length + more)
  })

  it('cuts two off, sets a clock wrong, and heals all of it', async () => {
    const one = small([{ kind: 'cut', between: ['asker', 'writer'], from: 0, ms: 10_000 }, { kind: 'skew', process: 'writer', from: 0, ms: 5_000 }])
    await one.for(100)
    one.world.arm()
    await one.for(300)
    const { length } = one.writer.disk.get('p0')!
    await one.for(300)
    expect(one.writer.disk.get('p0')).toHaveLength(length)
    expect(one.writer.running!.clock.now() - one.world.clock.now()).toBeGreaterThan(4_990)
    one.world.heal()
    await one.for(300)
    expect(one.writer.disk.get('p0')!.length).toBeGreaterThan(length)
    expect(Math.abs(one.writer.running!.clock.now() - one.world.clock.now())).toBeLessThan(2)
  })
})
