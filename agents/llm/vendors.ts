/**
 * The vendors whose models a provider can sell: how each one's LangChain model is made for one call,
 * what it understands, how it is asked for its models, and what its tokens cost by default. Used by
 * ask-vendor.ts and vendor-models.ts.
 */
import { ChatAnthropic } from '@langchain/anthropic'
import type { BaseChatModel } from '@langchain/core/language_models/chat_models'
import { ChatOllama } from '@langchain/ollama'
import { ChatOpenAICompletions } from '@langchain/openai'
import { AigenError } from '../../schemas/error.ts'
import type { ChatInput, ChatTool } from './chat.ts'

export type VendorId = 'openai' | 'anthropic' | 'ollama'

/** Where a vendor is and how it knows us. The key goes there and nowhere else. */
export interface VendorAccess {
  readonly url: string
  readonly key: string
}

export interface Vendor {
  readonly id: VendorId
  readonly title: string
  readonly url: string
  /** Model that is served where none is configured; null: those that the server has. */
  readonly model: string | null
  /**
   * Asked price of 1,000 units (a token read is one, a token written four), decimal dollars; above
   * what the default model costs. Dearer models need a higher one.
   */
  readonly price: string
  /** Address and headers that list the vendor's models, which also shows whether the key is good. */
  listing(access: VendorAccess): { readonly url: string; readonly headers: Record<string, string> }
  /** Names in the answer to `listing`. */
  names(body: unknown): string[]
  /** A model that makes one call over `fetch`, without retries of its own. */
  chat(access: VendorAccess, model: string, input: ChatInput, over: typeof fetch): BaseChatModel
  /** LangChain call options for the input. Error `step.input` for what the vendor cannot do. */
  options(input: ChatInput): Record<string, unknown>
}

const listed = (body: unknown, list: string, name: string): string[] => {
  const all = (body as Record<string, unknown> | null)?.[list]
  return Array.isArray(all) ? all.map((one: Record<string, unknown>) => one[name]).filter((one): one is string => typeof one === 'string' && one.length > 0 && one.length <= 200) : []
}

/** Tools in OpenAI's form, which LangChain turns into every vendor's. */
const toolsOf = (tools: readonly ChatTool[] | undefined): Record<string, unknown> =>
  tools === undefined || tools.length === 0 ? {} : { tools: tools.map(({ name, description = '', parameters }) => ({ type: 'function', function: { name, description, parameters } })) }

const defined = (record: Record<string, unknown>): Record<string, unknown> => Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined))

const openai: Vendor = {
  id: 'openai', title: 'OpenAI', url: 'https://api.openai.com/v1', model: 'gpt-4o-mini', price: '0.0003',
  listing: ({ url, key }) => ({ url: `${url}/models`, headers: { authorization: `Bearer ${key}` } }),
  names: (body) => listed(body, 'data', 'id'),
  chat: ({ url, key }, model, { maxTokens, temperature, topP }, over) => new ChatOpenAICompletions({
    model, apiKey: key, maxTokens, maxRetries: 0, streamUsage: true, ...defined({ temperature, topP }), configuration: { baseURL: url, fetch: over, maxRetries: 0 },
  }),
  options: ({ tools, toolChoice, stop, seed, json }) => ({
    ...toolsOf(tools),
    ...defined({ tool_choice: tools?.length ? toolChoice : undefined, stop, seed }),
    ...(json === undefined || json === false ? {} : { response_format: json === true ? { type: 'json_object' } : { type: 'json_schema', json_schema: { name: 'answer', schema: json } } }),
  }),
}

/** Has no seed: the same question may get another answer, as it may anywhere. Temperatures above 1 are 1. */
const anthropic: Vendor = {
  id: 'anthropic', title: 'Anthropic', url: 'https://api.anthropic.com', model: 'claude-haiku-4-5', price: '0.002',
  listing: ({ url, key }) => ({ url: `${url}/v1/models?limit=1000`, headers: { 'x-api-key': key, 'anthropic-version': '2023-06-01' } }),
  names: (body) => listed(body, 'data', 'id'),
  chat: ({ url, key }, model, { maxTokens, temperature, topP }, over) => new ChatAnthropic({
    model, apiKey: key, anthropicApiUrl: url, maxTokens, maxRetries: 0,
    ...defined({ temperature: temperature === undefined ? undefined : Math.min(1, temperature), topP }), clientOptions: { fetch: over, maxRetries: 0 },
  }),
  options: ({ tools, toolChoice, stop, json }) => {
    const odd = (tools ?? []).findIndex(({ parameters }) => ['anyOf', 'oneOf', 'allOf'].some((key) => key in parameters))
    if (odd >= 0) throw new AigenError('step.input', 'This model takes no anyOf, oneOf or allOf at the top of a tool\'s parameters.', { path: `tools.${odd}.parameters` })
    return {
      ...toolsOf(tools),
      ...defined({ tool_choice: tools?.length ? toolChoice : undefined, stop }),
      ...(typeof json === 'object' ? { outputConfig: { format: { type: 'json_schema', schema: json } } } : {}),
    }
  },
}

/** Cannot be made to call a tool: the tools are narrowed, and an answer without the call is not sold. */
const ollama: Vendor = {
  id: 'ollama', title: 'Ollama', url: 'http://127.0.0.1:11434', model: null, price: '0.0001',
  listing: ({ url, key }) => ({ url: `${url}/api/tags`, headers: bearer(key) }),
  names: (body) => listed(body, 'models', 'name'),
  chat: ({ url, key }, model, { maxTokens, temperature, topP, seed }, over) => new ChatOllama({
    model, baseUrl: url, numPredict: maxTokens, maxRetries: 0, ...defined({ temperature, topP, seed }), headers: new Headers(bearer(key)), fetch: over,
  }),
  options: ({ tools, toolChoice, stop, json }) => {
    const open = toolChoice === undefined || toolChoice === 'auto' || toolChoice === 'required'
    const kept = toolChoice === 'none' ? [] : open ? tools : tools?.filter(({ name }) => name === toolChoice)
    return { ...toolsOf(kept), ...defined({ stop, format: json === true ? 'json' : json === false ? undefined : json }) }
  },
}

function bearer(key: string): Record<string, string> {
  return key === '' ? {} : { authorization: `Bearer ${key}` }
}

export const VENDORS: Readonly<Record<VendorId, Vendor>> = { openai, anthropic, ollama }
