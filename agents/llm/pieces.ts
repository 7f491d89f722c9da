/**
 * The pieces of a streamed answer between the one who hears them and the one who reads them, made
 * whole at the end: what the stream left out follows from the delivery, and a stream that said
 * something else than the delivery is an error. Used by NetworkChatModel; its size is bounded by
 * what an answer may hold.
 */
import { AigenError } from '../../schemas/error.ts'
import type { ChatChunk, ChatOutput } from './chat.ts'

/** Characters of text and arguments that an answer holds at most; a stream beyond that is not listened to. */
const CHARS_MAX = 1_000_000

export class Pieces implements AsyncIterable<ChatChunk> {
  #content = ''
  #chars = 0
  readonly #calls: { id?: string; name?: string; arguments: string }[] = []
  readonly #waiting: ChatChunk[] = []
  #ended = false
  #error: unknown
  #wake: () => void = () => undefined

  push(piece: ChatChunk): void {
    this.#chars += (piece.content?.length ?? 0) + (piece.toolCalls ?? []).reduce((sum, one) => sum + (one.arguments?.length ?? 0), 0)
    if (this.#ended || this.#chars > CHARS_MAX) return
    this.#content += piece.content ?? ''
    for (const { index, id, name, arguments: args } of piece.toolCalls ?? []) {
      const call = (this.#calls[index] ??= { arguments: '' })
      if (id !== undefined) call.id = id
      if (name !== undefined) call.name = name
      call.arguments += args ?? ''
    }
    this.#waiting.push(piece)
    this.#wake()
  }

  /** The delivery is there: what was not streamed follows. */
  end({ message: { content, toolCalls = [] } }: ChatOutput): void {
    const odd = (): void => this.fail(new AigenError('step.output', 'What was streamed is not what was delivered.'))
    if (!content.startsWith(this.#content) || this.#calls.length > toolCalls.length) return odd()
    const parts: NonNullable<ChatChunk['toolCalls']>[number][] = []
    for (const [index, whole] of toolCalls.entries()) {
      const heard = this.#calls[index]
      if (heard && (!whole.arguments.startsWith(heard.arguments) || (heard.id ?? whole.id) !== whole.id || (heard.name ?? whole.name) !== whole.name)) return odd()
      const rest = {
        ...(heard?.id === undefined ? { id: whole.id } : {}), ...(heard?.name === undefined ? { name: whole.name } : {}),
        ...(whole.arguments.length > (heard?.arguments.length ?? 0) ? { arguments: whole.arguments.slice(heard?.arguments.length ?? 0) } : {}),
      }
      if (Object.keys(rest).length > 0) parts.push({ index, ...rest })
    }
    const rest = content.slice(this.#content.length)
    if (rest !== '' || parts.length > 0) this.#waiting.push({ ...(rest === '' ? {} : { content: rest }), ...(parts.length === 0 ? {} : { toolCalls: parts }) })
    this.#ended = true
    this.#wake()
  }

  fail(error: unknown): void {
    this.#error = error
    this.#ended = true
    this.#wake()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<ChatChunk> {
    for (;;) {
      const piece = this.#waiting.shift()
      if (piece) yield piece
      else if (this.#ended) break
      else await new Promise<void>((resolve) => (this.#wake = resolve))
    }
    if (this.#error !== undefined) throw this.#error
  }
}
