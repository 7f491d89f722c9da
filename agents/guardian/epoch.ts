/**
 * What a guardian knows of an epoch that closes, and the rules by which it takes messages, finds a
 * list good and signs (D9). Pure; the machine that waits and acts is `epoch.machine.ts`.
 *
 * - A list is echoed when it is the round's first, and, in the first rotation, when it holds exactly
 *   the reports that this guardian saw committed in time. The second rotation takes any quorum, so
 *   that guardians who saw different things close all the same.
 * - Only a quorum of echoes of one round allows the one signature on the header that a guardian gives
 *   in an epoch. Two quorums share an honest guardian, so two lists are never both signed by one;
 *   a proposer that shows different lists gets no quorum of echoes, costs a round and locks nobody.
 */
import { hashOf } from '../../schemas/canonical.ts'
import type {
  Address, EpochEcho, EpochMessage, EpochProposal, EpochReport, EpochVote, GuardianSet, Hash, Registry, RegistryHeader,
} from '../../schemas/documents.gen.ts'
import { aggregate } from './aggregate.ts'
import { headerOf, inOrder, roundsOf, type Told } from './message.ts'

export interface EpochInput {
  readonly epoch: number
  readonly self: Address
  readonly set: GuardianSet
}

export interface EpochContext extends EpochInput {
  /** Own report, once it is made. */
  readonly own: EpochReport | null
  /** Hashes committed before this guardian showed its own report. */
  readonly commits: Readonly<Record<string, Hash>>
  readonly revealed: boolean
  /** First report of each guardian that fits its commitment, or had none. */
  readonly reports: Readonly<Record<string, EpochReport>>
  readonly round: number
  /** First proposal of each round. */
  readonly proposals: Readonly<Record<number, EpochProposal>>
  /** Proposals by the hash of their header. */
  readonly known: Readonly<Record<string, EpochProposal>>
  /** Header echoed in each round. */
  readonly echoed: Readonly<Record<number, Hash>>
  /** First echo of each guardian in each round. */
  readonly echoes: Readonly<Record<number, Readonly<Record<string, EpochEcho>>>>
  /** What this guardian signs, decided once, and the echoes that allow it. */
  readonly vote: { readonly header: RegistryHeader; readonly echoes: readonly EpochEcho[] } | null
  /** Votes by the hash of their header, then by guardian. */
  readonly votes: Readonly<Record<string, Readonly<Record<string, EpochVote>>>>
  readonly registry: Registry | null
}

/** A fifth of the time is for commitments and reports, the rest for rounds. */
export function phaseMs(set: GuardianSet): number {
  return Math.floor(set.epochMs / (2 + roundsOf(set)))
}

/** When an epoch that has not closed is given up, in ms since the epoch. */
export function closesAt({ epoch, set }: EpochInput): number {
  return (epoch + 1) * set.epochMs + phaseMs(set) * (2 + roundsOf(set))
}

/** Everything a message adds; one that says nothing new changes nothing. */
export function take(context: EpochContext, { by, message }: Told): EpochContext {
  if (message.kind === 'commit') {
    if (context.commits[by] !== undefined || (context.revealed && by !== context.self)) return context
    return { ...context, commits: { ...context.commits, [by]: message.commit!.body.report } }
  }
  if (message.kind === 'report') {
    const report = message.report!
    const committed = context.commits[by]
    if (context.reports[by] || (committed !== undefined && committed !== hashOf(report.body))) return context
    return { ...context, reports: { ...context.reports, [by]: report }, ...(by === context.self ? { own: report } : {}) }
  }
  if (message.kind === 'proposal') {
    const proposal = message.proposal!
    const { round, header } = proposal.body
    const hash = hashOf(header)
    // Of a proposer with two lists the first counts; another is kept only when a quorum has echoed it.
    if (context.known[hash] ? context.proposals[round] : context.proposals[round] && !context.votes[hash]) return context
    return { ...context, known: { ...context.known, [hash]: context.known[hash] ?? proposal }, proposals: { ...context.proposals, [round]: context.proposals[round] ?? proposal } }
  }
  if (message.kind === 'echo') return takeEcho(context, by, message.echo!)
  const vote = message.vote!
  const hash = hashOf(vote.header)
  if (context.votes[hash]?.[by]) return context
  const next = { ...context, votes: { ...context.votes, [hash]: { ...context.votes[hash], [by]: vote } } }
  return vote.echoes.reduce<EpochContext>((sum, echo) => takeEcho(sum, echo.signature.by, echo), next)
}

function takeEcho(context: EpochContext, by: Address, echo: EpochEcho): EpochContext {
  const { round } = echo.body
  if (context.echoes[round]?.[by]) return context
  return { ...context, echoes: { ...context.echoes, [round]: { ...context.echoes[round], [by]: echo } } }
}

/** Whether every guardian has committed, or shown its report. */
export const allCommitted = ({ commits, set }: EpochContext): boolean => set.participants.every((one) => commits[one] !== undefined)
export const allReported = ({ reports, set }: EpochContext): boolean => set.participants.every((one) => reports[one] !== undefined)

/** The header this guardian would propose in the round, or null: what is signed already, else what it holds. */
export function listToPropose(context: EpochContext): RegistryHeader | null {
  if (context.vote) return context.known[hashOf(context.vote.header)] ? context.vote.header : null
  const reports = Object.values(context.reports).filter((report) => !isStrict(context) || inTime(context, report))
  return reports.length < context.set.quorum ? null : headerOf(reports, context.set, context.epoch)
}

/** Whether the round's proposal may be echoed now. */
export function acceptable(context: EpochContext, { body: { header }, reports }: EpochProposal): boolean {
  if (context.vote) return hashOf(context.vote.header) === hashOf(header)
  if (!isStrict(context)) return true
  const listed = new Map(reports.map((report) => [report.signature.by as string, hashOf(report.body)]))
  for (const [by, hash] of listed) if (context.commits[by] !== hash) return false
  return Object.values(context.reports).every((report) => !inTime(context, report) || listed.has(report.signature.by))
}

/** The echoes of one round that allow to sign `hash`, when they are a quorum and the list is known. */
export function quorumOfEchoes(context: EpochContext): { readonly header: RegistryHeader; readonly echoes: readonly EpochEcho[] } | null {
  for (const echoes of Object.values(context.echoes)) {
    const counts = new Map<Hash, EpochEcho[]>()
    for (const echo of Object.values(echoes)) counts.set(echo.body.header, [...(counts.get(echo.body.header) ?? []), echo])
    for (const [hash, same] of counts) {
      const proposal = context.known[hash]
      if (proposal && same.length >= context.set.quorum) return { header: proposal.body.header, echoes: same.slice(0, context.set.quorum) }
    }
  }
  return null
}

/** The registry, when a quorum signed its header and the reports behind it are here. */
export function closedRegistry(context: EpochContext): Registry | null {
  for (const [hash, votes] of Object.entries(context.votes)) {
    const signed = Object.values(votes).sort((one, other) => (one.signature.by < other.signature.by ? -1 : 1)).slice(0, context.set.quorum)
    const proposal = context.known[hash]
    if (!proposal || signed.length < context.set.quorum) continue
    return {
      header: proposal.body.header, entries: aggregate(proposal.reports.map(({ body }) => body.entries), context.set.quorum),
      signatures: signed.map(({ signature }) => signature), authorisations: signed.map(({ authorisation }) => authorisation),
    }
  }
  return null
}

/** Reports that a proposal of `header` carries, from what this guardian holds. */
export function reportsOf(context: EpochContext, header: RegistryHeader): EpochReport[] {
  const held = [...Object.values(context.reports), ...Object.values(context.known).flatMap(({ reports }) => reports)]
  const named = new Map(held.map((report) => [hashOf(report.body), report]))
  return inOrder(header.reports.flatMap(({ report }) => named.get(report) ?? []))
}

/** The message that a signed part makes. */
export function messageOf<K extends EpochMessage['kind']>(kind: K, part: NonNullable<EpochMessage[K]>): EpochMessage {
  return { kind, [kind]: part } as unknown as EpochMessage
}

const isStrict = ({ round, set }: EpochContext): boolean => round < set.participants.length
const inTime = ({ commits }: EpochContext, report: EpochReport): boolean => commits[report.signature.by] === hashOf(report.body)
