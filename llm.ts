/**
 * What programs import from 'aigen/llm': LangChain both ways. An entry of its own, so that a program
 * without language models does not load LangChain. Each name is documented where it is defined.
 *
 * @example
 * const allowance = await openAllowance(user, { limit: '0.25' })
 * const model = new NetworkChatModel({ user, allowance })
 * const tools = networkTools({ user, allowance })
 */

// Hiring models and services from LangChain and LangGraph programs.
export { NetworkChatModel, type NetworkChatCallOptions, type NetworkChatModelOptions } from './agents/llm/chat-model.ts'
export { networkTools, type NetworkToolsOptions } from './agents/llm/tools.ts'

// Selling the models of others.
export { vendorModels, type VendorModelsOptions } from './agents/llm/vendor-models.ts'
export { vendorsIn } from './agents/llm/vendor-environment.ts'

// What a call of text.chat@1 and text.generate@1 says.
export {
  type ChatChunk, type ChatInput, type ChatMessage, type ChatOutput, type ChatTool, type ChatToolCall, type GenerateInput, type GenerateOutput, TEXT_CHAT, TEXT_GENERATE, tokenUnits,
} from './agents/llm/chat.ts'
