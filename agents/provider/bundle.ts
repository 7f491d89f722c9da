/**
 * Bundles (D8): a pipeline sold as one capability by a participant that is provider and user at
 * once, one wallet, one journal. A call is one run under the call's own key, so a crash neither buys
 * twice nor loses; what it may cost at worst is below the lowest price it is sold for, so nobody is
 * served at a loss, and a ring of bundles that hire each other cannot be: each would have to be
 * cheaper than itself (I4). Used by `aigen provide BUNDLE.json`.
 */
import type { Bundle, Capability, Pipeline } from '../../schemas/documents.gen.ts'
import { AigenError, asError } from '../../schemas/error.ts'
import { formatMoney, parseMoney } from '../../schemas/money.ts'
import { validate } from '../../schemas/validate.ts'
import { check } from '../../pipelines/check.ts'
import { planOf, type RunPlan } from '../../pipelines/plan.ts'
import { blobsIn } from '../../runtime/identity/parcel.ts'
import { finishRun, startRun } from '../user/run.ts'
import { openUser, type User, type UserOptions } from '../user/user.ts'
import type { HandlerContext, HandlerResult, ProviderDefinition } from './define.ts'
import { prepareShop, providerRooms, readyToSell, type Provider, type Shop } from './provide.ts'

/** Hiring and settling, on top of what the steps may take, in ms. */
const SLACK_MS = 15_000
/** Longest that a run is followed beyond its own worst case, for steps in doubt, in ms. */
const FOLLOW_MS = 600_000
const CONCURRENCY = 4

export interface BundleProvider extends Provider {
  readonly user: User
}

/**
 * What a bundle sells, checked: its pipeline, its contract, and that it cannot be sold at a loss.
 *
 * - `input.invalid`: it is no bundle. `pipeline.invalid`: with every issue of its pipeline.
 * - `bundle.loss`: the pipeline's worst case is not below the lowest price.
 */
export function bundleDefinition(document: unknown, capabilities: ReadonlyMap<string, Capability>, user: () => User): ProviderDefinition {
  const bundle: Bundle = validate('Bundle', document)
  const floor = parseMoney(bundle.price.floor ?? bundle.price.list)
  const report = check(bundle.pipeline, { capabilities })
  if (!report.ok || !report.pipeline) throw new AigenError('pipeline.invalid', undefined, { issues: report.errors.map((one) => ({ ...one, path: `pipeline.${one.path}` })) })
  const { pipeline } = report
  const plan = planOf(pipeline, report.budget)
  if (BigInt(plan.worst) >= floor) throw new AigenError('bundle.loss', `The pipeline may cost ${formatMoney(BigInt(plan.worst))}, a call is sold from ${formatMoney(floor)}.`, { path: 'price' })
  return {
    name: bundle.name,
    capability: {
      ...bundle.capability, id: bundle.capability.id, unit: 'call',
      input: pipeline.input ?? { type: 'object' }, output: bundle.capability.output ?? answerSchema(pipeline),
    },
    price: bundle.price,
    latencyMs: bundle.latencyMs ?? plan.timeMs + SLACK_MS,
    concurrency: bundle.concurrency ?? CONCURRENCY,
    handler: (input, context) => runBundle(user(), pipeline, plan, input, context),
  }
}

/** Opens a participant that sells the bundle and pays its steps. Errors: those of `bundleDefinition` and `openUser`. */
export async function provideBundle(document: unknown, options: Omit<UserOptions, 'rooms' | 'prepare'>): Promise<BundleProvider> {
  const opened: { user?: User; shop?: Shop } = {}
  const definition = bundleDefinition(document, options.standard ?? new Map(), () => opened.user!)
  await readyToSell(definition)
  const user = await openUser({
    ...options,
    rooms: providerRooms(definition, options.evaluate),
    prepare: async (node, self) => {
      opened.user = self
      opened.shop = await prepareShop(node, definition)
    },
  })
  return { ...await opened.shop!.open(), user }
}

/** One call: the run under its key, to its end. What was paid for a run that failed is the bundle's loss, never its caller's. */
async function runBundle(user: User, document: Pipeline, plan: RunPlan, inputs: Record<string, unknown>, { callId, signal, load, store }: HandlerContext): Promise<HandlerResult> {
  const blobs = await Promise.all(blobsIn(inputs).map(async (ref) => ({ bytes: await load(ref), mediaType: ref.mediaType })))
  const run = await startRun(user, { document, inputs, blobs, key: callId })
  const cancel = (): void => {
    // A node that stops has not given the call up: it goes on with the run when it is back.
    if (asError(signal.reason).code !== 'network.closed') user.node.host.send(`run/${run}`, { type: 'cancel' }).catch(() => undefined)
  }
  signal.addEventListener('abort', cancel, { once: true })
  if (signal.aborted) cancel()
  try {
    const { output, error } = await finishRun(user, run, plan.timeMs + FOLLOW_MS)
    if (error) throw new AigenError(error.code === 'step.input' || error.code === 'input.invalid' ? 'step.input' : 'step.failed', `${error.path ? `${error.path}: ` : ''}${error.message}`)
    for (const ref of blobsIn(output)) {
      const bytes = await user.node.blobs.get(ref.$blob)
      if (!bytes) throw new AigenError('step.failed', `${ref.$blob} of the answer is not there`)
      await store(bytes, ref.mediaType)
    }
    return { output, units: { call: 1 } }
  } finally {
    signal.removeEventListener('abort', cancel)
  }
}

/** That an answer has the keys which the pipeline's output names; a bundle can say more in `capability.output`. */
function answerSchema({ output }: Pipeline): Capability['output'] {
  if (typeof output !== 'object' || output === null || Array.isArray(output)) return {}
  const keys = Object.keys(output)
  return { type: 'object', additionalProperties: false, required: keys, properties: Object.fromEntries(keys.map((key) => [key, {}])) }
}
