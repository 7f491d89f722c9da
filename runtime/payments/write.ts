/**
 * Chain writes from effects: through the account's sender actor, by key, so that a repeated effect
 * finds the write under way or done and never sends a second one (D1). Used by `pay`, `claim` and
 * the opening of a vault.
 */
import { AigenError, fromBody } from '../../schemas/error.ts'
import type { Host } from '../actors/host.ts'
import type { RailWriteJson } from '../ports/rail-json.ts'

/** How long one look at a write lasts; the effect is retried after it, in ms. */
const WRITE_MS = 60_000

interface Written {
  readonly type: 'chain.write.done'
  readonly key: string
  readonly hash: `0x${string}`
  readonly paid: readonly { readonly lane: `0x${string}`; readonly claimed: string }[]
  readonly refused: readonly { readonly lane: `0x${string}`; readonly reason: string }[]
}
interface NotWritten {
  readonly type: 'chain.write.failed'
  readonly key: string
  readonly error: { readonly code: string; readonly message: string }
}

/** Actor id of an account's sender. */
export function senderActor(account: string): string {
  return `sender/${account.toLowerCase()}`
}

/**
 * The write's result, once it is mined as deep as the sender asks for.
 * Errors: `chain.*` as the sender tells them, `network.timeout` when it takes too long (retry).
 */
export async function writeThrough(host: Host, account: string, key: string, asker: string, write: RailWriteJson, signal?: AbortSignal): Promise<Written> {
  const sender = senderActor(account)
  await host.send(sender, { type: 'send', key, to: asker, write })
  const find = (context: { results: readonly (Written | NotWritten)[] }): Written | NotWritten | undefined => context.results.find((one) => one.key === key)
  const actor = await host.until(sender, (snapshot) => find(snapshot.context) !== undefined, WRITE_MS, signal)
  const result = find(actor.snapshot.context)
  if (!result) throw new AigenError('network.timeout', 'the chain write is still under way')
  if (result.type === 'chain.write.failed') throw fromBody(result.error as Parameters<typeof fromBody>[0])
  return result
}
