/**
 * Cleans a scan for reading: evens out shade and creases, takes the noise away, enlarges small
 * type. Pure functions over grey pixels; used by the careful OCR provider, and the real difference
 * between it and the quick one.
 */
import type { GreyImage } from './png.ts'

/** Width in pixels that a page is enlarged to, at most four times: about 30 pixels a line of type. */
const WIDTH_WANTED = 1800
/** Most pixels of the enlarged page, whatever its shape; keeps the work on one page to about a second. */
const PIXELS_WANTED_MAX = 4_000_000

/** The picture with even light, less noise and enough pixels; a page that has enough comes back as it is. */
export function restore(image: GreyImage): GreyImage {
  if (image.width >= WIDTH_WANTED || image.width * image.height > PIXELS_WANTED_MAX) return image
  const calm = despeckle(image)
  const even = flatten(calm, Math.max(8, Math.round(image.width / 40)))
  const scale = Math.max(1, Math.min(4, WIDTH_WANTED / image.width, Math.sqrt(PIXELS_WANTED_MAX / (image.width * image.height))))
  const large = scale > 1.05 ? enlarge(even, scale) : even
  return blur(large, scale > 1.5 ? Math.round(scale * 0.5) : 0)
}

/** Takes out single specks: a pixel far from all around it becomes the middle of its neighbourhood. */
export function despeckle(image: GreyImage): GreyImage {
  const { width, height, pixels } = image
  const out = Uint8Array.from(pixels)
  const around = new Uint8Array(8)
  for (let y = 1; y < height - 1; y += 1) {
    for (let x = 1; x < width - 1; x += 1) {
      const at = y * width + x
      around[0] = pixels[at - width - 1]!
      around[1] = pixels[at - width]!
      around[2] = pixels[at - width + 1]!
      around[3] = pixels[at - 1]!
      around[4] = pixels[at + 1]!
      around[5] = pixels[at + width - 1]!
      around[6] = pixels[at + width]!
      around[7] = pixels[at + width + 1]!
      around.sort()
      const value = pixels[at]!
      if (value < around[0]! - 12 || value > around[7]! + 12) out[at] = (around[3]! + around[4]!) >> 1
    }
  }
  return { width, height, pixels: out }
}

/** Divides by the paper's own brightness, so that shade becomes white and pale ink becomes dark. */
export function flatten(image: GreyImage, radius: number): GreyImage {
  const { width, height, pixels } = image
  const paper = blur({ width, height, pixels: brightest(image, Math.max(3, radius >> 1)) }, radius).pixels
  const shares = new Float32Array(pixels.length)
  const histogram = new Uint32Array(256)
  for (let at = 0; at < pixels.length; at += 1) {
    const share = Math.min(1, pixels[at]! / Math.max(1, paper[at]!))
    shares[at] = share
    histogram[Math.round(share * 255)]! += 1
  }
  const black = percentile(histogram, pixels.length, 0.01) / 255
  const white = Math.max(black + 0.05, percentile(histogram, pixels.length, 0.3) / 255)
  const out = new Uint8Array(pixels.length)
  for (let at = 0; at < out.length; at += 1) {
    out[at] = Math.round(255 * Math.min(1, Math.max(0, (shares[at]! - black) / (white - black))))
  }
  return { width, height, pixels: out }
}

function percentile(histogram: Uint32Array, total: number, share: number): number {
  let seen = 0
  for (let value = 0; value < 256; value += 1) {
    seen += histogram[value]!
    if (seen >= total * share) return value
  }
  return 255
}

/** The brightest pixel in a square around each: paper without its ink. Two passes, row then column. */
function brightest(image: GreyImage, radius: number): Uint8Array {
  const { width, height, pixels } = image
  const rows = new Uint8Array(pixels.length)
  const out = new Uint8Array(pixels.length)
  const soft = blur(image, 1).pixels
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      let most = 0
      for (let i = Math.max(0, x - radius); i <= Math.min(width - 1, x + radius); i += 1) most = Math.max(most, soft[y * width + i]!)
      rows[y * width + x] = most
    }
  }
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      let most = 0
      for (let i = Math.max(0, y - radius); i <= Math.min(height - 1, y + radius); i += 1) most = Math.max(most, rows[i * width + x]!)
      out[y * width + x] = most
    }
  }
  return out
}

/** Three box blurs one after the other, which is close to a Gaussian; radius 0 gives the picture back. */
export function blur(image: GreyImage, radius: number): GreyImage {
  if (radius < 1) return image
  let pixels = image.pixels
  for (let pass = 0; pass < 2; pass += 1) pixels = boxColumns(boxRows(pixels, image.width, image.height, radius), image.width, image.height, radius)
  return { width: image.width, height: image.height, pixels }
}

function boxRows(pixels: Uint8Array, width: number, height: number, radius: number): Uint8Array {
  const out = new Uint8Array(pixels.length)
  const size = 2 * radius + 1
  for (let y = 0; y < height; y += 1) {
    const at = (x: number): number => pixels[y * width + Math.min(width - 1, Math.max(0, x))]!
    let sum = 0
    for (let x = -radius; x <= radius; x += 1) sum += at(x)
    for (let x = 0; x < width; x += 1) {
      out[y * width + x] = Math.round(sum / size)
      sum += at(x + radius + 1) - at(x - radius)
    }
  }
  return out
}

function boxColumns(pixels: Uint8Array, width: number, height: number, radius: number): Uint8Array {
  const out = new Uint8Array(pixels.length)
  const size = 2 * radius + 1
  for (let x = 0; x < width; x += 1) {
    const at = (y: number): number => pixels[Math.min(height - 1, Math.max(0, y)) * width + x]!
    let sum = 0
    for (let y = -radius; y <= radius; y += 1) sum += at(y)
    for (let y = 0; y < height; y += 1) {
      out[y * width + x] = Math.round(sum / size)
      sum += at(y + radius + 1) - at(y - radius)
    }
  }
  return out
}

/** Enlarges with Catmull-Rom interpolation, which keeps the edges of letters. */
export function enlarge(image: GreyImage, scale: number): GreyImage {
  const width = Math.round(image.width * scale)
  const height = Math.round(image.height * scale)
  const wide = new Float32Array(width * image.height)
  for (let x = 0; x < width; x += 1) {
    const { index, weights } = taps((x + 0.5) / scale - 0.5, image.width)
    for (let y = 0; y < image.height; y += 1) {
      let sum = 0
      for (let k = 0; k < 4; k += 1) sum += weights[k]! * image.pixels[y * image.width + index[k]!]!
      wide[y * width + x] = sum
    }
  }
  const pixels = new Uint8Array(width * height)
  for (let y = 0; y < height; y += 1) {
    const { index, weights } = taps((y + 0.5) / scale - 0.5, image.height)
    for (let x = 0; x < width; x += 1) {
      let sum = 0
      for (let k = 0; k < 4; k += 1) sum += weights[k]! * wide[index[k]! * width + x]!
      pixels[y * width + x] = Math.min(255, Math.max(0, Math.round(sum)))
    }
  }
  return { width, height, pixels }
}

function taps(position: number, size: number): { index: number[]; weights: number[] } {
  const base = Math.floor(position)
  const t = position - base
  const clamp = (i: number): number => Math.min(size - 1, Math.max(0, i))
  return {
    index: [clamp(base - 1), clamp(base), clamp(base + 1), clamp(base + 2)],
    weights: [
      ((-t + 2) * t - 1) * t / 2,
      ((3 * t - 5) * t * t + 2) / 2,
      ((-3 * t + 4) * t + 1) * t / 2,
      (t - 1) * t * t / 2,
    ],
  }
}
