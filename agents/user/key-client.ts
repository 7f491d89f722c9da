/**
 * The user without a node: an enterprise that was given an access key opens it with its private key
 * and calls the provider's HTTP door. Nothing is believed: grant and deliveries carry the provider's
 * signature, hashes and the price by the granted rate, and each answer is checked against them.
 */
import { canonicalBytes, hashOf } from '../../schemas/canonical.ts'
import { decodeJson } from '../../schemas/decode.ts'
import type { AccessGrantBody, Delivery, OpenAccessKey } from '../../schemas/documents.gen.ts'
import { AigenError, fromBody, type ErrorBody } from '../../schemas/error.ts'
import { formatMoney } from '../../schemas/money.ts'
import { validate } from '../../schemas/validate.ts'
import { ACCESS_SEAL_INFO } from '../../runtime/identity/access-key.ts'
import { createAuthorisations } from '../../runtime/identity/authorisation.ts'
import { openSealed, publicKeyOf } from '../../runtime/identity/hpke.ts'
import { blobRef } from '../../runtime/identity/parcel.ts'
import { createVerifier } from '../../runtime/identity/signed.ts'
import { fromText, toText } from '../../runtime/identity/text-bytes.ts'
import { charge } from '../../runtime/payments/meter.ts'

const ANSWER_BYTES_MAX = 64 * 2 ** 20

/**
 * The key in a sealed file (`aigen key issue`), for the holder of `privateKey` (32 bytes).
 * Errors: `input.*` for what is no such file; `auth.forged` when it is sealed to another key, was
 * changed, or the grant in it is not signed by the provider it names.
 */
export async function openAccessKey(file: unknown, privateKey: Uint8Array): Promise<OpenAccessKey> {
  const sealed = validate('SealedAccessKey', file)
  const { provider, holder } = sealed
  const enc = fromText(sealed.enc, 32)
  if (!enc || holder !== toText(publicKeyOf(privateKey))) throw new AigenError('auth.forged', 'It is sealed to another key.')
  const bytes = await openSealed(privateKey, ACCESS_SEAL_INFO, canonicalBytes({ provider, holder }), { enc, ciphertext: Buffer.from(sealed.sealed, 'base64url') })
  const opened = validate('OpenAccessKey', decodeJson(bytes))
  verifierOf(opened.grant.body).verify('access-grant', opened.grant.body, opened.grant.signature, opened.grant.body.issuedAt)
  if (opened.grant.body.provider !== provider || opened.grant.signature.by !== provider || opened.grant.body.holder !== holder) throw new AigenError('auth.forged', 'The grant is of another provider or holder.')
  return opened
}

export interface KeyCall {
  /** As opened, its `key` perhaps narrowed by `attenuate`. */
  readonly access: OpenAccessKey
  readonly capability: string
  /** Fits the capability's input schema; `{ $data: 'data:image/png;base64,…' }` stands for a blob. */
  readonly input: unknown
  /** Base address of the door; default the first in the grant. */
  readonly door?: string
  /** Makes a repeat after a lost answer the same call. */
  readonly idempotencyKey?: string
  /** Hears the pieces of a streamed output; `output` is the whole all the same. */
  readonly onChunk?: (chunk: unknown) => void
  readonly signal?: AbortSignal
}

export interface KeyAnswer {
  readonly output: any
  /** What it costs by the grant, decimal string. */
  readonly price: string
  readonly units: Readonly<Record<string, number>>
  /** The provider's signed statement, checked. */
  readonly delivery: Delivery
  /** Bytes of the output's blobs as data URLs, by hash. */
  readonly blobs: Readonly<Record<string, string>>
}

/**
 * One call by access key.
 *
 * - `key.*`, `auth.expired`: the key does not allow it (any more).
 * - `step.*`, `node.busy`: the provider could not do it; nothing is counted.
 * - `step.output`: the answer is not what was signed, or costs other than was granted.
 * - `network.unreachable`: the door does not answer; repeat under the same idempotency key.
 *
 * @example
 * const { output } = await callWithKey({ access, capability: 'text.shout@1', input: { text: 'hi' } })
 */
export async function callWithKey({ access, capability, input, door = access.grant.body.doors[0], idempotencyKey, onChunk, signal }: KeyCall): Promise<KeyAnswer> {
  if (door === undefined) throw new AigenError('usage.invalid', 'The grant names no door: give its address.')
  const response = await fetch(`${door}/v1/capabilities/${encodeURIComponent(capability)}`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${access.key}`, 'content-type': 'application/json', ...(idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }),
      ...(onChunk ? { accept: 'text/event-stream' } : {}),
    },
    body: JSON.stringify(input),
    ...(signal ? { signal } : {}),
  }).catch((cause: unknown) => {
    throw new AigenError(signal?.aborted ? 'step.cancelled' : 'network.unreachable', `the door at ${door}`, { cause })
  })
  const answer = response.headers.get('content-type')?.includes('text/event-stream') ? await readStream(response, onChunk!) : await readJson(response)
  return verified(answer, access.grant.body, capability, input)
}

async function readJson(response: Response): Promise<KeyAnswer> {
  const said = decodeJson(new Uint8Array(await response.arrayBuffer()), { bytesMax: ANSWER_BYTES_MAX }) as KeyAnswer & { error?: ErrorBody }
  if (said.error) throw fromBody(said.error)
  return said
}

/** Reads server-sent events (WHATWG HTML, 9.2) as this door writes them: one `data` line each. */
async function readStream(response: Response, onChunk: (chunk: unknown) => void): Promise<KeyAnswer> {
  const decoder = new TextDecoder()
  let text = ''
  for await (const bytes of response.body as unknown as AsyncIterable<Uint8Array>) {
    text += decoder.decode(bytes, { stream: true })
    if (text.length > ANSWER_BYTES_MAX) throw new AigenError('input.too-large', 'the answer')
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const event = text.slice(0, end)
      text = text.slice(end + 2)
      const name = /^event: ?(.*)$/m.exec(event)?.[1]
      const data = /^data: ?(.*)$/m.exec(event)?.[1]
      if (data === undefined) continue
      const said = decodeJson(Buffer.from(data), { bytesMax: ANSWER_BYTES_MAX }) as any
      if (name === 'chunk') onChunk(said.chunk)
      else if (name === 'error') throw fromBody(said.error)
      else if (name === 'result') return said
    }
  }
  throw new AigenError('network.closed', 'the answer broke off; repeat under the same idempotency key')
}

/** The answer, once it is what the provider signed for this input at the granted price. */
function verified(answer: KeyAnswer, grant: AccessGrantBody, capability: string, input: unknown): KeyAnswer {
  const delivery = validate('Delivery', answer.delivery)
  const { body, signature } = delivery
  const rate = grant.rates.find((one) => one.capability === capability)
  if (signature.by !== grant.provider) throw new AigenError('auth.unauthorised', 'the delivery is signed by another than the provider')
  verifierOf(grant).verify('delivery', body, signature, body.at)
  if (body.agreement !== hashOf(grant)) throw new AigenError('step.output', 'the delivery is for another grant')
  if (body.inputHash !== hashOf(withRefs(input))) throw new AigenError('step.output', 'the delivery is for another input')
  if (body.outputHash !== hashOf(answer.output)) throw new AigenError('step.output', 'the output is not the one delivered')
  if (!rate || BigInt(body.amount) > charge({ ...rate, cap: body.amount }, body.units)) throw new AigenError('step.output', 'it costs more than was granted')
  return { ...answer, delivery, units: body.units, price: formatMoney(BigInt(body.amount)) }
}

function verifierOf({ authorisation }: AccessGrantBody): ReturnType<typeof createVerifier> {
  const authorisations = createAuthorisations()
  authorisations.admit(authorisation)
  return createVerifier(authorisations)
}

/** The input as the provider hashes it: with references in place of inline data. */
function withRefs(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(withRefs)
  const { $data } = value as { $data?: unknown }
  if (typeof $data === 'string' && Object.keys(value).length === 1) {
    return blobRef(Buffer.from($data.slice($data.indexOf(',') + 1), 'base64'), $data.slice('data:'.length, $data.indexOf(';')))
  }
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, withRefs(one)]))
}
