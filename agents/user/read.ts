/**
 * A user's runs as its journal has them, while another process may be running them: nothing is
 * fenced and nothing started. Used by `aigen bill`, `aigen quote`, `aigen subscription ls` and `aigen runs ls|show|watch`.
 */
import { cache } from '../../pipelines/cache.machine.ts'
import { dispute } from '../../pipelines/dispute.machine.ts'
import { inquiry } from '../../pipelines/inquiry.machine.ts'
import { stream } from '../../pipelines/stream.machine.ts'
import { unlock } from '../../pipelines/unlock.machine.ts'
import { run } from '../../pipelines/run.machine.ts'
import { step } from '../../pipelines/step.machine.ts'
import { readActors, type ReadActors } from '../../runtime/actors/read-actors.ts'
import { experience } from '../../runtime/market/experience.machine.ts'
import { keyring } from '../../runtime/market/keyring.machine.ts'
import { negotiation } from '../../runtime/market/negotiation.machine.ts'
import { subscriptions } from '../../runtime/payments/subscriptions.machine.ts'
import type { NodePorts } from '../../runtime/node/node.ts'

/** Runs, steps, what may be used again, negotiations, inquiries, experience, keys and subscriptions, as of now. Errors: `journal.*`, `network.*`. */
export function readRuns({ journal, blobs, clock }: Pick<NodePorts, 'journal' | 'blobs' | 'clock'>): Promise<ReadActors> {
  return readActors({ journal, blobs, clock, kinds: [run, step, cache, negotiation, inquiry, dispute, stream, unlock, experience, keyring, subscriptions] })
}
