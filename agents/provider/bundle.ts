/**
 * Bundles (D8): a pipeline sold as one capability by a participant that is provider and user at
 * once, one wallet, one journal. A call is one run under the call's own key, so a crash neither buys
 * twice nor loses; what it may cost at worst is below what the call pays, be its price fixed or made of
 * the quotes of its steps, so nobody is served at a loss, and a ring of bundles that hire each other
 * ends: each would have to be cheaper than itself (I4). Used by `aigen provide BUNDLE.json`.
 */
import type { Bundle, Capability, Pipeline } from '../../schemas/documents.gen.ts'
import type { ParticipantId } from '../../schemas/id.ts'
import { AigenError, asError } from '../../schemas/error.ts'
import { formatMoney, parseMoney } from '../../schemas/money.ts'
import { validate } from '../../schemas/validate.ts'
import { check } from '../../pipelines/check.ts'
import { planOf, type RunPlan } from '../../pipelines/plan.ts'
import { blobsIn } from '../../runtime/identity/parcel.ts'
import type { Evaluate } from '../../pipelines/prepare.ts'
import { answerRun, keyedRun, startRun } from '../user/run.ts'
import { openUser, type User, type UserOptions } from '../user/user.ts'
import { budgetOf, madePrice, priceFor } from './bundle-price.ts'
import type { HandlerContext, HandlerResult, ProviderDefinition } from './define.ts'
import { prepareShop, providerRooms, readyToSell, type Provider, type Shop } from './provide.ts'
import { capped, openUpstream, type Upstream, type UpstreamDesk } from './upstream.ts'
import { serveUpstream } from './upstream-receipts.ts'

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
 * - `input.invalid`: it is no bundle, or its price is none. `pipeline.invalid`: with every issue of its pipeline.
 * - `bundle.loss`: the pipeline's worst case is not below the lowest fixed price.
 */
export function bundleDefinition(document: unknown, capabilities: ReadonlyMap<string, Capability>, user: () => User, evaluate: Evaluate): ProviderDefinition {
  const bundle: Bundle = validate('Bundle', document)
  const made = madePrice(bundle)
  const report = check(bundle.pipeline, { capabilities })
  if (!report.ok || !report.pipeline) throw new AigenError('pipeline.invalid', undefined, { issues: report.errors.map((one) => ({ ...one, path: `pipeline.${one.path}` })) })
  const { pipeline, budget } = report
  const plan = planOf(pipeline, budget)
  const sold = {
    name: bundle.name,
    capability: {
      ...bundle.capability, id: bundle.capability.id, unit: 'call',
      input: pipeline.input ?? { type: 'object' }, output: bundle.capability.output ?? answerSchema(pipeline),
    },
    latencyMs: bundle.latencyMs ?? plan.timeMs + SLACK_MS,
    concurrency: bundle.concurrency ?? CONCURRENCY,
  }
  if (!made) {
    const list = bundle.price.list!
    const floor = parseMoney(bundle.price.floor ?? list)
    if (BigInt(plan.worst) >= floor) throw new AigenError('bundle.loss', `The pipeline may cost ${formatMoney(BigInt(plan.worst))}, a call is sold from ${formatMoney(floor)}.`, { path: 'price' })
    return {
      ...sold,
      price: { list, floor: formatMoney(floor) },
      handler: (input, context) => runBundle(user(), () => Promise.resolve({ pipeline, plan }), plan.timeMs, input, context),
    }
  }
  let desk: UpstreamDesk | undefined
  const upstream = (): Promise<Upstream | string> => (desk ??= openUpstream(user().node, pipeline, budget, () => user().capabilities())).ask()
  return {
    ...sold,
    price: { list: formatMoney(made.max) },
    quote: async (call) => {
      const found = await upstream()
      return typeof found === 'string' ? undefined : priceFor(made, found.worst, call, evaluate)
    },
    handler: (input, context) => runBundle(user(), async () => {
      const found = await upstream()
      if (typeof found === 'string') throw new AigenError('step.failed', `${found}: nobody offers it now`, { path: found })
      return capped(pipeline, budget, found, budgetOf(made, context.unitPrice))
    }, plan.timeMs, input, context),
  }
}

/** Opens a participant that sells the bundle and pays its steps; `watchtowers` as for any provider. Errors: those of `bundleDefinition` and `openUser`. */
export async function provideBundle(document: unknown, { watchtowers = [], ...options }: Omit<UserOptions, 'rooms' | 'prepare'> & { readonly watchtowers?: readonly ParticipantId[] }): Promise<BundleProvider> {
  const opened: { user?: User; shop?: Shop } = {}
  const definition = bundleDefinition(document, options.standard ?? new Map(), () => opened.user!, options.evaluate)
  await readyToSell(definition)
  const user = await openUser({
    ...options,
    rooms: providerRooms(definition, options.evaluate),
    prepare: async (node, self) => {
      opened.user = self
      opened.shop = await prepareShop(node, definition, undefined, watchtowers)
      serveUpstream(node, (document as Bundle).receipts === 'listed')
    },
  })
  return { ...await opened.shop!.open(), user }
}

/** What is run for a call, within what it pays. */
type Make = () => Promise<{ readonly pipeline: Pipeline; readonly plan: RunPlan }>

/** One call: the run under its key, to its end. What was paid for a run that failed is the bundle's loss, never its caller's. */
async function runBundle(user: User, make: Make, timeMs: number, inputs: Record<string, unknown>, { callId, signal, load, store }: HandlerContext): Promise<HandlerResult> {
  const run = keyedRun(callId)
  // What was begun is gone on with as it is: the market may ask another price now.
  if (!(await user.node.host.look(`run/${run}`))) {
    const { pipeline, plan } = await make()
    const blobs = await Promise.all(blobsIn(inputs).map(async (ref) => ({ bytes: await load(ref), mediaType: ref.mediaType })))
    await startRun(user, { document: pipeline, inputs, blobs, budget: BigInt(plan.worst), key: callId })
  }
  const cancel = (): void => {
    // A node that stops has not given the call up: it goes on with the run when it is back.
    if (asError(signal.reason).code !== 'network.closed') user.node.host.send(`run/${run}`, { type: 'cancel' }).catch(() => undefined)
  }
  signal.addEventListener('abort', cancel, { once: true })
  if (signal.aborted) cancel()
  try {
    const { output, error } = await answerRun(user, run, timeMs + FOLLOW_MS)
    if (error) throw new AigenError(error.code === 'step.input' || error.code === 'input.invalid' ? 'step.input' : 'step.failed', `${error.path ? `${error.path}: ` : ''}${error.message}`, error.path ? { path: error.path } : {})
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
