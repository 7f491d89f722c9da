/**
 * What every bus does; run against memory and NATS (DESIGN D10). The set-up gives the buses of
 * three participants on one network, with the permissions of D4.
 */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { Bus, BusMessage } from './bus.ts'

export interface BusSetup {
  readonly alice: Bus
  readonly bob: Bus
  readonly carol: Bus
  /** A fourth connection, which a test closes. */
  extra(): Promise<Bus>
  /** Lets `ms` go by (virtual clock), or nothing where time goes by itself. */
  pass(ms: number): Promise<void>
  stop(): Promise<void>
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const text = (message: BusMessage | undefined): string => new TextDecoder().decode(message?.data)
const code = (value: string): object => expect.objectContaining({ code: value })

/** Registers the conformance tests of a bus. */
export function busContract(name: string, setUp: () => Promise<BusSetup>): void {
  describe(`${name} is a bus`, () => {
    let net: BusSetup
    beforeAll(async () => { net = await setUp() })
    afterAll(async () => { await net?.stop() })

    test('a request is answered, headers and reply subject included', async () => {
      const seen: BusMessage[] = []
      const subscription = await net.bob.subscribe('aigen.v1.call.bob.n1.*', (message) => {
        seen.push(message)
        return { data: bytes(`re:${text(message)}`), headers: { traceparent: 'back' } }
      })
      const answer = await net.alice.request('aigen.v1.call.bob.n1.quote', bytes('hi'), { timeoutMs: 5_000, headers: { traceparent: 'there' } })
      expect(text(answer)).toBe('re:hi')
      expect(answer.headers['traceparent']).toBe('back')
      expect(seen[0]).toMatchObject({ subject: 'aigen.v1.call.bob.n1.quote', headers: { traceparent: 'there' }, reply: expect.any(String) })
      await subscription.stop()
    })

    test('nobody there, no answer in time and a thrown handler are told apart', async () => {
      await expect(net.alice.request('aigen.v1.hello.bob', bytes(''), { timeoutMs: 5_000 })).rejects.toEqual(code('network.no-responders'))
      const silent = await net.bob.subscribe('aigen.v1.hello.bob', () => { throw new Error('broken') })
      const late = expect(net.alice.request('aigen.v1.hello.bob', bytes(''), { timeoutMs: 60 })).rejects.toEqual(code('network.timeout'))
      await net.pass(61)
      await late
      await silent.stop()
      await expect(net.alice.request('aigen.v1.hello.bob', bytes(''), { timeoutMs: 5_000 })).rejects.toEqual(code('network.no-responders'))
    })

    test('an aborted request rejects with the reason', async () => {
      const silent = await net.bob.subscribe('aigen.v1.hello.bob', () => {})
      const abort = new AbortController()
      const asked = expect(net.alice.request('aigen.v1.hello.bob', bytes(''), { timeoutMs: 1_000, signal: abort.signal })).rejects.toThrow('enough')
      abort.abort(new Error('enough'))
      await asked
      await silent.stop()
    })

    test('each message goes to one member of a queue group, and to every other subscriber', async () => {
      let grouped = 0
      let single = 0
      const all = [
        await net.alice.subscribe('aigen.v1.alive.*', () => { grouped++ }, { queue: 'q' }),
        await net.bob.subscribe('aigen.v1.alive.*', () => { grouped++ }, { queue: 'q' }),
        await net.carol.subscribe('aigen.v1.alive.*', () => { single++ }),
      ]
      for (let i = 0; i < 20; i++) net.carol.publish('aigen.v1.alive.carol', bytes(`${i}`))
      await net.carol.flush()
      await vi.waitFor(() => { expect(single).toBe(20); expect(grouped).toBe(20) })
      await Promise.all(all.map((one) => one.stop()))
    })

    test('gather gives answers as they come, up to the number or the time asked for', async () => {
      const one = await net.bob.subscribe('aigen.v1.market.vision.ocr@1', () => ({ data: bytes('bob') }))
      const two = await net.carol.subscribe('aigen.v1.market.>', () => ({ data: bytes('carol') }))
      const got: string[] = []
      for await (const answer of net.alice.gather('aigen.v1.market.vision.ocr@1', bytes('?'), { max: 2, timeoutMs: 5_000 })) got.push(text(answer))
      expect(got.sort()).toEqual(['bob', 'carol'])
      const first: string[] = []
      for await (const answer of net.alice.gather('aigen.v1.market.vision.ocr@1', bytes('?'), { max: 1, timeoutMs: 5_000 })) first.push(text(answer))
      expect(first).toHaveLength(1)
      const some: string[] = []
      const timed = (async () => {
        for await (const answer of net.alice.gather('aigen.v1.market.vision.ocr@1', bytes('?'), { max: 9, timeoutMs: 80 })) some.push(text(answer))
      })()
      await net.pass(81)
      await timed
      expect(some).toHaveLength(2)
      await Promise.all([one.stop(), two.stop()])
      const none = []
      for await (const answer of net.alice.gather('aigen.v1.market.none', bytes('?'), { max: 2, timeoutMs: 5_000 })) none.push(answer)
      expect(none).toEqual([])
    })

    test('no more handlers run at once than asked for, and the rest wait their turn', async () => {
      let running = 0
      let most = 0
      let done = 0
      let open: () => void = () => {}
      const gate = new Promise<void>((resolve) => { open = resolve })
      const subscription = await net.bob.subscribe('aigen.v1.call.bob.n1.work', async () => {
        most = Math.max(most, ++running)
        await gate
        running--
        done++
      }, { concurrency: 3 })
      for (let i = 0; i < 12; i++) net.alice.publish('aigen.v1.call.bob.n1.work', bytes(''))
      await net.alice.flush()
      await vi.waitFor(() => expect(running).toBe(3))
      open()
      await vi.waitFor(() => expect(done).toBe(12))
      expect(most).toBe(3)
      await subscription.stop()
    })

    test('stop waits for the handlers under way', async () => {
      let open: () => void = () => {}
      let started = false
      let ended = false
      const gate = new Promise<void>((resolve) => { open = resolve })
      const subscription = await net.bob.subscribe('aigen.v1.call.bob.n1.slow', async () => { started = true; await gate; ended = true })
      net.alice.publish('aigen.v1.call.bob.n1.slow', bytes(''))
      await vi.waitFor(() => expect(started).toBe(true))
      const stopping = subscription.stop().then(() => ended)
      open()
      expect(await stopping).toBe(true)
    })

    test('a kept subject holds its last value, for who comes later too', async () => {
      await net.alice.keep('aigen.v1.card.alice', bytes('one'))
      await net.alice.keep('aigen.v1.card.alice', bytes('two'))
      await net.bob.keep('aigen.v1.card.bob', bytes('bob'))
      const all = new Map<string, string>()
      for await (const card of net.carol.kept('aigen.v1.card.*')) all.set(card.subject, text(card))
      expect(Object.fromEntries(all)).toEqual({ 'aigen.v1.card.alice': 'two', 'aigen.v1.card.bob': 'bob' })
      const one: string[] = []
      for await (const card of net.carol.kept('aigen.v1.card.alice')) one.push(text(card))
      expect(one).toEqual(['two'])
      const none = []
      for await (const card of net.carol.kept('aigen.v1.card.nobody')) none.push(card)
      expect(none).toEqual([])
    })

    test('who listens hears a value that is kept', async () => {
      const heard: string[] = []
      const subscription = await net.bob.subscribe('aigen.v1.card.*', (message) => { heard.push(text(message)) })
      await net.carol.keep('aigen.v1.card.carol', bytes('here'))
      await vi.waitFor(() => expect(heard).toEqual(['here']))
      await subscription.stop()
    })

    test.each([
      ["publish another's card", (bus: Bus) => bus.keep('aigen.v1.card.bob', bytes('x'))],
      ['publish a registry without being a guardian', (bus: Bus) => bus.keep('aigen.v1.reputation.1', bytes('x'))],
      ["request on another's alive subject", (bus: Bus) => bus.request('aigen.v1.alive.bob', bytes(''), { timeoutMs: 3_000 })],
      ["listen to another's calls", (bus: Bus) => bus.subscribe('aigen.v1.call.bob.>', () => {})],
      ["listen to everyone's calls", (bus: Bus) => bus.subscribe('aigen.v1.call.>', () => {})],
      ["listen to another's hello", (bus: Bus) => bus.subscribe('aigen.v1.hello.bob', () => {}, { queue: 'q' })],
      ["listen to another's inbox", (bus: Bus) => bus.subscribe('_INBOX.bob.>', () => {})],
      ['listen to everything', (bus: Bus) => bus.subscribe('>', () => {})],
    ])('may not %s', async (_what, attempt) => {
      await expect(attempt(net.alice)).rejects.toEqual(code('network.denied'))
    })

    test('a refused publish reaches nobody', async () => {
      const heard: string[] = []
      const subscription = await net.carol.subscribe('aigen.v1.alive.*', (message) => { heard.push(message.subject) })
      net.alice.publish('aigen.v1.alive.bob', bytes('forged'))
      net.alice.publish('aigen.v1.alive.alice', bytes('mine'))
      await vi.waitFor(() => expect(heard).toEqual(['aigen.v1.alive.alice']))
      await subscription.stop()
    })

    test('too large and malformed are refused before they leave', async () => {
      const big = new Uint8Array(net.alice.maxPayload + 1)
      expect(() => net.alice.publish('aigen.v1.alive.alice', big)).toThrow(code('input.too-large') as Error)
      await expect(net.alice.request('aigen.v1.hello.bob', big, { timeoutMs: 100 })).rejects.toEqual(code('input.too-large'))
      for (const subject of ['', 'a b', 'a..b', 'a.>', 'a.*']) {
        expect(() => net.alice.publish(subject, bytes(''))).toThrow(code('input.invalid') as Error)
      }
      await expect(net.alice.subscribe('a.>.b', () => {})).rejects.toEqual(code('input.invalid'))
    })

    test('a closed bus says so', async () => {
      const bus = await net.extra()
      await bus.close()
      await bus.close()
      expect(() => bus.publish('aigen.v1.market.x', bytes(''))).toThrow(code('network.closed') as Error)
      await expect(bus.request('aigen.v1.market.x', bytes(''), { timeoutMs: 100 })).rejects.toEqual(code('network.closed'))
      await expect(bus.subscribe('aigen.v1.market.x', () => {})).rejects.toEqual(code('network.closed'))
      await expect(bus.keep('aigen.v1.card.x', bytes(''))).rejects.toEqual(code('network.closed'))
    })
  })
}
