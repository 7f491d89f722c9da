/**
 * One call of a vendor's model: streamed, metered by what the vendor reports, ended where the caller
 * gives up. What is passed on with `emit` is what the answer says. Used by vendor-models.ts.
 *
 * A call that ended by itself is billed by the vendor's own count, and one without a count is not
 * sold (`step.failed`). A call that was cancelled or cut is billed by the vendor's count as far as
 * it came, else by four characters a token, since vendors count at the end only.
 */
import type { AIMessageChunk } from '@langchain/core/messages'
import { AigenError, asError } from '../../schemas/error.ts'
import type { Clock } from '../../runtime/ports/clock.ts'
import type { ChatChunk, ChatInput, ChatOutput, ChatToolCall, ChatUsage, Finish } from './chat.ts'
import { textOf, toLangChain } from './messages.ts'
import { isQuota, vendorLine, type Refusal } from './vendor-line.ts'
import type { Vendor, VendorAccess } from './vendors.ts'

/** Bytes of an answer's text as JSON, and characters of a call's arguments, as the capability allows them. */
const CONTENT_BYTES_MAX = 200_000
const ARGUMENTS_MAX = 100_000
const PIECE_MAX = 50_000
const CALLS_MAX = 64
const CHARS_PER_TOKEN = 4
const DETAIL_MAX = 300

const FINISH: Readonly<Record<string, Finish>> = {
  stop: 'stop', length: 'length', tool_calls: 'tool-calls', function_call: 'tool-calls', content_filter: 'content-filter',
  end_turn: 'stop', stop_sequence: 'stop', max_tokens: 'length', tool_use: 'tool-calls', refusal: 'content-filter', model_context_window_exceeded: 'length', pause_turn: 'stop',
}

export interface AskOptions {
  readonly vendor: Vendor
  readonly access: VendorAccess
  readonly model: string
  readonly clock: Clock
  readonly signal: AbortSignal
  readonly emit: (chunk: ChatChunk) => Promise<void>
}

/**
 * - `step.input`: the vendor cannot work with this input; says what it said.
 * - `vendor.denied`, `vendor.empty`: the key is refused, the account is out of credit: nobody's call will work.
 * - `vendor.unreachable`: there was no connection.
 * - `step.failed`: the vendor failed, its stream broke, or it did not count; nothing is owed.
 * - what `signal` aborted with, unless that is `step.cancelled`: then the answer so far.
 */
export async function askVendor(input: ChatInput, options: AskOptions): Promise<ChatOutput> {
  const { vendor, access, model, signal, emit } = options
  const line = vendorLine(signal, options.clock)
  const answer = new Answer(model)
  try {
    const messages = toLangChain(withJsonWish(input))
    const stream = await vendor.chat(access, model, input, line.fetch).stream(messages, vendor.options(input))
    for await (const chunk of stream) {
      if (signal.aborted) break
      const piece = answer.add(chunk as AIMessageChunk)
      for (const one of piece ? split(piece) : []) await emit(one)
      if (answer.full) return answer.cut('length', input)
    }
  } catch (thrown) {
    if (!signal.aborted) throw failure(thrown, line.refusal(), access)
  }
  if (signal.aborted) {
    if (signal.reason instanceof AigenError && signal.reason.code === 'step.cancelled') return answer.cut('cancelled', input)
    throw asError(signal.reason, 'step.timeout')
  }
  return answer.whole(input)
}

/** An answer as it comes together. */
class Answer {
  /** Whether no more text fits. */
  full = false
  #bytes = 0
  readonly #model: string
  #content = ''
  #finish: string | undefined
  #named: string | undefined
  #usage: ChatUsage | undefined
  readonly #calls: { id: string; name: string; arguments: string }[] = []
  readonly #places = new Map<number, number>()

  constructor(model: string) {
    this.#model = model
  }

  /** Takes a chunk in; gives what is to be passed on, if anything. */
  add(chunk: AIMessageChunk): ChatChunk | undefined {
    const meta = { ...chunk.additional_kwargs, ...chunk.response_metadata } as Record<string, unknown>
    const ended = meta['finish_reason'] ?? meta['stop_reason'] ?? (meta['done'] === true ? meta['done_reason'] ?? 'stop' : undefined)
    if (typeof ended === 'string' && ended !== '') this.#finish = ended
    const named = meta['model_name'] ?? meta['model']
    if (typeof named === 'string') this.#named = named
    // A vendor that counts as it goes sends totals, so the largest is the count.
    const counted = chunk.usage_metadata
    if (counted && counted.input_tokens + counted.output_tokens > 0) {
      this.#usage = { inputTokens: Math.max(this.#usage?.inputTokens ?? 0, counted.input_tokens), outputTokens: Math.max(this.#usage?.outputTokens ?? 0, counted.output_tokens) }
    }
    const content = this.#fit(textOf(chunk.content))
    this.#content += content
    const toolCalls = (chunk.tool_call_chunks ?? []).map((part) => this.#addCall(part))
    return content === '' && toolCalls.length === 0 ? undefined : { ...(content === '' ? {} : { content }), ...(toolCalls.length === 0 ? {} : { toolCalls }) }
  }

  /** As much of the text as there is room for. */
  #fit(text: string): string {
    let fitting = text
    while (Buffer.byteLength(JSON.stringify(fitting)) - 2 > CONTENT_BYTES_MAX - this.#bytes) {
      this.full = true
      fitting = fitting.slice(0, Math.min(fitting.length >> 1, CONTENT_BYTES_MAX)).replace(/[\uD800-\uDBFF]$/, '')
    }
    this.#bytes += Buffer.byteLength(JSON.stringify(fitting)) - 2
    return fitting
  }

  #addCall(part: { id?: string | undefined; name?: string | undefined; args?: string | undefined; index?: number | undefined }): NonNullable<ChatChunk['toolCalls']>[number] {
    const known = this.#places.get(part.index ?? 0)
    const args = part.args ?? ''
    // Some vendors send whole calls and give each the same index: a new id is a new call.
    if (known === undefined || (part.id !== undefined && part.id !== '' && part.id !== this.#calls[known]!.id)) {
      const index = this.#calls.length
      if (index >= CALLS_MAX) throw new AigenError('step.failed', 'The model called too many tools at once.')
      const call = { id: (part.id || `call_${index}`).slice(0, 128), name: (part.name ?? '').slice(0, 64), arguments: args }
      this.#calls.push(call)
      this.#places.set(part.index ?? 0, index)
      return { index, id: call.id, ...(call.name === '' ? {} : { name: call.name }), arguments: args }
    }
    const call = this.#calls[known]!
    call.arguments += args
    if (call.name === '' && part.name) call.name = part.name.slice(0, 64)
    if (call.arguments.length > ARGUMENTS_MAX) throw new AigenError('step.failed', 'The model wrote arguments without end.')
    return { index: known, arguments: args }
  }

  /** The answer of a stream that ended by itself. */
  whole(input: ChatInput): ChatOutput {
    if (this.#finish === undefined) throw new AigenError('step.failed', 'The vendor\'s stream broke off.')
    if (this.#usage === undefined) throw new AigenError('step.failed', 'The vendor did not say how many tokens it counted.')
    if (this.#calls.some((call) => call.name === '')) throw new AigenError('step.failed', 'The model called a tool without a name.')
    const finish = FINISH[this.#finish] ?? 'stop'
    const { toolChoice } = input
    const forced = toolChoice !== undefined && toolChoice !== 'auto' && toolChoice !== 'none' && (input.tools?.length ?? 0) > 0
    if (forced && finish !== 'length' && finish !== 'content-filter' && !this.#calls.some(({ name }) => toolChoice === 'required' || name === toolChoice)) {
      throw new AigenError('step.failed', `The model did not call ${toolChoice === 'required' ? 'a tool' : toolChoice}, as it was told.`)
    }
    return this.#output(finish === 'stop' && this.#calls.length > 0 ? 'tool-calls' : finish, this.#calls, this.#usage)
  }

  /** What there is of an answer that was not waited for; half a tool call is none. */
  cut(finish: 'cancelled' | 'length', input: ChatInput): ChatOutput {
    const read = input.messages.reduce((sum, one) => sum + one.content.length, 0) + (input.tools ? JSON.stringify(input.tools).length : 0)
    const written = this.#content.length + this.#calls.reduce((sum, one) => sum + one.arguments.length, 0)
    return this.#output(finish, [], {
      inputTokens: this.#usage?.inputTokens || Math.ceil(read / CHARS_PER_TOKEN),
      outputTokens: Math.max(this.#usage?.outputTokens ?? 0, Math.ceil(written / CHARS_PER_TOKEN)),
    })
  }

  #output(finish: Finish, calls: readonly ChatToolCall[], usage: ChatUsage): ChatOutput {
    const message = { role: 'assistant' as const, content: this.#content, ...(calls.length === 0 ? {} : { toolCalls: calls }) }
    return { message, finish, model: (this.#named ?? this.#model).slice(0, 200), usage }
  }
}

/** A piece in parts that the capability's chunk holds; vendors send a few words at a time, so it is one. */
function split(piece: ChatChunk): ChatChunk[] {
  const { content = '', ...rest } = piece
  if (content.length <= PIECE_MAX) return [piece]
  const parts = Array.from({ length: Math.ceil(content.length / PIECE_MAX) }, (_, index) => ({ content: content.slice(index * PIECE_MAX, (index + 1) * PIECE_MAX) }))
  return rest.toolCalls ? [...parts, rest] : parts
}

/** Vendors that know a JSON mode want the word in the conversation, and the others need it. */
function withJsonWish({ messages, json }: ChatInput): ChatInput['messages'] {
  return json === true ? [{ role: 'system', content: 'Answer with one JSON value and nothing else.' }, ...messages] : messages
}

/** What went wrong, in words that hold no key. */
function failure(thrown: unknown, refusal: Refusal | undefined, { key }: VendorAccess): AigenError {
  if (thrown instanceof AigenError && thrown.code !== 'vendor.unreachable') return thrown
  if (refusal === undefined) return new AigenError('step.failed', withoutKey(thrown instanceof Error ? thrown.message : String(thrown), key))
  const { status, detail } = refusal
  // A vendor's word on a wrong key repeats parts of it.
  if (status === 401 || status === 403) return new AigenError('vendor.denied', `It answered ${status}.`)
  if (isQuota(refusal)) return new AigenError('vendor.empty', `It answered ${status}.`)
  if (status === 400 || status === 404 || status === 413 || status === 422) return new AigenError('step.input', withoutKey(detailOf(detail), key))
  return status === 0 ? new AigenError('vendor.unreachable') : new AigenError('step.failed', `The vendor answered ${status}.`)
}

/** The sentence in a refusal's body, whichever vendor wrote it. */
function detailOf(body: string): string {
  try {
    const { error, message } = JSON.parse(body) as { error?: string | { message?: string }; message?: string }
    return (typeof error === 'string' ? error : error?.message) ?? message ?? body
  } catch {
    return body
  }
}

function withoutKey(text: string, key: string): string {
  return (key.length < 4 ? text : text.replaceAll(key, '…')).slice(0, DETAIL_MAX)
}
