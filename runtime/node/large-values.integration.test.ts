/** Events of megabytes on a real NATS server: through the host, to the shelf, and back after a restart. */
import { expect, it } from 'vitest'
import { CounterWorld, counterKind, type CounterContext } from '../actors/counter.fixture.ts'
import { Host } from '../actors/host.ts'
import { readActors } from '../actors/read-actors.ts'
import { ownBlobs } from '../nats/blobs.ts'
import { connectNats } from '../nats/connection.ts'
import { disposableServer } from '../nats/disposable-server.fixture.ts'
import { natsJournal } from '../nats/journal.ts'
import type { Blobs, OwnBlobs } from '../ports/blobs.ts'
import type { Journal } from '../ports/journal.ts'
import { systemClock } from './system-clock.ts'
import { systemRandom } from './system-random.ts'

const TEXT = 'five megabytes of text. '.repeat(220_000)
const kind = counterKind({ options: { passivates: true } })

async function open(journal: Journal, blobs: OwnBlobs): Promise<Host> {
  const host = await Host.open({
    journal, blobs, clock: systemClock, random: systemRandom, registry: { actors: [kind], effects: {} }, limits: { resident: 1, tailRecords: 4, retain: 0 },
  })
  host.resume()
  return host
}

const keysOf = async (blobs: OwnBlobs): Promise<string[]> => {
  const keys: string[] = []
  for await (const key of blobs.keys('v-')) keys.push(key)
  return keys
}

it('an event of 5 MB goes through the journal of a real server, sleeps, wakes and is given up', async () => {
  const server = await disposableServer()
  try {
    const { journal: credentials } = await server.admit('alice')
    const connection = await connectNats(credentials, 'alice')
    const blobs = await ownBlobs(connection)
    const journal = natsJournal(connection)
    const host = await open(journal, blobs)
    for (const id of ['counter/a', 'counter/b', 'counter/busy']) await host.start(id, {})
    await Promise.all(['counter/a', 'counter/b'].map((id) => host.send(id, { type: 'keep', value: TEXT })))
    await host.send('counter/busy', { type: 'add', n: 1, remark: `${TEXT} only said` })
    expect(await keysOf(blobs)).toHaveLength(2)
    // What was only said is gone when the records that say it are: at the second checkpoint after that.
    for (let at = 0; at < 200 && (await keysOf(blobs)).length > 1; at++) await host.send('counter/busy', { type: 'add', n: 1 })
    expect(await keysOf(blobs)).toHaveLength(1)
    expect(((await host.load('counter/a'))!.snapshot.context as CounterContext).values).toEqual([TEXT])
    await host.close()
    await journal.close()

    const second = await connectNats(credentials, 'alice again')
    const again = await open(natsJournal(second), await ownBlobs(second))
    expect(((await again.load('counter/b'))!.snapshot.context as CounterContext).values).toEqual([TEXT])
    const read = await readActors({ journal: natsJournal(second), blobs: await ownBlobs(second), clock: systemClock, kinds: [kind] })
    expect(read.context<CounterContext>('counter/a')!.values).toEqual([TEXT])
    await again.close()
    await second.close()
  } finally {
    await server.end()
  }
})

it('the same in memory', async () => {
  const world = new CounterWorld()
  const host = await world.open()
  await host.start('counter/a', {})
  await host.send('counter/a', { type: 'keep', value: TEXT })
  await host.close()
  const shelf: Blobs = world.blobs!
  expect(await shelf.get([...world.shelf.keys()][0]!)).toHaveLength(TEXT.length + 5)
  expect((await world.open()).context<CounterContext>('counter/a')!.values).toEqual([TEXT])
})
