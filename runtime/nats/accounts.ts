/**
 * The server's accounts (DESIGN D4): `network`, where participants meet under the permissions of
 * `ports/network-permissions.ts`, and one account with JetStream per participant's journal, which
 * nobody else can name. The operator makes the network's streams.
 *
 * Passwords are random, per user, and stand in files of mode 0600. They are not hashed: the server
 * listens on loopback only, who can read the file can read the journal beside it, and bcrypt would
 * cost each connection 100 ms.
 */
import { AigenError } from '../../schemas/error.ts'
import { networkPermissions, validParticipant } from '../ports/network-permissions.ts'
import type { Random } from '../ports/random.ts'

export interface User { readonly user: string; readonly pass: string }

export interface ParticipantAccount {
  readonly network: User
  readonly journal: User
  readonly guardian?: boolean
}

/** What is kept across restarts in `accounts.json`. */
export interface Accounts {
  readonly operator: User
  readonly participants: Readonly<Record<string, ParticipantAccount>>
}

/** Participants one embedded server takes, so that its configuration stays small. */
export const PARTICIPANTS_MAX = 1_000

/** Accounts of a new server: the operator only. */
export function newAccounts(random: Random): Accounts {
  return { operator: { user: 'operator', pass: password(random) }, participants: {} }
}

/** The accounts with `participant` among them, users made where there are none. Error `input.invalid`. */
export function withParticipant(accounts: Accounts, participant: string, random: Random, guardian = false): Accounts {
  if (!validParticipant(participant)) throw new AigenError('input.invalid', `participant ${JSON.stringify(participant)}`)
  const known = Object.hasOwn(accounts.participants, participant) ? accounts.participants[participant] : undefined
  if (known !== undefined && (known.guardian ?? false) === guardian) return accounts
  if (known === undefined && Object.keys(accounts.participants).length >= PARTICIPANTS_MAX) {
    throw new AigenError('node.busy', `this server has ${PARTICIPANTS_MAX} participants`)
  }
  const account: ParticipantAccount = {
    network: known?.network ?? { user: participant, pass: password(random) },
    journal: known?.journal ?? { user: `journal-${participant}`, pass: password(random) },
    ...(guardian ? { guardian } : {}),
  }
  return { ...accounts, participants: { ...accounts.participants, [participant]: account } }
}

/** The `accounts` part of the server's configuration. */
export function renderAccounts(accounts: Accounts): string {
  const participants = Object.entries(accounts.participants)
  const users = participants.map(([id, { network, guardian }]) => {
    const { publish, subscribe } = networkPermissions(id, { guardian: guardian ?? false })
    return `      { user: ${quote(network.user)}, password: ${quote(network.pass)}, permissions: {\n`
      + `        publish: { allow: ${list(publish)} }\n        subscribe: { allow: ${list(subscribe)} } } }`
  })
  const journals = participants.map(([id, { journal }]) =>
    `  ${quote(`journal-${id}`)}: { jetstream: enabled, users: [ { user: ${quote(journal.user)}, password: ${quote(journal.pass)} } ] }`)
  const operator = `      { user: ${quote(accounts.operator.user)}, password: ${quote(accounts.operator.pass)} }`
  return ['accounts: {', '  network: { jetstream: enabled, users: [', operator, ...users, '  ] }', ...journals, '}', ''].join('\n')
}


/** A 192-bit password. */
export function password(random: Random): string {
  return Buffer.from(random.bytes(24)).toString('base64url')
}

function list(subjects: readonly string[]): string {
  return `[${subjects.map(quote).join(', ')}]`
}

function quote(text: string): string {
  // ids, passwords and subjects hold nothing that would need escaping; anything else is a bug
  if (!/^[A-Za-z0-9_.*>$@:/-]+$/.test(text)) throw new AigenError('internal', `cannot be written to the configuration: ${JSON.stringify(text)}`)
  return `"${text}"`
}
