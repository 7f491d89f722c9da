/**
 * The node authorisations behind what a payer has paid for, by hash: whoever holds a receipt needs
 * them, also when their node has other keys by now and this process was started anew (I3, D5).
 * Told by `market.sign` and `market.accept` before there is an agreement, and by `call.invoke` and `call.cancel`
 * before anything is paid; read by the bill. One actor per participant.
 */
import { assign, createMachine } from 'xstate'
import type { NodeAuthorisation } from '../../schemas/documents.gen.ts'
import { defineActor } from '../actors/actor.ts'
import type { Host } from '../actors/host.ts'
import type { Authorisations } from '../identity/authorisation.ts'

/** Authorisations kept; beyond it the oldest is forgotten. */
const KEYS_MAX = 20_000
const ID = 'keyring'

export interface KeyringContext {
  readonly keys: Readonly<Record<string, NodeAuthorisation>>
}

export type KeyringEvent = { type: 'learn'; keys: Readonly<Record<string, NodeAuthorisation>> }

const machine = createMachine({
  id: 'keyring',
  types: {} as { context: KeyringContext; events: KeyringEvent },
  context: { keys: {} },
  initial: 'learning',
  states: {
    learning: {
      on: {
        learn: {
          actions: assign({
            keys: ({ context, event }) => {
              const keys: Record<string, NodeAuthorisation> = { ...context.keys, ...event.keys }
              const all = Object.keys(keys)
              for (const hash of all.slice(0, Math.max(0, all.length - KEYS_MAX))) delete keys[hash]
              return keys
            },
          }),
        },
      },
    },
  },
})

export const keyring = defineActor(ID, '1', machine, { pays: [], holds: [], rests: { learning: 'told by the calls of steps' } })

/** The authorisation with `hash` that the journal keeps, if it does. */
export function keptKey(host: Pick<Host, 'context'>, hash: string): NodeAuthorisation | undefined {
  return host.context<KeyringContext>(ID)?.keys[hash]
}

/** All of them by hash, wherever the keyring is read from. */
export async function keptKeys(host: Pick<Host, 'look'>): Promise<KeyringContext['keys']> {
  return (await host.look<KeyringContext>(ID))?.keys ?? {}
}

/** Keeps the authorisations named by `hashes`; resolves when they are durable, at once when they are kept already. */
export async function keepKeys(host: Pick<Host, 'context' | 'start' | 'send'>, hashes: readonly string[], known: Authorisations): Promise<void> {
  const keys: Record<string, NodeAuthorisation> = {}
  for (const hash of hashes) {
    const key = keptKey(host, hash) ? undefined : known.get(hash)
    if (key) keys[hash] = key
  }
  if (Object.keys(keys).length === 0) return
  await host.start(ID, {})
  await host.send(ID, { type: 'learn', keys })
}
