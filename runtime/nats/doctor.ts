/**
 * What `aigen doctor` says of NATS: which server, how safe, where it keeps things and how much room
 * is left. Profiles as DESIGN's durability notes have them: `dev`, `standard`, `money`.
 */
import { statfs } from 'node:fs/promises'
import { atLeast } from './sources/source.ts'
import type { NatsServer } from './nats-server.ts'

export type Profile = 'dev' | 'standard' | 'money'

export interface NatsFacts {
  readonly source: NatsServer['source']
  readonly version: string
  readonly profile: Profile
  readonly url: string
  readonly port: number
  /** 0 when the server was not started here. */
  readonly pid: number
  readonly storeDir: string
  readonly freeBytes: number
  /** What is weaker than it could be, as sentences; empty when nothing is. */
  readonly weaker: readonly string[]
}

/** Below this the server may stop taking records. */
const FREE_BYTES_MIN = 2 ** 30

/** The best profile that these facts reach. */
export function profileOf(facts: { readonly version: string; readonly replicas: number; readonly syncAlways: boolean }): Profile {
  if (facts.replicas < 3 || !atLeast(facts.version, '2.10.23')) return 'dev'
  return facts.syncAlways && atLeast(facts.version, '2.12.3') ? 'money' : 'standard'
}

/** Facts about `server`; `replicas` of its journal streams (1 for the embedded one). */
export async function natsFacts(server: Pick<NatsServer, 'source' | 'version' | 'warnings' | 'url' | 'pid' | 'dataDir'>, replicas = 1): Promise<NatsFacts> {
  const embedded = server.source !== 'configured'
  // a configured server does not tell how it syncs, so the best is not claimed for it
  const profile = profileOf({ version: server.version, replicas, syncAlways: embedded && atLeast(server.version, '2.10.0') })
  const space = await statfs(server.dataDir).catch(() => undefined)
  const freeBytes = space === undefined ? 0 : space.bavail * space.bsize
  const weaker = [...server.warnings]
  if (replicas < 3) weaker.push('One server keeps one copy of each record: a lost disk loses the journal.')
  if (embedded && freeBytes < FREE_BYTES_MIN) weaker.push(`Only ${Math.round(freeBytes / 2 ** 20)} MB are free in the store.`)
  return {
    source: server.source, version: server.version, profile, url: server.url, port: Number(new URL(server.url).port || 4222),
    pid: server.pid, storeDir: embedded ? server.dataDir : '', freeBytes, weaker,
  }
}
