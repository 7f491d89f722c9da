/**
 * A trust guardian's node (D9): a user's node that hires like anybody to probe, hears signs of life
 * and evidence, closes each epoch with the other guardians and serves what they agreed on. Used by
 * `aigen guardian` and the devnet.
 */
import type { GuardianSet, Registry, ReputationEntry } from '../../schemas/documents.gen.ts'
import { AigenError } from '../../schemas/error.ts'
import { parseMoney } from '../../schemas/money.ts'
import { canonicalBytes } from '../../schemas/canonical.ts'
import { epochAt, reputationSubject } from '../../runtime/market/registry.ts'
import type { Node } from '../../runtime/node/node.ts'
import { announcePresence, type Presence } from '../presence.ts'
import { openUser, type User, type UserOptions } from '../user/user.ts'
import { closingEffects, serveEpochs } from './closing.ts'
import { epoch, epochActor } from './epoch.machine.ts'
import { openEvidence, type Evidence } from './evidence.ts'
import { guardian, GUARDIAN, type GuardianContext } from './guardian.machine.ts'
import { current, entriesOf, type Seen } from './measure.ts'
import { probe } from './probe.machine.ts'
import type { ProbeBook } from './probe-book.ts'
import { probeEffects } from './probing.ts'
import { openTally, type Tally } from './tally.ts'

/** Probes of an epoch, and what they may cost together, when nothing else is said. */
const PROBES = 8
const SPEND = '0.05'
/** Evidence counts for so many epochs. */
const EVIDENCE_EPOCHS = 16
/** How often a good registry is put back in the place of one that is none, per epoch. */
const RESTORES_MAX = 3

export interface GuardianOptions extends Omit<UserOptions, 'rooms' | 'prepare'> {
  /** Name on its card. */
  readonly name: string
  readonly set: GuardianSet
  readonly book: ProbeBook
  /** Probes in an epoch (default 8), of one offer (default 1), and what they may cost together (default "0.05"). */
  readonly probes?: number
  readonly each?: number
  readonly spend?: string
  /** Opens its HTTP door on the node; the addresses go on its card. */
  readonly open?: (node: Node) => Promise<readonly string[]>
  /** Changes what it reports: for tests of liars. */
  readonly report?: (entries: ReputationEntry[]) => ReputationEntry[]
}

export interface Guardian {
  readonly user: User
  readonly node: Node
  readonly set: GuardianSet
  readonly presence: Presence
  close(): Promise<void>
}

/** Opens a guardian of `set`. Errors: those of `openUser`; `auth.unauthorised` when it is none of the set. */
export async function openGuardian(options: GuardianOptions): Promise<Guardian> {
  const { set, book, keys, ports } = options
  const self = keys.participant
  if (!set.participants.includes(self)) throw new AigenError('auth.unauthorised', `${self} is no guardian of this network`)
  const limits = { probes: options.probes ?? PROBES, each: options.each ?? 1, spend: parseMoney(options.spend ?? SPEND) }
  const opened: { user?: User; tally?: Tally; evidence?: Evidence } = {}
  const measure = async (number: number): Promise<ReputationEntry[]> => {
    const entries = await measureEpoch(opened.user!.node, set, opened.tally!, opened.evidence!, number)
    return options.report ? options.report(entries) : entries
  }
  const user = await openUser({
    ...options,
    ports: { ...ports, guardians: set },
    rooms: [
      (parts) => ({ actors: [guardian, probe], effects: probeEffects(parts, { book, limits, user: () => opened.user! }) }),
      (parts) => ({ actors: [epoch], effects: closingEffects(parts, { set, measure }) }),
    ],
    prepare: async (node, user) => {
      // Before the node listens: what its journal left open needs all of this.
      opened.user = user
      opened.tally = openTally(node, set)
      opened.evidence = await openEvidence(node)
      serveEpochs(node, set)
    },
  })
  const { node } = user
  const restores = new Map<number, number>()
  const { reputation } = node
  const restore = (number: number): void => {
    const registry = reputation.registry(number)
    const times = restores.get(number) ?? 0
    if (!registry || times >= RESTORES_MAX) return
    restores.set(number, times + 1)
    if (restores.size > 64) restores.delete(restores.keys().next().value!)
    void node.bus.keep(reputationSubject(number), canonicalBytes(registry)).catch(() => undefined)
  }
  const show = async (registry: Registry): Promise<void> => {
    const actor = await node.host.load(epochActor(registry.header.epoch))
    if (actor && actor.snapshot.status !== 'done') await node.host.send(actor.id, { type: 'registry', registry })
  }
  reputation.watch((registry: Registry) => void show(registry).catch(() => undefined), restore)
  await node.host.start(GUARDIAN, { self, set })
  if (JSON.stringify(node.host.context<GuardianContext>(GUARDIAN)!.set) !== JSON.stringify(set)) await node.host.send(GUARDIAN, { type: 'set', set })
  const doors = (await options.open?.(node)) ?? []
  const presence = await announcePresence(node, () => ({
    name: options.name, roles: ['trust-guardian'], offers: [], doors: doors.map((url) => ({ kind: 'reputation', url })),
  }))
  return {
    user, node, set, presence,
    close: async () => {
      presence.leave()
      opened.tally!.stop()
      await opened.evidence!.stop()
      await user.close()
    },
  }
}

/** Entries of this guardian's report on an epoch: everybody with a card that offers something. */
async function measureEpoch({ host, directory }: Node, set: GuardianSet, tally: Tally, evidence: Evidence, number: number): Promise<ReputationEntry[]> {
  await evidence.settle()
  const from = number * set.epochMs
  const samples = host.context<GuardianContext>(GUARDIAN)?.samples ?? {}
  const seen: (Pick<ReputationEntry, 'provider' | 'capability'> & Seen)[] = []
  for (const { card: { body } } of directory.entries()) {
    const heard = tally.of(body.participant, number)
    for (const capability of new Set(body.offers.map((offer) => offer.capability.id))) {
      seen.push({
        provider: body.participant, capability, heard, samples: current(samples[`${body.participant} ${capability}`] ?? [], from, set.epochMs),
        evidence: evidence.of(body.participant, capability, from - EVIDENCE_EPOCHS * set.epochMs),
      })
    }
  }
  return entriesOf(seen)
}

/** The epoch that this guardian measures now. */
export function epochNow({ set, node }: Guardian): number {
  return epochAt(set, node.clock.now())
}
