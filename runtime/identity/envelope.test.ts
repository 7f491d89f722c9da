import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AigenError, ERRORS } from '../../schemas/error.ts'
import {
  ENVELOPE_BYTES_MAX, ENVELOPE_OVERHEAD, open, openBytes, readError, readHeader, readRefusal, refusal, seal, sealBytes, tellable, type Place,
} from './envelope.ts'
import { SESSION_MESSAGES_MAX } from './session.ts'
import { codeOf, pairOf, party } from './two-nodes.fixture.ts'

const alice = party('alice')
const bob = party('bob')
const place: Place = { kind: 'request', subject: 'aigen.v1.call.0xb.n.invoke' }

describe('envelope', () => {
  it('gives back any value, and hides it', () => {
    const ends = pairOf(alice, bob)
    fc.assert(fc.property(fc.jsonValue({ maxDepth: 4 }).filter((value) => !JSON.stringify(value).includes('__proto__')), (value) => {
      const { envelope } = seal(ends.caller, place, value)
      expect(open(ends.callee, place, envelope)).toEqual(JSON.parse(JSON.stringify(value)))
    }), { seed: 4, numRuns: 300 })
    expect(seal(ends.caller, place, 'a secret of alice').envelope.includes('secret')).toBe(false)
  })

  it('refuses an envelope with any single bit flipped', () => {
    const ends = pairOf(alice, bob)
    const { envelope } = seal(ends.caller, place, { hello: 'world', n: 42 })
    for (let bit = 0; bit < envelope.length * 8; bit += 1) {
      const changed = Buffer.from(envelope)
      changed[bit >>> 3]! ^= 1 << (bit & 7)
      expect(['auth.forged', 'auth.version', 'input.unparsable']).toContain(codeOf(() => open(ends.callee, place, changed)))
    }
    // and every failed try left the true one its chance
    expect(open(ends.callee, place, envelope)).toEqual({ hello: 'world', n: 42 })
  })

  it('refuses any other length', () => {
    const ends = pairOf(alice, bob)
    const { envelope } = seal(ends.caller, place, { hello: 'world' })
    for (let length = 0; length < envelope.length; length += 1) {
      expect(['auth.forged', 'input.unparsable']).toContain(codeOf(() => open(ends.callee, place, envelope.subarray(0, length))))
    }
    expect(codeOf(() => open(ends.callee, place, Buffer.concat([envelope, Buffer.alloc(1)])))).toBe('auth.forged')
  })

  it('belongs to one subject, kind, direction, session and request', () => {
    const ends = pairOf(alice, bob)
    const other = pairOf(alice, bob)
    const { envelope, counter } = seal(ends.caller, place, 1)
    expect(codeOf(() => open(ends.callee, { ...place, subject: 'aigen.v1.call.0xb.n.pay' }, envelope))).toBe('auth.forged')
    expect(codeOf(() => open(other.callee, place, envelope))).toBe('auth.forged')
    // reflected to its sender, as a request and dressed as an answer
    expect(codeOf(() => open(ends.caller, place, envelope))).toBe('auth.forged')
    const dressed = Buffer.from(envelope)
    dressed[1] = 2
    expect(codeOf(() => open(ends.caller, { kind: 'answer', subject: place.subject, request: counter }, dressed))).toBe('auth.forged')
    expect(open(ends.callee, place, envelope)).toBe(1)
    const answer = seal(ends.callee, { kind: 'answer', subject: place.subject, request: counter }, 2).envelope
    expect(codeOf(() => open(ends.caller, { kind: 'answer', subject: place.subject, request: counter + 1 }, answer))).toBe('auth.forged')
    expect(codeOf(() => open(ends.caller, { kind: 'chunk', subject: place.subject, request: counter }, answer))).toBe('auth.forged')
    expect(open(ends.caller, { kind: 'answer', subject: place.subject, request: counter }, answer)).toBe(2)
  })

  it('opens once, in any order of 1,000, and not when older than the window', () => {
    const ends = pairOf(alice, bob)
    const sealed = Array.from({ length: 2_100 }, (_, n) => sealBytes(ends.caller, place, Buffer.from([n & 255])).envelope)
    for (let n = 999; n >= 0; n -= 1) expect(openBytes(ends.callee, place, sealed[n]!)[0]).toBe(n & 255)
    for (let n = 0; n < 1_000; n += 1) expect(codeOf(() => openBytes(ends.callee, place, sealed[n]!))).toBe('auth.replayed')
    openBytes(ends.callee, place, sealed[2_099]!)
    expect(codeOf(() => openBytes(ends.callee, place, sealed[2_099 - 1_024]!))).toBe('auth.replayed')
    openBytes(ends.callee, place, sealed[2_099 - 1_023]!)
  })

  it('a forged counter far ahead does not move the window', () => {
    const ends = pairOf(alice, bob)
    const { envelope } = seal(ends.caller, place, 1)
    const ahead = Buffer.from(envelope)
    ahead.writeUInt32BE(1_000_000, 18)
    expect(codeOf(() => open(ends.callee, place, ahead))).toBe('auth.forged')
    expect(open(ends.callee, place, envelope)).toBe(1)
  })

  it('is measured before anything else', () => {
    const ends = pairOf(alice, bob)
    const room = ENVELOPE_BYTES_MAX - ENVELOPE_OVERHEAD
    expect(codeOf(() => readHeader(Buffer.alloc(ENVELOPE_BYTES_MAX + 1, 7)))).toBe('input.too-large')
    expect(codeOf(() => sealBytes(ends.caller, place, Buffer.alloc(room + 1)))).toBe('input.too-large')
    expect(openBytes(ends.callee, place, sealBytes(ends.caller, place, Buffer.alloc(room)).envelope).length).toBe(room)
  })

  it('tells another version from rubbish', () => {
    const { envelope } = seal(pairOf(alice, bob).caller, place, 1)
    envelope[0] = 2
    expect(codeOf(() => readHeader(envelope))).toBe('auth.version')
    expect(codeOf(() => readHeader(Buffer.from([1, 9, 9])))).toBe('input.unparsable')
    expect(codeOf(() => readHeader(Buffer.alloc(0)))).toBe('input.unparsable')
  })

  it('never uses a nonce twice', () => {
    const ends = pairOf(alice, bob)
    expect(codeOf(() => seal(ends.caller, place, NaN))).toBe('input.invalid')
    const one = sealBytes(ends.caller, place, Buffer.from('same'))
    const two = sealBytes(ends.caller, place, Buffer.from('same'))
    expect(two.counter).toBeGreaterThan(one.counter)
    expect(one.envelope.subarray(22)).not.toEqual(two.envelope.subarray(22))
    ends.caller.sent = SESSION_MESSAGES_MAX
    expect(codeOf(() => seal(ends.caller, place, 1))).toBe('auth.unknown-session')
  })
})

describe('errors on the wire', () => {
  it('tells strangers nothing of what broke inside', () => {
    expect(tellable(new AigenError('internal', 'password is hunter2'))).toEqual({ code: 'internal', message: ERRORS.internal.says })
    const told = readRefusal(refusal(new AigenError('auth.version', 'Expected 1.')))
    expect(told.code).toBe('auth.version')
    expect(told.message).toContain('Expected 1.')
  })

  it('cuts what is too long and refuses what is no error', () => {
    const issues = Array.from({ length: 100 }, () => ({ path: 'a', message: 'b'.repeat(5_000) }))
    const read = readError({ code: 'input.invalid', message: 'x'.repeat(9_000), issues: [...issues, 7], path: 3 })
    expect([read.message.length, read.issues.length, read.issues[0]!.message.length]).toEqual([2_000, 50, 2_000])
    expect(readError({ code: 'toString', message: 'm' }).code).toBe('internal')
    expect(codeOf(() => readError('no'))).toBe('input.invalid')
    expect(codeOf(() => readError({ code: 1, message: 'm' }))).toBe('input.invalid')
  })
})
