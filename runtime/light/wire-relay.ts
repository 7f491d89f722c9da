/**
 * A relay at the other end of the wire: its verbs as a `Relay`. Answers pass their schema here and
 * their proofs in `relays.ts` (I8). Used by `runtime/node`.
 */
import type { ParticipantId } from '../../schemas/id.ts'
import { validate } from '../../schemas/validate.ts'
import type { Wire } from '../identity/wire.ts'
import type { Random } from '../ports/random.ts'
import { toHex } from '../evm/hex.ts'
import { readOrder } from './rail.ts'
import type { Relay } from './relays.ts'

const CALL_MS = 5_000

export function wireRelay(wire: Pick<Wire, 'call'>, participant: ParticipantId, random: Random): Relay {
  const ask = <T>(verb: string, body: object, check: (answer: unknown) => T): Promise<T> =>
    wire.call(participant, verb, body, { callId: `${verb}.${toHex(random.bytes(12)).slice(2)}`, timeoutMs: CALL_MS, validate: check })
  return {
    name: participant,
    prove: (reads) => ask('prove', { reads }, (answer) => validate('ProveAnswer', answer)),
    block: (number) => ask('block', { number }, (answer) => validate('BlockAnswer', answer)),
    send: async (bytes) => void (await ask('relay', { order: readOrder(bytes) }, (answer) => validate('RelayStatus', answer))),
    status: (id) => ask('relay-status', { id }, (answer) => validate('RelayStatus', answer)),
  }
}
