/**
 * What a call of `text.chat@1` and `text.generate@1` says, as types: the capabilities' schemas
 * (schemas/capabilities) are what both sides check; these are for code on either side of them. Used
 * by vendor models, NetworkChatModel, the gateway and the planner.
 */
import type { Capability } from '../../schemas/documents.gen.ts'
import chat from '../../schemas/capabilities/text.chat@1.json' with { type: 'json' }
import generate from '../../schemas/capabilities/text.generate@1.json' with { type: 'json' }

export const TEXT_CHAT = chat as Capability
export const TEXT_GENERATE = generate as Capability

/** A token that the model writes counts as much as this many that it reads. */
export const OUTPUT_WEIGHT = 4

export interface ChatToolCall {
  readonly id: string
  readonly name: string
  /** JSON text, as the model wrote it. */
  readonly arguments: string
}

export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant' | 'tool'
  readonly content: string
  readonly name?: string
  readonly toolCalls?: readonly ChatToolCall[]
  readonly toolCallId?: string
}

export interface ChatTool {
  readonly name: string
  readonly description?: string
  /** JSON Schema of the arguments. */
  readonly parameters: Readonly<Record<string, unknown>>
}

/** How a model is asked, whatever it is asked. */
export interface Sampling {
  readonly model?: string
  readonly maxTokens: number
  readonly temperature?: number
  readonly topP?: number
  readonly stop?: readonly string[]
  readonly seed?: number
}

export interface ChatInput extends Sampling {
  readonly messages: readonly ChatMessage[]
  readonly tools?: readonly ChatTool[]
  /** `auto`, `none`, `required`, or the name of the one to call. */
  readonly toolChoice?: string
  readonly json?: boolean | Readonly<Record<string, unknown>>
}

export interface GenerateInput extends Sampling {
  readonly prompt: string
  readonly system?: string
}

export type Finish = 'stop' | 'length' | 'tool-calls' | 'content-filter' | 'cancelled'

export interface ChatUsage {
  readonly inputTokens: number
  readonly outputTokens: number
}

export interface ChatOutput {
  readonly message: { readonly role: 'assistant'; readonly content: string; readonly toolCalls?: readonly ChatToolCall[] }
  readonly finish: Finish
  readonly model: string
  readonly usage: ChatUsage
}

export interface GenerateOutput {
  readonly text: string
  readonly finish: Exclude<Finish, 'tool-calls'>
  readonly model: string
  readonly usage: ChatUsage
}

/** A piece of a streamed answer: text to append, parts of tool calls to append by index. */
export interface ChatChunk {
  readonly content?: string
  readonly toolCalls?: readonly { readonly index: number; readonly id?: string; readonly name?: string; readonly arguments?: string }[]
}

/** What a call is billed for, as the capabilities' descriptions say it. */
export function tokenUnits({ inputTokens, outputTokens }: ChatUsage): { readonly token: number } {
  return { token: inputTokens + OUTPUT_WEIGHT * outputTokens }
}
