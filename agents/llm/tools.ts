/**
 * What the network offers as LangChain tools: each live capability a `StructuredTool` that hires one
 * call of it, all under one allowance (I4). Used by LangChain and LangGraph programs; what goes wrong
 * is said to the model, so that it can mend its arguments, do without, or stop at the budget.
 *
 * Names, descriptions and answers come from strangers. They are data to the model; a program that
 * gives its model other powers has to guard those itself.
 */
import { ToolMessage } from '@langchain/core/messages'
import { DynamicStructuredTool } from '@langchain/core/tools'
import type { RunnableConfig } from '@langchain/core/runnables'
import type { Address, Capability } from '../../schemas/documents.gen.ts'
import { compileSchema } from '../../schemas/compile-schema.ts'
import { AigenError, asError, ERRORS } from '../../schemas/error.ts'
import type { Allowance } from '../user/allowance.ts'
import type { Hired, HireOptions } from '../user/hire.ts'
import type { User } from '../user/user.ts'
import { toolSchema } from './tool-schema.ts'

/** Characters of an answer that a model is shown, and of a description. */
const ANSWER_MAX = 20_000
const DESCRIPTION_MAX = 1_000
/** Tools at most: a model chooses badly among more, and vendors take no more than this. */
const TOOLS_MAX = 64

export interface NetworkToolsOptions {
  readonly user: User
  /** Shared by all the tools, and by a NetworkChatModel that is given the same one. */
  readonly allowance: Allowance
  /** Capabilities offered to the model; default every live one, language models left out. */
  readonly capabilities?: readonly string[]
  /** Most that one call may cost, decimal dollars, for all or by capability (default "0.05"). */
  readonly maxPrice?: string | ((capability: string) => string)
  readonly deadlineMs?: number
  /** Participants of which one must do the work. */
  readonly only?: readonly Address[]
  /** Files that the model may name in its calls; tell it their references. */
  readonly blobs?: HireOptions['blobs']
  /** Hears which capabilities are no tools, and why. */
  readonly onLeftOut?: (capability: string, reason: string) => void
}

/**
 * Live capabilities as tools, dots and signs in their names made underscores (`data.query@1` is
 * `data_query_1`). A call answers JSON text: `{ output, cost, left }`, or `{ error }` with code,
 * sentence and hint; the artifact of the message is the whole `Hired`. Blob inputs are references:
 * to files given in `blobs`, or out of another tool's answer. A capability whose schema cannot be
 * trusted or whose name is taken is left out.
 *
 * @example
 * const allowance = await openAllowance(user, { limit: '0.25' })
 * const agent = createReactAgent({ llm: new NetworkChatModel({ user, allowance }), tools: networkTools({ user, allowance }) })
 */
export function networkTools(options: NetworkToolsOptions): DynamicStructuredTool[] {
  const { user, capabilities, onLeftOut } = options
  const tools = new Map<string, DynamicStructuredTool>()
  for (const [id, capability] of user.capabilities()) {
    const leave = (reason: string): void => onLeftOut?.(id, reason)
    if (capabilities ? !capabilities.includes(id) : /^text\.(chat|generate)@/.test(id)) continue
    const name = id.replaceAll(/[^A-Za-z0-9_-]/g, '_').slice(0, 64)
    if (user.node.directory.offers(id).length === 0) leave('nobody sells it now')
    else if (tools.has(name)) leave(`another capability is called ${name} as well`)
    else if (tools.size >= TOOLS_MAX) leave(`${TOOLS_MAX} tools are the most`)
    else {
      try {
        compileSchema(capability.input)
        tools.set(name, toolOf(name, capability, options))
      } catch (error) {
        leave(asError(error).message)
      }
    }
  }
  return [...tools.values()]
}

function toolOf(name: string, capability: Capability, options: NetworkToolsOptions): DynamicStructuredTool {
  const { allowance, maxPrice = '0.05', deadlineMs, only, blobs } = options
  const price = typeof maxPrice === 'string' ? maxPrice : maxPrice(capability.id)
  const description = `${capability.title}. ${capability.description}`.slice(0, DESCRIPTION_MAX)
  return new DynamicStructuredTool({
    name,
    description: `${description} (Each call costs money, at most ${price}.)`,
    schema: toolSchema(capability.input),
    responseFormat: 'content_and_artifact',
    func: async (input: Record<string, unknown>, _manager, config?: RunnableConfig & { toolCall?: { id?: string } }): Promise<[string | ToolMessage, Hired | undefined]> => {
      const signal = config?.signal
      try {
        const hired = await allowance.hire({
          capability: capability.id, input, maxPrice: price, attempts: 1, settled: false,
          ...(deadlineMs === undefined ? {} : { deadlineMs }), ...(only === undefined ? {} : { only }), ...(blobs === undefined ? {} : { blobs }), ...(signal === undefined ? {} : { signal }),
        })
        if (hired.cancelled) throw new AigenError('step.cancelled', `It cost ${hired.charged}.`)
        return [shown({ output: hired.output, cost: hired.charged, left: allowance.state().left }), hired]
      } catch (thrown) {
        if (signal?.aborted) throw thrown
        const content = shown({ error: told(asError(thrown)), left: allowance.state().left })
        const call = config?.toolCall?.id
        return [call === undefined ? content : new ToolMessage({ content, status: 'error', name, tool_call_id: call }), undefined]
      }
    },
  }) as DynamicStructuredTool
}

/** An error as a model can use it; the paths are those of its own arguments. */
function told(error: AigenError): object {
  const issues = error.issues.map(({ path, message }) => ({ path: path.replace(/^steps\.call\.with\.?/, ''), message }))
  return { code: error.code, message: error.message.slice(0, 1_000), hint: ERRORS[error.code].hint, ...(issues.length === 0 ? {} : { issues: issues.slice(0, 10) }) }
}

function shown(value: object): string {
  const text = JSON.stringify(value)
  return text.length <= ANSWER_MAX ? text : `${text.slice(0, ANSWER_MAX)}… (${text.length} characters in all, cut here; ask for less)`
}
