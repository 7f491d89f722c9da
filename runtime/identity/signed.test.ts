import { describe, expect, it } from 'vitest'
import { canonicalBytes, hashOf } from '../../schemas/canonical.ts'
import type { NodeAuthorisation } from '../../schemas/documents.gen.ts'
import { authoriseNode, createAuthorisations } from './authorisation.ts'
import { createCredentials } from './credentials.ts'
import { admitSigned } from './door.ts'
import { checkFresh, createVerifier, signedBytes } from './signed.ts'
import { codeOf, DAY, party, START } from './two-nodes.fixture.ts'

const alice = party('alice')
const mallory = party('mallory')

describe('authorisations', () => {
  it('admits what the wallet signed, under one hash', () => {
    const store = createAuthorisations()
    const { hash, authorisation } = store.admit({ ...alice.authorisation })
    expect(hash).toBe(hashOf(alice.authorisation))
    expect(authorisation).toEqual(alice.authorisation)
    expect(store.get(hash)).toBe(authorisation)
  })

  it.each<[string, Partial<NodeAuthorisation>, string]>([
    ['another wallet', { wallet: mallory.authorisation.wallet }, 'auth.forged'],
    ['another node key', { node: mallory.authorisation.node }, 'auth.forged'],
    ['a longer term', { notAfter: alice.authorisation.notAfter + 1 }, 'auth.forged'],
    ['another signature', { signature: mallory.authorisation.signature }, 'auth.forged'],
    ['a node key of small order', { node: 'A'.repeat(43) }, 'auth.forged'],
    ['a wallet in upper case', { wallet: alice.wallet.address }, 'input.unparsable'],
    ['a term without end', { notAfter: START + 400 * DAY }, 'input.unparsable'],
    ['a term that ends before it starts', { notBefore: alice.authorisation.notAfter }, 'input.unparsable'],
  ])('refuses %s', (_, change, code) => {
    expect(codeOf(() => createAuthorisations().admit({ ...alice.authorisation, ...change }))).toBe(code)
  })

  it.each([null, 1, 'x', [], {}, { ...alice.authorisation, extra: 1 }])('refuses what is none (%j)', (candidate) => {
    expect(codeOf(() => createAuthorisations().admit(candidate))).toBe('input.unparsable')
  })

  it('keeps a bounded number', () => {
    const store = createAuthorisations(2)
    const hashes = ['a', 'b', 'c'].map((node) => store.admit(party('alice', node).authorisation).hash)
    expect(hashes.map((hash) => store.get(hash) !== undefined)).toEqual([false, true, true])
  })

  it('gives no credentials for another key', () => {
    expect(codeOf(() => createCredentials(mallory.node, alice.authorisation))).toBe('auth.unauthorised')
  })
})

describe('signed documents', () => {
  const body = { name: 'card', n: 1 }
  const signature = alice.self.sign('card', body)
  const store = createAuthorisations()
  store.admit(alice.authorisation)
  store.admit(mallory.authorisation)
  const verifier = createVerifier(store)

  it('verifies, whatever the order of members, the second time from memory', () => {
    expect(verifier.verify('card', { n: 1, name: 'card' }, signature, START).wallet).toBe(alice.self.participant)
    expect(verifier.verify('card', body, signature, START).wallet).toBe(alice.self.participant)
  })

  it('has a domain for each kind', () => {
    expect(Buffer.from(signedBytes('card', {})).toString()).toBe('aigen/v1/card\n{}')
    expect(codeOf(() => verifier.verify('quote', body, signature, START))).toBe('auth.forged')
    expect(codeOf(() => signedBytes('card\n{}', {}))).toBe('internal')
  })

  it.each<[string, () => unknown, string]>([
    ['another body', () => verifier.verify('card', { ...body, n: 2 }, signature, START), 'auth.forged'],
    ['another sig', () => verifier.verify('card', body, { ...signature, sig: mallory.self.sign('card', body).sig }, START), 'auth.forged'],
    ['a sig spelled otherwise', () => verifier.verify('card', body, { ...signature, sig: `${signature.sig.slice(0, -1)}B` }, START), 'auth.forged'],
    ['another name over it', () => verifier.verify('card', body, { ...signature, by: mallory.self.participant }, START), 'auth.unauthorised'],
    ['another\'s authorisation', () => verifier.verify('card', body, { ...signature, auth: mallory.self.auth }, START), 'auth.unauthorised'],
    ['an unknown authorisation', () => verifier.verify('card', body, { ...signature, auth: hashOf(1) }, START), 'auth.unauthorised'],
    ['a time after the term', () => verifier.verify('card', body, signature, START + 31 * DAY), 'auth.expired'],
    ['a time before the term', () => verifier.verify('card', body, signature, START - 2 * DAY), 'auth.expired'],
    ['nothing', () => verifier.verify('card', body, null, START), 'input.unparsable'],
  ])('refuses %s', (_, act, code) => expect(codeOf(act)).toBe(code))

  it('refuses a stolen body under the thief\'s own authorisation for the victim\'s name', () => {
    const forged = { ...mallory.self.sign('card', body), by: alice.self.participant }
    expect(codeOf(() => verifier.verify('card', body, forged, START))).toBe('auth.unauthorised')
  })

  it('cannot have a node key authorised by a wallet that does not hold it claim its documents', () => {
    // mallory authorises alice's node key for mallory's wallet: alice's signature still names alice's authorisation
    const claim = authoriseNode(mallory.wallet, alice.node.publicKey, { notBefore: START, notAfter: START + DAY })
    const { hash } = store.admit(claim)
    expect(codeOf(() => verifier.verify('card', body, { ...signature, auth: hash }, START))).toBe('auth.unauthorised')
  })
})

describe('admitSigned', () => {
  const verifier = createVerifier(createAuthorisations())
  const make = (body: Record<string, unknown>, kind = 'call-for-quotes') =>
    canonicalBytes({ kind, body, signature: alice.self.sign(kind, body), authorisation: alice.authorisation })
  const fine = { id: 'req_1', issuedAt: START, expiresAt: START + 10_000 }
  const admit = (bytes: Uint8Array, now = START) => admitSigned(bytes, 'call-for-quotes', (body) => body, verifier, now)

  it('lets a fresh, signed message in', () => {
    expect(admit(make(fine))).toMatchObject({ by: alice.self.participant, body: fine })
  })

  it.each<[string, () => unknown, string]>([
    ['an expired one', () => admit(make(fine), START + 10_000), 'auth.expired'],
    ['one from the future', () => admit(make({ ...fine, issuedAt: START + 60_001, expiresAt: START + 99_999 })), 'auth.expired'],
    ['one without expiry', () => admit(make({ id: 'req_1' })), 'input.invalid'],
    ['another kind', () => admit(make(fine, 'quote')), 'input.invalid'],
    ['a changed body', () => admit(Buffer.from(Buffer.from(make(fine)).toString().replace('req_1', 'req_2'))), 'auth.forged'],
    ['one too large', () => admit(make({ ...fine, id: 'x'.repeat(70_000) })), 'input.too-large'],
    ['one too deep', () => admit(Buffer.from('['.repeat(60_000))), 'input.too-deep'],
    ['one that is no JSON', () => admit(Buffer.from('{"kind":')), 'input.unparsable'],
    ['one that is no UTF-8', () => admit(Buffer.from([0x22, 0xff, 0x22])), 'input.unparsable'],
    ['a polluting key', () => admit(Buffer.from('{"kind":{"\\u005f_proto__":{"polluted":1}}}')), 'input.unparsable'],
    ['nothing', () => admit(new Uint8Array()), 'input.unparsable'],
  ])('refuses %s', (_, act, code) => {
    expect(codeOf(act)).toBe(code)
    expect(({} as { polluted?: number }).polluted).toBeUndefined()
  })

  it('judges freshness by both times', () => {
    expect(codeOf(() => checkFresh({ expiresAt: '9' }, 1))).toBe('input.invalid')
    expect(codeOf(() => checkFresh({ issuedAt: 'x', expiresAt: 9 }, 1))).toBe('input.invalid')
    checkFresh({ expiresAt: 2 }, 1)
  })
})
