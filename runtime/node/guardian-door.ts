/**
 * A guardian's HTTP door as a light node asks it: the proven entries of one provider. What comes is
 * bounded in size and time here, and believed by its proof alone (`market/proven-reputation.ts`).
 */
import { AigenError } from '../../schemas/error.ts'
import { decodeJson } from '../../schemas/decode.ts'
import type { AskGuardian } from '../market/proven-reputation.ts'

const BYTES_MAX = 256 * 1024

/** @example const entries = await askDoor('http://127.0.0.1:9000')('0xab…', AbortSignal.timeout(1_000)) */
export function askDoor(door: string): AskGuardian {
  return async (provider, signal) => {
    const response = await fetch(`${door}/reputation/${provider}`, { signal, redirect: 'error' })
    if (response.status === 404) return []
    const bytes: Uint8Array[] = []
    let size = 0
    for await (const part of response.body as unknown as AsyncIterable<Uint8Array>) {
      size += part.length
      if (size > BYTES_MAX) throw new AigenError('input.too-large', `${door} says more than ${BYTES_MAX} bytes`)
      bytes.push(part)
    }
    const { entries } = decodeJson(Buffer.concat(bytes), { bytesMax: BYTES_MAX }) as { entries?: unknown }
    return Array.isArray(entries) ? entries : []
  }
}
