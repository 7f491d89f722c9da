/**
 * Grey images out of PNG bytes and back, with Node's zlib only. Used by the careful OCR provider,
 * which cleans a scan before it reads it. I8: what comes in is a stranger's file, so every size is
 * checked before memory is taken, and anything out of the ordinary is `step.input`.
 */
import { crc32, deflateSync, inflateSync } from 'node:zlib'
import { AigenError } from '../../../schemas/error.ts'

/** One byte a pixel, 0 black to 255 white, row after row. */
export interface GreyImage {
  readonly width: number
  readonly height: number
  readonly pixels: Uint8Array
}

/** Largest picture worked on, in pixels: an A4 page at 300 dpi has 8.7 million. */
export const PIXELS_MAX = 12_000_000

const SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10]
/** Samples per pixel by colour type: grey, RGB, palette, grey + alpha, RGBA. */
const SAMPLES: Readonly<Record<number, number>> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 }

/** Whether the bytes start as a PNG file does. */
export function isPng(bytes: Uint8Array): boolean {
  return bytes.length > 33 && SIGNATURE.every((value, at) => bytes[at] === value)
}

interface Header { width: number; height: number; depth: number; colour: number; interlaced: boolean }

/**
 * The size a PNG declares, without unpacking it, so that a bomb is refused before any reader sees it.
 * @throws AigenError `step.input` when the size is 0 or above `PIXELS_MAX`
 */
export function readHeader(bytes: Uint8Array): Header {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const width = view.getUint32(16)
  const height = view.getUint32(20)
  if (width === 0 || height === 0 || width * height > PIXELS_MAX) throw unreadable(`it declares ${width} × ${height} pixels`)
  return { width, height, depth: bytes[24]!, colour: bytes[25]!, interlaced: bytes[28] !== 0 }
}

/**
 * The picture as grey, transparency over white. Depths 1, 2, 4 and 8; not interlaced.
 * Comes back undefined for the rarer kinds (16 bit, interlaced), which the OCR engine reads by itself.
 * @throws AigenError `step.input` for a broken file
 */
export function decodePng(bytes: Uint8Array): GreyImage | undefined {
  const header = readHeader(bytes)
  const samples = SAMPLES[header.colour]
  if (samples === undefined || header.interlaced || header.depth > 8) return undefined
  const { palette, alphas, packed } = chunks(bytes)
  const rowBytes = Math.ceil((header.width * samples * header.depth) / 8)
  let raw: Uint8Array
  try {
    raw = inflateSync(packed, { maxOutputLength: (rowBytes + 1) * header.height })
  } catch (cause) {
    throw unreadable('its pixels do not unpack', cause)
  }
  if (raw.length !== (rowBytes + 1) * header.height) throw unreadable('pixels are missing')
  const plain = unfilter(raw, rowBytes, header.height, Math.max(1, (samples * header.depth) >> 3))
  return { width: header.width, height: header.height, pixels: toGrey(plain, rowBytes, header, samples, palette, alphas) }
}

/** A PNG file of the picture, 8 bit grey. */
export function encodePng(image: GreyImage): Uint8Array {
  const raw = new Uint8Array((image.width + 1) * image.height)
  for (let y = 0; y < image.height; y += 1) {
    raw.set(image.pixels.subarray(y * image.width, (y + 1) * image.width), y * (image.width + 1) + 1)
  }
  const head = Buffer.alloc(13)
  head.writeUInt32BE(image.width, 0)
  head.writeUInt32BE(image.height, 4)
  head.set([8, 0, 0, 0, 0], 8)
  return Buffer.concat([Buffer.from(SIGNATURE), chunk('IHDR', head), chunk('IDAT', deflateSync(raw, { level: 1 })), chunk('IEND', Buffer.alloc(0))])
}

function chunk(type: string, body: Uint8Array): Buffer {
  const out = Buffer.alloc(12 + body.length)
  out.writeUInt32BE(body.length, 0)
  out.write(type, 4, 'latin1')
  out.set(body, 8)
  out.writeUInt32BE(crc32(out.subarray(4, 8 + body.length)), 8 + body.length)
  return out
}

function chunks(bytes: Uint8Array): { palette: Uint8Array; alphas: Uint8Array; packed: Uint8Array } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const data: Uint8Array[] = []
  let palette: Uint8Array = new Uint8Array(0)
  let alphas: Uint8Array = new Uint8Array(0)
  for (let at = 8; at + 12 <= bytes.length;) {
    const length = view.getUint32(at)
    if (at + 12 + length > bytes.length) throw unreadable('it is cut off')
    const body = bytes.subarray(at + 8, at + 8 + length)
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8))
    if (type === 'PLTE') palette = body
    else if (type === 'tRNS') alphas = body
    else if (type === 'IDAT') data.push(body)
    else if (type === 'IEND') return { palette, alphas, packed: Buffer.concat(data) }
    at += 12 + length
  }
  throw unreadable('it has no end')
}

/** Undoes the row filters of the PNG specification (RFC 2083, 6). */
function unfilter(raw: Uint8Array, rowBytes: number, height: number, step: number): Uint8Array {
  const out = new Uint8Array(rowBytes * height)
  for (let y = 0; y < height; y += 1) {
    const filter = raw[y * (rowBytes + 1)]!
    if (filter > 4) throw unreadable('it uses an unknown filter')
    const from = y * (rowBytes + 1) + 1
    const to = y * rowBytes
    for (let x = 0; x < rowBytes; x += 1) {
      const left = x >= step ? out[to + x - step]! : 0
      const up = y > 0 ? out[to + x - rowBytes]! : 0
      const corner = x >= step && y > 0 ? out[to + x - rowBytes - step]! : 0
      out[to + x] = raw[from + x]! + predicted(filter, left, up, corner)
    }
  }
  return out
}

function predicted(filter: number, left: number, up: number, corner: number): number {
  if (filter === 0) return 0
  if (filter === 1) return left
  if (filter === 2) return up
  if (filter === 3) return (left + up) >> 1
  const guess = left + up - corner
  const a = Math.abs(guess - left)
  const b = Math.abs(guess - up)
  const c = Math.abs(guess - corner)
  return a <= b && a <= c ? left : b <= c ? up : corner
}

function toGrey(plain: Uint8Array, rowBytes: number, header: Header, samples: number, palette: Uint8Array, alphas: Uint8Array): Uint8Array {
  const { width, height, depth, colour } = header
  const pixels = new Uint8Array(width * height)
  const scale = 255 / ((1 << depth) - 1)
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const sample = (index: number): number => {
        if (depth === 8) return plain[y * rowBytes + x * samples + index]!
        const bit = x * depth
        return (plain[y * rowBytes + (bit >> 3)]! >> (8 - depth - (bit & 7))) & ((1 << depth) - 1)
      }
      let grey: number
      let alpha = 255
      if (colour === 3) {
        const entry = sample(0)
        if (entry * 3 + 2 >= palette.length) throw unreadable('it names a colour that its palette lacks')
        grey = luma(palette[entry * 3]!, palette[entry * 3 + 1]!, palette[entry * 3 + 2]!)
        alpha = alphas[entry] ?? 255
      } else if (colour === 0 || colour === 4) {
        grey = sample(0) * scale
        if (colour === 4) alpha = sample(1)
      } else {
        grey = luma(sample(0), sample(1), sample(2))
        if (colour === 6) alpha = sample(3)
      }
      pixels[y * width + x] = Math.round((grey * alpha + 255 * (255 - alpha)) / 255)
    }
  }
  return pixels
}

function luma(red: number, green: number, blue: number): number {
  return 0.299 * red + 0.587 * green + 0.114 * blue
}

function unreadable(why: string, cause?: unknown): AigenError {
  return new AigenError('step.input', `The image cannot be read: ${why}.`, { path: 'image', cause })
}
