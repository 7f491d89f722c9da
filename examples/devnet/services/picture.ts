/**
 * What may be given to an image reader: PNG or JPEG, of bounded size. Used by both OCR providers,
 * before any decoder takes memory. I8.
 */
import { AigenError } from '../../../schemas/error.ts'
import { PIXELS_MAX, isPng, readHeader } from './png.ts'

/** Largest file, in bytes. */
export const BYTES_MAX = 20_000_000

/** Which of the two it is. @throws AigenError `step.input` for anything else, or too many pixels */
export function checkPicture(bytes: Uint8Array): 'png' | 'jpeg' {
  if (bytes.length > BYTES_MAX) throw unfit(`it has ${bytes.length} bytes, ${BYTES_MAX} are allowed`)
  if (isPng(bytes)) {
    readHeader(bytes)
    return 'png'
  }
  if (bytes[0] !== 0xff || bytes[1] !== 0xd8) throw unfit('it is neither PNG nor JPEG')
  const size = jpegSize(bytes)
  if (!size || size.width * size.height === 0) throw unfit('it names no size')
  if (size.width * size.height > PIXELS_MAX) throw unfit(`it declares ${size.width} × ${size.height} pixels`)
  return 'jpeg'
}

/** Walks the segments of a JPEG to its frame header (ITU T.81, B.2.2). */
function jpegSize(bytes: Uint8Array): { width: number; height: number } | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (let at = 2; at + 9 < bytes.length;) {
    if (bytes[at] !== 0xff) return undefined
    const marker = bytes[at + 1]!
    const frame = marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc
    if (frame) return { height: view.getUint16(at + 5), width: view.getUint16(at + 7) }
    at += 2 + Math.max(2, view.getUint16(at + 2))
  }
  return undefined
}

function unfit(why: string): AigenError {
  return new AigenError('step.input', `The image cannot be read: ${why}.`, { path: 'image' })
}
