/**
 * Tools as LangChain programs give them, in the words of `text.chat@1`. Used by NetworkChatModel.
 * Takes OpenAI's form (which `bindTools` makes of LangChain's tools) and Anthropic's.
 */
import type { ToolChoice } from '@langchain/core/language_models/chat_models'
import { convertToOpenAITool } from '@langchain/core/utils/function_calling'
import { AigenError } from '../../schemas/error.ts'
import type { ChatTool } from './chat.ts'

const DESCRIPTION_MAX = 4_000

/** Error `step.input` for a tool of no known form. */
export function chatTools(tools: readonly unknown[]): ChatTool[] {
  return tools.map((given, index) => {
    const tool = convertToOpenAITool(given as Parameters<typeof convertToOpenAITool>[0]) as unknown as Record<string, unknown>
    const { name, description, parameters = tool['input_schema'] ?? tool['schema'] } = (tool['function'] ?? tool) as Record<string, unknown>
    if (typeof name !== 'string') throw new AigenError('step.input', 'A tool has a name.', { path: `tools.${index}` })
    return {
      name,
      ...(typeof description === 'string' && description !== '' ? { description: description.slice(0, DESCRIPTION_MAX) } : {}),
      // As plain data: a schema made by a library may hold what JSON does not.
      parameters: JSON.parse(JSON.stringify(parameters ?? { type: 'object', properties: {} })) as Record<string, unknown>,
    }
  })
}

/** `any` and `required` are one; a vendor's object names the tool. */
export function toolChoiceOf(choice: ToolChoice | undefined): string | undefined {
  if (choice === undefined) return undefined
  if (typeof choice === 'string') return choice === 'any' ? 'required' : choice
  const named = choice['function']?.name ?? choice['name'] ?? choice['type']
  return named === 'any' ? 'required' : typeof named === 'string' ? named : undefined
}
