/**
 * A small printed page as a PNG, for probes of readers: capitals in a dot-matrix face with
 * smoothed edges. Made with Node's zlib only; the same lines give the same bytes.
 */
import { crc32, deflateSync } from 'node:zlib'

/** Seven rows of five dots, top first, each row two hex digits. */
const FACE: Readonly<Record<string, string>> = {
  A: '0e11111f111111', B: '1e11111e11111e', C: '0e11101010110e', D: '1e11111111111e', E: '1f10101e10101f', F: '1f10101e101010', G: '0e11101711110f', H: '1111111f111111',
  I: '0e04040404040e', K: '11121418141211', L: '1010101010101f', M: '111b1515111111', N: '11191915131311', O: '0e11111111110e', P: '1e11111e101010', R: '1e11111e141211',
  S: '0f10100e01011e', T: '1f040404040404', U: '1111111111110e', V: '11111111110a04', W: '1111111515150a', Y: '11110a04040404', ' ': '00000000000000',
}
const SCALE = 8
const MARGIN = 6
const LINE = 13
const ADVANCE = 7

/** A page with these lines; letters that the face lacks are left blank. */
export function printPage(lines: readonly string[]): Uint8Array {
  const columns = Math.max(...lines.map((line) => line.length)) * ADVANCE + 2 * MARGIN
  const rows = lines.length * LINE + 2 * MARGIN
  const dot = (x: number, y: number): number => {
    const line = lines[Math.floor((y - MARGIN) / LINE)]
    const [row, column] = [(y - MARGIN) % LINE, (x - MARGIN) % ADVANCE]
    const glyph = x < MARGIN || y < MARGIN ? undefined : FACE[line?.[Math.floor((x - MARGIN) / ADVANCE)] ?? ' ']
    if (!glyph || row > 6 || column > 4) return 0
    return (Number.parseInt(glyph.slice(row * 2, row * 2 + 2), 16) >> (4 - column)) & 1
  }
  const [width, height] = [columns * SCALE, rows * SCALE]
  const raw = Buffer.alloc((width + 1) * height)
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [u, v] = [x / SCALE - 0.5, y / SCALE - 0.5]
      const [left, top] = [Math.floor(u), Math.floor(v)]
      const [dx, dy] = [u - left, v - top]
      const ink = (dot(left, top) * (1 - dx) + dot(left + 1, top) * dx) * (1 - dy) + (dot(left, top + 1) * (1 - dx) + dot(left + 1, top + 1) * dx) * dy
      raw[y * (width + 1) + 1 + x] = 255 - Math.round(255 * Math.min(1, Math.max(0, (ink - 0.3) / 0.25)))
    }
  }
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  // eight bits of grey, not interlaced
  header.set([8, 0, 0, 0, 0], 8)
  return Buffer.concat([Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]), chunk('IHDR', header), chunk('IDAT', deflateSync(raw)), chunk('IEND', Buffer.alloc(0))])
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type), data])
  const frame = Buffer.alloc(8)
  frame.writeUInt32BE(data.length, 0)
  frame.writeUInt32BE(crc32(body), 4)
  return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)])
}
