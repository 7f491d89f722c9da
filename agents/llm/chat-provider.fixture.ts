/**
 * A provider of `text.chat@1` that answers from a script, for tests of whatever hires a model (the
 * gateway, the planner, NetworkChatModel): no HTTP, no vendor. It streams word by word, counts a
 * token a word, calls tools, and gives back what it has said when it is cancelled.
 */
import { AigenError } from '../../schemas/error.ts'
import type { Clock } from '../../runtime/ports/clock.ts'
import { defineProvider, type ProviderDefinition } from '../provider/define.ts'
import { TEXT_CHAT, tokenUnits, type ChatInput, type ChatOutput, type ChatToolCall, type Finish } from './chat.ts'

export interface ScriptedAnswer {
  readonly content?: string
  /** `arguments` as JSON text or as a value; ids are made up where none is given. */
  readonly toolCalls?: readonly { readonly name: string; readonly arguments: unknown; readonly id?: string }[]
  readonly finish?: Finish
  /** Thrown after what stands before it was streamed. */
  readonly error?: AigenError
}

/** Answers in order, the last one for ever; or a function of the conversation and the call's number from 0. */
export type ChatScript = readonly (ScriptedAnswer | string)[] | ((input: ChatInput, call: number) => ScriptedAnswer | string | Promise<ScriptedAnswer | string>)

export interface ChatProviderOptions extends Partial<ProviderDefinition> {
  /** With `wordMs`: waits so long before each word, so that a test can cancel in between. */
  readonly clock?: Clock
  readonly wordMs?: number
}

export interface ChatProvider extends ProviderDefinition {
  /** What it was asked, in order, a repeated attempt included. */
  readonly asked: ChatInput[]
}

/** Tokens of a text as this fixture counts them: its words. */
export const countWords = (text: string): number => text.split(/\s+/).filter(Boolean).length

/**
 * A definition for `world.provider(…)`; its price is 0.001 for 1,000 units unless `change` says otherwise.
 *
 * @example world.provider(chatProvider('parrot', ({ messages }) => messages.at(-1)!.content))
 */
export function chatProvider(name: string, script: ChatScript, { clock, wordMs = 0, ...change }: ChatProviderOptions = {}): ChatProvider {
  const asked: ChatInput[] = []
  const definition = defineProvider({
    name, capability: TEXT_CHAT, price: { list: '0.001' }, latencyMs: 1_000, concurrency: 64, queue: 64,
    handler: async (input: ChatInput, { emit, signal }) => {
      const call = asked.push(input) - 1
      const said = typeof script === 'function' ? await script(input, call) : script[Math.min(call, script.length - 1)]!
      const answer: ScriptedAnswer = typeof said === 'string' ? { content: said } : said
      const calls: ChatToolCall[] = (answer.toolCalls ?? []).map((one, index) => ({
        id: one.id ?? `call_${call}_${index}`, name: one.name, arguments: typeof one.arguments === 'string' ? one.arguments : JSON.stringify(one.arguments),
      }))
      const inputTokens = input.messages.reduce((sum, one) => sum + countWords(one.content), 0)
      const pieces = (answer.content ?? '').match(/\s*\S+\s*?(?=\s|$)|\s+$/g) ?? []
      let content = ''
      let outputTokens = 0
      const give = (finish: Finish): { output: ChatOutput; units: { token: number } } => {
        const usage = { inputTokens, outputTokens }
        const toolCalls = finish === 'cancelled' ? [] : calls
        const message = { role: 'assistant', content, ...(toolCalls.length === 0 ? {} : { toolCalls }) } as const
        return { output: { message, finish, model: input.model ?? 'scripted', usage }, units: tokenUnits(usage) }
      }
      for (const piece of pieces) {
        try {
          if (clock && wordMs > 0) await clock.sleep(wordMs, signal)
          signal.throwIfAborted()
        } catch (reason) {
          if (reason instanceof AigenError && reason.code === 'step.cancelled') return give('cancelled')
          throw reason
        }
        if (outputTokens >= input.maxTokens) return give('length')
        content += piece
        outputTokens += 1
        await emit({ content: piece })
      }
      if (answer.error) throw answer.error
      for (const [index, one] of calls.entries()) {
        // Id and name come first and the arguments in two halves, as vendors send them.
        const half = Math.ceil(one.arguments.length / 2)
        await emit({ toolCalls: [{ index, id: one.id, name: one.name, arguments: '' }] })
        for (const part of [one.arguments.slice(0, half), one.arguments.slice(half)]) await emit({ toolCalls: [{ index, arguments: part }] })
        outputTokens += 1 + countWords(one.arguments)
      }
      return give(answer.finish ?? (calls.length > 0 ? 'tool-calls' : 'stop'))
    },
    ...change,
  })
  return { ...definition, asked }
}

/** Whether the last message is the answer of a tool, for scripts that call one and then speak. */
export function toolAnswer({ messages }: ChatInput): string | undefined {
  const last = messages.at(-1)
  return last?.role === 'tool' ? last.content : undefined
}
