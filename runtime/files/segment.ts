/**
 * The files of one partition. Each owner writes a file of its own, numbered up; its first frame says
 * after which record, in which earlier file and at which byte its records follow. What an earlier
 * owner writes behind that byte does not count, so a new owner shuts out the old one without its help
 * (I6), and a torn tail needs no truncation: files are only ever appended to. Used by `journal.ts`.
 */
import { open, readdir, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { AigenError } from '../../schemas/error.ts'
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
/** Owners of one partition, over its life. */
const SEGMENTS_MAX = 99_999_999

export const segmentName = (segment: number): string => `${String(segment).padStart(8, '0')}.log`

/** Numbers of the files in `folder`, lowest first. */
export async function listSegments(folder: string): Promise<number[]> {
  const numbers = (await readdir(folder)).flatMap((name) => NAME.exec(name)?.[1] ?? []).map(Number)
  return numbers.sort((a, b) => a - b)
}

/** The number after the highest. Error `journal.corrupt` when there is none. */
export function nextSegment(highest: number): number {
  if (highest >= SEGMENTS_MAX) throw new AigenError('journal.corrupt', 'no file number is left')
  return highest + 1
}

/** Reads what counts; `known` is an earlier answer, whose stretches are not read again. Error `journal.corrupt`. */
export async function readChain(folder: string, known?: Chain): Promise<Chain> {
  const segments = await listSegments(folder)
  const highest = segments.at(-1) ?? 0
  let settled = true
  const stretches: Stretch[] = []
  let until: Base | undefined
  for (let segment = highest; segment > 0;) {
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
  if (until && until.after !== 0) throw new AigenError('journal.corrupt', 'the first file is missing')
  return { highest, settled, stretches, last: stretches.at(-1)?.last ?? 0 }
}

async function follow(file: FileHandle, segment: number, base: Base & { end: number }, until: Base | undefined, known?: Stretch): Promise<Stretch> {
  const from = base.end
  if (known && known.until === until?.length) return known
  // Only the newest file still grows: what was read of it stays as it is.
  let [at, last] = known && (!until || known.until <= until.length) ? [known.until, known.last] : [from, base.after]
  for await (const frame of readFrames(file, at, until?.length)) {
    if (frame.kind !== 'record' || frame.sequence !== last + 1) throw damaged(segment, at)
    at = frame.end
    last = frame.sequence
  }
  if (until && (at !== until.length || last !== until.after)) throw damaged(segment, at)
  if (!until && await framesBehind(file, at)) throw damaged(segment, at)
  return { segment, from, until: at, after: base.after, last }
}

/** Where the file's records follow, and where they begin; undefined while that is not written. */
async function readBase(file: FileHandle): Promise<(Base & { end: number }) | undefined> {
  for await (const frame of readFrames(file, 0)) {
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
