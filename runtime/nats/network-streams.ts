/**
 * The streams of the shared network, made by its operator: the last card per participant, the last
 * registry per epoch, and each participant's shelf of blobs in transit. Participants may write to
 * theirs and read all by direct get, and manage none (DESIGN D4).
 */
import { DiscardPolicy, jetstreamManager, RetentionPolicy, StorageType } from '@nats-io/jetstream'
import { delay, nanos } from '@nats-io/nats-core'
import { validParticipant } from '../ports/network-permissions.ts'
import { AigenError } from '../../schemas/error.ts'
import { apiCode, natsError } from './nats-error.ts'
import type { JetStreamManager, StreamConfig } from '@nats-io/jetstream'
import type { Connection } from './connection.ts'

const NAME_IN_USE = 10058
const NO_ROOM = 10047
/** About five seconds in all. */
const ATTEMPTS = 9
const DAY_MS = 86_400_000
/** Epochs older than this are gone from the network; whoever wants them longer keeps them. */
const REGISTRY_AGE_MS = 30 * DAY_MS

export const CARDS = 'AIGEN_CARDS'
export const REPUTATION = 'AIGEN_REPUTATION'
/** Bytes a participant may have in transit at once, and for how long each blob stays. */
export const SHELF_BYTES = 256 * 2 ** 20
export const SHELF_AGE_MS = 7 * DAY_MS

/** Streams that keep the last message of each subject, by the subject's beginning. */
export const KEPT: readonly { readonly stream: string; readonly prefix: string; readonly full: Partial<StreamConfig> }[] = [
  // A new card must not push out another participant's.
  { stream: CARDS, prefix: 'aigen.v1.card.', full: { discard: DiscardPolicy.New } },
  // A new epoch matters more than the oldest: the stream never ends by being full.
  { stream: REPUTATION, prefix: 'aigen.v1.reputation.', full: { discard: DiscardPolicy.Old, max_age: nanos(REGISTRY_AGE_MS) } },
]

/** Makes the streams that all share, or brings them up to date. */
export async function openNetwork(operator: Connection): Promise<void> {
  const jsm = await jetstreamManager(operator.nc, { checkAPI: false })
  for (const { stream, prefix, full } of KEPT) {
    await ensureStream(jsm, {
      ...FILE_STREAM, name: stream, subjects: [`${prefix}*`], max_msgs_per_subject: 1,
      max_msg_size: 2 ** 18, max_bytes: 2 ** 28, ...full, deny_delete: true, deny_purge: true, num_replicas: operator.credentials.replicas ?? 1,
    })
  }
}

/** Name of the stream that holds a participant's blobs in transit. */
export function shelfStream(participant: string): string {
  return `AIGEN_BLOBS_${participant}`
}

/** Makes a participant's shelf, or changes its quota (bytes). Each chunk is written once, by the first who writes it. */
export async function openShelf(operator: Connection, participant: string, quota = SHELF_BYTES): Promise<void> {
  if (!validParticipant(participant)) throw new AigenError('input.invalid', `participant ${JSON.stringify(participant)}`)
  const jsm = await jetstreamManager(operator.nc, { checkAPI: false })
  await ensureStream(jsm, {
    ...FILE_STREAM, ...WRITE_ONCE, name: shelfStream(participant), subjects: [`aigen.v1.blob.${participant}.*.*`],
    max_bytes: quota, max_age: nanos(SHELF_AGE_MS), max_msg_size: 2 ** 18, num_replicas: operator.credentials.replicas ?? 1,
  })
}

/** A stream on the disk that anyone with the permission may read by direct get. */
export const FILE_STREAM = {
  retention: RetentionPolicy.Limits, storage: StorageType.File, num_replicas: 1, allow_direct: true,
} as const satisfies Partial<StreamConfig>

/** A second message on a subject is refused, and so is any when the stream is full. */
export const WRITE_ONCE = {
  discard: DiscardPolicy.New, discard_new_per_subject: true, max_msgs_per_subject: 1,
} as const satisfies Partial<StreamConfig>

/** Makes the stream, or updates one of that name; making it again changes nothing. */
export async function ensureStream(jsm: JetStreamManager, config: Partial<StreamConfig> & { name: string }): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await addOrUpdate(jsm, config)
      return
    } catch (thrown) {
      const error = natsError(thrown, `stream ${config.name}`)
      // while it starts, and before 2.10 while it takes in a participant, JetStream does not answer
      if (error.code !== 'network.no-responders' && error.code !== 'network.timeout') throw error
      if (attempt >= ATTEMPTS) throw error
      await delay(Math.min(1_000, 25 * 2 ** attempt))
    }
  }
}

async function addOrUpdate(jsm: JetStreamManager, config: Partial<StreamConfig> & { name: string }): Promise<void> {
  try {
    await jsm.streams.add(config)
  } catch (thrown) {
    const code = apiCode(thrown)
    if (code === NO_ROOM) throw new AigenError('nats.failed', `the disk has no room for stream ${config.name}`, { cause: thrown })
    if (code !== NAME_IN_USE) throw thrown
    await jsm.streams.update(config.name, config)
  }
}
