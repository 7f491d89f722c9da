/**
 * Calls by access key: checks the key offline, prices the worst case, starts the call's actor and
 * waits for its end. Used by the provider's door. A repeated request under the same idempotency key
 * finds the first one's actor, after a crash too.
 */
import { hashOf } from '../../schemas/canonical.ts'
import type { Delivery } from '../../schemas/documents.gen.ts'
import { AigenError, fromBody } from '../../schemas/error.ts'
import { compileFixed } from '../../schemas/fixed.ts'
import { parseMoney } from '../../schemas/money.ts'
import { unitsOf } from '../../pipelines/evaluate-step.ts'
import type { Evaluate } from '../../pipelines/prepare.ts'
import { verifyKey, type AccessKey } from '../../runtime/identity/access-key.ts'
import type { Node } from '../../runtime/node/node.ts'
import { priceOf } from '../../runtime/payments/meter.ts'
import { accessKeyActor, type AccessKeyContext } from './access-key.machine.ts'
import type { ProviderDefinition } from './define.ts'
import type { KeyedCallContext } from './keyed-call.machine.ts'
import type { ChunkListeners } from './keyed-work.ts'

const DEADLINE_MIN_MS = 30_000
const DEADLINE_MAX_MS = 600_000
/** Beyond the call's own deadline, for the journal. */
const SLACK_MS = 10_000

export interface KeyedRequest {
  readonly key: string
  readonly capability: string
  readonly input: unknown
  /** Makes a repeat the same call. */
  readonly idempotencyKey?: string
  readonly onChunk?: (chunk: unknown) => Promise<void>
  /** Aborts when the client is gone: the work is stopped and nothing is counted. */
  readonly signal?: AbortSignal
}

export interface KeyedAnswer {
  readonly output: unknown
  readonly delivery: Delivery
}

export interface KeyedCallsOptions {
  readonly node: Node
  readonly definitions: readonly ProviderDefinition[]
  readonly evaluate: Evaluate
  /** Makes and checks this provider's keys. */
  readonly root: Uint8Array
  readonly listeners: ChunkListeners
  /** Whether no more is taken now. */
  readonly busy: (capability: string) => boolean
}

export interface KeyedCalls {
  /** What `key` may do, its chain checked; errors `input.unparsable`, `auth.forged`, `key.revoked`. */
  check(key: string): AccessKey & { readonly context: AccessKeyContext }
  /**
   * The output of one call.
   *
   * - `key.*`, `auth.expired`: the key does not allow it.
   * - `market.conflict`: the idempotency key came with another request before.
   * - `step.*`, `node.busy`: the provider could not do it; nothing is counted.
   */
  call(request: KeyedRequest): Promise<KeyedAnswer>
}

export function openKeyedCalls({ node, definitions, evaluate, root, listeners, busy }: KeyedCallsOptions): KeyedCalls {
  const { host, random, rail } = node

  const check: KeyedCalls['check'] = (text) => {
    const key = verifyKey(root, text)
    const context = host.context<AccessKeyContext>(accessKeyActor(key.id))
    if (!context || context.revokedAt !== null) throw new AigenError('key.revoked', key.id)
    return { ...key, context }
  }

  const start = async (id: string, { capability, input }: KeyedRequest, { id: key, caveats, marks }: AccessKey): Promise<void> => {
    const definition = definitions.find((one) => one.capability.id === capability)
    if (!definition) throw new AigenError('key.scope', `${capability} is not sold here`)
    const issues = compileFixed(definition.capability.input).issues(input)
    if (issues.length > 0) throw new AigenError('step.input', `${issues[0]!.path}: ${issues[0]!.message}`, { path: issues[0]!.path, issues })
    if (busy(capability)) throw new AigenError('node.busy')
    const units = await unitsOf(definition.capability, input, evaluate)
    const unitPrice = parseMoney(definition.price.list, rail.terms.decimals).toString()
    const deadlineMs = Math.min(DEADLINE_MAX_MS, Math.max(DEADLINE_MIN_MS, definition.latencyMs * 4))
    await host.start(id, { self: id, key, caveats, marks, capability, input, inputHash: hashOf(input), worst: priceOf({ ...definition.capability, unitPrice }, units).toString(), deadlineMs })
  }

  return {
    check,
    call: async (request) => {
      const key = check(request.key)
      // Under the last mark: a narrowed copy of the key has calls of its own.
      const unique = request.idempotencyKey ?? Buffer.from(random.bytes(16)).toString('hex')
      const id = `keyed-call/${hashOf([key.id, key.marks.at(-1) ?? '', unique]).slice(7, 47)}`
      // The first who listens hears; a repeat has the whole at the end.
      const listens = request.onChunk !== undefined && !listeners.has(id)
      if (listens) listeners.set(id, request.onChunk!)
      const cancel = (): void => void host.send(id, { type: 'cancel' }).catch(() => undefined)
      try {
        if (!(await host.load(id))) await start(id, request, key)
        // Asked once it is there: of two that came at once, one began it.
        const begun = (await host.look<KeyedCallContext>(id))!
        if (begun.capability !== request.capability || begun.inputHash !== hashOf(request.input)) throw new AigenError('market.conflict')
        request.signal?.addEventListener('abort', cancel, { once: true })
        if (request.signal?.aborted) cancel()
        const { snapshot } = await host.until(id, ({ status }) => status === 'done', begun.deadlineMs + SLACK_MS)
        const { output, delivery, error } = snapshot.context as KeyedCallContext
        if (!delivery) throw fromBody(error!)
        return { output, delivery }
      } finally {
        request.signal?.removeEventListener('abort', cancel)
        if (listens) listeners.delete(id)
      }
    },
  }
}
