/**
 * The sender: one actor per account through which every chain write of that account goes (D1).
 *
 * One write at a time: it asks for the signed bytes at the next nonce, has them in its context (so
 * in the journal) before they leave, broadcasts the same bytes until they are mined, and raises the
 * fees at the same nonce when that takes too long. A write is named by its sender's key: sent again
 * it is answered, never done twice. Wired by `runtime/node`, which wraps it as an actor kind and
 * registers `chainEffects` (`sender-effects.ts`) for the effects named here.
 *
 * Asked by `send`; tells the asker `chain.write.done` or `chain.write.failed`, both with the key.
 */
import { assign, createMachine, enqueueActions } from 'xstate'
import type { ErrorBody, ErrorCode } from '../../schemas/error.ts'
import type { Json, RailWriteJson } from '../ports/rail-json.ts'
import type { PaidRow, RefusedRow } from '../ports/rail.ts'
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

/** Refusals after which trying again is of no use. */
const FINAL: ReadonlySet<ErrorCode> = new Set(['chain.reverted', 'input.invalid', 'money.invalid', 'internal'])

export interface SendRequest {
  /** The asker's name for this write; the same key is the same write. */
  readonly key: string
  /** Actor that hears the result. */
  readonly to: string
  readonly write: RailWriteJson
}

export interface Sending extends SendRequest {
  /** Null until the chain was asked. */
  readonly nonce: number | null
  /** All bytes ever signed at this nonce, the latest last. */
  readonly signed: readonly { readonly bytes: Hex, readonly hash: Hex }[]
  readonly rounds: number
  readonly displaced: number
  readonly signTries: number
}

/** What the asker is told. */
export type SendResult =
  | {
    readonly type: 'chain.write.done', readonly key: string, readonly hash: Hex, readonly block: number
    readonly paid: readonly Json<PaidRow>[], readonly refused: readonly RefusedRow[]
  }
  | { readonly type: 'chain.write.failed', readonly key: string, readonly hash: Hex | null, readonly error: ErrorBody }

export interface SenderContext {
  readonly account: Hex
  readonly queue: readonly SendRequest[]
  readonly current: Sending | null
  readonly results: readonly SendResult[]
}

interface Failure {
  readonly error: ErrorBody
}

export type SenderEvent =
  | ({ readonly type: 'send' } & SendRequest)
  | { readonly type: 'chain.sign.done', readonly key: string, readonly nonce: number, readonly bytes: Hex, readonly hash: Hex }
  | ({ readonly type: 'chain.sign.failed' } & Failure)
  | { readonly type: 'chain.broadcast.done', readonly key: string }
  | ({ readonly type: 'chain.broadcast.failed' } & Failure)
  | {
    readonly type: 'chain.outcome.done', readonly key: string, readonly hash: Hex, readonly ok: boolean, readonly block: number
    readonly reason?: string, readonly paid: readonly Json<PaidRow>[], readonly refused: readonly RefusedRow[]
  }
  | { readonly type: 'chain.outcome.pending', readonly key: string, readonly displaced: boolean }
  | ({ readonly type: 'chain.outcome.failed' } & Failure)

type At<E extends SenderEvent['type'] = SenderEvent['type']> = { context: SenderContext, event: Extract<SenderEvent, { type: E }> }

/** An action the host turns into an effect or a message; it has no implementation here. */
const data = (type: string, params: object | ((at: { context: SenderContext }) => object)): any => ({ type, params })

const tell = (to: string, event: SendResult): unknown => data('tell', { to, event })

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
  if (known !== undefined) return enqueue(tell(to, known))
  if (context.current?.key === key || context.queue.some((queued) => queued.key === key)) return
  if (context.queue.length >= QUEUE_MAX) {
    const error: ErrorBody = { code: 'node.busy', message: 'Too many chain writes are waiting.' }
    return enqueue(tell(to, { type: 'chain.write.failed', key, hash: null, error }))
  }
  enqueue.assign({ queue: [...context.queue, { key, to, write }] })
})

/** Tells the asker and keeps the result; `of` makes it from the event. */
const finish = (of: (current: Sending, event: SenderEvent) => SendResult) =>
  choose(({ context, event, enqueue }) => {
    if (context.current === null) return
    const result = of(context.current, event)
    enqueue(tell(context.current.to, result))
    enqueue.assign({ current: null, results: [...context.results, result].slice(-RESULTS_MAX) })
  })

const fail = finish((current, event) => ({
  type: 'chain.write.failed', key: current.key, hash: current.signed.at(-1)?.hash ?? null, error: (event as unknown as Failure).error,
}))

const conclude = finish((current, event) => {
  const { hash, ok, block, reason, paid, refused } = event as At<'chain.outcome.done'>['event']
  if (ok) return { type: 'chain.write.done', key: current.key, hash, block, paid, refused }
  return { type: 'chain.write.failed', key: current.key, hash, error: { code: 'chain.reverted', message: reason ?? 'reverted' } }
})

const mine = ({ context, event }: { context: SenderContext, event: SenderEvent }): boolean =>
  'key' in event && event.key === context.current?.key

const isFinal = ({ event }: { event: SenderEvent }): boolean => FINAL.has((event as unknown as Failure).error.code)
const left = ({ context }: { context: SenderContext }): boolean => (context.current?.signed.length ?? 0) > 0

export const senderMachine = createMachine({
  id: 'sender',
  types: {} as { context: SenderContext, events: SenderEvent, input: { readonly account: Hex } },
  context: ({ input }) => ({ account: input.account, queue: [], current: null, results: [] }),
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
          return { queue, current: { ...first, nonce: null, signed: [], rounds: 0, displaced: 0, signTries: 0 } }
        }),
      },
    },
    signing: {
      entry: [
        patch((current) => ({ signTries: current.signTries + 1 })),
        data('chain.sign', ({ context: { account, current } }) =>
          ({ account, key: current?.key, write: current?.write, nonce: current?.nonce ?? null, bump: current?.signed.length ?? 0 })),
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
        'chain.sign.failed': [
          // A replacement that cannot be signed leaves the bytes that are out there.
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
        'chain.outcome.pending': { guard: mine, target: 'judging', actions: assign({
          current: ({ context, event }) => context.current && {
            ...context.current, rounds: context.current.rounds + 1, displaced: event.displaced ? context.current.displaced + 1 : 0,
          },
        }) },
        'chain.outcome.failed': { target: 'resting', actions: patch((current) => ({ rounds: current.rounds + 1 })) },
      },
    },
    judging: {
      always: [
        // Another transaction has this nonce, so ours can never be mined: a new nonce is safe.
        {
          guard: ({ context }) => (context.current?.displaced ?? 0) >= DISPLACED_MAX,
          target: 'signing',
          actions: patch(() => ({ nonce: null, signed: [], rounds: 0, displaced: 0, signTries: 0 })),
        },
        {
          guard: ({ context: { current } }) => current !== null && current.displaced === 0 && current.rounds % ROUNDS_PER_BUMP === 0 &&
            current.signed.length <= BUMPS_MAX,
          target: 'signing',
        },
        { target: 'broadcasting' },
      ],
    },
    resting: { after: { [RETRY_MS]: 'broadcasting' } },
  },
})
