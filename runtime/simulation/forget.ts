/** What a disk that lied has lost when its process starts again (D10). Used by `world`. */
import type { MemoryDisk } from '../memory/journal.ts'

interface Store {
  readonly disk: MemoryDisk
  readonly archive: MemoryDisk
  /** The log of each record, as they were stored. */
  readonly stored: string[]
}

/** The disk as it was before its last `records` records, in whichever log they are; what was given up since then is back. */
export function forget({ disk, archive, stored }: Store, records: number): void {
  for (const partition of stored.splice(Math.max(0, stored.length - records))) archive.get(partition)!.pop()
  for (const [partition, left] of disk) left.splice(0, left.length, ...(archive.get(partition) ?? []))
}
