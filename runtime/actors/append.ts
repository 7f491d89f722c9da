/**
 * One append that is made sure of: the same bytes with the same id again while nobody confirmed
 * them. Used by `partition` and `snapshot-log`.
 */
import { asError } from '../../schemas/error.ts'
import type { Clock } from '../ports/clock.ts'
import type { Log } from '../ports/journal.ts'

/** Times one record is sent when its append is not confirmed, before ownership is given up. */
const ATTEMPTS = 20

/** The sequence of the record. Errors: `journal.conflict`, `journal.unknown`, `network.closed`. */
export async function appendSurely(log: Log, clock: Clock, data: Uint8Array, last: number, id: string): Promise<number> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await log.append(data, last, id)
    } catch (thrown) {
      const error = asError(thrown)
      if (error.code !== 'journal.unknown' || attempt >= ATTEMPTS) throw error
      await clock.sleep(Math.min(2_000, 50 * 2 ** attempt))
    }
  }
}
