/** NATS passes the suites that memory passes. */
import { busContract } from '../ports/bus.contract.ts'
import { blobsContract } from '../ports/blobs.contract.ts'
import { journalContract } from '../ports/journal.contract.ts'
import { natsBlobs, ownBlobs } from './blobs.ts'
import { natsBus } from './bus.ts'
import { connectNats } from './connection.ts'
import { disposableServer } from './disposable-server.fixture.ts'
import { natsJournal } from './journal.ts'
import { openShelf } from './network-streams.ts'
import type { Bus } from '../ports/bus.ts'

busContract('NATS', async () => {
  const server = await disposableServer()
  const bus = async (participant: string): Promise<Bus> => natsBus(await connectNats((await server.admit(participant)).network, participant))
  const [alice, bob, carol] = await Promise.all([bus('alice'), bus('bob'), bus('carol')]) as [Bus, Bus, Bus]
  return {
    alice, bob, carol, extra: () => bus('dave'), pass: async () => {},
    stop: async () => {
      await Promise.all([alice.close(), bob.close(), carol.close()])
      await server.end()
    },
  }
})

journalContract('JetStream', async () => {
  const server = await disposableServer()
  const { journal } = await server.admit('alice')
  const owners: { close(): Promise<void> }[] = []
  return {
    owner: async () => {
      const owner = natsJournal(await connectNats(journal, 'owner'))
      owners.push(owner)
      return owner
    },
    stop: async () => {
      await Promise.all(owners.map((owner) => owner.close()))
      await server.end()
    },
  }
})

blobsContract('the transfer shelf', async () => {
  const server = await disposableServer()
  const [alice, bob] = await Promise.all(['alice', 'bob'].map(async (id) => connectNats((await server.admit(id)).network, id)))
  const operator = await connectNats(server.operator, 'operator')
  await openShelf(operator, 'alice', 6_000_000)
  return {
    alice: natsBlobs(alice!, 'alice', { maxBytes: 1_000_000 }), bob: natsBlobs(bob!, 'bob'), shelf: 'alice', full: 6_000_000,
    stop: async () => {
      await Promise.all([alice!.close(), bob!.close(), operator.close()])
      await server.end()
    },
  }
})

blobsContract("a participant's own shelf", async () => {
  const server = await disposableServer()
  const journal = await connectNats((await server.admit('alice')).journal, 'alice')
  const own = await ownBlobs(journal, { quota: 6_000_000, maxBytes: 1_000_000 })
  return {
    alice: own, own, full: 6_000_000,
    stop: async () => {
      await journal.close()
      await server.end()
    },
  }
})
