/**
 * What a participant may say and hear on the shared network (DESIGN D4). One table, which
 * `runtime/nats/accounts.ts` gives to the server and the memory bus enforces itself.
 *
 * There is no `allow_responses`: NATS grants it for whatever reply subject a message names, so a
 * participant could send itself a message whose reply is `$JS.API.STREAM.DELETE.…` and answer it.
 * Answers go to `_INBOX.>` instead: one may write into another's inbox, never read it, and what
 * comes back unsealed is dropped (I8).
 */

export interface NetworkPermissions {
  readonly publish: readonly string[]
  readonly subscribe: readonly string[]
}

/** Ids are parts of subjects, stream names and the server's configuration: letters, digits, `_`, `-`. */
export function validParticipant(id: string): boolean {
  return /^[A-Za-z0-9_-]{1,64}$/.test(id)
}

/** The prefix of a participant's private inbox. */
export function inboxPrefix(participant: string): string {
  return `_INBOX.${participant}`
}

/** `guardian`: may also publish an epoch's registry (DESIGN D9; what it publishes is quorum-signed). */
export function networkPermissions(participant: string, options: { guardian?: boolean } = {}): NetworkPermissions {
  return {
    publish: [
      `aigen.v1.card.${participant}`,
      `aigen.v1.alive.${participant}`,
      `aigen.v1.evidence.${participant}`,
      `aigen.v1.blob.${participant}.>`,
      ...(options.guardian === true ? ['aigen.v1.reputation.*'] : []),
      'aigen.v1.market.>',
      'aigen.v1.hello.*',
      'aigen.v1.call.>',
      'aigen.v1.flow.>',
      '_INBOX.>',
      '$SRV.>',
      // listing is for the public streams only; a blob can be read by who knows its key
      '$JS.API.DIRECT.GET.AIGEN_CARDS',
      '$JS.API.DIRECT.GET.AIGEN_REPUTATION',
      '$JS.API.DIRECT.GET.*.aigen.v1.blob.>',
    ],
    subscribe: [
      `${inboxPrefix(participant)}.>`,
      `aigen.v1.hello.${participant}`,
      `aigen.v1.call.${participant}.>`,
      'aigen.v1.card.*',
      'aigen.v1.alive.*',
      'aigen.v1.market.>',
      'aigen.v1.evidence.*',
      'aigen.v1.reputation.*',
      'aigen.v1.flow.>',
      '$SRV.>',
    ],
  }
}
