/**
 * Closing an epoch as effects and verbs (D9): measure, sign, tell the others, fetch a list, publish.
 * All may be repeated: a report is signed with the result that brings it, so a repeat before that
 * has shown nobody anything; every other text is journaled before it is signed.
 */
import { canonicalBytes, hashOf } from '../../schemas/canonical.ts'
import type { Address, EpochEcho, EpochMessage, EpochProposal, GuardianSet, Hash, Registry, RegistryHeader, ReputationEntry } from '../../schemas/documents.gen.ts'
import { AigenError, asError } from '../../schemas/error.ts'
import { participantId } from '../../schemas/id.ts'
import { validate } from '../../schemas/validate.ts'
import type { ActorEvent } from '../../runtime/actors/actor.ts'
import type { EffectKind } from '../../runtime/actors/effects.ts'
import { epochAt, reputationSubject } from '../../runtime/market/registry.ts'
import type { Node, NodeParts } from '../../runtime/node/node.ts'
import { epochActor } from './epoch.machine.ts'
import { closesAt, messageOf, reportsOf, type EpochContext, type EpochInput } from './epoch.ts'
import { admitMessage, checkProposal } from './message.ts'

const CALL_MS = 1_500
/** Pause after an attempt that nobody took, in ms; with chance, so that all do not come at once. */
const PAUSE_MS = 150

export interface ClosingOptions {
  readonly set: GuardianSet
  /** Entries of this guardian's own report. */
  readonly measure: (epoch: number) => Promise<ReputationEntry[]>
}

type Saying =
  | { readonly say: 'proposal'; readonly round: number; readonly header: RegistryHeader }
  | { readonly say: 'echo'; readonly epoch: number; readonly round: number; readonly header: Hash }
  | { readonly say: 'vote'; readonly header: RegistryHeader; readonly echoes: EpochEcho[] }

/** The effects `epoch.measure`, `epoch.say`, `epoch.send`, `epoch.fetch` and `epoch.publish`. */
export function closingEffects(parts: NodeParts, { set, measure }: ClosingOptions): Record<string, EffectKind> {
  const { wire, clock, random, bus, host, participant } = parts
  const signed = <B>(kind: string, body: B) => ({ body, signature: wire.credentials.sign(kind, body), authorisation: wire.credentials.authorisation })
  const others = set.participants.filter((one) => one !== participant)

  /** Repeats until it is answered, refused for good, or too late. */
  const tellOne = async (to: Address, verb: string, body: object, callId: string, until: number, signal: AbortSignal): Promise<unknown> => {
    for (;;) {
      try {
        return await wire.call(participantId(to), verb, body, { callId, timeoutMs: CALL_MS, expiresAt: until, signal })
      } catch (thrown) {
        const error = asError(thrown)
        if (!error.rule.retry || signal.aborted || clock.now() >= until) throw error
      }
      await clock.sleep(PAUSE_MS + Math.floor(random.fraction() * 2 * PAUSE_MS), signal)
    }
  }

  const measuring: EffectKind = {
    mode: 'idempotent',
    run: async ({ epoch }: { epoch: number }) => {
      const body = { epoch, salt: `0x${Buffer.from(random.bytes(32)).toString('hex')}` as const, entries: await measure(epoch) }
      const commit = signed('epoch-commit', { epoch, report: hashOf(body) })
      return { type: 'epoch.measure.done', commit: messageOf('commit', commit), report: messageOf('report', signed('epoch-report', body)) }
    },
  }
  const say: EffectKind = {
    mode: 'idempotent',
    run: async (saying: Saying, { actor }): Promise<ActorEvent> => {
      if (saying.say === 'echo') {
        const { epoch, round, header } = saying
        return { type: 'epoch.say.done', message: messageOf('echo', signed('epoch-echo', { epoch, round, header })) }
      }
      const { header } = saying
      if (saying.say === 'vote') {
        const { signature, authorisation } = signed('registry', header)
        return { type: 'epoch.say.done', message: messageOf('vote', { header, signature, authorisation, echoes: saying.echoes }) }
      }
      const reports = reportsOf(host().context<EpochContext>(actor)!, header)
      const proposal: EpochProposal = { ...signed('epoch-proposal', { round: saying.round, header }), reports }
      return { type: 'epoch.say.done', message: messageOf('proposal', proposal) }
    },
  }
  const send: EffectKind = {
    mode: 'idempotent',
    attempts: 1,
    concurrency: 256,
    run: async ({ message, until }: { message: EpochMessage; until: number }, { signal }) => {
      const callId = `e-${hashOf(message).slice(7, 39)}`
      await Promise.all(others.map((to) => tellOne(to, 'epoch', message, callId, until, signal).catch(() => undefined)))
    },
  }
  const fetch: EffectKind = {
    mode: 'idempotent',
    attempts: 1,
    run: async ({ from, epoch, header, until }: { from: Address; epoch: number; header: Hash; until: number }, { signal }) => {
      const answer = await tellOne(from, 'epoch-proposal', { epoch, header }, `f-${header.slice(7, 39)}`, until, signal)
      const proposal = validate('EpochProposal', answer)
      const by = checkProposal(proposal, set, wire.credentials.verifier)
      if (hashOf(proposal.body.header) !== header || proposal.body.header.epoch !== epoch) throw new AigenError('network.garbled', 'another list came')
      return { type: 'told', by, epoch, message: messageOf('proposal', proposal) }
    },
  }
  const publish: EffectKind = {
    mode: 'idempotent',
    attempts: 10,
    run: async ({ registry }: { registry: Registry }) => {
      await bus.keep(reputationSubject(registry.header.epoch), canonicalBytes(registry))
      return { type: 'epoch.publish.done' }
    },
  }
  return { 'epoch.measure': measuring, 'epoch.say': say, 'epoch.send': send, 'epoch.fetch': fetch, 'epoch.publish': publish }
}

/** Registers the verbs `epoch` and `epoch-proposal`; before the node starts. */
export function serveEpochs({ wire, host, clock, participant }: Node, set: GuardianSet): void {
  const { verifier } = wire.credentials
  wire.serve('epoch', (body) => admitMessage(body, set, verifier), async (told) => {
    const id = epochActor(told.epoch)
    const actor = await host.load(id)
    if (actor?.snapshot.status === 'done') return {}
    if (!actor) {
      // One that was down joins the epoch that just ended; one whose clock is behind is asked again.
      const input: EpochInput = { epoch: told.epoch, self: participant, set }
      const ended = epochAt(set, clock.now())
      if (told.epoch >= ended || clock.now() >= closesAt(input)) throw new AigenError('epoch.unknown', `${told.epoch}, now is ${ended}`)
      await host.start(id, input)
    }
    await host.send(id, { type: 'told', ...told })
    return {}
  })
  wire.serve('epoch-proposal', (body) => validate('EpochFetch', body), async ({ epoch, header }) => {
    const proposal = (await host.look<EpochContext>(epochActor(epoch)))?.known[header]
    if (!proposal) throw new AigenError('epoch.unknown', `${epoch}`)
    return proposal
  })
}
