/**
 * The files of one partition. Each owner writes a file of its own, numbered up; its first frame says
 * after which record, in which earlier file and at which byte its records follow. What an earlier
 * owner writes behind that byte does not count, so a new owner shuts out the old one without its help
 * (I6), and a torn tail needs no truncation: files are only ever appended to. Used by `journal.ts`.
 */
import { randomUUID } from 'node:crypto'
import { link, open, readdir, readFile, rename, unlink, writeFile, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { AigenError } from '../../schemas/error.ts'
import { syncFile, syncFolder } from './sync.ts'
import { framesBehind, readFrames, type Frame } from './frame.ts'

/** Where a file's records follow. `segment` 0: at the very beginning. */
export interface Base {
  readonly segment: number
  /** Bytes of that file that count. */
  readonly length: number
  /** Sequence of the last record before. */
  readonly after: number
}

/** A stretch of one file that counts. */
export interface Stretch {
  readonly segment: number
  readonly from: number
  readonly until: number
  /** Sequences of its records: `after` + 1 … `last`. */
  readonly after: number
  readonly last: number
  /** Where some of its records begin, in their order, so that one is found without reading all before it. */
  readonly marks: readonly Mark[]
}

interface Mark {
  readonly sequence: number
  readonly at: number
}

export interface Chain {
  /** Highest file number there is, 0 for none. */
  readonly highest: number
  /** Whether that file says where it follows: until it does, what follows what is not settled. */
  readonly settled: boolean
  /** Oldest first. */
  readonly stretches: readonly Stretch[]
  readonly last: number
}

const NAME = /^(\d{8})\.log$/
/** Bytes between two marks, and about as many are read to find one record. */
const MARK_BYTES = 2 ** 16
/** Bytes that a file's first frame fits into. */
const BASE_BYTES = 4_096
/** Owners that may begin at the same moment. */
const TRIES_MAX = 100
/** Owners of one partition, over its life. */
const SEGMENTS_MAX = 99_999_999

export const segmentName = (segment: number): string => `${String(segment).padStart(8, '0')}.log`

/** Numbers of the files in `folder`, lowest first. */
export async function listSegments(folder: string): Promise<number[]> {
  const numbers = (await readdir(folder)).flatMap((name) => NAME.exec(name)?.[1] ?? []).map(Number)
  return numbers.sort((a, b) => a - b)
}

/** Makes the file of a new owner, empty and named durably. Errors: `journal.corrupt`, `journal.unknown`. */
export async function makeSegment(folder: string): Promise<number> {
  const draft = join(folder, `draft.${randomUUID()}`)
  await writeFile(draft, '', { mode: 0o600, flag: 'wx' })
  try {
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const segment = nextSegment((await listSegments(folder)).at(-1) ?? await givenUp(folder))
      try {
        await link(draft, join(folder, segmentName(segment)))
        await syncFolder(folder)
        return segment
      } catch (thrown) {
        if ((thrown as NodeJS.ErrnoException).code !== 'EEXIST') throw thrown
      }
    }
  } finally {
    await unlink(draft)
  }
  throw new AigenError('journal.unknown', `too many owners at once in ${folder}`)
}

/** The number after the highest. Error `journal.corrupt` when there is none. */
function nextSegment(highest: number): number {
  if (highest >= SEGMENTS_MAX) throw new AigenError('journal.corrupt', 'no file number is left')
  return highest + 1
}

/** Says, durably and before any of them goes, that the files up to this number are given up. */
const GIVEN_UP = 'given-up'

/** The highest file number that was given up, 0 for none. */
async function givenUp(folder: string): Promise<number> {
  try {
    return Number(await readFile(join(folder, GIVEN_UP), 'utf8'))
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return 0
    throw thrown
  }
}

/** Removes the files up to `segment`, whose records nobody needs any more. */
export async function giveUp(folder: string, segment: number): Promise<void> {
  if (segment > await givenUp(folder)) {
    const draft = join(folder, `draft.${GIVEN_UP}`)
    const file = await open(draft, 'w', 0o600)
    try {
      await file.writeFile(String(segment))
    } finally {
      await file.close()
    }
    await syncFile(draft)
    await rename(draft, join(folder, GIVEN_UP))
    await syncFolder(folder)
  }
  for (const old of await listSegments(folder)) if (old <= segment) await unlink(join(folder, segmentName(old)))
}

/** Reads what counts; `known` is an earlier answer, whose stretches are not read again. Error `journal.corrupt`. */
export async function readChain(folder: string, known?: Chain): Promise<Chain> {
  const gone = await givenUp(folder)
  try {
    return await readBehind(folder, gone, known)
  } catch (thrown) {
    // Files that were given up while this read them are not missing.
    if (await givenUp(folder) === gone) throw thrown
    return readChain(folder)
  }
}

async function readBehind(folder: string, gone: number, known?: Chain): Promise<Chain> {
  const segments = await listSegments(folder)
  const highest = segments.at(-1) ?? 0
  let settled = true
  const stretches: Stretch[] = []
  let until: Base | undefined
  for (let segment = highest; segment > gone;) {
    const before = known?.stretches.find((one) => one.segment === segment)
    const file = await openSegment(folder, segment)
    try {
      const base = await readBase(file)
      if (!base) {
        // Its owner died, or is about to write it; nothing behind it counts either way.
        if (until) throw new AigenError('journal.corrupt', `${segmentName(segment)} has no beginning`)
        if (segment === highest) settled = false
        segment = segments.filter((one) => one < segment).at(-1) ?? 0
        continue
      }
      const stretch = await follow(file, segment, base, until, before)
      stretches.unshift(stretch)
      until = base
      segment = base.segment
    } finally {
      await file.close()
    }
  }
  if (until && until.after !== 0 && until.segment > gone) throw new AigenError('journal.corrupt', 'the first file is missing')
  return { highest, settled, stretches, last: stretches.at(-1)?.last ?? 0 }
}

async function follow(file: FileHandle, segment: number, base: Base & { end: number }, until: Base | undefined, known?: Stretch): Promise<Stretch> {
  const from = base.end
  if (known && known.until === until?.length) return known
  // Only the newest file still grows: what was read of it stays as it is.
  const grows = known && (!until || known.until <= until.length)
  let [at, last] = grows ? [known.until, known.last] : [from, base.after]
  const marks: Mark[] = grows ? [...known.marks] : []
  for await (const frame of readFrames(file, at, until?.length)) {
    if (frame.kind !== 'record' || frame.sequence !== last + 1) throw damaged(segment, at)
    if (at >= (marks.at(-1)?.at ?? -MARK_BYTES) + MARK_BYTES) marks.push({ sequence: frame.sequence, at })
    at = frame.end
    last = frame.sequence
  }
  if (until && (at !== until.length || last !== until.after)) throw damaged(segment, at)
  if (!until && await framesBehind(file, at)) throw damaged(segment, at)
  return { segment, from, until: at, after: base.after, last, marks }
}

/** Where the file's records follow, and where they begin; undefined while that is not written. */
async function readBase(file: FileHandle): Promise<(Base & { end: number }) | undefined> {
  for await (const frame of readFrames(file, 0, undefined, BASE_BYTES)) {
    if (frame.kind !== 'base') return undefined
    return { ...JSON.parse(new TextDecoder().decode(frame.payload)) as Base, end: frame.end }
  }
  return undefined
}

/** Records of a stretch, in order. Error `journal.corrupt`. */
export async function* readStretch(folder: string, stretch: Stretch): AsyncGenerator<Frame> {
  const file = await openSegment(folder, stretch.segment)
  try {
    let last = stretch.after
    for await (const frame of readFrames(file, stretch.from, stretch.until)) {
      last = frame.sequence
      yield frame
    }
    if (last < stretch.last) throw damaged(stretch.segment, stretch.from)
  } finally {
    await file.close()
  }
}

/** The record `sequence` of a chain; nothing when it has none. Error `journal.corrupt`. */
export async function readRecord(folder: string, { stretches }: Chain, sequence: number): Promise<Uint8Array | undefined> {
  const stretch = stretches.find(({ after, last }) => after < sequence && sequence <= last)
  const mark = stretch?.marks[lastUpTo(stretch.marks, sequence)]
  if (!stretch || !mark) return undefined
  const file = await openSegment(folder, stretch.segment)
  try {
    for await (const frame of readFrames(file, mark.at, stretch.until, MARK_BYTES)) {
      if (frame.sequence === sequence) return frame.payload
      if (frame.sequence > sequence) break
    }
    return undefined
  } finally {
    await file.close()
  }
}

/** Place of the last mark at or before `sequence`, -1 for none. */
function lastUpTo(marks: readonly Mark[], sequence: number): number {
  let [low, high] = [0, marks.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (marks[middle]!.sequence <= sequence) low = middle + 1
    else high = middle
  }
  return low - 1
}

async function openSegment(folder: string, segment: number): Promise<FileHandle> {
  try {
    return await open(join(folder, segmentName(segment)), 'r')
  } catch (cause) {
    throw new AigenError('journal.corrupt', `${segmentName(segment)} cannot be read`, { cause })
  }
}

function damaged(segment: number, at: number): AigenError {
  return new AigenError('journal.corrupt', `${segmentName(segment)} is damaged at byte ${at}`)
}
