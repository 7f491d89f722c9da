/** How to connect to a NATS account: plain JSON, kept by nodes and handed to child processes. */
export interface Credentials {
  /** `nats://host:port`, without the password; the servers of a cluster with commas between them. */
  readonly url: string
  readonly user: string
  readonly pass: string
  /** Where answers to this connection arrive; the server lets nobody else listen there. */
  readonly inboxPrefix?: string
  /**
   * Set where several participants have to share one journal account (a configured server without
   * accounts of ours): it keeps their partitions apart by name, not by permission.
   */
  readonly namespace?: string
  /** Copies of each stream of the account: 1 by default, 3 on a cluster. */
  readonly replicas?: number
}
