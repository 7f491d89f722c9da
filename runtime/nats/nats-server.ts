/**
 * A NATS server as the rest of the runtime sees it, started here or configured: where it is, what it
 * does less well, and how participants get in. Implemented by `server` and `configured-server`.
 */
import type { Credentials } from './credentials.ts'
import type { FoundServer } from './sources/source.ts'

export interface NatsServer {
  readonly url: string
  readonly version: string
  readonly source: FoundServer['source'] | 'configured'
  /** What this server does less well than it should, as sentences. */
  readonly warnings: readonly string[]
  /** 0 for a server that was not started here. */
  readonly pid: number
  readonly dataDir: string
  readonly operator: Credentials
  /**
   * Credentials of a participant, the same after a restart; made, with its account and its blob
   * shelf, the first time. Error `input.invalid` for an id that cannot be part of a subject.
   */
  admit(participant: string, options?: { readonly guardian?: boolean }): Promise<{ network: Credentials; journal: Credentials }>
  stop(): Promise<void>
}
