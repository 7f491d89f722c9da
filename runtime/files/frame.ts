/**
 * Frames of a journal file: magic, kind, length, sequence, sum, payload. A frame whose bytes are
 * not all there, or not as they were written, is found by its sum (the first 8 bytes of SHA-256: Node
 * 20 has no CRC of its own, and this one tells a flipped bit from a torn tail as well). Pure but for
 * reading. Used by `segment.ts`.
 */
import { createHash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'

const MAGIC = 0x41_49_4a_31
const HEAD_BYTES = 25
const SUM_BYTES = 8
const SUM_AT = HEAD_BYTES - SUM_BYTES
const READ_BYTES = 2 ** 20

/** Largest payload of one frame. */
export const FRAME_MAX = 8 * 2 ** 20

/** The place from which a file's records follow, or a record. */
export type FrameKind = 'base' | 'record'

export interface Frame {
  readonly kind: FrameKind
  readonly sequence: number
  readonly payload: Uint8Array
  /** Where the next frame begins. */
  readonly end: number
}

/** The frame's bytes, in a buffer of their own. */
export function encodeFrame(kind: FrameKind, sequence: number, ...parts: readonly Uint8Array[]): Buffer {
  const length = parts.reduce((sum, part) => sum + part.length, 0)
  const frame = Buffer.alloc(HEAD_BYTES + length)
  frame.writeUInt32BE(MAGIC, 0)
  frame[4] = kind === 'base' ? 0 : 1
  frame.writeUInt32BE(length, 5)
  frame.writeBigUInt64BE(BigInt(sequence), 9)
  let at = HEAD_BYTES
  for (const part of parts) {
    frame.set(part, at)
    at += part.length
  }
  frame.set(sumOf(frame), SUM_AT)
  return frame
}

/** Frames from `from` on, until `until` or the first that is not whole; payloads are copies. `step`: bytes read at once. */
export async function* readFrames(file: FileHandle, from: number, until = Number.MAX_SAFE_INTEGER, step = READ_BYTES): AsyncGenerator<Frame> {
  let buffer = Buffer.alloc(0)
  let start = from
  for (;;) {
    let frame = parse(buffer, start)
    if (frame === 'more') {
      const more = await readSome(file, start + buffer.length, Math.max(step, wanted(buffer) - buffer.length))
      if (more.length === 0) return
      buffer = Buffer.concat([buffer, more])
      frame = parse(buffer, start)
      if (frame === 'more') continue
    }
    if (frame === undefined || frame.end > until) return
    buffer = buffer.subarray(frame.end - start)
    start = frame.end
    yield frame
    if (start >= until) return
  }
}

/** Whether a whole frame begins anywhere behind `from`: what lies before it is then no torn tail but damage. */
export async function framesBehind(file: FileHandle, from: number): Promise<boolean> {
  const { size } = await file.stat()
  // One write is torn at most, and it holds one group of records.
  const tail = await readSome(file, from, Math.min(size - from, 4 * FRAME_MAX))
  const magic = Buffer.alloc(4)
  magic.writeUInt32BE(MAGIC)
  for (let at = tail.indexOf(magic, 1); at !== -1; at = tail.indexOf(magic, at + 1)) {
    const frame = parse(tail.subarray(at), from + at)
    if (frame !== undefined && frame !== 'more') return true
  }
  return false
}

function parse(buffer: Buffer, start: number): Frame | 'more' | undefined {
  if (buffer.length < HEAD_BYTES) return 'more'
  const length = buffer.readUInt32BE(5)
  if (buffer.readUInt32BE(0) !== MAGIC || buffer[4]! > 1 || length > FRAME_MAX) return undefined
  if (buffer.length < HEAD_BYTES + length) return 'more'
  const frame = buffer.subarray(0, HEAD_BYTES + length)
  if (!sumOf(frame).equals(frame.subarray(SUM_AT, HEAD_BYTES))) return undefined
  return {
    kind: frame[4] === 0 ? 'base' : 'record', sequence: Number(frame.readBigUInt64BE(9)),
    payload: new Uint8Array(frame.subarray(HEAD_BYTES)), end: start + frame.length,
  }
}

/** Bytes that the frame at the front of `buffer` says it has. */
function wanted(buffer: Buffer): number {
  return buffer.length < HEAD_BYTES ? HEAD_BYTES : HEAD_BYTES + buffer.readUInt32BE(5)
}

function sumOf(frame: Buffer): Buffer {
  return createHash('sha256').update(frame.subarray(0, SUM_AT)).update(frame.subarray(HEAD_BYTES)).digest().subarray(0, SUM_BYTES)
}

async function readSome(file: FileHandle, at: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(Math.max(0, length))
  let read = 0
  while (read < buffer.length) {
    const { bytesRead } = await file.read(buffer, read, buffer.length - read, at + read)
    if (bytesRead === 0) break
    read += bytesRead
  }
  return buffer.subarray(0, read)
}

/** Who appended a record, and the length of its id. */
const APPEND_BYTES = 18

/** The frame of a record: who appended it (16 bytes), under which id, and what. */
export function encodeAppend(writer: Uint8Array, id: string, data: Uint8Array, sequence: number): Buffer {
  const head = Buffer.alloc(APPEND_BYTES)
  head.set(writer)
  head.writeUInt16BE(id.length, 16)
  return encodeFrame('record', sequence, head, Buffer.from(id, 'latin1'), data)
}

/** What was appended, of a record's payload. */
export function dataOf(payload: Uint8Array): Uint8Array {
  return payload.subarray(APPEND_BYTES + new DataView(payload.buffer, payload.byteOffset).getUint16(16))
}
