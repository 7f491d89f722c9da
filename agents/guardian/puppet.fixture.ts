/**
 * A guardian whose every word a test chooses: it hears what the others say and says what it is told
 * to, under the keys of a real one. For tests of liars and of what honest guardians sign.
 */
import { hashOf } from '../../schemas/canonical.ts'
import type { EpochMessage, EpochReport, GuardianSet, Hash, RegistryHeader, ReputationEntry } from '../../schemas/documents.gen.ts'
import type { User } from '../user/user.ts'
import { participantId } from '../../schemas/id.ts'
import { messageOf } from './epoch.ts'
import { admitMessage, headerOf, type Told } from './message.ts'

export interface Puppet {
  /** All that others said, oldest first. */
  readonly heard: Told[]
  reports(epoch: number): EpochReport[]
  report(epoch: number, entries: ReputationEntry[]): EpochReport
  commit(report: EpochReport): EpochMessage
  proposal(round: number, reports: readonly EpochReport[]): EpochMessage
  say(to: readonly string[], message: EpochMessage): Promise<void>
  /** Headers that each guardian signed in the epoch, by its address. */
  signed(epoch: number): Map<string, Set<Hash>>
}

/** Makes a user of the memory world speak as the guardian it is; call it before the node listens. */
export function makePuppet({ node }: Pick<User, 'node'>, set: GuardianSet): Puppet {
  const { wire, clock } = node
  const { credentials } = wire
  const heard: Told[] = []
  const signed = <B extends object>(kind: string, body: B) => ({ body, signature: credentials.sign(kind, body), authorisation: credentials.authorisation })
  let count = 0
  wire.serve('epoch', (body) => admitMessage(body, set, credentials.verifier), async (told) => {
    heard.push(told)
    return {}
  })
  return {
    heard,
    reports: (epoch) => heard.flatMap(({ message: { report } }) => (report?.body.epoch === epoch ? [report] : [])),
    report: (epoch, entries) => signed('epoch-report', { epoch, salt: `0x${String(count++).padStart(64, '0')}` as const, entries }),
    commit: (report) => messageOf('commit', signed('epoch-commit', { epoch: report.body.epoch, report: hashOf(report.body) })),
    proposal: (round, reports) => {
      const header: RegistryHeader = headerOf(reports, set, reports[0]!.body.epoch)
      return messageOf('proposal', { ...signed('epoch-proposal', { round, header }), reports: [...reports] })
    },
    say: async (to, message) => {
      for (const one of to) {
        for (let attempt = 0; attempt < 20; attempt++) {
          try {
            await wire.call(participantId(one), 'epoch', message, { callId: `x-${count++}`, timeoutMs: 1_000 })
            break
          } catch {
            await clock.sleep(50)
          }
        }
      }
    },
    signed: (epoch) => {
      const by = new Map<string, Set<Hash>>()
      for (const told of heard) {
        const { vote } = told.message
        if (vote?.header.epoch === epoch) by.set(told.by, (by.get(told.by) ?? new Set()).add(hashOf(vote.header)))
      }
      return by
    },
  }
}
