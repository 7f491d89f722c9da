/**
 * How long a user's node takes to open on a journal of many records: reading them, folding them. The
 * journal is what real runs left; no snapshot is used.
 */
import { openUser } from '../agents/user/user.ts'
import { evaluateWith } from '../pipelines/prepare.ts'
import { natsJournal } from '../runtime/nats/journal.ts'
import { connectNats } from '../runtime/nats/connection.ts'
import { openKeys } from '../runtime/identity/keys.ts'
import { connectPorts } from '../runtime/node/connect.ts'
import { partitionName } from '../runtime/actors/placement.ts'
import { systemRandom } from '../runtime/node/system-random.ts'
import type { Ground } from './ground.ts'
import { openMarket } from './paid-step.ts'
import { rounded } from './samples.ts'

export interface StartUpOptions {
  readonly records: number
  readonly say: (line: object) => void
  readonly tell: (text: string) => void
}

/** Runs at once while the journal is made: few, so that records stay as small as a quiet node's. */
const CONCURRENCY = 4

/** Makes a journal of at least `records` records, then opens a node on it. */
export async function measureStartUp(ground: Ground, { records, say, tell }: StartUpOptions): Promise<void> {
  const market = await openMarket(ground)
  const { seat, user } = market
  let steps = 0
  try {
    while (user.node.host.stats().last < records) {
      await Promise.all(Array.from({ length: CONCURRENCY }, () => market.run(10)))
      await market.settled()
      steps += CONCURRENCY * 10
    }
  } finally {
    await market.close()
  }
  const connection = await connectNats(seat.connections.journal, 'bench reader')
  const log = await natsJournal(connection).open(partitionName('p', 0))
  const readFrom = performance.now()
  let [count, bytes] = [0, 0]
  for await (const { data } of log.read(1)) {
    count++
    bytes += data.length
  }
  const readMs = performance.now() - readFrom
  await connection.close()

  const keys = await openKeys({ home: seat.home, random: systemRandom })
  const ports = await connectPorts(seat.connections, seat.participant)
  const from = performance.now()
  const again = await openUser({
    ports, keys, deposit: 0n, evaluate: evaluateWith({ evaluate: () => Promise.reject(new Error('nothing to evaluate')) }),
  })
  const openMs = performance.now() - from
  await again.close()
  await ports.close()
  say({
    bench: 'start-up', records: count, bytes, steps, readMs: rounded(readMs, 0), openMs: rounded(openMs, 0),
    recordsReadPerSecond: Math.round((count * 1_000) / readMs), recordsPerSecond: Math.round((count * 1_000) / openMs),
  })
  tell(`${count} records (${rounded(bytes / 2 ** 20, 1)} MB, ${steps} steps): read in ${rounded(readMs, 0)} ms, node open in ${rounded(openMs, 0)} ms`)
}
