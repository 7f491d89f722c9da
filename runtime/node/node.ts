/**
 * A node: the one place that wires ports to rooms. It is given its rooms (machines and effects) as
 * a list, so that it knows no pipeline and no agent; what every role needs (wire, directory, host,
 * chain sender) it brings itself. Used by every role in `agents/`.
 */
import type { GuardianSet, NodeAuthorisation } from '../../schemas/documents.gen.ts'
import { AigenError } from '../../schemas/error.ts'
import type { ParticipantId } from '../../schemas/id.ts'
import { defineActor } from '../actors/actor.ts'
import { Host } from '../actors/host.ts'
import type { Registry } from '../actors/registry.ts'
import type { Limits } from '../actors/keeper.ts'
import { chainEffects } from '../evm/sender-effects.ts'
import { senderMachine } from '../evm/sender.machine.ts'
import { authorise } from '../identity/authorisation.ts'
import type { Keys } from '../identity/keys.ts'
import { createWire, type Wire } from '../identity/wire.ts'
import { openDirectory, type Directory } from '../market/directory.ts'
import { provenReputation, type AskGuardian } from '../market/proven-reputation.ts'
import { NO_REPUTATION, openReputation, type Reputation } from '../market/reputation.ts'
import { senderActor } from '../payments/write.ts'
import type { Blobs, OwnBlobs } from '../ports/blobs.ts'
import type { Bus } from '../ports/bus.ts'
import type { Clock } from '../ports/clock.ts'
import type { Journal } from '../ports/journal.ts'
import type { Rail } from '../ports/rail.ts'
import type { Random } from '../ports/random.ts'
import { noTelemetry, type Telemetry } from '../telemetry/trace.ts'

const DAY_MS = 86_400_000
/** A node key is authorised for this long; a node that lives longer is restarted with a new one. */
const AUTHORISED_DAYS = 90
/** The sender machine as an actor kind: evm knows no host. */
export const sender = defineActor('sender', '1', senderMachine, {
  pays: [{ by: ['do chain.broadcast'], after: ['on send'] }],
  holds: [],
  rests: { idle: 'asked by whoever writes to the chain' },
})

export interface NodePorts {
  readonly bus: Bus
  /** On the participant's own account, where its nodes find each other. */
  readonly own?: Bus
  readonly journal: Journal
  /** The participant's own shelf, and its transfer shelf on the network. */
  readonly blobs: OwnBlobs
  readonly transfer: Blobs
  readonly rail: Rail
  /** Blocks on top before a chain write or a payer's reservation counts; default 0, for a chain that loses none. */
  readonly confirmations?: number
  readonly clock: Clock
  readonly random: Random
  /** The network's guardians, whose registries are believed; without them nobody has a reputation. */
  readonly guardians?: GuardianSet
  /** On a light node: how the guardian behind a door is asked, in place of a replica of the registry. */
  readonly askDoor?: (door: string) => AskGuardian
}

/** What a room is built from. `host` is there once the node is open. */
export interface NodeParts extends NodePorts {
  readonly keys: Keys
  readonly authorisation: NodeAuthorisation
  readonly participant: ParticipantId
  readonly wire: Wire
  readonly directory: Directory
  readonly reputation: Reputation
  readonly telemetry: Telemetry
  readonly host: () => Host
}

/** A room: what it adds to the node's registry. */
export type Room = (parts: NodeParts) => Registry

export interface NodeOptions {
  readonly ports: NodePorts
  readonly keys: Keys
  readonly rooms: readonly Room[]
  readonly telemetry?: Telemetry
  /**
   * Whether other nodes of the participant may run beside this one and share its partitions (default
   * false: another node takes over from this one). Takes `ports.own` and a node key of its own.
   */
  readonly fleet?: boolean
  /** Called once when another process has taken over, or the journal is gone; never in a fleet, where partitions come and go. */
  readonly onLost?: (error: AigenError) => void
  /** Partitions of a participant that is new here; see `HostOptions`. */
  readonly partitions?: number
  /** How much of the journal a recovery replays, and how many actors stay in memory. */
  readonly limits?: Limits
  /** Given the host when it stands as its journal says, before anything is dispatched: for who observes every event. */
  readonly onOpen?: (host: Host) => void
  /** Told of each card from the network that was refused. */
  readonly onRefusedCard?: (participant: string, error: AigenError) => void
}

export interface Node extends Omit<NodeParts, 'host'> {
  readonly host: Host
  /** Listens to the network and goes on with what the journal left open. Register verbs before it. */
  start(): Promise<void>
  close(): Promise<void>
}

/** Opens a node: folds and fences its journal. Errors: `journal.*`, `network.*`, `auth.*`, `signer.*`. */
export async function openNode(options: NodeOptions): Promise<Node> {
  const { ports, keys, rooms, telemetry = noTelemetry, fleet = false } = options
  const { bus, own, clock, random, rail } = ports
  if (fleet && !own) throw new AigenError('input.invalid', 'a node of several takes a bus on its own account', { path: 'ports.own' })
  // The same term for a whole day, so that a restart makes the same authorisation and not one more.
  const today = Math.floor(clock.now() / DAY_MS) * DAY_MS
  const authorisation = await authorise(keys.wallet, keys.node.publicKey, { notBefore: today - DAY_MS, notAfter: today + AUTHORISED_DAYS * DAY_MS }, clock.now(), keys.authorisation)
  const opening: { host?: Host } = {}
  const wire = createWire({ bus, clock, random, node: keys.node, authorisation, telemetry, partitions: () => opening.host?.partitions ?? [], stands: () => opening.host?.standing() ?? (async () => undefined) })
  const directory = await openDirectory({ bus, clock, verifier: wire.credentials.verifier, ...(options.onRefusedCard ? { onRefused: options.onRefusedCard } : {}) })
  const reputation = await reputationOf(ports, directory)
  const parts: NodeParts = {
    ...ports, keys, authorisation, participant: keys.participant, wire, directory, reputation, telemetry,
    host: () => {
      if (!opening.host) throw new AigenError('internal', 'the host is not open yet')
      return opening.host
    },
  }
  const chain: Room = () => ({
    actors: [sender],
    effects: { ...chainEffects({
      rail, clock, ...(ports.confirmations === undefined ? {} : { confirmations: ports.confirmations }), pollMs: 50,
      signer: (account) => (account.toLowerCase() === keys.participant ? keys.wallet : undefined),
    }) } as Registry['effects'],
  })
  const registries = [chain, ...rooms].map((room) => room(parts))
  const registry: Registry = {
    actors: registries.flatMap((one) => one.actors),
    effects: Object.assign({}, ...registries.map((one) => one.effects)) as Registry['effects'],
  }
  const { partitions, limits } = options
  const host = await Host.open({
    journal: ports.journal, blobs: ports.blobs, clock, random, registry, ...(partitions === undefined ? {} : { partitions }), ...(limits ? { limits } : {}),
    ...(fleet && own ? { fleet: { bus: own, node: keys.nodeId } } : {}),
    onLost: (error) => {
      // Who owns nothing any more says nothing more.
      void wire.stop()
      options.onLost?.(error)
    },
  })
  opening.host = host
  options.onOpen?.(host)
  await host.start(senderActor(keys.participant), { account: keys.wallet.address.toLowerCase() })
  return {
    ...parts,
    host,
    start: async () => {
      await wire.start()
      host.resume()
    },
    close: async () => {
      await wire.stop()
      await host.close()
      await directory.close()
      await reputation.close()
    },
  }
}

/** A replica on a full node, proven entries on a light one, nothing where there are no guardians. */
async function reputationOf({ bus, clock, guardians, askDoor }: NodePorts, directory: Directory): Promise<Reputation> {
  if (!guardians) return NO_REPUTATION
  if (!askDoor) return openReputation({ bus, clock, guardians })
  const doors = (): string[] => guardians.participants.flatMap((participant) => {
    const entry = directory.entry(participant)
    return entry?.alive ? (entry.card.body.doors ?? []).filter(({ kind }) => kind === 'reputation').map(({ url }) => url) : []
  })
  return provenReputation({ guardians, clock, ask: () => doors().map(askDoor) })
}
