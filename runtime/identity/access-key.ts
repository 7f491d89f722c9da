/**
 * Access keys: bearer keys that their holder can narrow and never widen, checked by the provider
 * without a look-up (Birgisson et al., "Macaroons", NDSS 2014). The tag of a key is an HMAC-SHA256
 * chain over its id and its caveats, from a root key that only the provider has: whoever holds a key
 * can add a caveat and drop none. Used by the provider's door and by enterprises.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { canonicalBytes } from '../../schemas/canonical.ts'
import type { AccessCaveat } from '../../schemas/documents.gen.ts'
import { AigenError } from '../../schemas/error.ts'
import { fits, validate } from '../../schemas/validate.ts'
import { fromText, toText } from './text-bytes.ts'

/** What HPKE binds a sealed access key to. */
export const ACCESS_SEAL_INFO: Uint8Array = Buffer.from('aigen/v1/sealed-access-key')

const PREFIX = 'aigen_ak_'
const DOMAIN = 'aigen/v1/access-key'
export const CAVEATS_MAX = 16
const KEY_CHARS_MAX = 32_768
const TAG_BYTES = 32

/** A key that passed the root key's check. */
export interface AccessKey {
  readonly id: string
  readonly caveats: readonly AccessCaveat[]
  /** One mark a caveat: what its quotas are counted under. Children of one parent share the parent's. */
  readonly marks: readonly string[]
}

interface Parts {
  readonly id: string
  readonly caveats: readonly AccessCaveat[]
  readonly tag: Uint8Array
}

const link = (tag: Uint8Array, bytes: Uint8Array): Uint8Array => createHmac('sha256', tag).update(bytes).digest()
/** Names a place of the chain without giving its tag away. */
const markOf = (tag: Uint8Array): string => createHash('sha256').update(`${DOMAIN}/mark\n`).update(tag).digest('base64url').slice(0, 22)

/** A new key with `caveats`, by the provider whose root key this is (32 bytes). */
export function issueKey(root: Uint8Array, id: string, caveats: readonly AccessCaveat[]): string {
  let tag = first(root, id)
  for (const caveat of caveats) tag = link(tag, canonicalBytes(validate('AccessCaveat', caveat)))
  return write({ id, caveats, tag })
}

/**
 * The key narrowed by one more caveat; needs nothing but the key.
 *
 * - `input.unparsable`: it is no access key. `input.invalid`: the caveat is none, or it is one too many.
 *
 * @example attenuate(key, { calls: 10, until: clock.now() + 3_600_000 })
 */
export function attenuate(key: string, caveat: AccessCaveat): string {
  const { id, caveats, tag } = read(key)
  if (caveats.length >= CAVEATS_MAX) throw new AigenError('input.invalid', `a key has ${CAVEATS_MAX} caveats at most`)
  return write({ id, caveats: [...caveats, caveat], tag: link(tag, canonicalBytes(validate('AccessCaveat', caveat))) })
}

/**
 * Checks that the chain of `key` begins at `root`. Whether the caveats hold is another question.
 * Errors: `input.unparsable`; `auth.forged` when a caveat was changed, dropped or moved, or the root is another's.
 */
export function verifyKey(root: Uint8Array, key: string): AccessKey {
  const { id, caveats, tag } = read(key)
  let own = first(root, id)
  const marks: string[] = []
  for (const caveat of caveats) {
    own = link(own, canonicalBytes(caveat))
    marks.push(markOf(own))
  }
  if (!timingSafeEqual(own, tag)) throw new AigenError('auth.forged', 'The access key is not from here, or was changed.')
  return { id, caveats, marks }
}

/** Id and caveats as the key says, nothing checked: for its holder. Error `input.unparsable`. */
export function describeKey(key: string): { readonly id: string; readonly caveats: readonly AccessCaveat[] } {
  const { id, caveats } = read(key)
  return { id, caveats }
}

function first(root: Uint8Array, id: string): Uint8Array {
  return link(link(root, Buffer.from(DOMAIN)), Buffer.from(id))
}

function write({ id, caveats, tag }: Parts): string {
  const key = `${PREFIX}${toText(canonicalBytes([1, id, caveats]))}.${toText(tag)}`
  if (key.length > KEY_CHARS_MAX) throw new AigenError('input.too-large', `the key would have ${key.length} characters, at most ${KEY_CHARS_MAX}`)
  return key
}

function read(key: string): Parts {
  const broken = (): AigenError => new AigenError('input.unparsable', 'It is not an access key.')
  if (typeof key !== 'string' || key.length > KEY_CHARS_MAX || !key.startsWith(PREFIX)) throw broken()
  const [text, tagText, ...more] = key.slice(PREFIX.length).split('.')
  const tag = fromText(tagText, TAG_BYTES)
  if (!text || !tag || more.length > 0) throw broken()
  let said: unknown
  try {
    said = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'))
  } catch {
    throw broken()
  }
  if (!Array.isArray(said) || said.length !== 3 || said[0] !== 1 || typeof said[1] !== 'string' || !/^[A-Za-z0-9_-]{1,64}$/.test(said[1])) throw broken()
  const caveats = said[2] as unknown
  if (!Array.isArray(caveats) || caveats.length > CAVEATS_MAX || !caveats.every((one) => fits('AccessCaveat', one))) throw broken()
  // One spelling only: two texts never stand for the same key.
  if (toText(canonicalBytes(said)) !== text) throw broken()
  return { id: said[1], caveats: caveats as AccessCaveat[], tag }
}
