/**
 * The subjects of the wire (DESIGN, Wire) that this room speaks on. Every part is checked to be one
 * token, so that nothing from a document can become a wildcard or another subject.
 */
import { AigenError } from '../../schemas/error.ts'
import type { NodeId, ParticipantId } from '../../schemas/id.ts'

const TOKEN = /^[A-Za-z0-9_-]{1,128}$/
const VERB = /^[a-z][a-z0-9-]{0,31}$/

/** Where any live node of a participant answers hellos (queue group); with `node`, where that one does. */
export function helloSubject(participant: ParticipantId, node?: NodeId | null): string {
  return node ? callSubject(participant, node, HELLO) : `aigen.v1.hello.${token(participant)}`
}

/** The one verb that is not sealed: a hello to a certain node. */
export const HELLO = 'hello'

/** Where a node answers `verb`; `*` for all verbs. */
export function callSubject(participant: ParticipantId, node: NodeId, verb: string): string {
  if (verb !== '*' && !VERB.test(verb)) throw new AigenError('node.unsupported', `A verb cannot be ${JSON.stringify(verb)}.`)
  return `aigen.v1.call.${token(participant)}.${token(node)}.${verb}`
}

function token(text: string): string {
  if (!TOKEN.test(text)) throw new AigenError('input.invalid', 'A part of a subject is malformed.')
  return text
}
