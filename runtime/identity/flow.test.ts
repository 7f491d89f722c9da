/** Flows: what a network, a stranger and a provider that starts anew can do to the pieces of an output. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { virtualClock } from '../memory/clock.ts'
import { memoryNetwork, type Hop } from '../memory/bus.ts'
import { seededRandom } from '../memory/random.ts'
import { flowSubject, openFlowSender } from './flow.ts'
import { openFlowListener } from './flow-listener.ts'

const RUNS = process.env['AIGEN_LONG'] ? 1_000 : 50
const subject = flowSubject(`sha256-${'ab'.repeat(32)}`, 0)
const secret = new Uint8Array(32).fill(5)
const settle = async (): Promise<void> => { for (let turn = 0; turn < 30; turn++) await new Promise((resolve) => setImmediate(resolve)) }

async function flow(deliver: (hop: Hop, deliver: () => void) => void = (_hop, go) => go()) {
  const network = memoryNetwork({ clock: virtualClock(), deliver })
  const heard: unknown[] = []
  const listener = await openFlowListener({ bus: network.bus('payer'), random: seededRandom('l'), subject, secret, take: (piece) => heard.push(piece) })
  const provider = network.bus('provider')
  const sender = await openFlowSender(provider, seededRandom('a'), subject, secret)
  return { network, heard, listener, provider, sender }
}

describe('a flow', () => {
  it('brings every piece once and in order, whatever the network loses, repeats and reorders', async () => {
    await fc.assert(fc.asyncProperty(fc.integer(), fc.integer({ min: 0, max: 40 }), async (seed, count) => {
      const random = seededRandom(String(seed))
      const held: (() => void)[] = []
      const { heard, listener, sender } = await flow((hop, go) => {
        if (hop.message.subject !== subject) return go()
        const chance = random.fraction()
        if (chance < 0.2) return
        if (chance < 0.4) held.push(go)
        else {
          go()
          if (chance > 0.8) go()
        }
      })
      const pieces = Array.from({ length: count }, (_, number) => ({ number }))
      for (const piece of pieces) sender.send(piece)
      sender.end()
      for (let round = 0; round < 60 && !listener.complete; round++) {
        for (const go of held.splice(0)) go()
        await settle()
        if (round % 3 === 2) listener.nudge()
      }
      // in order and without gaps always; whole as long as the network gave a chance
      expect(heard).toEqual(pieces.slice(0, heard.length))
      if (listener.complete) expect(heard).toEqual(pieces)
    }), { numRuns: RUNS })
  })

  it('asks for what was lost, by itself when a later piece comes', async () => {
    let lost = 0
    const { heard, listener, sender } = await flow((hop, go) => {
      if (hop.message.subject === subject && hop.message.data[15] === 1 && lost++ === 0) return
      go()
    })
    for (const piece of ['a', 'b', 'c']) sender.send(piece)
    sender.end()
    await listener.ended
    expect([heard, lost, listener.passed]).toEqual([['a', 'b', 'c'], 2, 3])
  })

  it('passes nothing on that was sealed under another secret, changed, or moved to another call', async () => {
    const { network, heard, listener } = await flow()
    const stranger = network.bus('stranger')
    const seen: Uint8Array[] = []
    await stranger.subscribe(subject, ({ data }) => void seen.push(data))
    const forger = await openFlowSender(stranger, seededRandom('b'), subject, new Uint8Array(32).fill(6))
    forger.send('forged')
    const other = await openFlowSender(stranger, seededRandom('c'), flowSubject(`sha256-${'cd'.repeat(32)}`, 0), secret)
    await network.bus('payer').subscribe('aigen.v1.flow.>', () => undefined)
    other.send('of another call')
    for (const bytes of [new Uint8Array(0), new Uint8Array(40), ...seen.map((data) => data.map((byte, at) => (at === 20 ? byte ^ 1 : byte)))]) stranger.publish(subject, bytes)
    await settle()
    expect([heard, listener.passed]).toEqual([[], 0])
  })

  it('passes nothing on of an attempt that says other words than the one before', async () => {
    const { network, heard, listener, sender } = await flow()
    sender.send('once upon')
    await settle()
    const again = await openFlowSender(network.bus('provider'), seededRandom('z'), subject, secret)
    again.send('there was')
    again.send('a time')
    again.end()
    await settle()
    expect([heard, listener.complete]).toEqual([['once upon'], false])
  })

  it('goes on with an attempt that says the same words again, once it has said all of them', async () => {
    const { network, heard, listener, sender } = await flow()
    for (const piece of ['once', 'upon', 'a']) sender.send({ piece })
    await settle()
    const again = await openFlowSender(network.bus('provider'), seededRandom('z'), subject, secret)
    for (const piece of ['once', 'upon']) again.send({ piece })
    await settle()
    expect(heard).toHaveLength(3)
    for (const piece of ['a', 'time']) again.send({ piece })
    again.end()
    await listener.ended
    expect([heard, listener.complete]).toEqual([['once', 'upon', 'a', 'time'].map((piece) => ({ piece })), true])
  })

  it('an attempt that ends before it has said all that was passed on is not the whole', async () => {
    const { network, heard, listener, sender } = await flow()
    for (const piece of ['once', 'upon']) sender.send(piece)
    await settle()
    const again = await openFlowSender(network.bus('provider'), seededRandom('z'), subject, secret)
    again.send('once')
    again.end()
    await settle()
    expect([heard, listener.complete]).toEqual([['once', 'upon'], false])
  })

  it('a listener that starts anew hears all again, also when the flow has ended', async () => {
    const { network, listener, sender } = await flow()
    const pieces = Array.from({ length: 2_000 }, (_, number) => ({ number }))
    for (const piece of pieces) sender.send(piece)
    await listener.close()
    const open = async (seed: string): Promise<unknown[]> => {
      const heard: unknown[] = []
      const later = await openFlowListener({ bus: network.bus('payer'), random: seededRandom(seed), subject, secret, take: (piece) => heard.push(piece) })
      for (let round = 0, before = -1; before < later.passed && round < 500; round++) {
        before = later.passed
        await settle()
      }
      if (later.complete) heard.push('end')
      await later.close()
      return heard
    }
    expect(await open('b')).toEqual(pieces)
    sender.end()
    expect(await open('c')).toEqual([...pieces, 'end'])
    await sender.close()
    expect(await open('d')).toEqual([])
  })

  it('a greeting that somebody repeats is answered once, and one of another secret never', async () => {
    let sent = 0
    const greetings: Uint8Array[] = []
    const { network, sender } = await flow((hop, go) => {
      if (hop.message.subject === subject) sent++
      else greetings.push(hop.message.data)
      go()
    })
    for (const piece of ['a', 'b']) sender.send(piece)
    await settle()
    const later = await openFlowListener({ bus: network.bus('payer'), random: seededRandom('late'), subject, secret, take: () => undefined })
    await settle()
    const after = sent
    expect(after).toBeGreaterThan(2)
    for (let times = 0; times < 20; times++) network.bus('stranger').publish(`${subject}.again`, greetings.at(-1)!)
    const guess = await openFlowListener({ bus: network.bus('stranger'), random: seededRandom('guess'), subject, secret: new Uint8Array(32).fill(6), take: () => undefined })
    await settle()
    expect(sent).toBe(after)
    await Promise.all([later.close(), guess.close()])
  })

  it('a piece that its listener refuses ends the flow', async () => {
    const network = memoryNetwork({ clock: virtualClock() })
    const listener = await openFlowListener({ bus: network.bus('payer'), random: seededRandom('l'), subject, secret, take: (piece) => { if (piece === 'bad') throw new Error('bad') } })
    const sender = await openFlowSender(network.bus('provider'), seededRandom('a'), subject, secret)
    for (const piece of ['good', 'bad', 'good']) sender.send(piece)
    await settle()
    expect([listener.passed, listener.complete]).toEqual([1, false])
  })

  it('a stranger who repeats a request has pieces sent again a few times only', async () => {
    let sent = 0
    const requests: Uint8Array[] = []
    const { network, sender } = await flow((hop, go) => {
      if (hop.message.subject === subject) {
        if (hop.to !== 'stranger') sent++
        if (hop.message.data[15] === 0 && sent === 1) return
      } else requests.push(hop.message.data)
      go()
    })
    for (const piece of ['a', 'b']) sender.send(piece)
    await settle()
    for (let times = 0; times < 50; times++) network.bus('stranger').publish(`${subject}.again`, requests[0]!)
    await settle()
    expect(sent).toBeLessThanOrEqual(2 + 2 * 8)
  })

  it('a piece has a bound, and so has all that is held for one that is missing', async () => {
    const pieces = Array.from({ length: 200 }, (_, number) => String(number).padEnd(60_000, 'x'))
    let first = true
    const { heard, listener, sender } = await flow((hop, go) => {
      // the first piece is lost for good: nothing that follows can be passed on
      if (hop.message.subject === subject && Buffer.from(hop.message.data).readUInt32BE(12) === 0) first = false
      else go()
    })
    expect(() => sender.send('x'.repeat(70_000))).toThrow(expect.objectContaining({ code: 'step.failed' }))
    for (const piece of pieces) sender.send(piece)
    sender.end()
    await settle()
    listener.nudge()
    await settle()
    expect([heard, listener.passed, first]).toEqual([[], 0, false])
  })

  it('pieces beyond what is held come again once the missing one is there', async () => {
    let withheld: (() => void) | undefined
    const { heard, listener, sender } = await flow((hop, go) => {
      if (hop.message.subject === subject && Buffer.from(hop.message.data).readUInt32BE(12) === 0 && !withheld) withheld = go
      else if (hop.message.subject === subject) go()
    })
    const pieces = Array.from({ length: 60 }, (_, number) => String(number).padEnd(60_000, 'x'))
    for (const piece of pieces) sender.send(piece)
    await settle()
    withheld!()
    await settle()
    expect(heard).toEqual(pieces.slice(0, heard.length))
    expect(listener.passed).toBeGreaterThan(50)
  })
})
