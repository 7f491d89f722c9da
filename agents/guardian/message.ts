/**
 * What guardians tell each other, checked at the door (I8): every part is signed by a guardian of
 * the set, and a proposal's header is exactly what the reports with it make (D9). The epoch machine
 * sees only messages that passed here.
 */
import { hashOf } from '../../schemas/canonical.ts'
import type {
  Address, EpochEcho, EpochMessage, EpochProposal, EpochReport, GuardianSet, Hash, NodeAuthorisation, RegistryHeader, Signature,
} from '../../schemas/documents.gen.ts'
import { AigenError } from '../../schemas/error.ts'
import { validate } from '../../schemas/validate.ts'
import type { Verifier } from '../../runtime/identity/signed.ts'
import { entryKey, treeOf } from '../../runtime/market/registry.ts'
import { aggregate } from './aggregate.ts'

/** A signed part of a message, whichever. */
interface Signed {
  readonly body: object
  readonly signature: Signature
  readonly authorisation: NodeAuthorisation
}

/** A message as the machine takes it: what it says, by whom. */
export interface Told {
  readonly by: Address
  readonly epoch: number
  readonly message: EpochMessage
}

/** Rounds in which a list may be agreed on: every guardian proposes twice. */
export function roundsOf(set: GuardianSet): number {
  return set.participants.length * 2
}

/** Whose turn it is. @example proposerOf(set, 7, 0) // participants[7 % 4] */
export function proposerOf(set: GuardianSet, epoch: number, round: number): Address {
  return set.participants[(epoch + round) % set.participants.length]!
}

/** The header that reports make, and nothing else can (D9). They are taken in order of the guardian. */
export function headerOf(reports: readonly EpochReport[], set: GuardianSet, epoch: number): RegistryHeader {
  const sorted = inOrder(reports)
  const entries = aggregate(sorted.map(({ body }) => body.entries), set.quorum)
  return {
    epoch, from: epoch * set.epochMs, to: (epoch + 1) * set.epochMs,
    reports: sorted.map((report) => ({ guardian: report.signature.by, report: hashOf(report.body) })), entries: entries.length, root: treeOf(entries).root,
  }
}

export function inOrder(reports: readonly EpochReport[]): EpochReport[] {
  return [...reports].sort((one, other) => (one.signature.by < other.signature.by ? -1 : 1))
}

/**
 * The message in `value`, checked as of now. `by` is who made it, which need not be who brought it.
 * Errors: `input.*`, `auth.*`, `reputation.quorum` for a vote or a list without a quorum behind it.
 */
export function admitMessage(value: unknown, set: GuardianSet, verifier: Verifier): Told {
  const message = validate('EpochMessage', value)
  const { kind } = message
  if (message[kind] === undefined) throw new AigenError('input.invalid', `a ${kind} without its part`, { path: kind })
  if (kind === 'commit') {
    const { body } = message.commit!
    return { by: author('epoch-commit', message.commit!, set, verifier, body.epoch), epoch: body.epoch, message }
  }
  if (kind === 'report') return { by: checkReport(message.report!, set, verifier), epoch: message.report!.body.epoch, message }
  if (kind === 'echo') return { by: checkEcho(message.echo!, set, verifier), epoch: message.echo!.body.epoch, message }
  if (kind === 'proposal') return { by: checkProposal(message.proposal!, set, verifier), epoch: message.proposal!.body.header.epoch, message }
  const vote = message.vote!
  const by = author('registry', { body: vote.header, signature: vote.signature, authorisation: vote.authorisation }, set, verifier, vote.header.epoch)
  checkEchoes(vote.echoes, vote.header, set, verifier)
  return { by, epoch: vote.header.epoch, message }
}

/** Whoever proposed it, when it is their turn and the header is that of the reports. */
export function checkProposal(proposal: EpochProposal, set: GuardianSet, verifier: Verifier): Address {
  const { body: { header, round }, reports } = proposal
  const { epoch } = header
  const by = author('epoch-proposal', proposal, set, verifier, epoch)
  if (round >= roundsOf(set) || proposerOf(set, epoch, round) !== by) throw new AigenError('auth.unauthorised', 'it is another guardian\'s turn', { path: 'proposal.signature.by' })
  const authors = reports.map((report) => checkReport(report, set, verifier))
  if (new Set(authors).size !== authors.length || authors.length < set.quorum) throw new AigenError('reputation.quorum', 'the list is not of a quorum')
  if (reports.some(({ body }) => body.epoch !== epoch)) throw new AigenError('input.invalid', 'a report is of another epoch', { path: 'proposal.reports' })
  if (hashOf(headerOf(reports, set, epoch)) !== hashOf(header)) throw new AigenError('auth.forged', 'the header is not that of the reports', { path: 'proposal.body.header' })
  return by
}

function checkReport(report: EpochReport, set: GuardianSet, verifier: Verifier): Address {
  const { body } = report
  for (let index = 1; index < body.entries.length; index++) {
    if (entryKey(body.entries[index - 1]!) >= entryKey(body.entries[index]!)) throw new AigenError('input.invalid', 'the entries are not in order', { path: 'report.body.entries' })
  }
  return author('epoch-report', report, set, verifier, body.epoch)
}

function checkEcho(echo: EpochEcho, set: GuardianSet, verifier: Verifier): Address {
  if (echo.body.round >= roundsOf(set)) throw new AigenError('input.invalid', 'there is no such round', { path: 'echo.body.round' })
  return author('epoch-echo', echo, set, verifier, echo.body.epoch)
}

function checkEchoes(echoes: readonly EpochEcho[], header: RegistryHeader, set: GuardianSet, verifier: Verifier): void {
  const hash: Hash = hashOf(header)
  const authors = new Set(echoes.map((echo) => checkEcho(echo, set, verifier)))
  const same = echoes.every(({ body }) => body.header === hash && body.epoch === header.epoch && body.round === echoes[0]!.body.round)
  if (!same || authors.size < set.quorum) throw new AigenError('reputation.quorum', 'the echoes are not of a quorum of one round', { path: 'vote.echoes' })
}

function author(kind: string, { body, signature, authorisation }: Signed, set: GuardianSet, verifier: Verifier, epoch: number): Address {
  if (!set.participants.includes(signature.by)) throw new AigenError('auth.unauthorised', `${signature.by} is no guardian`, { path: 'signature.by' })
  verifier.authorisations.admit(authorisation)
  verifier.verify(kind, body, signature, (epoch + 1) * set.epochMs)
  return signature.by
}
