/**
 * `withStructuredOutput` of NetworkChatModel: a forced call of one tool that takes the schema (the
 * default), or an answer in JSON by `jsonSchema` or `jsonMode`; LangChain's parsers read it.
 */
import type { BaseChatModel } from '@langchain/core/language_models/chat_models'
import { assembleStructuredOutputPipeline, createContentParser, createFunctionCallingParser } from '@langchain/core/language_models/structured_output'
import { isSerializableSchema } from '@langchain/core/utils/standard_schema'
import { isInteropZodSchema } from '@langchain/core/utils/types'
import { toJsonSchema } from '@langchain/core/utils/json_schema'
import { AigenError } from '../../schemas/error.ts'

interface Config {
  readonly name?: string
  readonly method?: string
  readonly includeRaw?: boolean
  readonly strict?: boolean
}

/** Error `usage.invalid` for `strict`, which no provider can promise, and for a method of no known name. */
export function structuredOutput(model: BaseChatModel<any>, schema: any, { name, method = 'functionCalling', includeRaw = false, strict }: Config = {}): unknown {
  if (strict === true) throw new AigenError('usage.invalid', 'strict is not something that every provider on the network can promise.')
  const made = isInteropZodSchema(schema) || isSerializableSchema(schema)
  const asJson = (made ? toJsonSchema(schema as Parameters<typeof toJsonSchema>[0]) : schema) as Record<string, any>
  const traced = { ls_structured_output_format: { kwargs: { method }, schema: asJson } }
  if (method === 'jsonMode' || method === 'jsonSchema') {
    const asking = model.withConfig({ json: method === 'jsonMode' ? true : asJson, ...traced } as object)
    return assembleStructuredOutputPipeline(asking, createContentParser(schema), includeRaw, 'StructuredOutput')
  }
  if (method !== 'functionCalling') throw new AigenError('usage.invalid', `There is no method ${method}: functionCalling, jsonSchema and jsonMode are.`)
  // A plain schema may come as a whole function.
  const whole = !made && typeof asJson['name'] === 'string' && typeof asJson['parameters'] === 'object'
  const called = whole ? (asJson['name'] as string) : name ?? 'extract'
  const tool = { type: 'function', function: whole ? asJson : { name: called, description: asJson['description'] ?? '', parameters: asJson } }
  const asking = model.bindTools!([tool], { tool_choice: called, ...traced } as object)
  return assembleStructuredOutputPipeline(asking, createFunctionCallingParser(schema, called), includeRaw, 'StructuredOutput')
}
