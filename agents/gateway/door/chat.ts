/**
 * `POST /v1/chat/completions`: a call of text.chat@1 hired for the account, whole or streamed. A
 * client that hangs up cancels the call and pays what was delivered; one that gave an
 * `Idempotency-Key` and did not stream comes back for its answer, so its call goes on.
 */
import type { Context, Hono } from 'hono'
import type { ChatChunk, ChatOutput } from '../../llm/chat.ts'
import { AigenError } from '../../../schemas/error.ts'
import { checkAllowed, tokensOf } from '../keys.ts'
import { CHAT, modelNamed } from '../models.ts'
import { chatAnswer, chatBegin, chatEnd, chatPiece, chatUsage, piecesOf, readChat, type AnswerHead, type ChatRequest } from '../openai.ts'
import { perform, type Performed } from '../perform.ts'
import { answerId, bodyOf, callerOf, live, once, type Door, type KnownCaller } from './door.ts'

/** Characters of a token, for what a call may take of the key's tokens a minute; the provider's count replaces it. */
const TOKEN_CHARACTERS = 4

interface ChatAnswered {
  readonly head: AnswerHead
  readonly performed: Performed
}

export function serveChat(app: Hono, door: Door): void {
  app.post('/v1/chat/completions', async (context) => {
    const caller = await callerOf(door, context)
    const request = readChat(await bodyOf(context))
    checkAllowed(caller.limits, request.model)
    return request.stream ? streamed(door, context, caller, request) : whole(door, context, caller, request)
  })
}

/** Does the call, or finds its answer. */
function answer(door: Door, context: Context, caller: KnownCaller, request: ChatRequest, more: { signal?: AbortSignal; begun?: (head: AnswerHead) => void; onChunk?: (chunk: ChatChunk) => void }): Promise<ChatAnswered> {
  const { gateway } = door
  const { directory, clock } = gateway.user.node
  const model = modelNamed(directory, request.model, CHAT)
  const maxTokens = tokensOf(caller.limits, request.maxTokens)
  const input = { ...request.input, maxTokens, ...(request.model === CHAT ? {} : { model: request.model }) }
  return once(door, context, caller, { input, stream: request.stream, model: request.model }, async (call) => {
    const head = { id: answerId('chatcmpl', call), created: Math.floor(clock.now() / 1_000), model: request.model }
    more.begun?.(head)
    const performed = await perform(gateway, {
      caller, call, route: request.model, capability: CHAT, input, sellers: model.sellers,
      tokens: Math.ceil(JSON.stringify(request.input).length / TOKEN_CHARACTERS) + maxTokens,
      tokensOf: (output) => (output as ChatOutput).usage.inputTokens + (output as ChatOutput).usage.outputTokens,
      ...(more.signal === undefined ? {} : { signal: more.signal }),
      ...(more.onChunk === undefined ? {} : { onChunk: (chunk: unknown) => more.onChunk!(chunk as ChatChunk) }),
    })
    return { head, performed }
  })
}

async function whole(door: Door, context: Context, caller: KnownCaller, request: ChatRequest): Promise<Response> {
  const comesBack = context.req.header('idempotency-key') !== undefined
  const { head, performed } = await answer(door, context, caller, request, comesBack ? {} : { signal: context.req.raw.signal })
  showCost(context, performed)
  return context.json(chatAnswer(head, performed.output as ChatOutput))
}

async function streamed(door: Door, context: Context, caller: KnownCaller, request: ChatRequest): Promise<Response> {
  const gone = new AbortController()
  context.req.raw.signal.addEventListener('abort', () => gone.abort(new AigenError('step.cancelled')), { once: true })
  const pieces = pieceQueue()
  let begun: AnswerHead | undefined
  const answering = answer(door, context, caller, request, { signal: gone.signal, begun: (head) => (begun = head), onChunk: pieces.push }).finally(pieces.end)
  // What is refused before the first piece is refused with its status, not in a stream.
  await Promise.race([answering, pieces.more()])
  answering.catch(() => undefined)
  return live(door, context, gone, async ({ write }) => {
    let head = begun
    let any = false
    const begin = async (): Promise<void> => {
      if (!any) await write(chatBegin(head!))
      any = true
    }
    while (await pieces.more()) {
      await begin()
      for (let piece = pieces.take(); piece; piece = pieces.take()) await write(chatPiece(head!, piece))
    }
    const { head: known, performed } = await answering
    head = known
    const output = performed.output as ChatOutput
    if (!any) {
      await begin()
      for (const piece of piecesOf(output)) await write(chatPiece(head, piece))
    }
    await write({ ...chatEnd(head, output), aigen: costOf(performed) })
    if (request.includeUsage) await write(chatUsage(head, output))
    await write('[DONE]')
  })
}

interface Pieces {
  push(piece: ChatChunk): void
  take(): ChatChunk | undefined
  /** Resolves true when there is one, false when there will be none. */
  more(): Promise<boolean>
  end(): void
}

/** Pieces that wait for a slow client: texts run together, so that they never take more than the answer itself. */
function pieceQueue(): Pieces {
  const waiting: ChatChunk[] = []
  const wakes: (() => void)[] = []
  let ended = false
  const wake = (): void => {
    for (const one of wakes.splice(0)) one()
  }
  return {
    push: (piece) => {
      const last = waiting.at(-1)
      if (last?.content !== undefined && !last.toolCalls && piece.content !== undefined && !piece.toolCalls) waiting[waiting.length - 1] = { content: last.content + piece.content }
      else waiting.push(piece)
      wake()
    },
    take: () => waiting.shift(),
    more: async () => {
      while (waiting.length === 0 && !ended) await new Promise<void>((resolve) => wakes.push(resolve))
      return waiting.length > 0
    },
    end: () => {
      ended = true
      wake()
    },
  }
}

/** What the account paid, for programs that look. */
export function costOf({ run, provider, charged, fee }: Performed): object {
  return { run, provider, price: charged, fee }
}

export function showCost(context: Context, { run, provider, charged, fee }: Performed): void {
  context.header('x-aigen-run', run)
  context.header('x-aigen-provider', encodeURIComponent(provider))
  context.header('x-aigen-price', charged)
  context.header('x-aigen-fee', fee)
}
