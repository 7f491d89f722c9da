/**
 * Kept answers: what `Idempotency-Key` promises (clients retry by themselves). The same key with the
 * same request is the same call: done once, paid once, answered again, also across a crash, since the
 * call's name comes from here and the journal knows it (I1). A failed attempt is not kept: the next
 * try is another call. Rows live for a day.
 */
import { hashOf } from '../../schemas/canonical.ts'
import { AigenError } from '../../schemas/error.ts'
import type { Clock } from '../../runtime/ports/clock.ts'
import type { Database } from './database.ts'

/** How long an answer is kept, in ms. */
export const KEPT_MS = 86_400_000
const KEY = /^[\x21-\x7e]{1,255}$/
const PRUNE_EVERY = 256

/** One request under its key. */
export interface Repeatable<Answer> {
  /** What was answered before. */
  readonly answer: Answer | undefined
  /** Names the call of this attempt. */
  readonly call: string
  keep(answer: Answer): Promise<void>
  /** This attempt came to nothing for good. */
  fail(): Promise<void>
  /** Lets the next request under the key in; call it when this one has ended, however it ended. */
  leave(): void
}

export interface Answers {
  /**
   * Enters the request; one at a time for a key.
   * Errors: `gateway.repeat` for another body under the key, `gateway.pending` while the first is under way.
   */
  enter<Answer>(apiKey: string, idempotencyKey: string, request: unknown): Promise<Repeatable<Answer>>
}

export function openAnswers({ db, clock }: { readonly db: Database; readonly clock: Pick<Clock, 'now'> }): Answers {
  const under = new Set<string>()
  let entered = 0
  return {
    enter: async (apiKey, idem, request) => {
      if (!KEY.test(idem)) throw new AigenError('input.invalid', 'Idempotency-Key has 1 to 255 visible characters.', { path: 'Idempotency-Key' })
      // As JSON has it: what is undefined is not there.
      const body = hashOf(JSON.parse(JSON.stringify(request)))
      const name = `${apiKey} ${idem}`
      if (under.has(name)) throw new AigenError('gateway.pending')
      under.add(name)
      try {
        const now = clock.now()
        if (entered++ % PRUNE_EVERY === 0) await db.deleteFrom('gateway_answer').where('expires_at', '<=', now).execute()
        const mine = <Query extends { where(column: any, op: '=', value: string): Query }>(query: Query): Query => query.where('key', '=', apiKey).where('idem', '=', idem)
        await mine(db.deleteFrom('gateway_answer')).where('expires_at', '<=', now).execute()
        await db.insertInto('gateway_answer').values({ key: apiKey, idem, body, attempt: 0, answer: null, expires_at: now + KEPT_MS }).onConflict((conflict) => conflict.doNothing()).execute()
        const row = await mine(db.selectFrom('gateway_answer').selectAll()).executeTakeFirstOrThrow()
        if (row.body !== body) throw new AigenError('gateway.repeat')
        const attempt = Number(row.attempt)
        return {
          answer: row.answer === null ? undefined : JSON.parse(row.answer),
          // With the time, so that a key used again after a day is another call.
          call: `idem:${hashOf([apiKey, idem, Number(row.expires_at), attempt]).slice('sha256-'.length)}`,
          keep: async (answer) => void (await mine(db.updateTable('gateway_answer').set({ answer: JSON.stringify(answer) })).execute()),
          fail: async () => void (await mine(db.updateTable('gateway_answer').set({ attempt: attempt + 1 })).where('attempt', '=', attempt).execute()),
          leave: () => void under.delete(name),
        }
      } catch (error) {
        under.delete(name)
        throw error
      }
    },
  }
}
