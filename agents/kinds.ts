/**
 * Every actor kind of this code, whatever the role: what a journal of any participant is played
 * against before an upgrade. Used by `aigen doctor --dry-run`.
 */
import type { ActorKind } from '../runtime/actors/actor.ts'
import { cache } from '../pipelines/cache.machine.ts'
import { dispute } from '../pipelines/dispute.machine.ts'
import { fan } from '../pipelines/fan.machine.ts'
import { gate } from '../pipelines/gate.machine.ts'
import { inquiry } from '../pipelines/inquiry.machine.ts'
import { nest } from '../pipelines/nest.machine.ts'
import { run } from '../pipelines/run.machine.ts'
import { saga } from '../pipelines/saga.machine.ts'
import { step } from '../pipelines/step.machine.ts'
import { stream } from '../pipelines/stream.machine.ts'
import { passage } from '../pipelines/passage.machine.ts'
import { unlock } from '../pipelines/unlock.machine.ts'
import { experience } from '../runtime/market/experience.machine.ts'
import { keyring } from '../runtime/market/keyring.machine.ts'
import { negotiation } from '../runtime/market/negotiation.machine.ts'
import { standing } from '../runtime/market/standing.machine.ts'
import { sender } from '../runtime/node/node.ts'
import { purse } from '../runtime/payments/purse.machine.ts'
import { settler } from '../runtime/payments/settler.machine.ts'
import { subscriptions } from '../runtime/payments/subscriptions.machine.ts'
import { till } from '../runtime/payments/till.machine.ts'
import { verdict } from '../runtime/payments/verdict.machine.ts'
import { epoch } from './guardian/epoch.machine.ts'
import { guardian } from './guardian/guardian.machine.ts'
import { probe } from './guardian/probe.machine.ts'
import { agent } from './llm/planner.machine.ts'
import { escrowCase } from './payments/case.machine.ts'
import { credits } from './payments/credits.machine.ts'
import { hop } from './payments/hop.machine.ts'
import { purchase } from './payments/purchase.machine.ts'
import { relay } from './payments/relay.machine.ts'
import { ward } from './payments/ward.machine.ts'
import { accessKey } from './provider/access-key.machine.ts'
import { call } from './provider/call.machine.ts'
import { keyedCall } from './provider/keyed-call.machine.ts'
import { wallet } from './user/wallet.machine.ts'
import { watcher } from './user/watcher.machine.ts'

export const KINDS: readonly ActorKind[] = [
  sender, experience, keyring, negotiation, standing, purse, settler, till, verdict, dispute,
  inquiry, run, step, cache, fan, gate, nest, saga, stream, unlock, passage, subscriptions, wallet, watcher, accessKey, call, keyedCall, epoch,
  guardian, probe, escrowCase, credits, purchase, hop, relay, ward, agent,
]
