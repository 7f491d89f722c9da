/**
 * OpenAI's chat completions and embeddings, translated to and from the network's capabilities. Pure:
 * what a request means, or a refusal that names the parameter (`gateway.unsupported`); what an answer
 * looks like. Nothing is dropped silently that would change an answer. Used by the gateway's routes.
 */
import type { ChatChunk, ChatInput, ChatMessage, ChatOutput, ChatTool, Finish } from '../llm/chat.ts'
import { AigenError } from '../../schemas/error.ts'

type Json = Readonly<Record<string, any>>

export interface ChatRequest {
  readonly model: string
  readonly stream: boolean
  readonly includeUsage: boolean
  /** As asked; the key's cap counts where it is undefined. */
  readonly maxTokens: number | undefined
  readonly input: Omit<ChatInput, 'model' | 'maxTokens'>
}

/** Says something about the request, not the answer: taken and left alone. */
const IGNORED = new Set(['user', 'metadata', 'safety_identifier', 'prompt_cache_key', 'service_tier', 'model', 'messages', 'stream', 'stream_options', 'max_tokens', 'max_completion_tokens', 'tools', 'tool_choice', 'response_format', 'temperature', 'top_p', 'stop', 'seed'])
/** Known to OpenAI; these values mean the same as leaving them out. */
const NEUTRAL: Readonly<Record<string, readonly unknown[]>> = {
  n: [1], logprobs: [false], store: [false], frequency_penalty: [0], presence_penalty: [0], parallel_tool_calls: [true],
}

function unsupported(path: string, why: string): AigenError {
  return new AigenError('gateway.unsupported', `${path}: ${why}.`, { path })
}

function checkParameters(body: Json, known: ReadonlySet<string>): void {
  for (const [name, value] of Object.entries(body)) {
    if (value === null || value === undefined || known.has(name)) continue
    const neutral = NEUTRAL[name]
    if (!neutral) throw unsupported(name, 'this parameter is not supported')
    if (!neutral.includes(value)) throw unsupported(name, `only ${neutral.map((one) => JSON.stringify(one)).join(' or ')} is supported`)
  }
}

/** What a chat completion asks for. Errors `gateway.unsupported` with the parameter. */
export function readChat(given: unknown): ChatRequest {
  const body = objectOf(given)
  checkParameters(body, IGNORED)
  if (!Array.isArray(body['messages']) || body['messages'].length === 0) throw unsupported('messages', 'a list of messages is required')
  const input: Omit<ChatInput, 'model' | 'maxTokens'> = {
    messages: body['messages'].map((one: unknown, index) => messageOf(one, `messages[${index}]`)),
    ...given1('temperature', body['temperature']),
    ...given1('topP', body['top_p']),
    ...given1('seed', body['seed']),
    ...(body['stop'] === null || body['stop'] === undefined ? {} : { stop: Array.isArray(body['stop']) ? body['stop'] : [body['stop']] }),
    ...toolsOf(body),
    ...formatOf(body['response_format']),
  }
  return {
    model: nameOf(body), input,
    stream: body['stream'] === true,
    includeUsage: body['stream_options']?.include_usage === true,
    maxTokens: body['max_completion_tokens'] ?? body['max_tokens'] ?? undefined,
  }
}

function given1<Name extends string>(name: Name, value: unknown): Partial<Record<Name, any>> {
  return value === null || value === undefined ? {} : { [name]: value } as Record<Name, unknown>
}

function objectOf(given: unknown): Json {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) throw new AigenError('input.invalid', 'The body is a JSON object.')
  return given as Json
}

function nameOf(body: Json): string {
  if (typeof body['model'] !== 'string' || body['model'] === '') throw unsupported('model', 'the name of a model is required')
  return body['model']
}

const ROLES: Readonly<Record<string, ChatMessage['role']>> = { system: 'system', developer: 'system', user: 'user', assistant: 'assistant', tool: 'tool' }

function messageOf(given: unknown, path: string): ChatMessage {
  const message = objectOf(given)
  const role = typeof message['role'] === 'string' && Object.hasOwn(ROLES, message['role']) ? ROLES[message['role']] : undefined
  if (!role) throw unsupported(`${path}.role`, `one of ${Object.keys(ROLES).join(', ')}`)
  const calls = message['tool_calls'] as readonly Json[] | undefined
  return {
    role, content: textOf(message['content'], `${path}.content`),
    ...(typeof message['name'] === 'string' ? { name: message['name'] } : {}),
    ...(role === 'assistant' && calls?.length ? { toolCalls: calls.map((one, index) => {
      if (one['type'] !== 'function') throw unsupported(`${path}.tool_calls[${index}].type`, 'only function calls')
      return { id: one['id'], name: one['function']?.name, arguments: one['function']?.arguments }
    }) } : {}),
    ...(role === 'tool' ? { toolCallId: message['tool_call_id'] } : {}),
  }
}

function textOf(content: unknown, path: string): string {
  if (content === null || content === undefined) return ''
  if (typeof content === 'string') return content
  if (!Array.isArray(content)) throw unsupported(path, 'text, or a list of text parts')
  return content.map((part: Json, index) => {
    if (part?.['type'] !== 'text' || typeof part['text'] !== 'string') throw unsupported(`${path}[${index}]`, 'only text parts are supported')
    return part['text'] as string
  }).join('')
}

function toolsOf(body: Json): Pick<ChatInput, 'tools' | 'toolChoice'> {
  const tools = body['tools'] as readonly Json[] | undefined | null
  if (!tools?.length) return {}
  const choice = body['tool_choice'] as unknown
  const named = typeof choice === 'object' && choice !== null ? (choice as Json)['function']?.name as unknown : choice
  if (named !== undefined && named !== null && typeof named !== 'string') throw unsupported('tool_choice', 'auto, none, required, or one function')
  return {
    tools: tools.map((tool, index): ChatTool => {
      if (tool['type'] !== 'function') throw unsupported(`tools[${index}].type`, 'only functions')
      const { name, description, parameters } = tool['function'] ?? {}
      return { name, ...(description ? { description } : {}), parameters: parameters ?? { type: 'object', properties: {} } }
    }),
    ...(typeof named === 'string' ? { toolChoice: named } : {}),
  }
}

function formatOf(format: Json | undefined | null): Pick<ChatInput, 'json'> {
  switch (format?.['type']) {
    case undefined:
    case 'text':
      return {}
    case 'json_object':
      return { json: true }
    case 'json_schema':
      return { json: (format?.['json_schema']?.schema as object | undefined) ?? true } as Pick<ChatInput, 'json'>
    default:
      throw unsupported('response_format', 'text, json_object or json_schema')
  }
}

const FINISH: Readonly<Record<Finish, string>> = { 'stop': 'stop', 'length': 'length', 'tool-calls': 'tool_calls', 'content-filter': 'content_filter', 'cancelled': 'stop' }

const usageOf = ({ usage: { inputTokens, outputTokens } }: ChatOutput): object => ({ prompt_tokens: inputTokens, completion_tokens: outputTokens, total_tokens: inputTokens + outputTokens })

/** What stands in every object of one answer. */
export interface AnswerHead {
  readonly id: string
  /** Seconds since the epoch. */
  readonly created: number
  readonly model: string
}

export function chatAnswer(head: AnswerHead, output: ChatOutput): object {
  const { message: { content, toolCalls = [] } } = output
  return {
    id: head.id, object: 'chat.completion', created: head.created, model: head.model, system_fingerprint: null,
    choices: [{
      index: 0, logprobs: null, finish_reason: FINISH[output.finish],
      message: {
        role: 'assistant', content: content === '' && toolCalls.length > 0 ? null : content, refusal: null,
        ...(toolCalls.length === 0 ? {} : { tool_calls: toolCalls.map(({ id, name, arguments: text }) => ({ id, type: 'function', function: { name, arguments: text } })) }),
      },
    }],
    usage: usageOf(output),
  }
}

const chunkOf = (head: AnswerHead, delta: object, finish: string | null = null): object => ({
  id: head.id, object: 'chat.completion.chunk', created: head.created, model: head.model, system_fingerprint: null,
  choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
})

export const chatBegin = (head: AnswerHead): object => chunkOf(head, { role: 'assistant', content: '' })

export function chatPiece(head: AnswerHead, { content, toolCalls }: ChatChunk): object {
  return chunkOf(head, {
    ...(content === undefined ? {} : { content }),
    ...(toolCalls === undefined ? {} : { tool_calls: toolCalls.map(({ index, id, name, arguments: text }) => ({
      index, ...(id === undefined ? {} : { id, type: 'function' }), function: { ...(name === undefined ? {} : { name }), ...(text === undefined ? {} : { arguments: text }) },
    })) }),
  })
}

export const chatEnd = (head: AnswerHead, output: ChatOutput): object => chunkOf(head, {}, FINISH[output.finish])

export function chatUsage(head: AnswerHead, output: ChatOutput): object {
  return { ...chunkOf(head, {}), choices: [], usage: usageOf(output) }
}

/** What a whole answer would have been streamed as: for providers that do not stream, and for a replay. */
export function piecesOf({ message: { content, toolCalls = [] } }: ChatOutput): ChatChunk[] {
  const calls = toolCalls.map(({ id, name, arguments: text }, index) => ({ index, id, name, arguments: text }))
  return [...(content === '' ? [] : [{ content }]), ...(calls.length === 0 ? [] : [{ toolCalls: calls }])]
}

export interface EmbeddingRequest {
  readonly model: string
  readonly texts: readonly string[]
  readonly encoding: 'float' | 'base64'
  readonly dimensions: number | undefined
}

/** What an embeddings request asks for. Errors `gateway.unsupported` with the parameter. */
export function readEmbeddings(given: unknown): EmbeddingRequest {
  const body = objectOf(given)
  checkParameters(body, new Set(['model', 'input', 'encoding_format', 'dimensions', 'user']))
  const { input, encoding_format: encoding = 'float', dimensions } = body
  const texts = typeof input === 'string' ? [input] : input as unknown
  if (!Array.isArray(texts) || texts.length === 0 || texts.some((one) => typeof one !== 'string')) throw unsupported('input', 'a text or a list of texts; lists of tokens are not supported')
  if (encoding !== 'float' && encoding !== 'base64') throw unsupported('encoding_format', 'float or base64')
  return { model: nameOf(body), texts: texts as string[], encoding, dimensions: dimensions ?? undefined }
}

/**
 * The answer to an embeddings request. Providers are paid by the text and count no tokens, so `usage`
 * says zero. Error `gateway.unsupported` when another number of dimensions was asked for.
 */
export function embeddingsAnswer({ model, encoding, dimensions }: EmbeddingRequest, vectors: readonly (readonly number[])[]): object {
  const length = vectors[0]?.length
  if (dimensions !== undefined && dimensions !== length) throw unsupported('dimensions', `the model has ${length}`)
  const encode = (vector: readonly number[]): unknown => (encoding === 'float' ? vector : Buffer.from(new Float32Array(vector).buffer).toString('base64'))
  return { object: 'list', model, data: vectors.map((vector, index) => ({ object: 'embedding', index, embedding: encode(vector) })), usage: { prompt_tokens: 0, total_tokens: 0 } }
}
