/**
 * The journal: the ordered, durable truth of one participant (DESIGN D2).
 *
 * One log per partition. An append names the sequence it expects to follow (compare-and-swap on
 * the whole log), so two owners can never both append: that is what I6 rests on. Implemented by
 * `runtime/nats` (JetStream, one stream per partition), `runtime/memory` and, for light nodes, a
 * local fsynced file; all pass `journal.contract.ts`. Used by `runtime/actors` only.
 */

export interface LogEntry {
  /** 1 for the first record of a log, then without gaps (purged records leave the front). */
  readonly sequence: number
  readonly data: Uint8Array
}

export interface Log {
  readonly partition: string
  /** Sequence of the last record, 0 for an empty log. */
  last(): Promise<number>
  /**
   * Appends `data` as record `expectedLast + 1` and resolves with that sequence once it is durable.
   *
   * - `journal.conflict`: another owner appended first; nothing was written.
   * - `journal.unknown`: no answer came; the record may or may not be stored. Calling again with
   *   the same `data`, `expectedLast` and `id` is safe: a stored record is found by its id, not
   *   appended twice. The same id at another place or with other data is a `journal.conflict`.
   *   Ids count within one `Journal` object: two owners that happen to make the same id for the
   *   same place are still two owners, and one of them gets `journal.conflict` (I6).
   * - `input.too-large`: the record is larger than the journal takes.
   */
  append(data: Uint8Array, expectedLast: number, id: string): Promise<number>
  /** Sequence of the first record that is still there; 1 for an empty log. */
  first(): Promise<number>
  /** The record at `sequence`, or nothing when it was purged or never written. */
  at(sequence: number): Promise<LogEntry | undefined>
  /**
   * Gives up the records before `before`: they are gone from here on, or some time later, a few at a
   * time. The last record always stays, and sequences go on as they were.
   */
  purge(before: number): Promise<void>
  /** Records from `from` (inclusive) to the last one at the time of the call, in order. */
  read(from: number): AsyncIterable<LogEntry>
}

export interface Journal {
  /** Opens the partition's log, creating it when it is not there. */
  open(partition: string): Promise<Log>
  close(): Promise<void>
}

/** Partitions name streams and subjects: letters, digits, `_` and `-`, at most 128. */
export function validPartition(partition: string): boolean {
  return /^[A-Za-z0-9_-]{1,128}$/.test(partition)
}
