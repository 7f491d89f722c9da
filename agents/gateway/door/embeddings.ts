/**
 * `POST /v1/embeddings` by hiring text.embed@1, and `GET /v1/models` from the directory.
 */
import type { Hono } from 'hono'
import { checkAllowed } from '../keys.ts'
import { EMBED, modelNamed, modelsOf } from '../models.ts'
import { embeddingsAnswer, readEmbeddings } from '../openai.ts'
import { perform } from '../perform.ts'
import { AigenError } from '../../../schemas/error.ts'
import { showCost } from './chat.ts'
import { bodyOf, callerOf, once, type Door } from './door.ts'

export function serveEmbeddings(app: Hono, door: Door): void {
  const { gateway } = door
  const { directory } = gateway.user.node
  app.post('/v1/embeddings', async (context) => {
    const caller = await callerOf(door, context)
    const request = readEmbeddings(await bodyOf(context))
    checkAllowed(caller.limits, request.model)
    const { sellers } = modelNamed(directory, request.model, EMBED)
    const comesBack = context.req.header('idempotency-key') !== undefined
    const performed = await once(door, context, caller, request, (call) => perform(gateway, {
      caller, call, route: request.model, capability: EMBED, input: { texts: request.texts }, sellers, tokens: 0, tokensOf: () => 0,
      ...(comesBack ? {} : { signal: context.req.raw.signal }),
    }))
    showCost(context, performed)
    return context.json(embeddingsAnswer(request, (performed.output as { vectors: number[][] }).vectors))
  })
}

export function serveModels(app: Hono, door: Door): void {
  const { directory } = door.gateway.user.node
  const shown = ({ id, capability, sellers }: ReturnType<typeof modelsOf>[number]): object => ({
    id, object: 'model', created: Math.floor(Math.min(...sellers.map(({ participant }) => directory.entry(participant)?.card.body.issuedAt ?? 0)) / 1_000), owned_by: 'aigen',
    capability, providers: sellers.map(({ name, offer }) => ({ name, list: offer.list, unit: offer.capability.unit, per: offer.capability.per ?? 1 })),
  })
  app.get('/v1/models', async (context) => {
    const { limits } = await callerOf(door, context)
    const models = modelsOf(directory).filter(({ id }) => !limits.allowed || limits.allowed.includes(id))
    return context.json({ object: 'list', data: models.map(shown) })
  })
  app.get('/v1/models/:id', async (context) => {
    await callerOf(door, context)
    const model = modelsOf(directory).find(({ id }) => id === context.req.param('id'))
    if (!model) throw new AigenError('gateway.model', undefined, { path: 'model' })
    return context.json(shown(model))
  })
}
