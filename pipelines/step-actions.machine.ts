/**
 * What a step does at its transitions: how an attempt is taken, given up, doubted, written down, and what
 * follows it. Used by the step machine alone, of which it is a part.
 */
import { assign, enqueueActions } from 'xstate'
import { ERRORS } from '../schemas/error.ts'
import { attemptOf, endsOf, faultOf, mayRetry, mayStandIn, stateWord } from './attempt.ts'
import { toKeep } from './cache.ts'
import { doubtsOf } from './doubt.ts'
import { grown, itemAt } from './growing.ts'
import { hiringOf } from './hiring.ts'
import { LATE } from './overdue.ts'
import { giveBack, payingOf } from './payer.ts'
import { negotiationId, workOf, type StepContext } from './step.ts'

/** Gives the lane back; under a standing agreement only the number, and where the provider is to blame none more is asked for. */
export const release = { type: 'tell', params: ({ context, event }: any) => giveBack(payingOf(context), event.type === 'call.invoke.done' || ERRORS[faultOf(event).code].fault === 'caller' ? 'spare' : 'failed')[0] } as any
export const remember = (type: 'delivered' | 'failed'): any => ({
  type: 'tell',
  params: ({ context }: any) => ({ to: 'experience', event: { type, provider: context.agreement.terms.provider, capability: workOf(context).uses } }),
})
/** A race or a quorum is told who does it. */
export const tellHired: any = enqueueActions(({ context, enqueue }: any) => {
  const { parent, member, agreement } = context as StepContext
  if (member !== undefined) enqueue({ type: 'tell', params: { to: parent, event: { type: 'hired', member, provider: agreement!.terms.provider } } })
})
/** Writes the attempt down as failed; the last action of an attempt, since its number grows. */
const noteFailure = assign<StepContext, any, undefined, any, never>({
  attempts: ({ context, event }) => [...context.attempts, attemptOf(context, stateWord(faultOf(event)), '0', faultOf(event))],
  error: ({ event }) => faultOf(event),
})
/** Hands the attempt to an inquiry, or in escrow to a dispute, which keeps the lane until the outcome is known. */
export const doubt: any = enqueueActions(({ context, event, enqueue }: any) => {
  for (const params of doubtsOf(context, event)) enqueue({ type: 'tell', params })
})
export const tellDoubt = { type: 'tell', params: ({ context }: any) => ({ to: `run/${context.run}`, event: { type: 'doubt.opened' } }) } as any

/** Nothing is owed: the lane is given back; or the payee has a voucher still, in escrow until a ruling takes it away, prepaid for good. */
export const letGo: any = enqueueActions(({ context, enqueue }: any) => {
  for (const action of context.staked ? [tellDoubt, doubt] : [release]) enqueue(action)
})
/** A delivery that fails a signed clause; postpaid the lane stays out of use, since its payee sees it otherwise. */
export const contest: any = enqueueActions(({ context, enqueue }: any) => {
  for (const action of context.staked ? [tellDoubt, doubt] : []) enqueue(action)
  for (const params of giveBack(payingOf(context), 'contested')) enqueue({ type: 'tell', params })
})
/** Paid for by a hub already: its output is opened or lost. */
export const takeSealed = assign<StepContext, any, undefined, any, never>(({ event }) => ({ delivery: event.delivery, latencyMs: event.latencyMs, sealed: event.sealed, authorisations: event.authorisations ?? [], hop: null }))
export const addFee = assign<StepContext, any, undefined, any, never>({ fees: ({ context, event }) => (BigInt(context.fees) + BigInt(event.charged)).toString() })

/** Why it ends before its time: its owner wants that, or it has taken too long. */
export const stop = assign<StepContext, any, undefined, any, never>({
  state: ({ event }) => (event.type === 'over' ? 'failed' : 'cancelled'),
  error: ({ context, event }) => (event.type === 'over' ? LATE : context.error),
})
/** Nobody is to be hired for it any more. */
export const unhire: any = enqueueActions(({ context, enqueue }: any) => {
  if (hiringOf(context).to === 'standing') enqueue({ type: 'tell', params: { to: 'standing', event: { type: 'unwant', step: context.self } } })
  enqueue({ type: 'tell', params: { to: negotiationId(context), event: { type: 'cancel' } } })
})
/** What was under way then, as the bill lists it: no fault of who did it. */
export const noteStop = assign<StepContext, any, undefined, any, never>({
  attempts: ({ context }) => [...context.attempts, attemptOf(context, 'cancelled', '0')],
})
const failed = assign<StepContext, any, undefined, any, never>({ state: 'failed' })
export const standIn = assign<StepContext, any, undefined, any, never>({ fallback: true, choice: null })
export const stopped = ({ context }: { context: StepContext }): boolean => context.state !== 'running'
export const agrees = (event: any): any => ({ agreement: event.agreement, agreementId: event.id, offer: event.offer, lane: event.lane, asked: event.asked, call: event.call })

export const begin = assign<StepContext, any, undefined, any, never>(({ context, event }) => ({ ...agrees(event), staked: null, invokedAt: event.at, until: event.at + context.plan.deadlineMs + context.plan.graceMs }))

/** What follows a disappointment: another attempt, the fallback, or the end. */
export const next = (actions: any[]): any[] => [
  { guard: ({ context, event }: any) => mayRetry(context, faultOf(event), event.streamed), target: 'pausing', actions: [...actions, noteFailure] },
  { guard: ({ context, event }: any) => mayStandIn(context, event.streamed), target: 'preparing', actions: [...actions, noteFailure, standIn] },
  { target: 'ended', actions: [...actions, noteFailure, failed] },
]

/** What its provider's card allows to be used again is known to other runs from here on. */
const keep: any = enqueueActions(({ context, enqueue }: any) => {
  for (const params of toKeep(context)) enqueue({ type: 'tell', params })
})

/** Tells those who take its pieces what came. */
export const passOn: any = enqueueActions(({ context, event, enqueue }: any) => {
  const { pieces, listeners } = context as StepContext
  // Heard anew after a restart: the same, or of another attempt at the work.
  if (event.number < pieces.length) return enqueue.assign({ torn: context.torn || JSON.stringify(itemAt(pieces, event.number)) !== JSON.stringify(event.chunk) })
  for (const to of listeners) enqueue({ type: 'tell', params: { to, event: { type: 'pieces', from: event.number, pieces: [event.chunk] } } })
  enqueue.assign({ pieces: grown(pieces, [event.chunk]) })
})

export const take = assign<StepContext, any, undefined, any, never>(({ context, event }) => ({ delivery: event.delivery, output: event.output, latencyMs: event.latencyMs, torn: context.torn || event.lost === true }))

/** Delivered and paid for. */
export const finish = [
  remember('delivered'), keep,
  assign<StepContext, any, undefined, any, never>({ state: 'done', attempts: ({ context }) => [...context.attempts, attemptOf(context, 'done', context.delivery!.body.amount)], error: null }),
]

export const tellEnd: any = enqueueActions(({ context, enqueue }: any) => {
  if (context.plan.timeoutMs !== undefined) enqueue.cancel('over')
  for (const params of endsOf(context)) enqueue({ type: 'tell', params })
})
