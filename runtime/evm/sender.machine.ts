/**
 * The sender: one actor per account through which every chain write of that account goes (D1).
 *
 * One write at a time: it asks for the signed bytes at the next nonce, has them in its context (so
 * in the journal) before they leave, broadcasts the same bytes until they are mined, and raises the
 * fees at the same nonce when that takes too long. A write is named by its sender's key: sent again
 * it is answered, never done twice. Wired by `runtime/node`, which wraps it as an actor kind and
 * registers `chainEffects` (`sender-effects.ts`) for the effects named here.
 *
 * A chain that has lost blocks (its nonce is below what was mined) gets the lost bytes again, in
 * order, before anything new: same bytes, same nonces, so nothing can happen twice. See `sender.ts`.
 *
 * Asked by `send`; tells the asker `chain.write.done` or `chain.write.failed`, both with the key, and
 * `chain.write.lost` when the chain had lost a write that was told as done.
 */
import { assign, createMachine, enqueueActions } from 'xstate'
import { ERRORS, type ErrorBody, type ErrorCode } from '../../schemas/error.ts'
import {
  isRepeatable, lostFrom, nextNonce, remember, type Failure, type Sending, type SenderContext, type SenderEvent, type SendResult,
  type WriteLost,
} from './sender.ts'
import type { Hex } from '../ports/signer.ts'

/** Writes waiting for the one under way. */
const QUEUE_MAX = 256
/** Results kept for askers that ask again: a key is remembered for this many later writes. */
const RESULTS_MAX = 200
/** Rounds of broadcast and look-up, about five seconds each, before the fees are raised. */
const ROUNDS_PER_BUMP = 12
/** Replacements of one write; each raises the fees by a quarter. */
const BUMPS_MAX = 10
/** Look-ups in a row that must find the nonce used up by some other transaction. */
const DISPLACED_MAX = 3
/** Attempts to sign, while the chain does not answer, before the asker is told; nothing left until then. */
const SIGN_TRIES_MAX = 20
const RETRY_MS = 3_000
/** Look-ups in a row that must find the chain behind by more than is remembered. */
const BEHIND_MAX = 3
/** Times that lost transactions are sent again for one write before they are taken for lost for good. */
const MENDS_MAX = 6
/** After the last write the chain is looked at once more: what it loses, it loses soon. */
const CHECK_MS = 15_000

/** Refusals after which trying again is of no use. */
const FINAL: ReadonlySet<ErrorCode> = new Set(['chain.reverted', 'input.invalid', 'money.invalid', 'internal', 'signer.refused', 'signer.wrong'])

type At<E extends SenderEvent['type'] = SenderEvent['type']> = { context: SenderContext, event: Extract<SenderEvent, { type: E }> }

/** An action the host turns into an effect or a message; it has no implementation here. */
const data = (type: string, params: object | ((at: { context: SenderContext }) => object)): any => ({ type, params })

const tell = (to: string, event: SendResult | WriteLost): unknown => data('tell', { to, event })

const patch = (change: (current: Sending) => Partial<Sending>) =>
  assign<SenderContext, SenderEvent, undefined, SenderEvent, never>({
    current: ({ context }) => context.current && { ...context.current, ...change(context.current) },
  })

interface Enqueue {
  (action: unknown): void
  assign(change: Partial<SenderContext>): void
}

/** Actions chosen while the event is looked at; xstate cannot infer their types outside the machine. */
const choose = (pick: (at: { context: SenderContext, event: SenderEvent, enqueue: Enqueue }) => void): any => enqueueActions(pick as never)

/** A write that is asked for: answered when known, queued when new, refused when there is no room. */
const take = choose(({ context, event, enqueue }) => {
  const { key, to, write } = event as At<'send'>['event']
  const known = context.results.find((result) => result.key === key)
  // Nothing of it has ever left, and the chain may be back or a person agree now: it is a new try. Anything else is answered.
  const retry = known?.type === 'chain.write.failed' && known.hash === null && (ERRORS[known.error.code]?.retry || known.error.code.startsWith('signer.'))
  if (known !== undefined && !retry) return enqueue(tell(to, known))
  if (context.current?.key === key || context.queue.some((queued) => queued.key === key)) return
  if (context.queue.length >= QUEUE_MAX) {
    const error: ErrorBody = { code: 'node.busy', message: 'Too many chain writes are waiting.' }
    return enqueue(tell(to, { type: 'chain.write.failed', key, hash: null, error }))
  }
  enqueue.assign({ queue: [...context.queue, { key, to, write }], results: context.results.filter((result) => result !== known) })
})

/** Tells the asker and keeps the result, and the bytes of what was mined; `of` makes it from the event. */
const finish = (of: (current: Sending, event: SenderEvent) => SendResult) =>
  choose(({ context, event, enqueue }) => {
    if (context.current === null) return
    const result = of(context.current, event)
    enqueue(tell(context.current.to, result))
    const mined = event.type === 'chain.outcome.done' ? { history: remember(context.history, context.current, event.hash), checked: false } : {}
    enqueue.assign({ current: null, results: [...context.results, result].slice(-RESULTS_MAX), ...mined })
  })

const fail = finish((current, event) => ({
  type: 'chain.write.failed', key: current.key, hash: current.signed.at(-1)?.hash ?? null, error: (event as unknown as Failure).error,
}))

const conclude = finish((current, event) => {
  const { hash, ok, block, reason, paid, refused } = event as At<'chain.outcome.done'>['event']
  if (ok) return { type: 'chain.write.done', key: current.key, hash, block, paid, refused }
  return { type: 'chain.write.failed', key: current.key, hash, error: { code: 'chain.reverted', message: reason ?? 'reverted' } }
})

/** What no more than these bytes can mend: the chain lost more than is remembered, or is another one. */
const giveUp = finish((current) => ({
  type: 'chain.write.failed', key: current.key, hash: current.signed.at(-1)?.hash ?? null,
  error: { code: 'chain.reverted', message: `${ERRORS['chain.reverted'].says} The chain has lost more of this account's transactions than are remembered.` },
}))

/** Tells who asked for what the chain has lost since `nonce`, and forgets it where it cannot be mended. */
const mourn = (forget: boolean) => choose(({ context, event, enqueue }) => {
  const nonce = (event as { nonce: number }).nonce
  for (const { key, to, hash } of context.history.filter((one) => one.nonce >= nonce)) enqueue(tell(to, { type: 'chain.write.lost', key, hash }))
  if (forget) enqueue.assign({ history: [] })
})

/** Whether all that the chain has lost is remembered. Sending it again is harmless where it was not lost after all. */
const isMendable = ({ context, event }: { context: SenderContext, event: SenderEvent }): boolean =>
  lostFrom(context, (event as { nonce: number }).nonce) !== undefined

const mine = ({ context, event }: { context: SenderContext, event: SenderEvent }): boolean =>
  'key' in event && event.key === context.current?.key

/** The write that is under way from its beginning, at whatever nonce the chain gives. */
const anew = patch(() => ({ nonce: null, signed: [], rounds: 0, displaced: 0, behind: 0, signTries: 0 }))

const isFinal = ({ event }: { event: SenderEvent }): boolean => FINAL.has((event as unknown as Failure).error.code)
const left = ({ context }: { context: SenderContext }): boolean => (context.current?.signed.length ?? 0) > 0

export const senderMachine = createMachine({
  id: 'sender',
  types: {} as { context: SenderContext, events: SenderEvent, input: { readonly account: Hex } },
  context: ({ input }) => ({ account: input.account, queue: [], current: null, results: [], history: [], checked: true }),
  initial: 'idle',
  on: { send: { actions: take } },
  states: {
    idle: {
      always: {
        guard: ({ context }) => context.queue.length > 0,
        target: 'signing',
        actions: assign(({ context }) => {
          const [first, ...queue] = context.queue
          if (first === undefined) return {}
          return { queue, current: { ...first, nonce: null, signed: [], rounds: 0, displaced: 0, behind: 0, signTries: 0 } }
        }),
      },
      after: { [CHECK_MS]: { guard: ({ context }) => !context.checked, target: 'checking' } },
    },
    checking: {
      entry: [assign({ checked: true }), data('chain.nonce', ({ context }) => ({ account: context.account, next: nextNonce(context) }))],
      on: {
        'chain.nonce.done': [
          { guard: ({ context, event }) => event.nonce < nextNonce(context) && isMendable({ context, event }), target: 'mending' },
          { guard: ({ context, event }) => event.nonce < nextNonce(context), target: 'idle', actions: mourn(true) },
          { target: 'idle' },
        ],
        'chain.nonce.failed': 'idle',
      },
    },
    // The same bytes at the same nonces, oldest first. Whoever asked hears of it when they are out.
    mending: {
      entry: data('chain.mend', ({ context, event }: any) => ({
        nonce: event.nonce, hashes: lostFrom(context, event.nonce)?.map(({ hash }) => hash), bytes: lostFrom(context, event.nonce)?.map(({ bytes }) => bytes),
      })),
      on: {
        'chain.mend.done': [
          { guard: ({ context }) => context.current === null, target: 'idle', actions: mourn(false) },
          { guard: left, target: 'broadcasting', actions: mourn(false) },
          { target: 'signing', actions: mourn(false) },
        ],
        'chain.mend.failed': [
          { guard: ({ context }) => context.current === null, target: 'idle', actions: assign({ checked: false }) },
          { guard: left, target: 'resting' },
          { target: 'unsigned' },
        ],
      },
    },
    signing: {
      entry: [
        patch((current) => ({ signTries: current.signTries + 1 })),
        data('chain.sign', ({ context, context: { account, current } }) =>
          ({ account, key: current?.key, write: current?.write, nonce: current?.nonce ?? null, bump: current?.signed.length ?? 0, next: nextNonce(context) })),
      ],
      on: {
        'chain.sign.done': {
          guard: mine,
          target: 'broadcasting',
          actions: assign({
            current: ({ context, event }) => context.current && {
              ...context.current, nonce: event.nonce, signed: [...context.current.signed, { bytes: event.bytes, hash: event.hash }],
            },
          }),
        },
        // Nothing of this write has left: the chain's own nonce is free for it, once what was lost is mended.
        'chain.sign.behind': [
          { guard: (at) => mine(at) && isMendable(at) && (at.context.current?.signTries ?? 0) < MENDS_MAX, target: 'mending' },
          { guard: ({ context }) => (context.current?.signTries ?? 0) >= BEHIND_MAX, target: 'signing', actions: mourn(true), reenter: true },
          { target: 'unsigned' },
        ],
        'chain.sign.failed': [
          // A replacement that cannot be signed leaves the bytes that are out there.
          // A person who refuses to raise the fees is not asked again and again.
          { guard: (at) => left(at) && isFinal(at), target: 'broadcasting', actions: patch(() => ({ asIs: true })) },
          { guard: left, target: 'broadcasting' },
          { guard: ({ context, event }) => isFinal({ event }) || (context.current?.signTries ?? 0) >= SIGN_TRIES_MAX, target: 'idle', actions: fail },
          { target: 'unsigned' },
        ],
      },
    },
    unsigned: { after: { [RETRY_MS]: 'signing' } },
    broadcasting: {
      entry: data('chain.broadcast', ({ context: { current } }) => ({ key: current?.key, bytes: current?.signed.at(-1)?.bytes })),
      on: {
        'chain.broadcast.done': { guard: mine, target: 'watching' },
        'chain.broadcast.failed': [
          // Refused at the door the first time: the nonce is still free, nothing can come of these bytes.
          {
            guard: ({ context, event }) => isFinal({ event }) && context.current?.signed.length === 1 && context.current.rounds === 0,
            target: 'idle', actions: fail,
          },
          // No answer may mean that it arrived.
          { target: 'watching' },
        ],
      },
    },
    watching: {
      entry: data('chain.outcome', ({ context: { account, current } }) =>
        ({ account, key: current?.key, nonce: current?.nonce, hashes: current?.signed.map(({ hash }) => hash) })),
      on: {
        'chain.outcome.done': { guard: mine, target: 'idle', actions: conclude },
        'chain.outcome.pending': [
          {
            guard: (at) => mine(at) && at.event.nonce < nextNonce(at.context) && isMendable(at) && (at.context.current?.behind ?? 0) < MENDS_MAX,
            target: 'mending', actions: patch((current) => ({ behind: current.behind + 1 })),
          },
          { guard: mine, target: 'judging', actions: assign({
            current: ({ context, event }) => context.current && {
              ...context.current, rounds: context.current.rounds + 1, displaced: event.displaced ? context.current.displaced + 1 : 0,
              behind: event.nonce < (context.current.nonce ?? 0) ? context.current.behind + 1 : 0,
            },
          }) },
        ],
        'chain.outcome.failed': { target: 'resting', actions: patch((current) => ({ rounds: current.rounds + 1 })) },
      },
    },
    judging: {
      always: [
        // Another transaction has this nonce, so ours can never be mined: a new nonce is safe.
        {
          guard: ({ context }) => (context.current?.displaced ?? 0) >= DISPLACED_MAX,
          target: 'signing',
          actions: anew,
        },
        // The nonces before ours are gone for good. A write that may be done twice is signed at the chain's own
        // nonce: the old bytes could only follow later, and change nothing. Any other fails, and its asker decides.
        { guard: ({ context: { current } }) => (current?.behind ?? 0) >= BEHIND_MAX && isRepeatable(current), target: 'signing', actions: [assign({ history: [] }), anew] },
        { guard: ({ context: { current } }) => (current?.behind ?? 0) >= BEHIND_MAX, target: 'idle', actions: [assign({ history: [] }), giveUp] },
        {
          guard: ({ context: { current } }) => current !== null && !current.asIs && current.displaced === 0 && current.behind === 0 && current.rounds % ROUNDS_PER_BUMP === 0 &&
            current.signed.length <= BUMPS_MAX,
          target: 'signing',
        },
        { target: 'broadcasting' },
      ],
    },
    resting: { after: { [RETRY_MS]: 'broadcasting' } },
  },
})
