/**
 * A LangChain chat model whose every call is hired on the network: `text.chat@1` from whoever sells
 * it, under a price and, where one is given, an allowance (I4). Streams what the provider streams;
 * usage is what the provider was paid for, price and provider stand in `response_metadata`.
 */
import { BaseChatModel, type BaseChatModelCallOptions, type BaseChatModelParams, type BindToolsInput, type LangSmithParams } from '@langchain/core/language_models/chat_models'
import type { BaseLanguageModelInput } from '@langchain/core/language_models/base'
import type { CallbackManagerForLLMRun } from '@langchain/core/callbacks/manager'
import { AIMessage, AIMessageChunk, type BaseMessage } from '@langchain/core/messages'
import { ChatGenerationChunk, type ChatResult } from '@langchain/core/outputs'
import type { Runnable } from '@langchain/core/runnables'
import { convertToOpenAITool } from '@langchain/core/utils/function_calling'
import type { Address } from '../../schemas/documents.gen.ts'
import { AigenError } from '../../schemas/error.ts'
import type { Allowance } from '../user/allowance.ts'
import { hire, type Hired, type HireOptions } from '../user/hire.ts'
import type { User } from '../user/user.ts'
import { TEXT_CHAT, type ChatChunk, type ChatInput, type ChatOutput } from './chat.ts'
import { chatTools, toolChoiceOf } from './chat-tools.ts'
import { fromLangChain } from './messages.ts'
import { Pieces } from './pieces.ts'
import { structuredOutput } from './structured-output.ts'

export interface NetworkChatModelOptions extends BaseChatModelParams {
  readonly user: User
  /** Model as offers name it; by default each provider's own. */
  readonly model?: string
  /** Most tokens of an answer (default 1,024); it is reserved and promised, so keep it near what you need. */
  readonly maxTokens?: number
  /** Most that one call may cost, decimal dollars (default "0.02"). */
  readonly maxPrice?: string
  /** What the calls share with others; without one only the wallet limits them. */
  readonly allowance?: Allowance
  /** Participants of which one must answer; default anybody who sells. */
  readonly only?: readonly Address[]
  /** Providers tried at most (default 2); no other one is tried once a piece was passed on. */
  readonly attempts?: number
  /** Time from invoke to delivery, in ms (default 60,000). */
  readonly deadlineMs?: number
  readonly temperature?: number
  readonly topP?: number
  readonly stop?: readonly string[]
  readonly seed?: number
}

export interface NetworkChatCallOptions extends BaseChatModelCallOptions {
  readonly tools?: BindToolsInput[]
  readonly maxTokens?: number
  readonly temperature?: number
  readonly seed?: number
  /** Schema that the answer should follow, or true for any JSON. */
  readonly json?: boolean | Record<string, unknown>
}

/**
 * Errors are AigenErrors: those of `hire`; `budget.exhausted` when the allowance does not cover a
 * call; `step.input` for messages that are not text; `step.cancelled` when the call's signal aborts.
 *
 * @example
 * const model = new NetworkChatModel({ user, maxPrice: '0.01' })
 * const { text } = await model.invoke('Name a river.')
 */
export class NetworkChatModel extends BaseChatModel<NetworkChatCallOptions> {
  readonly model: string | undefined
  readonly maxTokens: number
  readonly maxPrice: string
  readonly temperature: number | undefined
  readonly #options: NetworkChatModelOptions

  constructor(options: NetworkChatModelOptions) {
    super(options)
    this.model = options.model
    this.maxTokens = options.maxTokens ?? 1_024
    this.maxPrice = options.maxPrice ?? '0.02'
    this.temperature = options.temperature
    this.#options = options
  }

  static override lc_name(): string {
    return 'NetworkChatModel'
  }

  override _llmType(): string {
    return 'aigen'
  }

  override _identifyingParams(): Record<string, unknown> {
    const { only, topP, stop, seed } = this.#options
    return { model: this.model ?? null, max_tokens: this.maxTokens, temperature: this.temperature ?? null, top_p: topP ?? null, stop: stop ?? null, seed: seed ?? null, only: only ?? null }
  }

  override invocationParams(options?: this['ParsedCallOptions']): Record<string, unknown> {
    const { messages: _messages, ...params } = this.#input([], options ?? ({} as this['ParsedCallOptions']))
    return params
  }

  override getLsParams(options: this['ParsedCallOptions']): LangSmithParams {
    const { maxTokens, temperature, stop } = this.#input([], options)
    return { ls_provider: 'aigen', ls_model_name: this.model, ls_model_type: 'chat', ls_temperature: temperature, ls_max_tokens: maxTokens, ls_stop: stop as string[] | undefined } as LangSmithParams
  }

  override bindTools(tools: BindToolsInput[], kwargs?: Partial<NetworkChatCallOptions>): Runnable<BaseLanguageModelInput, AIMessageChunk, NetworkChatCallOptions> {
    return this.withConfig({ tools: tools.map((tool) => convertToOpenAITool(tool as Parameters<typeof convertToOpenAITool>[0])), ...kwargs })
  }

  /** By a forced tool call unless `method` is `jsonSchema` or `jsonMode`. */
  override withStructuredOutput(schema: any, config?: any): any {
    return structuredOutput(this, schema, config)
  }

  override async _generate(messages: BaseMessage[], options: this['ParsedCallOptions']): Promise<ChatResult> {
    const hired = await this.#hire(messages, options)
    const output = hired.output as ChatOutput
    const message = new AIMessage({ content: output.message.content, ...callsOf(output), ...metadataOf(hired) })
    return {
      generations: [{ text: output.message.content, message, generationInfo: { finish_reason: output.finish } }],
      llmOutput: { tokenUsage: { promptTokens: output.usage.inputTokens, completionTokens: output.usage.outputTokens, totalTokens: output.usage.inputTokens + output.usage.outputTokens } },
    }
  }

  override async *_streamResponseChunks(messages: BaseMessage[], options: this['ParsedCallOptions'], runManager?: CallbackManagerForLLMRun): AsyncGenerator<ChatGenerationChunk> {
    const pieces = new Pieces()
    const left = new AbortController()
    const signal = options.signal ? AbortSignal.any([options.signal, left.signal]) : left.signal
    const hired = this.#hire(messages, { ...options, signal }, (chunk) => pieces.push(chunk as ChatChunk))
    hired.then((done) => pieces.end(done.output as ChatOutput), (error: unknown) => pieces.fail(error))
    const give = async (piece: ChatChunk, more: Partial<AIMessageChunk> = {}): Promise<ChatGenerationChunk> => {
      const text = piece.content ?? ''
      const parts = (piece.toolCalls ?? []).map(({ index, id, name, arguments: args }) => ({ index, type: 'tool_call_chunk' as const, ...(id === undefined ? {} : { id }), ...(name === undefined ? {} : { name }), args: args ?? '' }))
      const chunk = new ChatGenerationChunk({ text, message: new AIMessageChunk({ content: text, tool_call_chunks: parts, ...(more as object) }) })
      await runManager?.handleLLMNewToken(text, undefined, undefined, undefined, undefined, { chunk })
      return chunk
    }
    try {
      for await (const piece of pieces) yield await give(piece)
      yield await give({}, metadataOf(await hired))
    } finally {
      // Whoever stops listening gives the call up; one that has ended cannot be.
      left.abort(new AigenError('step.cancelled'))
    }
  }

  /** The call's input; what the call says counts before what the model was made with. */
  #input(messages: readonly BaseMessage[], options: this['ParsedCallOptions']): ChatInput {
    const { topP, stop, seed, temperature } = this.#options
    const said = { model: this.model, temperature: options.temperature ?? temperature, topP, stop: options.stop ?? stop, seed: options.seed ?? seed, json: options.json, toolChoice: toolChoiceOf(options.tool_choice) }
    const tools = chatTools(options.tools ?? [])
    return {
      messages: fromLangChain(messages),
      maxTokens: options.maxTokens ?? this.maxTokens,
      ...(tools.length === 0 ? {} : { tools }),
      ...Object.fromEntries(Object.entries(said).filter(([, value]) => value !== undefined)),
    }
  }

  async #hire(messages: readonly BaseMessage[], options: this['ParsedCallOptions'], onChunk?: (chunk: unknown) => void): Promise<Hired> {
    const { user, allowance, only, attempts = 2, deadlineMs } = this.#options
    if (options.signal?.aborted) throw new AigenError('step.cancelled')
    const asked: HireOptions = {
      capability: TEXT_CHAT.id, input: { ...this.#input(messages, options) }, maxPrice: this.maxPrice, attempts, settled: false,
      ...(only === undefined ? {} : { only }), ...(deadlineMs === undefined ? {} : { deadlineMs }),
      ...(onChunk === undefined ? {} : { onChunk }), ...(options.signal === undefined ? {} : { signal: options.signal }),
    }
    const hired = await (allowance ? allowance.hire(asked) : hire(user, asked))
    // What a cancelled call had made by then is paid, and is no answer.
    if (hired.cancelled) throw new AigenError('step.cancelled', `It cost ${hired.charged}.`)
    return hired
  }
}

/** The tool calls, and those whose arguments are no JSON object: half a JSON is not guessed at. */
function callsOf({ message: { toolCalls = [] } }: ChatOutput): Pick<AIMessage, 'tool_calls' | 'invalid_tool_calls'> {
  const good: NonNullable<AIMessage['tool_calls']> = []
  const bad: NonNullable<AIMessage['invalid_tool_calls']> = []
  for (const { id, name, arguments: text } of toolCalls) {
    try {
      const args: unknown = JSON.parse(text === '' ? '{}' : text)
      if (typeof args !== 'object' || args === null || Array.isArray(args)) throw new TypeError('not an object')
      good.push({ id, name, args: args as Record<string, unknown>, type: 'tool_call' })
    } catch {
      bad.push({ id, name, args: text, error: 'The arguments are not a JSON object.', type: 'invalid_tool_call' })
    }
  }
  return { tool_calls: good, invalid_tool_calls: bad }
}

/** Usage as it was paid for, and who did it for how much. */
function metadataOf({ output, charged, provider, bill }: Hired): Pick<AIMessage, 'response_metadata' | 'usage_metadata'> {
  const { usage, model, finish } = output as ChatOutput
  return {
    usage_metadata: { input_tokens: usage.inputTokens, output_tokens: usage.outputTokens, total_tokens: usage.inputTokens + usage.outputTokens },
    response_metadata: { model, model_name: model, finish_reason: finish, provider, price: charged, run: bill.run },
  } as Pick<AIMessage, 'response_metadata' | 'usage_metadata'>
}
