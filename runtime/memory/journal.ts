/**
 * The journal in memory: the same compare-and-swap, the same answer to a repeated id (DESIGN D2,
 * D10; I6). Several journals over one disk are several owners; what they wrote outlives `close`,
 * as it would outlive a process. Faults are injected by the hooks.
 */
import { AigenError } from '../../schemas/error.ts'
import { validPartition } from '../ports/journal.ts'
import type { Journal, Log, LogEntry } from '../ports/journal.ts'

export interface MemoryRecord extends LogEntry { readonly id: string; readonly writer: object }

/** What outlives a process: the records of each partition. */
export type MemoryDisk = Map<string, MemoryRecord[]>

export interface MemoryJournalHooks {
  /** Runs before a record is looked at; throw `journal.unknown` to lose the append. */
  readonly beforeAppend?: (partition: string, id: string) => Promise<void> | void
  /** Runs when it is stored; throw `journal.unknown` to lose the acknowledgement. */
  readonly afterAppend?: (partition: string, id: string) => Promise<void> | void
}

/** A journal over `disk`; give two journals the same disk to have two owners. */
export function memoryJournal(disk: MemoryDisk = new Map(), hooks: MemoryJournalHooks = {}): Journal {
  let closed = false
  const writer = {}
  const check = (): void => {
    if (closed) throw new AigenError('network.closed')
  }
  return {
    async open(partition) {
      check()
      if (!validPartition(partition)) throw new AigenError('input.invalid', `partition ${JSON.stringify(partition)}`)
      const records = disk.get(partition) ?? []
      disk.set(partition, records)
      return open(partition, records, writer, hooks, check)
    },
    async close() {
      closed = true
    },
  }
}

function open(partition: string, records: MemoryRecord[], writer: object, hooks: MemoryJournalHooks, check: () => void): Log {
  const own = new Map(records.filter((record) => record.writer === writer).map((record) => [record.id, record]))
  return {
    partition,
    async last() {
      check()
      return records.at(-1)?.sequence ?? 0
    },
    async append(data, expectedLast, id) {
      check()
      await hooks.beforeAppend?.(partition, id)
      check()
      const last = records.at(-1)?.sequence ?? 0
      const known = own.get(id)
      if (known !== undefined) {
        if (known.sequence === expectedLast + 1 && Buffer.compare(known.data, data) === 0) return known.sequence
        throw new AigenError('journal.conflict', `id ${id} is used by record ${known.sequence} of ${partition}`)
      }
      if (last !== expectedLast) throw new AigenError('journal.conflict', `${partition} is at ${last}, not ${expectedLast}`)
      const stored: MemoryRecord = { sequence: last + 1, data: new Uint8Array(data), id, writer }
      records.push(stored)
      own.set(id, stored)
      await hooks.afterAppend?.(partition, id)
      return stored.sequence
    },
    async first() {
      check()
      return records[0]?.sequence ?? 1
    },
    async at(sequence) {
      check()
      const record = records[sequence - (records[0]?.sequence ?? 1)]
      return record && { sequence, data: new Uint8Array(record.data) }
    },
    async purge(before) {
      check()
      records.splice(0, Math.max(0, Math.min(before - (records[0]?.sequence ?? 1), records.length - 1)))
    },
    async *read(from) {
      check()
      const start = Math.max(0, from - (records[0]?.sequence ?? 1))
      for (const { sequence, data } of records.slice(start)) {
        check()
        yield { sequence, data: new Uint8Array(data) }
      }
    },
  }
}
