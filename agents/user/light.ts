/**
 * A user on a light node (DESIGN Words): the same roles, runs and calls as `openUser`, over a journal
 * in files and a rail without a chain of its own. Used by programs and by `aigen run --light`.
 */
import { AigenError } from '../../schemas/error.ts'
import { participantId, type ParticipantId } from '../../schemas/id.ts'
import type { LightRail } from '../../runtime/light/rail.ts'
import { wireRelay } from '../../runtime/light/wire-relay.ts'
import type { NodePorts } from '../../runtime/node/node.ts'
import { openUser, type User, type UserOptions } from './user.ts'

/** Each read asks them all. */
const RELAYS_MAX = 7

export interface LightUserOptions extends Omit<UserOptions, 'ports'> {
  readonly ports: Omit<NodePorts, 'rail'> & { readonly rail: LightRail }
  /**
   * Participants that relay. Name them yourself where you do not know everybody: by default they are
   * those whose cards say so, which is as good as the network's own admission.
   */
  readonly relays?: readonly ParticipantId[]
  /** Relays that must name the same block; more than there can be liars (default: most of them). */
  readonly quorum?: number
  /** Blocks a proof may lie behind what a quorum has seen (default 5), and seconds its block may be old. */
  readonly behindMax?: number
  readonly ageMax?: number
}

/**
 * Opens the user's light node; its deposit is a signed authorisation that a relay carries.
 * Errors: those of `openUser`; `chain.unproven` where relays and quorum do not hold.
 *
 * @example
 * const user = await openLightUser({ ports, keys, evaluate, deposit: 1_000_000n, relays: [one, two, three], quorum: 2 })
 */
export function openLightUser({ relays, quorum, behindMax, ageMax, ...options }: LightUserOptions): Promise<User> {
  const { rail, random } = options.ports
  return openUser({
    ...options,
    prepare: async (node, user) => {
      const named = relays ?? node.directory.entries().filter(({ card }) => card.body.relay).map(({ card }) => participantId(card.body.participant)).slice(0, RELAYS_MAX)
      if (named.length === 0) throw new AigenError('chain.unreachable', 'No relay is on this network.')
      rail.connect({
        relays: named.map((participant) => wireRelay(node.wire, participant, random)),
        quorum: quorum ?? Math.floor(named.length / 2) + 1,
        ...(behindMax === undefined ? {} : { behindMax }), ...(ageMax === undefined ? {} : { ageMax }),
      })
      await options.prepare?.(node, user)
    },
  })
}
