/**
 * The gateway's HTTP door: an OpenAI-compatible API, pipelines, and accounts, as one application for
 * a server or a test. No CORS header is sent, so pages of other origins cannot read it; bodies are
 * bounded before they are read; what is refused is refused in OpenAI's shape (refusal.ts).
 */
import { Hono, type Context } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { AigenError } from '../../../schemas/error.ts'
import { serveAccount } from './account.ts'
import { serveChat } from './chat.ts'
import { BODY_BYTES_MAX, type Door } from './door.ts'
import { serveEmbeddings, serveModels } from './embeddings.ts'
import { openApi } from './openapi.ts'
import { RUN_BYTES_MAX, servePipelines } from './pipelines.ts'
import { refusal } from './refusal.ts'

/** `baseUrl`: where clients reach it, for the OpenAPI document. */
export function gatewayApp(door: Door, baseUrl: () => string): Hono {
  const { clock } = door.gateway.user.node
  const app = new Hono()
  const refuse = (context: Context, thrown: unknown): Response => {
    const { status, headers, body } = refusal(thrown, clock.now())
    return context.json(body, status as 400, headers as Record<string, string>)
  }
  app.onError((thrown, context) => refuse(context, thrown))
  app.notFound((context) => refuse(context, new AigenError('gateway.unknown', `${context.req.method} ${context.req.path}`)))
  const limit = (maxSize: number) => bodyLimit({ maxSize, onError: (context) => refuse(context, new AigenError('input.too-large', `A body has at most ${maxSize} bytes.`)) })
  const [small, large] = [limit(BODY_BYTES_MAX), limit(RUN_BYTES_MAX)]
  app.use((context, next) => (context.req.path.startsWith('/v1/pipelines/') ? large : small)(context, next))

  app.get('/healthz', (context) => (door.gateway.stopping() ? context.json({ ok: false }, 503) : context.json({ ok: true })))
  app.get('/openapi.json', (context) => context.json(openApi(baseUrl())))
  serveAccount(app, door)
  serveModels(app, door)
  serveChat(app, door)
  serveEmbeddings(app, door)
  servePipelines(app, door)
  return app
}
