/**
 * The provider's HTTP door: for clients with an access key and no node, and for its operator. Every
 * refusal is one of the error table. Opened by `aigen provide --http`; knows nothing of the network.
 *
 *   GET    /capabilities                  what is sold
 *   POST   /v1/capabilities/:id           one call; `Accept: text/event-stream` brings pieces as they come
 *   GET    /v1/key                        what the key that asks may still do
 *   GET · POST /admin/keys, GET · DELETE /admin/keys/:id, GET /admin/keys/:id/invoice   for its operator
 */
import { timingSafeEqual } from 'node:crypto'
import { Hono, type Context } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { streamSSE } from 'hono/streaming'
import { decodeJson } from '../../../schemas/decode.ts'
import type { AccessCaveat } from '../../../schemas/documents.gen.ts'
import { AigenError, asError } from '../../../schemas/error.ts'
import { formatMoney } from '../../../schemas/money.ts'
import type { Node } from '../../../runtime/node/node.ts'
import { httpStatus } from '../../http/status.ts'
import type { Access } from '../access.ts'
import type { ProviderDefinition } from '../define.ts'
import type { KeyedAnswer, KeyedCalls } from '../keyed-calls.ts'
import { showBlobs, takeBlobs } from '../../http/inline-blobs.ts'

const BODY_BYTES_MAX = 24 * 2 ** 20
/** A client that has to come back later is told when, in seconds. */
const RETRY_AFTER = { 'key.rate': 60, 'node.busy': 2 } as const

export interface DoorOptions {
  readonly node: Node
  readonly definitions: readonly ProviderDefinition[]
  readonly calls: KeyedCalls
  readonly access: Access
  /** What the operator shows to reach `/admin`. */
  readonly adminToken: string
  /** HTTP addresses told in new grants. */
  readonly doors: () => readonly string[]
}

/** The door as an application, for a server or a test. */
export function providerDoor({ node, definitions, calls, access, adminToken, doors }: DoorOptions): Hono {
  const app = new Hono()
  const { rail, blobs } = node

  app.onError((thrown, context) => refuse(context, thrown))
  app.notFound((context) => refuse(context, new AigenError('usage.invalid', `There is nothing at ${context.req.method} ${context.req.path}.`), 404))
  app.use(bodyLimit({ maxSize: BODY_BYTES_MAX, onError: (context) => refuse(context, new AigenError('input.too-large', `a body has ${BODY_BYTES_MAX} bytes at most`)) }))

  app.get('/healthz', (context) => context.json({ ok: true }))
  app.get('/capabilities', (context) => context.json({
    provider: node.participant, capabilities: definitions.map(({ name, capability, price, latencyMs }) => ({ ...capability, name, list: price.list, latencyMs })),
  }))

  app.get('/v1/key', (context) => {
    const { id, caveats, marks, context: key } = calls.check(bearer(context))
    const counters = marks.map((mark) => key.counters[mark])
    return context.json({
      id, rates: key.grant.body.rates,
      limits: caveats.map((caveat, index) => ({ ...caveat, used: { calls: counters[index]?.calls ?? 0, amount: counters[index]?.amount ?? '0' } })),
    })
  })

  app.post('/v1/capabilities/:id', async (context) => {
    const key = bearer(context)
    calls.check(key)
    const idempotencyKey = context.req.header('idempotency-key')
    if (idempotencyKey !== undefined && !/^[\x21-\x7e]{1,255}$/.test(idempotencyKey)) throw new AigenError('input.invalid', 'Idempotency-Key has 1 to 255 visible characters', { path: 'Idempotency-Key' })
    const request = {
      key, capability: context.req.param('id'), input: await takeBlobs(await body(context), blobs), signal: context.req.raw.signal, ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
    }
    const shown = async ({ output, delivery }: KeyedAnswer): Promise<object> => ({
      output, units: delivery.body.units, price: formatMoney(BigInt(delivery.body.amount), rail.terms.decimals), delivery, blobs: await showBlobs(output, blobs),
    })
    if (!context.req.header('accept')?.includes('text/event-stream')) return context.json(await shown(await calls.call(request)))
    return streamSSE(context, async (stream) => {
      const gone = new AbortController()
      stream.onAbort(() => gone.abort())
      const say = (event: string, data: object): Promise<void> => stream.writeSSE({ event, data: JSON.stringify(data) })
      try {
        const answer = await calls.call({ ...request, signal: gone.signal, onChunk: (chunk) => say('chunk', { chunk }) })
        await say('result', await shown(answer))
      } catch (thrown) {
        await say('error', { error: asError(thrown).toJSON() })
      }
    })
  })

  app.use('/admin/*', async (context, next) => {
    const given = Buffer.from(bearer(context))
    const own = Buffer.from(adminToken)
    if (given.length !== own.length || !timingSafeEqual(given, own)) throw new AigenError('auth.forged', 'the admin token is another')
    await next()
  })
  app.get('/admin/keys', (context) => context.json({ keys: access.list() }))
  app.post('/admin/keys', async (context) => {
    const { holder, label, limits } = await body(context) as { holder?: unknown; label?: unknown; limits?: unknown }
    if (typeof holder !== 'string') throw new AigenError('input.invalid', 'holder is missing', { path: 'holder' })
    const sealed = await access.issue({ holder, limits: (limits ?? {}) as AccessCaveat, doors: doors(), ...(typeof label === 'string' ? { label: label.slice(0, 200) } : {}) })
    return context.json(sealed, 201)
  })
  app.get('/admin/keys/:id', (context) => context.json(access.show(context.req.param('id'))))
  app.delete('/admin/keys/:id', async (context) => {
    await access.revoke(context.req.param('id'))
    return context.json(access.show(context.req.param('id')))
  })
  app.get('/admin/keys/:id/invoice', async (context) => context.json(await access.invoice(context.req.param('id'))))
  return app
}

function refuse(context: Context, thrown: unknown, status?: number): Response {
  const error = asError(thrown)
  const seconds = (RETRY_AFTER as Partial<Record<string, number>>)[error.code]
  if (seconds !== undefined) context.header('Retry-After', String(seconds))
  return context.json({ error: { ...error.toJSON(), hint: error.rule.hint } }, (status ?? httpStatus(error.code)) as 400)
}

function bearer(context: Context): string {
  const [, token] = /^Bearer (\S{1,32768})$/.exec(context.req.header('authorization') ?? '') ?? []
  if (token === undefined) throw new AigenError('auth.forged', 'Authorization: Bearer <key> is missing')
  return token
}

async function body(context: Context): Promise<unknown> {
  return decodeJson(new Uint8Array(await context.req.arrayBuffer()), { bytesMax: BODY_BYTES_MAX })
}
