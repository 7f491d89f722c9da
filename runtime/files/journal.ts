/**
 * The journal of a light node (DESIGN Words, D2): a folder of files per partition, appended to and
 * fsynced before an append is acknowledged; appends that arrive while one is being synced share the
 * next sync. An owner's first append shuts out the owner before it (`segment.ts`), in this process or
 * another, dead or alive, which is what I6 rests on. Used by `runtime/node`.
 */
import { randomUUID } from 'node:crypto'
import { mkdir, open, type FileHandle } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { LRUCache } from 'lru-cache'
import { AigenError, asError } from '../../schemas/error.ts'
import { validPartition } from '../ports/journal.ts'
import type { Journal, Log, LogEntry } from '../ports/journal.ts'
import { dataOf, encodeAppend, encodeFrame, FRAME_MAX } from './frame.ts'
import { giveUp, listSegments, makeSegment, readChain, readRecord, readStretch, segmentName, type Base, type Chain } from './segment.ts'
import { syncFile, syncFolder, writeAll } from './sync.ts'

/** Own ids that are remembered, for appends that are sent again. */
const IDS_MAX = 10_000
/** How often, and after which pause, an unsettled change of owner is looked at. */
const LOOKS_MAX = 100
const LOOK_MS = 10
/** An own file longer than this, of which the beginning is given up, is followed by a new one. */
const FILE_BYTES = 2 ** 20

interface Pending {
  readonly data: Uint8Array
  readonly expectedLast: number
  readonly id: string
  resolve(sequence: number): void
  reject(error: AigenError): void
}

/** The file this owner writes. */
interface Own {
  readonly segment: number
  readonly file: FileHandle
  at: number
  last: number
}

/** A journal in `folder`, which is made when it is not there. Two journals over one folder are two owners. */
export function fileJournal(folder: string): Journal {
  const writer = randomUUID()
  const logs = new Set<FileLog>()
  let closed = false
  return {
    async open(partition) {
      if (closed) throw new AigenError('network.closed')
      if (!validPartition(partition)) throw new AigenError('input.invalid', `partition ${JSON.stringify(partition)}`)
      const path = join(folder, partition)
      await mkdir(path, { recursive: true, mode: 0o700 })
      await syncFolder(folder)
      await syncFolder(dirname(folder))
      const log = new FileLog(partition, path, writer)
      logs.add(log)
      return log
    },
    async close() {
      closed = true
      await Promise.all([...logs].map((log) => log.close()))
    },
  }
}

class FileLog implements Log {
  readonly partition: string
  readonly #folder: string
  readonly #writer: Buffer
  readonly #ids = new LRUCache<string, number>({ max: IDS_MAX })
  #chain: Chain | undefined
  #own: Own | undefined
  #queue: Pending[] = []
  readonly #purges: { readonly before: number; resolve(): void; reject(error: AigenError): void }[] = []
  #working: Promise<void> | undefined
  #closed = false
  /** A sync that failed: what is on the disk is not known any more, by anybody in this process. */
  #broken: AigenError | undefined

  constructor(partition: string, folder: string, writer: string) {
    this.partition = partition
    this.#folder = folder
    this.#writer = Buffer.from(writer.replaceAll('-', ''), 'hex')
  }

  async last(): Promise<number> {
    this.#check()
    return (await this.#look()).last
  }

  append(data: Uint8Array, expectedLast: number, id: string): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#check()
      if (!/^[!-~]{1,200}$/.test(id)) throw new AigenError('input.invalid', `record id ${JSON.stringify(id)}`)
      if (data.length + 1_024 > FRAME_MAX) throw new AigenError('input.too-large', `a record of ${data.length} bytes`)
      this.#queue.push({ data: data.slice(), expectedLast, id, resolve, reject })
      this.#working ??= this.#work()
    })
  }

  async first(): Promise<number> {
    this.#check()
    const { stretches } = await this.#look()
    return (stretches.find(({ after, last }) => last > after)?.after ?? 0) + 1
  }

  async at(sequence: number): Promise<LogEntry | undefined> {
    this.#check()
    const payload = await this.#known(sequence) ?? await readRecord(this.#folder, await this.#look(), sequence)
    return payload && { sequence, data: dataOf(payload) }
  }

  /** Whole files only: what shares one with a record that stays, stays. */
  purge(before: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#check()
      this.#purges.push({ before, resolve, reject })
      this.#working ??= this.#work()
    })
  }

  async *read(from: number): AsyncIterable<LogEntry> {
    this.#check()
    const { stretches } = await this.#look()
    for (const stretch of stretches) {
      if (stretch.last < from) continue
      for await (const { sequence, payload } of readStretch(this.#folder, stretch)) {
        this.#check()
        if (sequence >= from) yield { sequence, data: dataOf(payload) }
      }
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#working
    await this.#own?.file.close()
    this.#own = undefined
  }

  async #work(): Promise<void> {
    while (this.#queue.length > 0 || this.#purges.length > 0) {
      for (const { before, resolve, reject } of this.#purges.splice(0)) await this.#giveUp(before).then(resolve, (thrown: unknown) => reject(asError(thrown)))
      const group = this.#queue
      this.#queue = []
      if (group.length > 0) await this.#commit(group).catch((thrown: unknown) => {
        // Settled ones do not hear of it.
        for (const one of group) one.reject(asError(thrown, 'journal.unknown'))
      })
    }
    // At once: whoever asks for something between this and the promise's end would wait for ever.
    this.#working = undefined
  }

  /** One group: written together, synced once, acknowledged when no later owner has begun. */
  async #commit(group: readonly Pending[]): Promise<void> {
    if (this.#broken) throw this.#broken
    const fresh: Pending[] = []
    for (const one of group) {
      const known = this.#ids.get(one.id)
      if (known === undefined) fresh.push(one)
      else await this.#again(one, known)
    }
    if (fresh.length === 0) return
    if (!this.#own) {
      const follows = ({ last }: Chain): boolean => fresh.some((one) => one.expectedLast === last)
      const { last } = follows(await this.#look()) ? this.#chain! : await this.#settle()
      if (!follows(this.#chain!)) return fresh.forEach((one) => one.reject(this.#conflict(last)))
      this.#own = await this.#claim()
    }
    const own = this.#own
    const written: Pending[] = []
    const frames: Buffer[] = []
    let last = own.last
    for (const one of fresh) {
      // Appended by this owner already, within this group: a repeated id is looked at in the next.
      if (written.some(({ id }) => id === one.id)) this.#queue.push(one)
      else if (one.expectedLast !== last) one.reject(this.#conflict(last))
      else {
        frames.push(this.#frame(one, ++last))
        written.push(one)
      }
    }
    if (written.length === 0) return
    const bytes = Buffer.concat(frames)
    try {
      await writeAll(own.file, bytes, own.at)
      await own.file.datasync()
    } catch (cause) {
      throw this.#break(cause)
    }
    if ((await listSegments(this.#folder)).at(-1) === own.segment) {
      for (const [place, one] of written.entries()) {
        this.#ids.set(one.id, own.last + place + 1)
        one.resolve(own.last + place + 1)
      }
      own.at += bytes.length
      own.last = last
      return
    }
    await own.file.close()
    this.#own = undefined
    for (const one of written) await this.#again(one, one.expectedLast + 1)
  }

  async #giveUp(before: number): Promise<void> {
    if (this.#own && this.#own.at > FILE_BYTES && this.#own.last >= before) {
      await this.#own.file.close()
      this.#own = undefined
      this.#own = await this.#claim()
    }
    const { stretches, last } = await this.#settle()
    const old = stretches.findLast((one) => one.last < Math.min(before, last))
    if (!old) return
    await giveUp(this.#folder, old.segment)
    this.#chain = undefined
  }

  /** Whether the record at `sequence` is the one that was to be appended; answers it. */
  async #again(one: Pending, sequence: number): Promise<void> {
    let chain = await this.#settle()
    if (!chain.settled) {
      // Whoever began has died before it said where: the next owner says it.
      this.#own = await this.#claim()
      chain = await this.#settle()
    }
    const record = await readRecord(this.#folder, chain, sequence)
    const ours = record !== undefined && this.#frame(one, sequence).equals(encodeFrame('record', sequence, record))
    if (!ours || sequence !== one.expectedLast + 1) return one.reject(this.#conflict(chain.last))
    this.#ids.set(one.id, sequence)
    return one.resolve(sequence)
  }

  /** What counts, once the newest owner has said where it follows; unsettled when it does not in time. */
  async #settle(): Promise<Chain> {
    for (let look = 1; ; look++) {
      const chain = await this.#look()
      if (chain.settled || look >= LOOKS_MAX) return chain
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
    }
  }

  /** A record that counts for certain, because this owner wrote it or follows it, and that was there at the last look. */
  async #known(sequence: number): Promise<Uint8Array | undefined> {
    if (!this.#own || !this.#chain?.settled || sequence > Math.min(this.#own.last, this.#chain.last)) return undefined
    // It may have been given up since.
    return readRecord(this.#folder, this.#chain, sequence).catch(() => undefined)
  }

  /**
   * Becomes the owner. The file is there before the records of the owner before are read for the last
   * time, and that owner looks for it before it acknowledges: so what it acknowledged is counted.
   */
  async #claim(): Promise<Own> {
    const segment = await makeSegment(this.#folder)
    const chain = await readChain(this.#folder)
    const before = chain.stretches.at(-1)
    // What counts from now on must be on the disk, whoever wrote it and did not live to sync it.
    if (before) await syncFile(join(this.#folder, segmentName(before.segment)))
    const base: Base = { segment: before?.segment ?? 0, length: before?.until ?? 0, after: chain.last }
    const file = await open(join(this.#folder, segmentName(segment)), 'r+')
    const frame = encodeFrame('base', 0, Buffer.from(JSON.stringify(base)))
    try {
      await writeAll(file, frame, 0)
      await file.datasync()
    } catch (cause) {
      await file.close()
      throw this.#break(cause)
    }
    return { segment, file, at: frame.length, last: chain.last }
  }

  async #look(): Promise<Chain> {
    this.#chain = await readChain(this.#folder, this.#chain?.settled ? this.#chain : undefined)
    return this.#chain
  }

  #frame({ id, data }: Pending, sequence: number): Buffer {
    return encodeAppend(this.#writer, id, data, sequence)
  }

  #conflict(last: number): AigenError {
    return new AigenError('journal.conflict', `${this.partition} is at ${last}`)
  }

  #break(cause: unknown): AigenError {
    this.#broken = new AigenError('journal.unknown', `${this.partition} could not be written (${(cause as NodeJS.ErrnoException).code})`, { cause })
    return this.#broken
  }

  #check(): void {
    if (this.#closed) throw new AigenError('network.closed')
  }
}
