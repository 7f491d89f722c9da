/**
 * Language models of others, sold on the network: definitions of `text.chat@1` and `text.generate@1`
 * over OpenAI, Anthropic or Ollama, or whatever speaks like one of them. Used by `aigen provide` and
 * the devnet. Priced by the token as the vendor counts; the key stays in this process.
 */
import { AigenError } from '../../schemas/error.ts'
import type { Clock } from '../../runtime/ports/clock.ts'
import { systemClock } from '../../runtime/node/system-clock.ts'
import { defineProvider, type HandlerContext, type HandlerResult, type ProviderDefinition } from '../provider/define.ts'
import { askVendor } from './ask-vendor.ts'
import { TEXT_CHAT, TEXT_GENERATE, tokenUnits, type ChatInput, type ChatOutput, type GenerateInput, type GenerateOutput } from './chat.ts'
import { VENDORS, type VendorId } from './vendors.ts'

/** How long a check of the key may take, in ms. */
const CHECK_MS = 5_000
/** An account that was out of credit is not asked for so long, in ms. */
const EMPTY_MS = 300_000
/** Models served where the vendor's server chooses; a card holds as many. */
const MODELS_MAX = 32

export interface VendorModelsOptions {
  readonly vendor: VendorId
  /** Needed by OpenAI and Anthropic. */
  readonly key?: string
  /** The vendor's own address by default. */
  readonly url?: string
  /** Models served, the first one where a caller names none; by default the vendor's (see VENDORS), or those its server has. */
  readonly models?: readonly string[]
  /** Asked price of 1,000 units, decimal dollars; one for all `models`, so it has to cover the dearest. */
  readonly price?: string
  /** Name on the card; default like `openai-models`. */
  readonly name?: string
  /** Calls at once (default 8). */
  readonly concurrency?: number
  /** Promised time from invoke to delivery, in ms (default 30,000). */
  readonly latencyMs?: number
  readonly clock?: Clock
}

/**
 * The vendor's `text.chat@1` and `text.generate@1`, with the models they serve. Where none are
 * configured for a server that has its own (Ollama), it is asked for them.
 *
 * - `vendor.denied`: the vendor refuses the key, or none is given.
 * - `vendor.unreachable`: it did not answer within five seconds.
 * - `vendor.models`: it has none of the models.
 */
export async function vendorModels(options: VendorModelsOptions): Promise<ProviderDefinition[]> {
  const vendor = VENDORS[options.vendor]
  const { clock = systemClock, name = `${vendor.id}-models`, concurrency = 8, latencyMs = 30_000 } = options
  const access = { url: (options.url ?? vendor.url).replace(/\/+$/, ''), key: options.key ?? '' }
  if (access.key === '' && vendor.id !== 'ollama') throw new AigenError('vendor.denied', `Set ${vendor.id.toUpperCase()}_API_KEY.`)

  /** Asks for the vendor's models, which shows whether the key is good. */
  const list = async (): Promise<string[]> => {
    const { url, headers } = vendor.listing(access)
    const abort = new AbortController()
    const timer = clock.timer(clock.now() + CHECK_MS, () => abort.abort())
    try {
      const response = await fetch(url, { headers, redirect: 'error', signal: abort.signal })
      if (response.status === 401 || response.status === 403) throw new AigenError('vendor.denied', `${vendor.title} answered ${response.status} at ${url}.`)
      // Servers that speak like a vendor need not list their models.
      if (response.status === 404) return []
      if (!response.ok) throw new AigenError('vendor.unreachable', `${vendor.title} answered ${response.status} at ${url}.`)
      return vendor.names(await response.json())
    } catch (error) {
      throw error instanceof AigenError ? error : new AigenError('vendor.unreachable', `${vendor.title} at ${url}.`)
    } finally {
      timer.cancel()
    }
  }
  const served = await list()
  const wanted = options.models ?? (vendor.model !== null && (served.length === 0 || served.includes(vendor.model)) ? [vendor.model] : served)
  const models = wanted.slice(0, MODELS_MAX)
  const missing = served.length === 0 ? [] : models.filter((model) => !served.includes(model) && !served.includes(`${model}:latest`))
  if (models.length === 0 || missing.length > 0) throw new AigenError('vendor.models', missing.length > 0 ? `${vendor.title} lists no ${missing.join(', ')}.` : vendor.title)

  /** Whether the vendor refused us at the last call, or was not there: nobody's call will work, so none is taken. */
  let unwell = false
  let emptyUntil = -Infinity
  const health = async (): Promise<boolean> => {
    // Only a call can tell whether an account has credit again.
    if (clock.monotonic() < emptyUntil) return false
    if (!unwell) return true
    unwell = await list().then(() => false, () => true)
    return !unwell
  }

  const ask = async (input: ChatInput, { signal, emit }: HandlerContext): Promise<ChatOutput> => {
    const model = input.model ?? models[0]!
    if (!models.includes(model)) throw new AigenError('step.input', `${model} is not served here; these are: ${models.join(', ')}.`, { path: 'model' })
    try {
      return await askVendor(input, { vendor, access, model, clock, signal, emit })
    } catch (error) {
      if (!(error instanceof AigenError && error.code.startsWith('vendor.'))) throw error
      if (error.code === 'vendor.empty') emptyUntil = clock.monotonic() + EMPTY_MS
      else unwell = true
      throw new AigenError('step.failed', 'The provider cannot use its vendor.', { cause: error })
    }
  }

  const common = {
    name, price: { list: options.price ?? vendor.price }, latencyMs, concurrency, queue: 2 * concurrency, models, health,
    // A vendor bills each attempt: a call that may have reached it is not made again by itself.
    idempotent: false,
    start: async () => void (await list()),
  }
  return [
    defineProvider({
      ...common, capability: TEXT_CHAT,
      handler: async (input: ChatInput, context): Promise<HandlerResult> => {
        const output = await ask(input, context)
        return { output, units: tokenUnits(output.usage) }
      },
    }),
    defineProvider({
      ...common, capability: TEXT_GENERATE,
      handler: async ({ prompt, system, ...sampling }: GenerateInput, context): Promise<HandlerResult> => {
        const messages = [...(system === undefined ? [] : [{ role: 'system' as const, content: system }]), { role: 'user' as const, content: prompt }]
        const { message, finish, model, usage } = await ask({ ...sampling, messages }, context)
        const output: GenerateOutput = { text: message.content, finish: finish === 'tool-calls' ? 'stop' : finish, model, usage }
        return { output, units: tokenUnits(usage) }
      },
    }),
  ]
}
