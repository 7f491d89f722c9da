/** A light node's reputation: proven entry by entry, from whichever guardian answers; lies, silence and age change nothing. */
import { describe, expect, it } from 'vitest'
import type { EpochReport, GuardianSet, ProvenEntry, Registry } from '../../schemas/documents.gen.ts'
import { authoriseNode } from '../../runtime/identity/authorisation.ts'
import { createCredentials } from '../../runtime/identity/credentials.ts'
import { provenReputation, type AskGuardian } from '../../runtime/market/proven-reputation.ts'
import { proveEntries } from '../../runtime/market/registry.ts'
import { keysOf } from '../memory-network.fixture.ts'
import { aggregate } from './aggregate.ts'
import { headerOf } from './message.ts'

const EPOCH = 85_000_000
const EPOCH_MS = 20_000
const CAPABILITY = 'text.shout@1'
const guardians = ['g0', 'g1', 'g2', 'g3'].map((name) => {
  const { wallet, node } = keysOf(name)
  return createCredentials(node, authoriseNode(wallet, node.publicKey, { notBefore: EPOCH * EPOCH_MS - 1_000, notAfter: EPOCH * EPOCH_MS + 100_000_000 }))
})
const set: GuardianSet = { participants: guardians.map(({ participant }) => participant), quorum: 3, epochMs: EPOCH_MS }
const [good, other] = [`0x${'a1'.repeat(20)}`, `0x${'b2'.repeat(20)}`] as const

function registry(epoch: number, success: number): Registry {
  const reports: EpochReport[] = guardians.map(({ sign, authorisation }) => {
    const body = { epoch, salt: `0x${'5a'.repeat(32)}` as const, entries: [good, other].map((provider) => ({
      provider, capability: CAPABILITY as never, figures: { uptime: 9_000, rttMs: 3, p50Ms: 100, p95Ms: 200, success, errors: 100, breaches: 0, probes: 4, receipts: 1, complaints: 0 },
    })) }
    return { body, signature: sign('epoch-report', body), authorisation }
  })
  const header = headerOf(reports, set, epoch)
  const signers = guardians.slice(0, 3)
  return { header, entries: aggregate(reports.map(({ body }) => body.entries), 3), signatures: signers.map(({ sign }) => sign('registry', header)), authorisations: signers.map(({ authorisation }) => authorisation) }
}
const entriesOf = (provider: string, epoch = EPOCH, success = 9_500): ProvenEntry[] => structuredClone(proveEntries(registry(epoch, success), provider))
const honest: AskGuardian = async (provider) => entriesOf(provider)
const away: AskGuardian = async () => { throw new Error('away') }
const silent: AskGuardian = () => new Promise(() => undefined)

/** A clock whose time stands still but for what a test adds; a sleep ends at once when it is the last thing waited for. */
function clockAt(epochsLater = 1): { now(): number; monotonic(): number; sleep(ms: number, signal?: AbortSignal): Promise<void>; pass(ms: number): void } {
  let passed = 0
  return {
    now: () => (EPOCH + epochsLater) * EPOCH_MS + passed,
    monotonic: () => passed,
    sleep: (_ms, signal) => new Promise((resolve, reject) => {
      const timer = setTimeout(resolve, 50)
      signal?.addEventListener('abort', () => { clearTimeout(timer); reject(signal.reason as Error) }, { once: true })
    }),
    pass: (ms) => { passed += ms },
  }
}

describe('reputation on a light node', () => {
  const open = (ask: readonly AskGuardian[], clock = clockAt()): ReturnType<typeof provenReputation> => provenReputation({ guardians: set, clock, ask: () => ask })

  it('knows nothing before it asks, and what is proven after', async () => {
    const reputation = open([honest])
    expect(reputation.of(good, CAPABILITY)).toBeUndefined()
    await reputation.learn!([good])
    expect(reputation.of(good, CAPABILITY)).toMatchObject({ success: 9_500 })
    expect([reputation.of(good, 'text.other@1'), reputation.of(other, CAPABILITY)]).toEqual([undefined, undefined])
  })

  it.each<[string, AskGuardian]>([
    ['raises a figure', async (provider) => entriesOf(provider).map((one) => ({ ...one, entry: { ...one.entry, figures: { ...one.entry.figures, success: 10_000 } } }))],
    ['leaves signatures out', async (provider) => entriesOf(provider).map((one) => ({ ...one, signatures: one.signatures.slice(0, 2) }))],
    ['proves another provider', async () => entriesOf(other)],
    ['says rubbish', async () => [{ entry: 'x' }, null]],
    ['is away', away],
    ['never answers', silent],
  ])('a guardian that %s is not believed', async (_what, liar) => {
    const reputation = open([liar])
    await reputation.learn!([good])
    expect(reputation.of(good, CAPABILITY)).toBeUndefined()
  })

  it('asks the next one where the first lies or is away', async () => {
    const reputation = open([away, async (provider) => entriesOf(provider).map((one) => ({ ...one, proof: [] })), honest])
    await reputation.learn!([good])
    expect(reputation.of(good, CAPABILITY)).toMatchObject({ success: 9_500 })
  })

  it('an old entry is no news, an older one takes nothing back', async () => {
    const clock = clockAt(2)
    let says: AskGuardian = async (provider) => entriesOf(provider, EPOCH + 1, 4_000)
    const reputation = provenReputation({ guardians: set, clock, ask: () => [(provider, signal) => says(provider, signal)] })
    await reputation.learn!([good])
    expect(reputation.of(good, CAPABILITY)).toMatchObject({ success: 4_000 })
    says = honest
    clock.pass(30_000)
    await reputation.learn!([good])
    expect(reputation.of(good, CAPABILITY)).toMatchObject({ success: 4_000 })
    clock.pass(100 * EPOCH_MS)
    expect(reputation.of(good, CAPABILITY)).toBeUndefined()
  })

  it('asks no more than it needs to', async () => {
    let asked = 0
    const clock = clockAt()
    const reputation = open([async (provider) => (asked++, entriesOf(provider))], clock)
    await reputation.learn!([good, other])
    await reputation.learn!([good, other])
    expect(asked).toBe(2)
    clock.pass(20_000)
    await reputation.learn!([good])
    expect(asked).toBe(3)
  })
})
