import { describe, expect, it } from 'vitest'
import { AigenError, ERRORS } from '../../schemas/error.ts'
import { virtualClock, type VirtualClock } from '../memory/clock.ts'
import { memoryNetwork, type Hop, type MemoryNetwork } from '../memory/bus.ts'
import type { Bus } from '../ports/bus.ts'
import { memoryExporter } from '../telemetry/exporter.ts'
import { createTelemetry, noTelemetry } from '../telemetry/trace.ts'
import { seededRandom } from '../memory/random.ts'
import type { Call } from './callee.ts'
import { readRefusal, refusal, seal } from './envelope.ts'
import { openHello } from './session.ts'
import { callSubject, helloSubject } from './subject.ts'
import { codeOfAsync, DAY, party, START, type Party } from './two-nodes.fixture.ts'
import { createWire, type Wire, type WireOptions } from './wire.ts'

const alice = party('alice')
const bob = party('bob')
const mallory = party('mallory')

interface World {
  readonly clock: VirtualClock
  readonly network: MemoryNetwork
  /** Data of every request that reached a call subject. */
  readonly heard: Hop[]
  bus(who: Party): Bus
  wire(who: Party, options?: Partial<WireOptions>): Wire
}

function world(change?: (hop: Hop, deliver: () => void) => void): World {
  const clock = virtualClock(START)
  const heard: Hop[] = []
  const network = memoryNetwork({
    clock,
    deliver: (hop, deliver) => {
      if (hop.message.subject.startsWith('aigen.v1.')) heard.push(hop)
      if (change) change(hop, deliver)
      else queueMicrotask(deliver)
    },
  })
  const bus = (who: Party): Bus => network.bus(who.self.participant)
  return {
    clock, network, heard, bus,
    wire: (who, options) => createWire({
      bus: bus(who), clock, random: who.random, node: who.node, authorisation: who.authorisation, partitions: () => ['p0'], ...options,
    }),
  }
}

const any = (body: unknown): unknown => body
const echo = async (body: unknown, { caller, deadline }: Call): Promise<unknown> => ({ body, caller, deadline })
let count = 0
const once = (timeoutMs = 1_000) => ({ callId: `call_${(count += 1)}`, timeoutMs })
const to = bob.self.participant

async function pair(options?: Partial<WireOptions>): Promise<World & { a: Wire; b: Wire }> {
  const here = world()
  const b = here.wire(bob, options)
  b.serve('echo', any, echo)
  await b.start()
  return { ...here, a: here.wire(alice), b }
}

describe('wire: a call', () => {
  it('says hello once, and tells the handler who calls', async () => {
    const { a, heard } = await pair()
    const answer = await a.call(to, 'echo', { n: 1 }, { callId: 'c1', timeoutMs: 500 })
    expect(answer).toEqual({ body: { n: 1 }, caller: alice.self.participant, deadline: START + 500 })
    await Promise.all([1, 2, 3].map((n) => a.call(to, 'echo', { n }, once())))
    expect(heard.filter((hop) => hop.message.subject === helloSubject(to))).toHaveLength(1)
    expect(await a.meet(to, { timeoutMs: 100 })).toEqual({ participant: to, node: bob.self.node, partitions: ['p0'] })
  })

  it('shares one hello between calls that start together', async () => {
    const { a, heard } = await pair()
    await Promise.all([1, 2, 3, 4].map((n) => a.call(to, 'echo', { n }, once())))
    expect(heard.filter((hop) => hop.message.subject === helloSubject(to))).toHaveLength(1)
  })

  it('carries a handler\'s error with its path and issues, and hides a bug', async () => {
    const { a, b } = await pair()
    b.serve('refuse', any, () => {
      throw new AigenError('voucher.too-low', 'agreed 18000', { path: 'voucher', issues: [{ path: 'voucher.cumulative', message: 'low' }] })
    })
    b.serve('break', any, async () => {
      throw new TypeError('secret stack')
    })
    await expect(a.call(to, 'refuse', {}, once())).rejects.toMatchObject({
      code: 'voucher.too-low', path: 'voucher', issues: [{ path: 'voucher.cumulative', message: 'low' }], message: expect.stringContaining('agreed 18000'),
    })
    await expect(a.call(to, 'break', {}, once())).rejects.toMatchObject({ code: 'internal', message: ERRORS.internal.says })
  })

  it('refuses by the table', async () => {
    const { a, b } = await pair()
    b.serve('strict', () => {
      throw new AigenError('input.invalid', 'at n', { path: 'n' })
    }, echo)
    b.serve('huge', any, async () => 'x'.repeat(1_100_000))
    b.serve('odd', any, async () => ({ when: new Date(0) }))
    b.serve('quiet', any, async () => undefined)
    expect(await codeOfAsync(a.call(to, 'nothing', {}, once()))).toBe('node.unsupported')
    expect(await codeOfAsync(a.call(to, 'strict', {}, once()))).toBe('input.invalid')
    expect(await codeOfAsync(a.call(to, 'huge', {}, once()))).toBe('input.too-large')
    expect(await codeOfAsync(a.call(to, 'odd', {}, once()))).toBe('input.invalid')
    expect(await a.call(to, 'quiet', {}, once())).toBe(null)
    expect(await codeOfAsync(a.call(to, 'echo', 'x'.repeat(1_100_000), once()))).toBe('input.too-large')
    expect(await codeOfAsync(a.call(to, 'echo', {}, { callId: 'with space', timeoutMs: 9 }))).toBe('input.invalid')
    expect(await codeOfAsync(a.call(to, 'Echo.>', {}, once()))).toBe('node.unsupported')
    const checked = { ...once(), validate: () => { throw new AigenError('input.invalid') } }
    expect(await codeOfAsync(a.call(to, 'echo', {}, checked))).toBe('input.invalid')
  })

  it('refuses a call past its expiry, unless its handler answers late ones', async () => {
    const { a, b, clock } = await pair()
    b.serve('late', any, echo, { lateMs: 300_000 })
    const past = { ...once(), expiresAt: clock.now() - 61_000 }
    expect(await codeOfAsync(a.call(to, 'echo', {}, past))).toBe('auth.expired')
    expect(await a.call(to, 'late', 1, past)).toMatchObject({ body: 1 })
    expect(await codeOfAsync(a.call(to, 'late', 1, { ...past, expiresAt: clock.now() - 361_000 }))).toBe('auth.expired')
  })

  it('ends in time, or when it is told to', async () => {
    const { a, b, clock } = await pair()
    b.serve('hang', any, () => new Promise(() => {}))
    await a.call(to, 'echo', 1, once())
    const slow = codeOfAsync(a.call(to, 'hang', 1, once(200)))
    await clock.advance(200)
    expect(await slow).toBe('network.timeout')
    const stop = new AbortController()
    const stopped = a.call(to, 'hang', 1, { ...once(), signal: stop.signal })
    const seen = expect(stopped).rejects.toThrow('enough')
    stop.abort(new Error('enough'))
    await seen
    expect(await codeOfAsync(a.call(mallory.self.participant, 'echo', 1, once()))).toBe('network.no-responders')
  })
})

describe('wire: the same call again', () => {
  it('shares the answer while running; the id with another body or verb is a conflict', async () => {
    const { a, b } = await pair()
    let release: (value: string) => void = () => {}
    let runs = 0
    const slow = (): Promise<string> => {
      runs += 1
      return new Promise((resolve) => { release = resolve })
    }
    b.serve('slow', any, slow)
    b.serve('other', any, slow)
    await a.meet(to, { timeoutMs: 100 })
    const options = { callId: 'same', timeoutMs: 5_000 }
    const both = [a.call(to, 'slow', { x: 1, y: 2 }, options), a.call(to, 'slow', { y: 2, x: 1 }, options)]
    expect(await codeOfAsync(a.call(to, 'slow', { x: 2 }, options))).toBe('market.conflict')
    expect(await codeOfAsync(a.call(to, 'other', { x: 1, y: 2 }, options))).toBe('market.conflict')
    release('done')
    expect(await Promise.all(both)).toEqual(['done', 'done'])
    expect(runs).toBe(1)
  })

  it('keeps callers apart: the same id of another is another call', async () => {
    const { a, b, wire } = await pair()
    const bodies: Call[] = []
    b.serve('note', any, async (_, call) => { bodies.push(call) })
    await a.call(to, 'note', 1, { callId: 'same', timeoutMs: 100 })
    await wire(mallory).call(to, 'note', 1, { callId: 'same', timeoutMs: 100 })
    expect(bodies.map((call) => call.caller)).toEqual([alice.self.participant, mallory.self.participant])
    expect(bodies[0]!.bodyHash).toBe(bodies[1]!.bodyHash)
  })

  it('says busy beyond its bounds, and gives places of abandoned calls away', async () => {
    const { a, b, wire, clock } = await pair({ concurrency: 3, concurrencyPerCaller: 2 })
    b.serve('hang', any, () => new Promise(() => {}))
    const m = wire(mallory)
    await a.meet(to, { timeoutMs: 100 })
    await m.meet(to, { timeoutMs: 100 })
    const lost = [a, a].map((one) => codeOfAsync(one.call(to, 'hang', 1, once(500))))
    expect(await codeOfAsync(a.call(to, 'echo', 1, once()))).toBe('node.busy')
    lost.push(codeOfAsync(m.call(to, 'hang', 1, once(500))))
    expect(await codeOfAsync(m.call(to, 'echo', 1, once()))).toBe('node.busy')
    await clock.advance(501)
    expect(await Promise.all(lost)).toEqual(['network.timeout', 'network.timeout', 'network.timeout'])
    expect(await a.call(to, 'echo', 1, once())).toMatchObject({ body: 1 })
  })
})

describe('wire: sessions that end', () => {
  it('says hello again when the other side restarted, within the same attempt', async () => {
    const { a, b, heard } = await pair()
    await a.call(to, 'echo', 1, once())
    b.forget()
    expect(await a.call(to, 'echo', 2, once())).toMatchObject({ body: 2 })
    expect(heard.filter((hop) => hop.message.subject === helloSubject(to))).toHaveLength(2)
  })

  it('renews after an hour', async () => {
    const { a, clock, heard } = await pair()
    await a.call(to, 'echo', 1, once())
    await clock.advance(3_600_000)
    await a.call(to, 'echo', 2, once())
    expect(heard.filter((hop) => hop.message.subject === helloSubject(to))).toHaveLength(2)
  })

  it('goes to another node when one is gone, but stays with a node that is named', async () => {
    const { a, b, wire } = await pair()
    await a.call(to, 'echo', 1, once())
    const second = party('bob', 'b')
    const b2 = wire(second)
    b2.serve('echo', any, async () => 'from b')
    await b2.start()
    await b.stop()
    expect(await a.call(to, 'echo', 1, once())).toBe('from b')
    expect(await a.call(to, 'echo', 1, { ...once(), node: second.self.node })).toBe('from b')
    expect(await codeOfAsync(a.call(to, 'echo', 1, { ...once(), node: bob.self.node }))).toBe('network.no-responders')
  })

  it('meets a certain node by its own subject', async () => {
    const { a, heard } = await pair()
    await a.call(to, 'echo', 1, { ...once(), node: bob.self.node })
    expect(heard[0]!.message.subject).toBe(callSubject(to, bob.self.node, 'hello'))
  })

  it('looks for another node after a whole attempt of silence', async () => {
    let deaf = false
    const here = world((hop, deliver) => {
      if (!(deaf && hop.message.subject.startsWith('aigen.v1.call.'))) queueMicrotask(deliver)
    })
    const b = here.wire(bob)
    b.serve('echo', any, echo)
    await b.start()
    const a = here.wire(alice)
    await a.call(to, 'echo', 1, once())
    await here.clock.advance(10)
    deaf = true
    const lost = codeOfAsync(a.call(to, 'echo', 2, once(100)))
    await here.clock.advance(100)
    expect(await lost).toBe('network.timeout')
    deaf = false
    await a.call(to, 'echo', 3, once())
    expect(here.heard.filter((hop) => hop.message.subject === helloSubject(to))).toHaveLength(2)
  })
})

describe('wire: hostile networks', () => {
  /** What bob answers to raw bytes on a call subject. */
  const sendRaw = async (here: World, data: Uint8Array, verb = 'echo'): Promise<string> => {
    const answer = await here.bus(mallory).request(callSubject(to, bob.self.node, verb), data, { timeoutMs: 100 })
    return readRefusal(answer.data).code
  }

  it('handles a delivered duplicate once', async () => {
    let runs = 0
    const here = world((hop, deliver) => {
      queueMicrotask(deliver)
      if (hop.message.subject.startsWith('aigen.v1.')) queueMicrotask(deliver)
    })
    const b = here.wire(bob)
    b.serve('count', any, async () => (runs += 1))
    await b.start()
    const a = here.wire(alice)
    expect(await a.call(to, 'count', 1, once())).toBe(1)
    await here.clock.advance(1)
    expect(runs).toBe(1)
  })

  it('answers no replay, by anybody or on another subject', async () => {
    const here = await pair()
    await here.a.call(to, 'echo', 1, once())
    const before = here.heard.filter((hop) => hop.message.subject.startsWith('aigen.v1.'))
    for (const { message } of before) {
      for (const subject of [message.subject, callSubject(to, bob.self.node, message.subject.endsWith('echo') ? 'pay' : 'hello')]) {
        const silence = codeOfAsync(here.bus(mallory).request(subject, message.data, { timeoutMs: 50 }))
        await here.clock.advance(50)
        expect(await silence).toBe('network.timeout')
      }
    }
    expect(before).toHaveLength(2)
  })

  it.each<[string, () => Uint8Array, string]>([
    ['nothing', () => new Uint8Array(), 'input.unparsable'],
    ['rubbish', () => Buffer.from([1, 200, 3]), 'input.unparsable'],
    ['another version', () => Buffer.alloc(60, 2), 'auth.version'],
    ['too much', () => Buffer.alloc(1_048_577, 1), 'input.too-large'],
    ['an unknown session', () => Buffer.concat([Buffer.from([1, 1]), Buffer.alloc(60)]), 'auth.unknown-session'],
    ['an answer', () => Buffer.concat([Buffer.from([1, 2]), Buffer.alloc(60)]), 'auth.forged'],
  ])('answers %s with a refusal', async (_, data, code) => {
    expect(await sendRaw(await pair(), data())).toBe(code)
  })

  it('takes no sealed message in an unnamed form to the handler', async () => {
    const here = await pair()
    const hello = openHello({ ...alice, clock: here.clock }, to)
    const bus = here.bus(alice)
    const session = hello.finish((await bus.request(helloSubject(to), hello.bytes, { timeoutMs: 100 })).data)
    const subject = callSubject(to, bob.self.node, 'echo')
    for (const value of [1, [], ['c', START, 1, 1], [1, START, 1], ['c', 'soon', 1], { callId: 'c' }]) {
      const { envelope } = seal(session, { kind: 'request', subject }, value)
      const { data } = await bus.request(subject, envelope, { timeoutMs: 100 })
      // sealed, since the message was authentic
      expect(data[1]).toBe(2)
    }
  })

  it('refuses a hello under another participant\'s authorisation', async () => {
    const here = await pair()
    const { bytes } = openHello({ ...alice, clock: here.clock }, to)
    const text = Buffer.from(bytes).toString().replaceAll(alice.authorisation.signature, mallory.authorisation.signature)
    const { data } = await here.bus(mallory).request(helloSubject(to), Buffer.from(text), { timeoutMs: 100 })
    expect(readRefusal(data).code).toBe('auth.forged')
  })

  it('tells a caller whose clock is wrong', async () => {
    const here = await pair()
    const off = virtualClock(START + DAY)
    expect(await codeOfAsync(here.wire(alice, { clock: { ...off, timer: here.clock.timer } }).call(to, 'echo', 1, once()))).toBe('network.refused')
  })

  // Found by the simulator (seed 8): a voucher whose hello had one bit changed was given up for good.
  it.each([2, 40, 200, 700])('has a call with bit %i of its hello changed tried again', async (bit) => {
    const here = world(({ message }, deliver) => {
      if (message.subject.startsWith('aigen.v1.hello.')) message.data[bit]! ^= 1
      queueMicrotask(deliver)
    })
    await here.wire(bob).start()
    const failure = await here.wire(alice).call(to, 'echo', 1, once()).catch((error: AigenError) => error)
    expect(failure).toMatchObject({ rule: { fault: 'network', retry: true } })
  })

  it.each<[string, (request: Uint8Array) => Uint8Array]>([
    ['rubbish', () => Buffer.from('rubbish')],
    ['its own request', (request) => request],
    ['a false verdict', () => Buffer.concat([Buffer.from([1, 0]), Buffer.from('82a4636f6465ae6d61726b65742e72656675736564a76d657373616765a26e6f', 'hex')])],
  ])('takes %s as an answer for what it is: a fault of the network', async (_, forge) => {
    const liar: { bus?: Bus } = {}
    const here = world(({ message }, deliver) => {
      // hellos are true; calls never reach bob, and what comes back is forged
      if (message.subject.startsWith('aigen.v1.call.')) liar.bus?.publish(message.reply!, forge(message.data))
      else queueMicrotask(deliver)
    })
    liar.bus = here.bus(mallory)
    await here.wire(bob).start()
    const a = here.wire(alice)
    const code = await codeOfAsync(a.call(to, 'echo', 1, once()))
    expect(code).toBe('network.garbled')
    expect(ERRORS[code].retry).toBe(true)
  })
})

describe('wire: signed messages to many', () => {
  const subject = 'aigen.v1.market.vision_ocr'
  const ask = (here: World, wire: Wire) => wire.sign('call-for-quotes', { id: 'req_1', issuedAt: here.clock.now(), expiresAt: here.clock.now() + 5_000 })
  const offer = (wire: Wire, request: string, price: string) => wire.sign('quote', { request, price, expiresAt: START + 60_000 })

  it('gathers the answers of all who answer rightly', async () => {
    const here = world()
    const a = here.wire(alice)
    const refused: string[] = []
    for (const [who, price] of [[bob, '18000'], [mallory, '17000']] as const) {
      const wire = here.wire(who)
      await wire.serveSigned(subject, { kind: 'call-for-quotes', validate: any, handler: async ({ by, body }) => {
        expect(by).toBe(alice.self.participant)
        return offer(wire, (body as { id: string }).id, price)
      } })
    }
    await here.bus(mallory).subscribe(subject, ({ data }) => ({ data }))
    const found: unknown[] = []
    const gather = (async () => {
      for await (const quote of a.gatherSigned(subject, ask(here, a), {
        answerKind: 'quote', validate: any, max: 10, timeoutMs: 200, onRefused: (error) => refused.push(error.code),
      })) found.push([quote.by, (quote.body as { price: string }).price])
    })()
    await here.clock.advance(200)
    await gather
    expect(found).toEqual(expect.arrayContaining([[to, '18000'], [mallory.self.participant, '17000']]))
    expect(found).toHaveLength(2)
    expect(refused).toEqual(['input.invalid'])
  })

  it('answers a message that comes again as before, without the handler', async () => {
    const here = world()
    const [a, b] = [here.wire(alice), here.wire(bob)]
    let runs = 0
    const refused: string[] = []
    await b.serveSigned(subject, {
      kind: 'call-for-quotes', validate: any, onRefused: (error) => refused.push(error.code),
      handler: async () => offer(b, `run ${(runs += 1)}`, '1'),
    })
    const message = ask(here, a)
    const prices: unknown[] = []
    for (const _ of [1, 2]) {
      for await (const { body } of a.gatherSigned(subject, message, { answerKind: 'quote', validate: any, max: 1, timeoutMs: 100 })) prices.push(body)
    }
    expect([runs, prices[0]]).toEqual([1, prices[1]])
    await here.clock.advance(5_000)
    const late = (async () => {
      for await (const _ of a.gatherSigned(subject, message, { answerKind: 'quote', validate: any, max: 1, timeoutMs: 100 })) expect.unreachable()
    })()
    await here.clock.advance(100)
    await late
    expect(refused).toEqual(['auth.expired'])
  })
})

describe('wire: traces', () => {
  it('makes one trace from the caller\'s span to what the handler does', async () => {
    const here = world()
    const exporters = [memoryExporter(), memoryExporter()]
    const [ours, theirs] = exporters.map(({ processor }, n) => createTelemetry({ clock: here.clock, random: seededRandom(n), processor }))
    const [a, b] = [here.wire(alice, { telemetry: ours! }), here.wire(bob, { telemetry: theirs! })]
    b.serve('work', any, (_, call) => theirs!.withSpan('inside', {}, call.trace, async () => {
      throw new AigenError('step.failed')
    }))
    await b.start()
    await ours!.withSpan('root', {}, undefined, async (root) => {
      await codeOfAsync(a.call(to, 'work', 1, { ...once(), trace: root.trace }))
    })
    const spans = exporters.flatMap((exporter) => exporter.spans())
    expect(new Set(spans.map((span) => span.spanContext().traceId)).size).toBe(1)
    const named = (name: string, kind?: number) => spans.find((span) => span.name === name && (kind === undefined || span.kind === kind))!
    const [root, client, server, inside] = [named('root'), named('aigen.v1/work', 2), named('aigen.v1/work', 1), named('inside')]
    expect(client.parentSpanContext?.spanId).toBe(root.spanContext().spanId)
    expect(server.parentSpanContext?.spanId).toBe(client.spanContext().spanId)
    expect(inside.parentSpanContext?.spanId).toBe(server.spanContext().spanId)
    expect(server.attributes).toMatchObject({ 'rpc.system': 'aigen', 'rpc.method': 'work', 'messaging.system': 'nats', 'error.type': 'step.failed' })
    expect(client.attributes['error.type']).toBe('step.failed')
  })

  it('passes a trace through nodes that record nothing', async () => {
    const { a, b } = await pair({ telemetry: noTelemetry })
    let seen: unknown
    b.serve('look', any, async (_, call) => { seen = call.trace })
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    await a.call(to, 'look', 1, { ...once(), trace: { traceparent } })
    expect(seen).toEqual({ traceparent })
  })
})

describe('wire: several nodes of one participant', () => {
  const second = party('bob', 'b')
  const third = party('bob', 'c')

  /** Nodes of bob: each does what it holds, by the body, and names who holds the rest. */
  const fleet = async (here: World, holders: ReadonlyMap<string, Party>, parties: readonly Party[] = [bob, second]): Promise<{ readonly asked: [string, unknown][]; readonly wires: Wire[] }> => {
    const asked: [string, unknown][] = []
    const wires: Wire[] = []
    for (const one of parties) {
      const wire = here.wire(one)
      wire.serve('do', any, async (body) => {
        asked.push([one.self.node, body])
        const holder = holders.get(String(body))
        if (holder !== one) throw new AigenError('network.moved', undefined, { node: holder?.self.node })
        return one.self.node
      })
      await wire.start()
      wires.push(wire)
    }
    return { asked, wires }
  }
  const nodesOf = (asked: [string, unknown][]): string[] => asked.splice(0).map(([node]) => node)

  it('a call is sent on to the node that has it, and calls of the same route go there at once', async () => {
    const here = world()
    const holders = new Map([['lane 1', bob], ['lane 2', second]])
    const { asked } = await fleet(here, holders)
    const a = here.wire(alice)
    for (const lane of ['lane 1', 'lane 2']) expect(await a.call(to, 'do', lane, { ...once(), route: lane })).toBe(holders.get(lane)!.self.node)
    expect(asked.length).toBeLessThanOrEqual(3)
    asked.length = 0
    for (let round = 0; round < 3; round++) for (const lane of ['lane 1', 'lane 2']) await a.call(to, 'do', lane, { ...once(), route: lane })
    expect(nodesOf(asked)).toEqual([1, 2, 3].flatMap(() => [bob.self.node, second.self.node]))
    holders.set('lane 1', second)
    expect(await a.call(to, 'do', 'lane 1', { ...once(), route: 'lane 1' })).toBe(second.self.node)
    expect(nodesOf(asked)).toEqual([bob.self.node, second.self.node])
    await a.call(to, 'do', 'lane 1', { ...once(), route: 'lane 1' })
    expect(nodesOf(asked)).toEqual([second.self.node])
  })

  it('one attempt asks at most three nodes, and nobody where nobody is named', async () => {
    const here = world()
    // Each says it is the next one's.
    const next = new Map([[bob, second], [second, third], [third, bob]])
    const asked: string[] = []
    for (const [one, other] of next) {
      const wire = here.wire(one)
      wire.serve('do', any, async (body) => {
        asked.push(one.self.node)
        throw new AigenError('network.moved', undefined, body === 'nobody' ? {} : { node: other.self.node })
      })
      await wire.start()
    }
    const a = here.wire(alice)
    const failure = await a.call(to, 'do', 'round', { ...once(), route: 'r' }).catch((error: AigenError) => error)
    expect(failure).toMatchObject({ code: 'network.moved', rule: { retry: true } })
    expect((failure as AigenError).toJSON()).not.toHaveProperty('node')
    expect(new Set(asked).size).toBe(3)
    expect(asked.splice(0)).toHaveLength(3)
    expect(await codeOfAsync(a.call(to, 'do', 'nobody', once()))).toBe('network.moved')
    expect(asked.splice(0)).toHaveLength(1)
    expect(await codeOfAsync(a.call(to, 'do', 'round', { ...once(), node: second.self.node }))).toBe('network.moved')
    expect(asked).toEqual([second.self.node])
  })

  it('a route whose node is gone is found again in the same attempt', async () => {
    const here = world()
    const holders = new Map([['lane 1', second]])
    const { asked, wires } = await fleet(here, holders)
    const a = here.wire(alice)
    await a.call(to, 'do', 'lane 1', { ...once(), route: 'lane 1' })
    await wires[1]!.stop()
    asked.length = 0
    // For a moment the one that is left still believes in the other.
    expect(await codeOfAsync(a.call(to, 'do', 'lane 1', { ...once(), route: 'lane 1' }))).toBe('network.moved')
    holders.set('lane 1', bob)
    expect(await a.call(to, 'do', 'lane 1', { ...once(), route: 'lane 1' })).toBe(bob.self.node)
    expect(new Set(nodesOf(asked))).toEqual(new Set([bob.self.node]))
  })

  it.each<[string, string, boolean]>([
    ['a node of a stranger, who answers for it', mallory.self.node, true],
    ['a node that is not there', third.self.node, false],
    ['no node at all', '*.>', false],
  ])('a `moved` that names %s leads nowhere (I8)', async (_, named, impostor) => {
    const here = world()
    const b = here.wire(bob)
    b.serve('do', any, async () => { throw new AigenError('network.moved', undefined, { node: named }) })
    await b.start()
    const m = here.wire(mallory)
    let reached = 0
    m.serve('do', any, async () => (reached += 1))
    await m.start()
    // As if the network let the stranger listen at the subject of bob's that bears the name of its node.
    const free = here.network.bus()
    if (impostor) {
      await free.subscribe(callSubject(to, mallory.self.node, '*'), async ({ subject, data }) => {
        reached += subject.endsWith('.do') ? 1 : 0
        return free.request(callSubject(mallory.self.participant, mallory.self.node, 'hello'), data, { timeoutMs: 100 })
      })
    }
    const code = await codeOfAsync(here.wire(alice).call(to, 'do', 1, { ...once(), route: 'r' }))
    expect(['network.moved', 'network.garbled', 'network.refused']).toContain(code)
    expect(ERRORS[code].retry).toBe(true)
    expect(reached).toBe(0)
  })

  it('an unsealed `moved` sends nobody anywhere: it is anybody\'s word', async () => {
    const heard: string[] = []
    const forger: { bus?: Bus } = {}
    const here = world(({ message }, deliver) => {
      if (message.subject.startsWith('aigen.v1.call.')) heard.push(message.subject)
      if (message.subject.endsWith('.do')) forger.bus?.publish(message.reply!, refusal(new AigenError('network.moved', undefined, { node: second.self.node })))
      else queueMicrotask(deliver)
    })
    forger.bus = here.bus(mallory)
    await fleet(here, new Map([['lane 1', bob]]), [bob])
    const b2 = here.wire(second)
    await b2.start()
    expect(await codeOfAsync(here.wire(alice).call(to, 'do', 'lane 1', { ...once(), node: bob.self.node }))).toBe('network.garbled')
    expect(heard.filter((subject) => subject.includes(second.self.node))).toEqual([])
  })

  it('a node that lost its part while it worked says `moved`, one that lost everything says nothing', async () => {
    const here = world()
    const state = { fell: undefined as AigenError | undefined }
    const b = here.wire(bob, { stands: () => async () => { if (state.fell) throw state.fell } })
    b.serve('do', any, async (body) => {
      state.fell = body === 'part' ? new AigenError('network.moved') : new AigenError('journal.conflict')
      return 'stale'
    })
    await b.start()
    const a = here.wire(alice)
    expect(await codeOfAsync(a.call(to, 'do', 'part', once()))).toBe('network.moved')
    state.fell = undefined
    const silent = codeOfAsync(a.call(to, 'do', 'all', once(100)))
    await here.clock.advance(100)
    expect(await silent).toBe('network.timeout')
  })
})
