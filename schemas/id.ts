/**
 * Ids: what things are called, branded so that one kind cannot stand where another is meant.
 *
 * Made ids are sortable: a prefix, 48 bits of the time given and 80 random bits, in Crockford's
 * base 32 (the form of a ULID, in lower case), safe in NATS subjects, file names and URLs. Time and
 * randomness are the caller's (DESIGN D1, D10): nothing is read in here. Agreements, deliveries and
 * the like are called by their hash instead, and participants by their wallet.
 */
import type { Address, Hash } from './documents.gen.ts'
import { AigenError } from './error.ts'

declare const brand: unique symbol
type Branded<Base, Name extends string> = Base & { readonly [brand]: Name }

/** The wallet's address in lower case. */
export type ParticipantId = Branded<Address, 'participant'>
/** An Ed25519 node key as base64url. */
export type NodeId = Branded<string, 'node'>
export type RunId = Branded<`run_${string}`, 'run'>
export type RequestId = Branded<`req_${string}`, 'request'>
export type QuoteId = Branded<`quo_${string}`, 'quote'>
export type ReceiptId = Branded<`rcp_${string}`, 'receipt'>
export type CallId = Branded<`call_${string}`, 'call'>
export type SessionId = Branded<`ses_${string}`, 'session'>
/** Hash of the canonical {terms, lane}. */
export type AgreementId = Branded<Hash, 'agreement'>

interface Made {
  run: RunId
  req: RequestId
  quo: QuoteId
  rcp: ReceiptId
  call: CallId
  ses: SessionId
}

export type IdPrefix = keyof Made

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'
const TIME_MAX = 2 ** 48 - 1
const RANDOM_BYTES = 10
const MADE = /^([a-z]{2,8})_[0-7][0-9a-hjkmnp-tv-z]{25}$/
const ADDRESS = /^0x[0-9a-fA-F]{40}$/
const HASH = /^sha256-[0-9a-f]{64}$/
const NODE_KEY = /^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/

/**
 * A new id of that kind; later `at` sorts later.
 *
 * @param at milliseconds since the epoch, from the event or the clock
 * @param random ten bytes or more, from the `Random` port
 * @example newId('run', clock.now(), random.bytes(10)) // 'run_01kc3q0a7rxw2m5p8t4v6y9zbd'
 */
export function newId<Prefix extends IdPrefix>(prefix: Prefix, at: number, random: Uint8Array): Made[Prefix] {
  if (!Number.isInteger(at) || at < 0 || at > TIME_MAX) throw new AigenError('internal', `An id cannot be made at time ${at}.`)
  if (random.length < RANDOM_BYTES) throw new AigenError('internal', `An id needs ${RANDOM_BYTES} random bytes, not ${random.length}.`)
  return `${prefix}_${base32(BigInt(at), 10)}${base32(bigOf(random.subarray(0, RANDOM_BYTES)), 16)}` as unknown as Made[Prefix]
}

/** The text as an id of that kind; error `input.invalid` when it is none. */
export function asId<Prefix extends IdPrefix>(prefix: Prefix, text: string): Made[Prefix] {
  if (typeof text !== 'string' || MADE.exec(text)?.[1] !== prefix) throw notAn(`an id like ${prefix}_01kc3q0a7rxw2m5p8t4v6y9zbd`, text)
  return text as unknown as Made[Prefix]
}

/** The participant of a wallet address in any case; error `input.invalid` when it is no address. */
export function participantId(address: string): ParticipantId {
  if (typeof address !== 'string' || !ADDRESS.test(address)) throw notAn('a wallet address', address)
  return address.toLowerCase() as ParticipantId
}

/** The text as an agreement's id; error `input.invalid` when it is no hash. */
export function agreementId(text: string): AgreementId {
  if (typeof text !== 'string' || !HASH.test(text)) throw notAn('a hash like sha256-…', text)
  return text as AgreementId
}

/** The text as a node's id, its Ed25519 key; error `input.invalid` when it is no key. */
export function nodeId(text: string): NodeId {
  if (typeof text !== 'string' || !NODE_KEY.test(text)) throw notAn('an Ed25519 key as base64url', text)
  return text as NodeId
}

function notAn(expected: string, found: unknown): AigenError {
  return new AigenError('input.invalid', `Expected ${expected}, found ${JSON.stringify(String(found).slice(0, 80))}.`)
}

function bigOf(bytes: Uint8Array): bigint {
  let value = 0n
  for (const byte of bytes) value = (value << 8n) | BigInt(byte)
  return value
}

function base32(value: bigint, length: number): string {
  let text = ''
  for (let place = 0, rest = value; place < length; place++, rest >>= 5n) text = ALPHABET[Number(rest & 31n)] + text
  return text
}
