/**
 * What a provider answers on the wire: quote, accept, invoke, pay, status, cancel, settle (DESIGN,
 * Wire). Each handler checks signatures and the chain, then lets the durable actor decide; a
 * repeated call is answered from that actor (D3, I1).
 */
import { hashOf } from '../../schemas/canonical.ts'
import type { AcceptRequest, Hash, Hex32, InvokeRequest, PayRequest } from '../../schemas/documents.gen.ts'
import { AigenError } from '../../schemas/error.ts'
import { validate } from '../../schemas/validate.ts'
import { compileFixed } from '../../schemas/fixed.ts'
import { agreementId, signAgreement, verifyQuote, verifySide } from '../../runtime/market/agreement.ts'
import { freeLane, isFree } from '../../runtime/market/free.ts'
import type { Host } from '../../runtime/actors/host.ts'
import type { NodeParts } from '../../runtime/node/node.ts'
import { CLOCKS_MS } from '../../runtime/payments/delivery.ts'
import { laneReader, type ReadLane } from '../../runtime/payments/lane-reader.ts'
import { settlerActor, type SettlerContext } from '../../runtime/payments/settler.machine.ts'
import { exposureOf, isIdle } from '../../runtime/payments/tab.ts'
import { expected, isLocked, type TillContext } from '../../runtime/payments/till.machine.ts'
import { verifyVoucher } from '../../runtime/payments/voucher.ts'
import type { Admission } from './admission.ts'
import { callActor, type CallContext } from './call.machine.ts'
import { serveLatest } from './catch-up.ts'
import { isOnCredit, type Credit } from './credit.ts'
import type { ProviderDefinition } from './define.ts'
import type { Desk } from './desk.ts'
import { acceptLate, admitEscrow, checkEscrowLane, decidedTill, serveEvidence } from './escrow.ts'
import { againLocked, takeLocked } from './locked.ts'
import { outcomeOf } from './outcome.ts'
import { ownerOf } from './through.ts'
import { admitPrepaid, takePrepaid } from './prepaid.ts'
import type { Quoting } from './quoting.ts'
import type { StandingDesk } from './standing.ts'

/** How long an invoke is held before it is answered `pending`, in ms. */
const HOLD_MS = 1_500
const SETTLE_MS = 18_000
/** D3: known calls are answered for this long after their expiry. */
const LATE_MS = 300_000

/** Registers the verbs of a provider on its wire. */
export function serveVerbs(parts: NodeParts, definitions: readonly ProviderDefinition[], quotings: ReadonlyMap<string, Quoting>, admission: Pick<Admission, 'busy' | 'admit'>, desk: Pick<Desk, 'admit'>, standing: StandingDesk, credit: Credit): void {
  const { wire, rail, clock } = parts
  const { verifier, sign } = wire.credentials
  const readLane = laneReader(parts)
  const settled = (state: string): boolean => state === 'delivered' || state === 'lent' || state === 'paid' || state === 'owed' || state === 'unpaid' || state === 'failed' || state === 'cancelled' || state === 'owing'

  const till = (lane: Hex32, caller: string): TillContext => {
    parts.host().mustHold(`till/${lane}`)
    return ofPayer(parts.host().context<TillContext>(`till/${lane}`), caller)
  }

  /** The call's actor, for its own payer only. */
  const callOf = async ({ lane, agreement, call }: { lane: Hex32; agreement: Hash; call: number }, caller: string): Promise<{ id: string; state: string; context: CallContext } | undefined> => {
    const id = callActor(lane, agreement, call)
    parts.host().mustHold(id)
    const actor = await parts.host().load(id)
    if (!actor) return undefined
    const context = actor.snapshot.context as CallContext
    if (context.caller !== caller) throw new AigenError('auth.unauthorised', 'the agreement is of another payer')
    return { id, state: String(actor.snapshot.value), context }
  }

  /** Takes a call of a standing agreement in: its actor is journaled with its invoke. */
  const beginStanding = async (call: CallContext, id: string): Promise<{ readonly started: Promise<unknown>; leave(): void }> => {
    const { terms, lane, agreement, caller } = call
    if (!isFree(terms)) {
      const { cumulative, tab } = till(lane, caller)
      const needed = BigInt(cumulative) + exposureOf(tab!).amount + BigInt(terms.cap)
      const state = await readLane(lane, ({ reserved, exitAt, closed }) => !closed && exitAt === 0 && reserved >= needed)
      if (!state || state.closed || state.exitAt !== 0) throw new AigenError('lane.closed', undefined, { path: 'lane' })
      if (state.reserved < needed) throw new AigenError('node.busy', `${state.reserved} is reserved, ${needed} would be needed`)
    }
    if (admission.busy(terms.capability, caller)) throw new AigenError('node.busy')
    const leave = standing.admit(call)
    admission.admit(terms.capability, caller, id)
    return { started: parts.host().start(id, { agreement, call: call.call, terms, lane, caller }), leave }
  }

  wire.serve('quote', (body) => validate('QuoteRequest', body), async (body, { caller }) => {
    const quoting = quotings.get(body.quote.terms.capability)
    if (!quoting) throw new AigenError('market.refused', `${body.quote.terms.capability} is not sold here`)
    return quoting.bargain(body, caller)
  })

  wire.serve('accept', (body) => validate('AcceptRequest', body), async (body, { caller }) => {
    const { terms, lane } = body
    const agreement = agreementId(body)
    const id = callActor(lane, agreement, 0)
    const known = terms.standing ? standing.callOf({ lane, agreement, call: 0 }, caller) : await callOf({ lane, agreement, call: 0 }, caller)
    if (!known) {
      if (terms.payer !== caller) throw new AigenError('auth.unauthorised', 'the quote is for another payer')
      // Work on another's quote would be paid to that other, if at all.
      if (terms.provider !== wire.participant) throw new AigenError('auth.unauthorised', 'the quote is of another provider', { path: 'terms.provider' })
      if (admission.busy(terms.capability, caller)) throw new AigenError('node.busy')
      verifyQuote({ terms, signature: body.quote }, verifier, clock.now())
      // Another node of the payer may have signed than the one that asks.
      verifier.authorisations.admit(body.authorisation)
      verifySide(body, 'payer', body.payer, verifier, clock.now())
      const host = parts.host()
      if (isFree(terms)) {
        if (lane !== freeLane(terms)) throw new AigenError('voucher.lane', 'a call that costs nothing has no lane', { path: 'lane' })
        if (terms.standing) {
          await standing.accept(agreement, terms, lane, body.proof.voucherKey, caller)
          return { provider: signAgreement(body, sign) }
        }
        admission.admit(terms.capability, caller, id)
        await host.start(id, { agreement, call: 0, terms, lane, caller })
        return { provider: signAgreement(body, sign) }
      }
      const owner = ownerOf(parts, definitions, body, caller)
      await checkLane(parts, readLane, body, owner)
      host.mustHold(`till/${lane}`)
      if (terms.standing) {
        await standing.accept(agreement, terms, lane, body.proof.voucherKey, caller)
        return { provider: signAgreement(body, sign) }
      }
      // Asking for one that is there would still wait for the append under way.
      if (!host.peek(`till/${lane}`)) await host.start(`till/${lane}`, { lane, payer: owner, payee: terms.payee, voucherKey: body.proof.voucherKey })
      const before = await decidedTill(parts, till(lane, owner))
      if (before.owed || before.open?.invoked) throw new AigenError('lane.unpaid', `agreement ${(before.owed ?? before.open)!.agreement}`)
      if (!isIdle(before.tab)) throw new AigenError('lane.unpaid', `agreement ${before.tab!.agreement}`)
      if (isLocked(before)) throw new AigenError('lane.unpaid', 'a lock on it is not folded yet')
      // Counted at once: many may be accepted at the same time.
      const forget = isOnCredit(terms) ? credit.promise(lane, agreement, terms, owner) : () => undefined
      await desk.admit(terms, id, body.proof.vault).catch((refused: unknown) => {
        forget()
        throw refused
      })
      admission.admit(terms.capability, caller, id)
      await host.start(id, { agreement, call: 0, terms, lane, caller, ...(owner === caller ? {} : { payer: owner }) })
      if (till(lane, owner).open?.agreement !== agreement) throw new AigenError('lane.unpaid', 'another agreement took the lane')
    }
    return { provider: signAgreement(body, sign) }
  }, { lateMs: LATE_MS })

  wire.serve('invoke', (body) => validate('InvokeRequest', body), async (body: InvokeRequest, { caller, trace }) => {
    const known = await callOf(body, caller)
    const fresh = known ? undefined : standing.callOf(body, caller)
    const call = known ?? (fresh && { id: callActor(body.lane, body.agreement, body.call), state: 'agreed', context: fresh })
    if (!call) throw new AigenError('market.unknown-agreement')
    if (hashOf(body.input) !== body.inputHash) throw new AigenError('input.invalid', 'inputHash is not of this input', { path: 'inputHash' })
    if (call.context.inputHash !== null && call.context.inputHash !== body.inputHash) throw new AigenError('market.conflict')
    const host = parts.host()
    if (call.context.inputHash === null && call.state === 'agreed') {
      if (body.until !== undefined && clock.now() > body.until + CLOCKS_MS) throw new AigenError('step.timeout', 'the call came when its caller no longer waits', { path: 'until' })
      const sold = definitions.find(({ capability }) => capability.id === call.context.terms.capability)
      if (!sold) throw new AigenError('step.failed', `${call.context.terms.capability} is not sold here any more`)
      const issues = compileFixed(sold.capability.input).issues(body.input)
      if (issues.length > 0) throw new AigenError('step.input', `${issues[0]!.path}: ${issues[0]!.message}`, { path: issues[0]!.path, issues })
      const before = isFree(call.context.terms) || fresh ? undefined : till(call.context.lane, call.context.payer ?? caller)
      if (before && before.open?.agreement !== body.agreement) throw new AigenError('lane.unpaid', 'the lane was given to another agreement')
      if (call.context.terms.settle === 'streamed' && !body.flow) throw new AigenError('input.invalid', 'a call that is paid piece by piece needs somebody who hears the pieces', { path: 'flow' })
      const escrow = before && admitEscrow(parts, call.context, before, body.escrow)
      const prepaid = before && admitPrepaid(parts, call.context, before, body.prepaid)
      const begin = fresh ? await beginStanding(fresh, call.id) : undefined
      const invoked = host.send(call.id, { type: 'invoke', input: body.input, inputHash: body.inputHash, parcels: body.parcels ?? [], ...(body.until === undefined ? {} : { until: body.until }), ...(escrow ? { escrow } : {}), ...(prepaid ? { prepaid } : {}), ...(body.flow ? { flow: body.flow.secret } : {}), ...(trace['traceparent'] ? { trace: trace['traceparent'] } : {}) })
      try {
        await Promise.all([invoked, begin?.started])
      } finally {
        begin?.leave()
      }
    }
    try {
      const actor = await host.until(call.id, ({ value, context: call }) => settled(String(value)) || !!(call as CallContext).part, HOLD_MS)
      const context = actor.snapshot.context as CallContext
      if (context.inputHash !== body.inputHash && context.inputHash !== null) throw new AigenError('market.conflict')
      const outcome = outcomeOf(String(actor.snapshot.value), context)
      return outcome.state === 'cancelled' ? { state: 'failed', error: new AigenError('step.cancelled').toJSON() } : outcome
    } catch (error) {
      if (error instanceof AigenError && error.code === 'network.timeout') return { state: 'pending' }
      throw error
    }
  }, { lateMs: LATE_MS })

  wire.serve('status', (body) => validate('StatusRequest', body), async (body, { caller }) => {
    const known = await callOf(body, caller)
    return known ? outcomeOf(known.state, known.context) : { state: 'unknown' }
  }, { lateMs: LATE_MS })

  wire.serve('cancel', (body) => validate('CancelRequest', body), async (body, { caller }) => {
    const known = await callOf(body, caller)
    const fresh = known ? undefined : standing.callOf(body, caller)
    if (!known && !fresh) return { state: 'unknown' }
    const id = callActor(body.lane, body.agreement, body.call)
    const { lane, agreement, call, terms } = known?.context ?? fresh!
    // An invoke that comes late finds it cancelled.
    if (fresh && call < terms.standing!.calls) await parts.host().start(id, { agreement, call, terms, lane, caller })
    else if (fresh) return { state: 'unknown' }
    if (!known || !settled(known.state) || known.state === 'owing') await parts.host().send(id, { type: 'cancel', ...(body.pieces === undefined ? {} : { pieces: body.pieces }) })
    const actor = await parts.host().until(id, ({ value }) => settled(String(value)), HOLD_MS)
    return outcomeOf(String(actor.snapshot.value), actor.snapshot.context as CallContext)
  }, { lateMs: LATE_MS })

  wire.serve('pay', (body) => validate('PayRequest', body), async ({ lane, voucher, deliveries }: PayRequest, { caller }) => {
    const before = till(lane, caller)
    // The same voucher again: it was taken, only the answer was lost.
    if (voucher.cumulative === before.cumulative && voucher.ref === before.ref && before.voucher) return voucher.kind === 'escrow' || before.tab ? { cumulative: before.cumulative, ...(before.tab ? { window: before.tab.window } : {}) } : againLocked(parts, before, voucher)
    const many = await standing.pay(before, voucher, deliveries)
    if (many) return many
    const late = before.owed ? undefined : await acceptLate(parts, before, lane, voucher) ?? await takePrepaid(parts, before, voucher, deliveries)
    if (late) return late
    if (!before.owed) throw new AigenError('voucher.ref', 'nothing is owed on this lane')
    if (voucher.kind === 'locked' && deliveries[0] === before.owed.delivery) return takeLocked(parts, before, voucher)
    if (voucher.kind !== 'plain') throw new AigenError('voucher.key', 'this agreement is paid by plain vouchers', { path: 'voucher.kind' })
    if (deliveries.length !== 1 || deliveries[0] !== before.owed.delivery) throw new AigenError('voucher.ref', 'another delivery is owed', { path: 'deliveries' })
    verifyVoucher(rail, voucher, { lane, voucherKey: before.voucherKey, ...expected(before) })
    const actor = await parts.host().send(`till/${lane}`, { type: 'pay', voucher, call: callActor(lane, before.owed.agreement, 0) })
    const after = actor.snapshot.context as TillContext
    if (BigInt(after.cumulative) < BigInt(voucher.cumulative)) throw new AigenError('voucher.ref')
    return { cumulative: after.cumulative }
  }, { lateMs: LATE_MS })

  serveEvidence(parts)
  serveLatest(parts, till)

  wire.serve('settle', (body) => validate('SettleRequest', body), async ({ lanes }, { caller }) => {
    const host = parts.host()
    // Any of the provider's nodes sees to it, whichever hold the lanes.
    const tills = await Promise.all(lanes.map(async (lane) => ofPayer(await host.look<TillContext>(`till/${lane}`), caller)))
    // What is due now: a lane that goes on working must not keep its payer waiting.
    const open = tills.filter((one) => BigInt(one.cumulative) > BigInt(one.claimed))
    const settlers = new Set(open.map(({ lane }) => settlerOf(host, lane)))
    await Promise.all([...settlers].map(async (settler) => {
      const those = open.filter(({ lane }) => settlerOf(host, lane) === settler)
      const wanted = new Set(those.map(({ lane }) => lane))
      await host.send(settler, { type: 'settle', lanes: [...wanted] })
      await host.until(settler, ({ context }) => {
        const { next, claiming } = context as SettlerContext
        const claimed = those.every(({ lane, cumulative }) => BigInt(host.context<TillContext>(`till/${lane}`)?.claimed ?? -1) >= BigInt(cumulative))
        // What its batch has refused is claimed no sooner for those that others ask for meanwhile.
        return claimed || !(next.some((lane) => wanted.has(lane)) || claiming.some((lane) => wanted.has(lane)))
      }, SETTLE_MS)
    }))
    return { transactions: (await Promise.all(lanes.map(async (lane) => (await host.look<SettlerContext>(settlerOf(host, lane)))!.claims[lane] ?? []))).flat() }
  })
}

/** The till, where it is there and its lane is the caller's. Errors `voucher.lane`, `auth.unauthorised`. */
function ofPayer(till: TillContext | undefined, caller: string): TillContext {
  if (!till) throw new AigenError('voucher.lane', 'no agreement was made on this lane', { path: 'lane' })
  if (till.payer !== caller) throw new AigenError('auth.unauthorised', 'the lane is of another payer', { path: 'lane' })
  return till
}

/** The settler beside a lane's till. */
const settlerOf = (host: Host, lane: Hex32): string => settlerActor(host.partitionOf(`till/${lane}`))

/** Shortest challenge delay of a vault that is worked for, in seconds: many times longer than vouchers wait for their claim. */
const DELAY_S_MIN = 3_600

/** Checks on the chain that the lane is the payer's, open, and wide enough for one more call. */
async function checkLane({ rail, host, confirmations }: NodeParts, read: ReadLane, { terms, lane, proof }: AcceptRequest, caller: string): Promise<void> {
  if (rail.laneId(proof.vault, terms.payee, proof.number) !== lane) throw new AigenError('voucher.lane', 'the proof is of another lane', { path: 'proof' })
  const known = host().context<TillContext>(`till/${lane}`)
  const state = await read(lane, ({ reserved, exitAt, closed }) => !closed && exitAt === 0 && reserved - BigInt(known?.cumulative ?? 0) >= BigInt(terms.cap))
  if (!state) throw new AigenError('voucher.over-reserve', 'nothing is reserved on this lane', { path: 'lane' })
  if (state.owner !== caller) throw new AigenError('auth.unauthorised', 'the vault is of another owner', { path: 'proof.vault' })
  if (state.voucherKey !== proof.voucherKey) throw new AigenError('voucher.key', undefined, { path: 'proof.voucherKey' })
  if (state.delay < DELAY_S_MIN) throw new AigenError('lane.unsafe', `${state.delay} s, at least ${DELAY_S_MIN}`, { path: 'proof.vault' })
  checkEscrowLane(terms, state.delay)
  if (state.closed || state.exitAt !== 0) throw new AigenError('lane.closed', undefined, { path: 'lane' })
  const used = known ? BigInt(known.cumulative) : state.claimed
  const short = (reserved: bigint): boolean => reserved - used < BigInt(terms.cap)
  if (short(state.reserved) && confirmations && !short((await rail.lane(lane))?.reserved ?? 0n)) throw new AigenError('lane.unconfirmed', `it is not ${confirmations} blocks deep`, { path: 'lane' })
  if (short(state.reserved)) throw new AigenError('voucher.over-reserve', `${state.reserved - used} left, ${terms.cap} asked`, { path: 'lane' })
}
