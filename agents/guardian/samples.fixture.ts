/** What the machines of this room meet when they are explored (runtime/actors/explore.ts): two guardians, of whom one is a quorum. */
import { hashOf } from '../../schemas/canonical.ts'
import type { Samples } from '../../runtime/actors/explore.ts'
import type { EpochContext } from './epoch.ts'
import { headerOf } from './message.ts'

const set: any = { participants: ['0xaa', '0xbb'], quorum: 1, epochMs: 60_000 }
/** The epoch that ends just after an exploration begins. */
const EPOCH = 16
const report = (by: string): any => ({ body: { epoch: EPOCH, entries: [] }, signature: { by }, authorisation: {} })
const commit = (by: string): any => ({ kind: 'commit', commit: { body: { epoch: EPOCH, report: hashOf(report(by).body) } } })
const header = headerOf([report('0xbb')], set, EPOCH)
const told = (by: string, message: object): any => ({ type: 'told', by, epoch: EPOCH, message })
const proposal = (round: number): object => ({ kind: 'proposal', proposal: { body: { round, header }, reports: [report('0xbb')] } })
const echo = (by: string, round: number): any => ({ body: { epoch: EPOCH, round, header: hashOf(header) }, signature: { by } })
const vote = (by: string): object => ({ kind: 'vote', vote: { header, echoes: [echo(by, 0)], signature: { by }, authorisation: {} } })

const epoch: Samples = {
  inputs: [{ epoch: EPOCH, self: '0xaa', set }],
  depth: 8,
  tells: ({ own, commits, reports, round, proposals, known, echoed, echoes, vote: signed, votes, registry }: EpochContext) => [
    own !== null, Object.keys(commits), Object.keys(reports), round, Object.keys(proposals), Object.keys(known).length, Object.keys(echoed), Object.keys(echoes).length > 0, signed !== null, Object.keys(votes).length > 0, registry !== null,
  ],
  answers: {
    'epoch.measure': () => [{ type: 'epoch.measure.done', commit: commit('0xaa'), report: { kind: 'report', report: report('0xaa') } }],
    'epoch.say': ({ params }) => [
      { type: 'epoch.say.done', message: params.say === 'echo' ? { kind: 'echo', echo: echo('0xaa', params.round) } : params.say === 'vote' ? vote('0xaa') : proposal(params.round) },
    ],
    'epoch.publish': () => [{ type: 'epoch.publish.done' }],
  },
  events: ({ context }: { context: EpochContext }) => [
    told('0xbb', commit('0xbb')), told('0xbb', { kind: 'report', report: report('0xbb') }), told('0xbb', proposal(context.round)), told('0xbb', vote('0xbb')), { type: 'registry', registry: { header } },
  ],
}

const guardian: Samples = {
  inputs: [{ self: '0xaa', set }],
  tells: ({ samples }) => Object.keys(samples),
  answers: { 'guardian.plan': () => [{ type: 'guardian.plan.done', probes: [{ id: '16.0' }] }] },
  events: () => [{ type: 'set', set: { ...set, quorum: 2 } }, ...[null, { at: 0, delivered: true, right: true, latencyMs: 5, late: false }].map((sample) => ({ type: 'sample', provider: '0xcc', capability: 'text.shout@1', sample }))],
}

const probe: Samples = {
  inputs: [1_010_000, 1].map((due) => ({ id: '16.0', provider: '0xcc', capability: 'text.shout@1', due, seed: '00', maxPrice: '0.1', promisedMs: 100 })),
  answers: { 'probe.call': () => [{ type: 'probe.call.done', sample: null }] },
}

export const samples: Readonly<Record<string, Samples>> = { epoch, guardian, probe }
