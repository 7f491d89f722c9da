import { describe, expect, it } from 'vitest'
import { hashOf } from '../../schemas/canonical.ts'
import type { EpochReport, GuardianSet, Registry } from '../../schemas/documents.gen.ts'
import { authoriseNode } from '../../runtime/identity/authorisation.ts'
import { createCredentials } from '../../runtime/identity/credentials.ts'
import { proveEntries, treeOf, verifyEntry, verifyRegistry } from '../../runtime/market/registry.ts'
import { keysOf } from '../memory-network.fixture.ts'
import { aggregate } from './aggregate.ts'
import { admitMessage, headerOf } from './message.ts'

const EPOCH = 85_000_000
const NAMES = ['g0', 'g1', 'g2', 'g3', 'stranger']
const at = EPOCH * 20_000
const guardians = NAMES.map((name) => {
  const { wallet, node } = keysOf(name)
  return createCredentials(node, authoriseNode(wallet, node.publicKey, { notBefore: at - 1_000, notAfter: at + 1_000_000 }))
})
const set: GuardianSet = { participants: guardians.slice(0, 4).map(({ participant }) => participant), quorum: 3, epochMs: 20_000 }
const providers = [1, 2, 3, 4, 5].map((n) => `0x${`a${n}`.repeat(20)}` as const)

function reports(): EpochReport[] {
  return guardians.slice(0, 4).map(({ sign, authorisation }, index) => {
    const entries = providers.map((provider) => ({
      provider, capability: 'text.shout@1', figures: { uptime: 9_000 + index, rttMs: 3, p50Ms: 100, p95Ms: 200, success: 9_500, errors: 100, breaches: 0, probes: 4, receipts: 1, complaints: 0 },
    }))
    const body = { epoch: EPOCH, salt: `0x${'5a'.repeat(32)}` as const, entries }
    return { body, signature: sign('epoch-report', body), authorisation }
  })
}

function registry(signers: readonly number[] = [0, 1, 2]): Registry {
  const all = reports()
  const header = headerOf(all, set, EPOCH)
  const by = signers.map((index) => guardians[index]!)
  return { header, entries: aggregate(all.map(({ body }) => body.entries), 3), signatures: by.map(({ sign }) => sign('registry', header)), authorisations: by.map(({ authorisation }) => authorisation) }
}

describe('a registry, and each entry of it', () => {
  it('is believed when a quorum signed it', () => {
    expect(verifyRegistry(registry(), set).entries).toHaveLength(5)
    for (const provider of providers) {
      const [proven] = proveEntries(registry(), provider)
      expect(verifyEntry(JSON.parse(JSON.stringify(proven)), set)).toMatchObject({ provider, figures: { uptime: 9_001 } })
    }
  })

  it.each<[string, (registry: any) => void, string]>([
    ['a figure raised', (one) => (one.entries[2].figures.success = 10_000), 'auth.forged'],
    ['an entry left out', (one) => one.entries.pop(), 'auth.forged'],
    ['an entry twice', (one) => one.entries.push(one.entries[4]), 'auth.forged'],
    ['another root', (one) => {
      one.entries[2].figures.success = 10_000
      one.header.root = treeOf(one.entries).root
    }, 'auth.forged'],
    ['another epoch', (one) => (one.header.epoch += 1), 'input.invalid'],
    ['other times', (one) => (one.header.from += 1), 'input.invalid'],
    ['two signatures', (one) => one.signatures.pop(), 'reputation.quorum'],
    ['one signature three times', (one) => (one.signatures = [one.signatures[0], one.signatures[0], one.signatures[0]]), 'reputation.quorum'],
    ['a signature of another kind of document', (one) => (one.signatures[2] = guardians[2]!.sign('epoch-report', one.header)), 'auth.forged'],
    ['an authorisation left out', (one) => one.authorisations.pop(), 'auth.unauthorised'],
    ['reports by fewer than a quorum', (one) => {
      one.header.reports = one.header.reports.slice(0, 2)
      one.signatures = [0, 1, 2].map((index) => guardians[index]!.sign('registry', one.header))
    }, 'reputation.quorum'],
  ])('with %s is refused', (_what, change, code) => {
    const changed = structuredClone(registry())
    change(changed)
    expect(() => verifyRegistry(changed, set)).toThrow(expect.objectContaining({ code }))
  })

  it('signed by a stranger, or by too few, is refused', () => {
    expect(() => verifyRegistry(registry([0, 1, 4]), set)).toThrow(expect.objectContaining({ code: 'auth.unauthorised' }))
    expect(() => verifyRegistry(registry([0, 1]), set)).toThrow(expect.objectContaining({ code: 'reputation.quorum' }))
  })

  it.each<[string, (proven: any) => void, string]>([
    ['altered figures', (one) => (one.entry.figures.success = 10_000), 'auth.forged'],
    ['another provider\'s name', (one) => (one.entry.provider = providers[1]), 'auth.forged'],
    ['a broken proof', (one) => one.proof.reverse(), 'auth.forged'],
    ['a cut proof', (one) => one.proof.pop(), 'auth.forged'],
    ['an inner node for a leaf', (one) => (one.proof = one.proof.slice(1)), 'auth.forged'],
    ['a forged root with a proof of its own', (one) => {
      one.entry.figures.success = 10_000
      one.header.root = treeOf([one.entry]).root
      one.proof = []
    }, 'auth.forged'],
    ['too few signatures', (one) => one.signatures.pop(), 'reputation.quorum'],
  ])('an entry with %s is refused', (_what, change, code) => {
    const [proven] = structuredClone(proveEntries(registry(), providers[3]!))
    change(proven)
    expect(() => verifyEntry(proven, set)).toThrow(expect.objectContaining({ code }))
  })
})

describe('a message between guardians', () => {
  const { verifier } = createCredentials(keysOf('g0').node, guardians[0]!.authorisation)
  const proposal = (index: number, round: number, all = reports(), header = headerOf(all, set, EPOCH)): object => {
    const { sign, authorisation } = guardians[index]!
    const body = { round, header }
    return { kind: 'proposal', proposal: { body, signature: sign('epoch-proposal', body), authorisation, reports: all } }
  }

  it('is taken from whoever\'s turn it is, and not from another', () => {
    expect(admitMessage(proposal(0, 0), set, verifier)).toMatchObject({ by: set.participants[0], epoch: EPOCH })
    expect(() => admitMessage(proposal(1, 0), set, verifier)).toThrow(expect.objectContaining({ code: 'auth.unauthorised' }))
  })

  it('with a header that its reports do not make is refused', () => {
    const header = { ...headerOf(reports(), set, EPOCH), root: `0x${'77'.repeat(32)}` as const }
    expect(() => admitMessage(proposal(0, 0, reports(), header), set, verifier)).toThrow(expect.objectContaining({ code: 'auth.forged' }))
  })

  it('with fewer reports than a quorum, a report twice or a changed one is refused', () => {
    const all = reports()
    expect(() => admitMessage(proposal(0, 0, all.slice(0, 2)), set, verifier)).toThrow(expect.objectContaining({ code: 'reputation.quorum' }))
    expect(() => admitMessage(proposal(0, 0, [all[0]!, all[0]!, all[1]!]), set, verifier)).toThrow(expect.objectContaining({ code: 'reputation.quorum' }))
    const changed = structuredClone(all)
    changed[1]!.body.entries[0]!.figures.success = 0
    expect(() => admitMessage(proposal(0, 0, changed), set, verifier)).toThrow(expect.objectContaining({ code: 'auth.forged' }))
  })

  it('of a stranger, or that is a vote without its echoes, is refused', () => {
    const header = headerOf(reports(), set, EPOCH)
    const signed = (index: number, kind: string, body: object): object => ({ body, signature: guardians[index]!.sign(kind, body), authorisation: guardians[index]!.authorisation })
    expect(() => admitMessage({ kind: 'commit', commit: signed(4, 'epoch-commit', { epoch: EPOCH, report: hashOf('x') }) }, set, verifier)).toThrow(expect.objectContaining({ code: 'auth.unauthorised' }))
    const echo = (index: number, round = 0): object => signed(index, 'epoch-echo', { epoch: EPOCH, round, header: hashOf(header) })
    const vote = (echoes: object[]): object => ({ kind: 'vote', vote: { header, signature: guardians[1]!.sign('registry', header), authorisation: guardians[1]!.authorisation, echoes } })
    expect(admitMessage(vote([echo(0), echo(1), echo(2)]), set, verifier).by).toBe(set.participants[1])
    for (const echoes of [[echo(0), echo(1)], [echo(0), echo(0), echo(1)], [echo(0), echo(1), echo(2, 1)]]) {
      expect(() => admitMessage(vote(echoes), set, verifier)).toThrow(expect.objectContaining({ code: 'reputation.quorum' }))
    }
  })
})
