/**
 * The configuration file of the embedded server, written by us alone. From 2.10 on each append is
 * synced to the disk before it is acknowledged; an older server works, and `weaknesses` says what
 * it does not give.
 */
import { renderAccounts } from './accounts.ts'
import { atLeast } from './sources/source.ts'
import type { Accounts } from './accounts.ts'

/** 1 MB of content and room for headers and the envelope around it. */
export const MAX_PAYLOAD = 2 ** 20 + 2 ** 16

export interface ServerLimits {
  /** Bytes that JetStream may keep on the disk. */
  readonly storeBytes: number
  /** Bytes that JetStream may keep in memory. */
  readonly memoryBytes: number
}

/** Uses at most four fifths of what is free (1 to 256 GB) and 256 MB of memory. */
export function limitsFor(freeBytes: number): ServerLimits {
  return { storeBytes: Math.round(Math.min(Math.max(freeBytes * 0.8, 2 ** 30), 256 * 2 ** 30)), memoryBytes: 256 * 2 ** 20 }
}

export interface ConfigInput {
  readonly name: string
  readonly port: number
  readonly dataDir: string
  readonly version: string
  readonly limits: ServerLimits
  readonly accounts: Accounts
  /** Where it is one of several: its own port for the others, and theirs. */
  readonly cluster?: { readonly port: number; readonly routes: readonly number[] }
}

/** The whole file. */
export function renderConfig({ name, port, dataDir, version, limits, accounts, cluster }: ConfigInput): string {
  return [
    '# written by AIGEN at each start; changes are lost',
    `server_name: ${JSON.stringify(name)}`,
    `listen: "127.0.0.1:${port}"`,
    `max_payload: ${MAX_PAYLOAD}`,
    'max_connections: 4096',
    'max_subscriptions: 65536',
    'max_control_line: 4096',
    `log_file: ${JSON.stringify(`${dataDir}/nats.log`)}`,
    'logfile_size_limit: 16777216',
    ...(atLeast(version, '2.10.0') ? ['logfile_max_num: 3'] : []),
    'jetstream: {',
    `  store_dir: ${JSON.stringify(dataDir)}`,
    `  max_file_store: ${limits.storeBytes}`,
    `  max_memory_store: ${limits.memoryBytes}`,
    ...(atLeast(version, '2.10.0') ? ['  sync_interval: always'] : []),
    '}',
    ...(cluster === undefined ? [] : [
      'cluster: {', '  name: aigen', `  listen: "127.0.0.1:${cluster.port}"`, '  no_advertise: true',
      `  routes: [${cluster.routes.map((route) => `"nats-route://127.0.0.1:${route}"`).join(', ')}]`, '}',
    ]),
    renderAccounts(accounts),
  ].join('\n')
}

/** Sentences about what this version does less well than 2.10.23 on one machine; empty for newer ones. */
export function weaknesses(version: string): string[] {
  const out: string[] = []
  if (!atLeast(version, '2.10.0')) {
    out.push(`nats-server ${version} acknowledges an append up to 60 s before it is on the disk: a power failure can lose it. 2.10 or newer syncs first.`)
  } else if (!atLeast(version, '2.10.23')) {
    out.push(`nats-server ${version} has known JetStream defects that 2.10.23 mends.`)
  }
  return out
}
