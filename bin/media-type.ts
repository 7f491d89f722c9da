/** Media types of files: by what they begin with where that says it, else by their name's ending. */
import { extname } from 'node:path'

const ENDINGS: Readonly<Record<string, string>> = {
  '.png': 'image/png', '.jpg': 'image/jpeg', '.jpeg': 'image/jpeg', '.gif': 'image/gif', '.webp': 'image/webp', '.svg': 'image/svg+xml',
  '.txt': 'text/plain', '.md': 'text/markdown', '.csv': 'text/csv', '.html': 'text/html', '.json': 'application/json', '.pdf': 'application/pdf',
  '.wav': 'audio/wav', '.mp3': 'audio/mpeg', '.ogg': 'audio/ogg', '.flac': 'audio/flac', '.mp4': 'video/mp4', '.webm': 'video/webm',
}
const BEGINNINGS: readonly (readonly [string, string])[] = [
  ['89504e470d0a1a0a', 'image/png'], ['ffd8ff', 'image/jpeg'], ['47494638', 'image/gif'], ['25504446', 'application/pdf'],
]

/** @example mediaTypeOf('memo.png', bytes) // 'image/png' */
export function mediaTypeOf(file: string, bytes: Uint8Array): string {
  const hex = Buffer.from(bytes.subarray(0, 8)).toString('hex')
  const begun = BEGINNINGS.find(([beginning]) => hex.startsWith(beginning))
  return begun?.[1] ?? ENDINGS[extname(file).toLowerCase()] ?? 'application/octet-stream'
}

/** The ending a file of that type gets. @example endingOf('image/svg+xml') // '.svg' */
export function endingOf(mediaType: string): string {
  return Object.entries(ENDINGS).find(([, type]) => type === mediaType)?.[0] ?? '.bin'
}
