/** Parcels: what is sent can be named in a message and opened by the receiver, whatever chance gives. */
import { expect, it } from 'vitest'
import { validate } from '../../schemas/validate.ts'
import { memoryBlobs } from '../memory/blobs.ts'
import { blobRef, receiveParcel, sendParcel } from './parcel.ts'

const OWNER = `0x${'ab'.repeat(20)}` as const

it.each([0xfb, 0xff, 0x00])('a parcel whose random name would begin with the base64url of %i fits an invoke', async (byte) => {
  const shelves = new Map()
  const bytes = new TextEncoder().encode('a scan')
  const parcel = await sendParcel(memoryBlobs({ shelves, shelf: OWNER }), OWNER, bytes, { bytes: (length) => new Uint8Array(length).fill(byte), fraction: () => 0.5 })
  const agreement = `sha256-${'0'.repeat(64)}`
  expect(() => validate('InvokeRequest', { agreement, call: 0, lane: `0x${'0'.repeat(64)}`, input: {}, inputHash: agreement, parcels: [parcel] })).not.toThrow()
  const received = await receiveParcel(memoryBlobs({ shelves, shelf: 'other' }), blobRef(bytes, 'image/png'), [parcel])
  expect(Buffer.from(received).toString()).toBe('a scan')
})
