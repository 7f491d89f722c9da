/**
 * Conversations both ways: messages of `text.chat@1` as LangChain's, and LangChain's as those. Used
 * by vendor models (a call comes in) and NetworkChatModel (a call goes out). What one side cannot
 * say is an error that names the place, never a silent loss; only what a model thought to itself
 * (reasoning) is left out.
 */
import { AIMessage, HumanMessage, SystemMessage, ToolMessage, type BaseMessage, type MessageContent } from '@langchain/core/messages'
import { AigenError } from '../../schemas/error.ts'
import type { ChatMessage, ChatToolCall } from './chat.ts'

/** Blocks that stand in an assistant's content beside what says the same in `tool_calls`, or are its thoughts. */
const BESIDE: ReadonlySet<string> = new Set(['tool_use', 'tool_call', 'tool_call_chunk', 'input_json_delta', 'function_call', 'reasoning', 'thinking', 'redacted_thinking'])

/** Error `step.input` for a tool call whose arguments are not a JSON object, or a tool's answer without its call. */
export function toLangChain(messages: readonly ChatMessage[]): BaseMessage[] {
  return messages.map((message, index) => {
    const { role, content } = message
    const name = message.name === undefined ? {} : { name: message.name }
    if (role === 'system') return new SystemMessage({ content, ...name })
    if (role === 'user') return new HumanMessage({ content, ...name })
    if (role === 'assistant') {
      const calls = (message.toolCalls ?? []).map((call, place) => ({ id: call.id, name: call.name, args: argumentsOf(call, `messages.${index}.toolCalls.${place}.arguments`), type: 'tool_call' as const }))
      return new AIMessage({ content, tool_calls: calls, ...name })
    }
    if (message.toolCallId === undefined) throw new AigenError('step.input', 'A tool\'s answer names the call it answers.', { path: `messages.${index}.toolCallId` })
    return new ToolMessage({ content, tool_call_id: message.toolCallId, ...name })
  })
}

function argumentsOf(call: ChatToolCall, path: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(call.arguments === '' ? '{}' : call.arguments)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  } catch {
    // said below
  }
  throw new AigenError('step.input', `The arguments of ${call.name} are not a JSON object.`, { path })
}

/** Error `step.input` for what `text.chat@1` has no words for: pictures, sound, files, unknown roles. */
export function fromLangChain(messages: readonly BaseMessage[]): ChatMessage[] {
  return messages.map((message, index) => {
    const path = `messages.${index}`
    const content = textOf(message.content, path)
    const name = message.name === undefined ? {} : { name: message.name.slice(0, 64) }
    const type = message.getType()
    if (type === 'system' || type === 'developer') return { role: 'system', content, ...name }
    if (type === 'human') return { role: 'user', content, ...name }
    if (type === 'tool') return { role: 'tool', content, toolCallId: (message as ToolMessage).tool_call_id, ...name }
    if (type !== 'ai') throw new AigenError('step.input', `A message of type ${type} cannot be said in text.chat@1.`, { path })
    const calls = ((message as AIMessage).tool_calls ?? []).map((call, place) => ({ id: call.id ?? `call_${index}_${place}`, name: call.name, arguments: JSON.stringify(call.args) }))
    return { role: 'assistant', content, ...(calls.length === 0 ? {} : { toolCalls: calls }), ...name }
  })
}

/** The text of a message's content; blocks that are not text are refused. */
export function textOf(content: MessageContent, path = 'content'): string {
  if (typeof content === 'string') return content
  return content.map((block, index) => {
    if (block.type === 'text') return String(block['text'] ?? '')
    if (BESIDE.has(block.type)) return ''
    throw new AigenError('step.input', `text.chat@1 takes text; this is ${block.type}.`, { path: `${path}.content.${index}` })
  }).join('')
}
