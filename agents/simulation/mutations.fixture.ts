/**
 * Defects put into the simulated network on purpose, through its ports and over its machines, never in
 * production code: a simulator that misses one of them proves nothing. Each names the invariants by
 * which it may be found. Used by the simulator's own tests.
 */
import { createDecipheriv, type DecipherGCM } from 'node:crypto'
import { deliveryHash, signDelivery } from '../../runtime/payments/delivery.ts'
import type { ActorKind } from '../../runtime/actors/actor.ts'
import type { EffectKind } from '../../runtime/actors/effects.ts'
import { Share } from '../../runtime/actors/share.ts'
import { ReplayWindow } from '../../runtime/identity/replay-window.ts'
import { experience } from '../../runtime/market/experience.machine.ts'
import type { NodeParts, Room } from '../../runtime/node/node.ts'
import { claimEffects } from '../../runtime/payments/claim.ts'
import { foldRef } from '../../runtime/payments/fold.ts'
import type { PurseContext } from '../../runtime/payments/lane.ts'
import { payEffects } from '../../runtime/payments/pay.ts'
import { purseActor } from '../../runtime/payments/purse.machine.ts'
import { settler } from '../../runtime/payments/settler.machine.ts'
import { till } from '../../runtime/payments/till.machine.ts'
import { signPlainVoucher } from '../../runtime/payments/voucher.ts'
import type { Log } from '../../runtime/ports/journal.ts'
import { participantId } from '../../schemas/id.ts'
import type { Invariant } from '../../runtime/simulation/invariants.ts'
import type { LifePorts } from '../../runtime/simulation/process.ts'
import { run } from '../../pipelines/run.machine.ts'
import type { StepContext } from '../../pipelines/step.ts'
import type { Mutation } from './mutation.ts'
import { callActor, type CallContext } from '../provider/call.machine.ts'
import { lyingJudge } from './lies.ts'
import { wallet } from '../user/wallet.machine.ts'

interface Change {
  /** What the machine is given in place of an event; nothing when it is not given it. */
  readonly event?: (event: any, context: any) => any
  /** What its context is after an event. */
  readonly context?: (after: any, before: any, event: any) => any
  /** Whether an action is asked of the host. */
  readonly asks?: (action: { readonly type: string; readonly params?: any }) => boolean
}

/** The same kind of actor, with a defect in its transitions. */
function mutant(kind: ActorKind, { event: given = (event) => event, context: after = (context) => context, asks = () => true }: Change): ActorKind {
  const machine = new Proxy(kind.machine, {
    get: (target, name) => name !== 'transition' ? Reflect.get(target, name, target) as unknown : (snapshot: any, event: any, scope: any) => {
      const changed = given(event, snapshot.context)
      if (changed === undefined) return snapshot
      const next = target.transition(snapshot, changed, { ...scope, actionExecutor: (action: any) => { if (asks(action)) scope.actionExecutor(action) } })
      const context = after(next.context, snapshot.context, event)
      return context === next.context ? next : Object.assign(Object.create(Object.getPrototypeOf(next) as object), next, { context })
    },
  })
  return { ...kind, machine }
}

const at = (process: string, ...names: readonly string[]): boolean => names.some((name) => process.startsWith(name))
const replaces = (who: string, registry: (parts: NodeParts) => { actors?: readonly ActorKind[]; effects?: Record<string, EffectKind> }): Mutation['room'] => (process) =>
  at(process, who) ? ((parts) => ({ actors: [], effects: {}, ...registry(parts) })) satisfies Room : undefined
const pays = (parts: NodeParts): Record<string, EffectKind> => payEffects({ ...parts, voucherKey: parts.keys.voucher, wallet: parts.participant })

/** The logs of a journal, changed. */
const logs = (ports: LifePorts, change: (log: Log) => Partial<Log>): LifePorts => ({
  ...ports,
  journal: {
    close: () => ports.journal.close(),
    open: async (partition) => {
      const log = await ports.journal.open(partition)
      return { ...log, ...change(log) }
    },
  },
})

/** Signs and hands over what a delivery costs, before anything is journaled. */
const payAtOnce: Mutation['room'] = (process) => at(process, 'alice') ? (parts) => {
  const { wire, rail, keys } = parts
  const ask = wire.call
  wire.call = async (to, verb, body, options) => {
    const answer = await ask(to, verb, body, options) as any
    if (verb === 'invoke' && answer.state === 'delivered') {
      const actor = [...parts.host().list('step')].find(({ snapshot }) => (snapshot.context as StepContext).agreementId === (body as any).agreement)
      const step = actor?.snapshot.context as StepContext | undefined
      const lane = step?.lane ? parts.host().context<PurseContext>(purseActor(parts.host().partitionOf(actor!.id)))!.lanes[step.lane.key] : undefined
      if (lane && !lane.payment) {
        const { amount } = answer.delivery.body
        const hash = deliveryHash(answer.delivery)
        const voucher = signPlainVoucher(rail, keys.voucher, lane.id, (BigInt(lane.cumulative) + BigInt(amount)).toString(), foldRef(lane.ref, hash, amount))
        await ask(participantId(to), 'pay', { lane: lane.id, voucher, deliveries: [hash] }, { callId: `early-${voucher.ref.slice(2, 30)}`, timeoutMs: 1_000 }).catch(() => undefined)
      }
    }
    return answer
  }
  return { actors: [], effects: {} }
} : undefined

/** Another answer to a verb of a seller. */
const answers = (verb: string, change: (handler: (body: any, call: any) => Promise<unknown>, node: any) => (body: any, call: any) => Promise<unknown>): Mutation['node'] => (node) => ({
  ...node, wire: { ...node.wire, serve: (name, validate, handler, options) => node.wire.serve(name, validate, name === verb ? change(handler as any, node) : handler, options) },
})

let memory = 0

export const MUTATIONS: readonly (Mutation & { readonly foundBy: readonly Invariant[] })[] = [
  {
    name: 'a journal that does not look at the expected sequence', foundBy: ['I6'],
    ports: (ports) => logs(ports, (log) => ({ append: async (data, expectedLast, id) => { await log.append(data, await log.last(), id); return expectedLast + 1 } })),
  },
  {
    name: 'a journal that acknowledges before it has stored', foundBy: ['I1', 'I6', 'I7'],
    ports: (ports) => {
      let storing: Promise<unknown> = Promise.resolve()
      return logs(ports, (log) => ({
        append: async (data, expectedLast, id) => {
          storing = storing.then(() => ports.clock.sleep(20)).then(() => log.append(data, expectedLast, id)).catch(() => undefined)
          return expectedLast + 1
        },
      }))
    },
  },
  {
    name: 'a journal that gives up what no snapshot has', foundBy: ['I5', 'I7'],
    ports: (ports) => logs(ports, (log) => ({ purge: (before) => log.purge(before + 40) })),
  },
  {
    name: 'two nodes whose journal does not look at the expected sequence', fleet: true, foundBy: ['I5', 'I6'],
    ports: (ports) => logs(ports, (log) => ({ append: async (data, expectedLast, id) => { await log.append(data, await log.last(), id); return expectedLast + 1 } })),
  },
  {
    name: 'a node that goes on with a partition that another has', fleet: true, foundBy: ['I1', 'I5', 'I6', 'I7'],
    patch: () => {
      const { drop } = Share.prototype
      Share.prototype.drop = () => false
      return () => { Share.prototype.drop = drop }
    },
  },
  { name: 'a voucher that is handed over before the journal has it', foundBy: ['I1'], room: payAtOnce },
  {
    name: 'a till that counts a voucher twice', foundBy: ['I1'],
    room: replaces('p', () => ({ actors: [mutant(till, { context: (after, before, event) => event.type === 'pay' && after.cumulative !== before.cumulative ? { ...after, cumulative: (2n * BigInt(after.cumulative) - BigInt(before.cumulative)).toString() } : after })] })),
  },
  {
    name: 'a till that goes on owing what was paid', foundBy: ['I1'],
    room: replaces('p', () => ({ actors: [mutant(till, { context: (after, before, event) => event.type === 'pay' ? { ...after, owed: before.owed, open: before.open } : after })] })),
  },
  {
    name: 'a wallet that forgets a hold', foundBy: ['I2', 'I4'],
    room: replaces('alice', () => ({ actors: [mutant(wallet, { context: (after, before, event) => event.type === 'hold' ? { ...after, holds: before.holds } : after })] })),
  },
  {
    name: 'timers that never fire', foundBy: ['I5'],
    ports: (ports, process) => process !== 'alice' ? ports : { ...ports, clock: { ...ports.clock, now: () => ports.clock.now(), monotonic: () => ports.clock.monotonic(), sleep: (ms, signal) => ports.clock.sleep(ms, signal), timer: (due, fire) => due - ports.clock.now() > 1_000 ? { cancel: () => undefined } : ports.clock.timer(due, fire) } },
  },
  {
    name: 'a callee that has forgotten the call it answered', foundBy: ['I1', 'I5'],
    node: answers('invoke', (handler, node) => async (body, from) => {
      const answer = await handler(body, from) as any
      if (answer.state !== 'delivered') return answer
      return { ...answer, delivery: signDelivery({ ...answer.delivery.body, at: node.clock.now() }, node.wire.credentials.sign) }
    }),
  },
  {
    name: 'a callee that works on what it said it had cancelled', foundBy: ['I1'],
    node: answers('cancel', (handler, node) => async (body, from) => {
      const known = node.host.peek(callActor(body.lane, body.agreement, body.call))
      return known && (known.snapshot.context as CallContext).delivery === null && known.snapshot.value === 'working' ? { state: 'cancelled' } : handler(body, from)
    }),
  },
  {
    name: 'a callee that works after it has refused', foundBy: ['I1'],
    node: answers('invoke', (handler) => async (body, from) => {
      void handler(body, from).catch(() => undefined)
      return { state: 'failed', error: { code: 'step.failed', message: 'no' } }
    }),
  },
  {
    name: 'a payee that never claims', foundBy: ['I2', 'I5'],
    room: replaces('p', (parts) => ({ effects: { 'lanes.claim': { ...claimEffects({ ...parts, wallet: parts.participant })['lanes.claim']!, run: async ({ key }) => ({ type: 'lanes.claim.done', key, claims: [], refused: [] }) } } })),
  },
  {
    name: 'a voucher that is said to be handed over and is not', foundBy: ['I1'],
    room: replaces('alice', (parts) => ({ effects: { 'voucher.pay': { ...pays(parts)['voucher.pay']!, run: async ({ lane }) => ({ type: 'voucher.pay.done', lane }) } } })),
  },
  {
    name: 'a chain write that is sent under a new key each time', foundBy: ['I1'],
    room: replaces('alice', (parts) => {
      const reserve = pays(parts)['lanes.reserve']!
      return { effects: { 'lanes.reserve': { ...reserve, run: async (params, context) => ({ ...await reserve.run({ ...params, key: `${params.key}.${context.again}.${parts.random.fraction()}` }, context), type: 'lanes.reserve.done', key: params.key }) } } }
    }),
  },
  {
    name: 'a machine that remembers what its journal does not', foundBy: ['I7'],
    room: replaces('alice', () => ({ actors: [mutant(experience, { context: (after) => ({ ...after, memory: memory += 1 }) })] })),
  },
  {
    name: 'a run that closes while a call is in doubt', foundBy: ['I2', 'I3', 'I4', 'I5'],
    room: replaces('alice', () => ({ actors: [mutant(run, { context: (after, before, event) => event.type === 'doubt.opened' ? { ...after, doubts: before.doubts } : after })] })),
  },
  {
    name: 'a session that opens an envelope again', foundBy: ['I8'],
    patch: () => {
      const { fresh } = ReplayWindow.prototype
      ReplayWindow.prototype.fresh = () => true
      return () => { ReplayWindow.prototype.fresh = fresh }
    },
  },
  {
    name: 'a session that does not look at the seal', foundBy: ['I8'],
    patch: () => {
      const decipher = Object.getPrototypeOf(createDecipheriv('aes-256-gcm', Buffer.alloc(32), Buffer.alloc(12))) as { final: DecipherGCM['final'] }
      const { final } = decipher
      decipher.final = (() => Buffer.alloc(0)) as unknown as typeof final
      return () => { decipher.final = final }
    },
  },
  {
    name: 'a result that is never told', foundBy: ['I5'],
    room: replaces('alice', () => ({ actors: [mutant(run, { event: (event) => event.type === 'run.output.done' ? undefined : event })] })),
  },
  {
    name: 'a payee that forgets what it is owed, and works on', foundBy: ['loss', 'I1'], liars: new Map([['alice', 'never pays'], ['bob', 'never pays']]),
    room: replaces('p', () => ({ actors: [mutant(till, { context: (after, _before, event) => event.type === 'owe' && !after.escrow ? { ...after, owed: null, open: null } : after })] })),
  },
  {
    name: 'a payer that does not look at what it agreed on', foundBy: ['loss'], liars: new Map([['p1', 'signs for rubbish'], ['p2', 'signs for rubbish'], ['p3', 'signs for rubbish']]),
    judge: (honest) => lyingJudge('signs for rubbish', honest),
  },
  {
    name: 'a payer that counts what it prepaid for nothing as nothing', foundBy: ['I2', 'I3', 'I4'], liars: new Map([['p1', 'takes and is silent'], ['p2', 'takes and is silent']]),
    room: replaces('alice', () => ({ actors: [mutant(run, { event: (event) => event.type === 'doubt.closed' ? { ...event, charged: '0' } : event })] })),
  },
  {
    name: 'a payee that is not told that its claim was lost', foundBy: ['I2', 'I5'], chain: true,
    room: replaces('p', () => ({ actors: [mutant(settler, { event: (event) => event.type === 'chain.write.lost' ? undefined : event })] })),
  },
  {
    name: 'a hub that does not keep the key that it has paid for', foundBy: ['loss', 'I1', 'I5'],
    room: replaces('safe', () => ({ actors: [mutant(till, { event: (event) => event.type === 'keyed' ? undefined : event })] })),
  },
]
