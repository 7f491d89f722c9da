/**
 * `aigen quote PIPELINE`: asks the market what each step would cost now, and says who would be hired,
 * who not and why. A real, signed call for quotes; nothing is agreed and nothing paid. Units are the
 * capability's own estimate where it does not depend on the input, else 1; the worst case is the checker's.
 */
import { foresee, type Outlook } from '../../agents/user/foresee.ts'
import { readRuns } from '../../agents/user/read.ts'
import { check } from '../../pipelines/check.ts'
import { makeBoundedEvaluator } from '../../pipelines/evaluate-bounded.ts'
import { forecastOf, hiringsOf, picksOf, type Hiring, type Pick } from '../../pipelines/forecast.ts'
import { checkInputs } from '../../pipelines/input.ts'
import { openKnown } from '../../pipelines/known.ts'
import { planOf, type RunPlan } from '../../pipelines/plan.ts'
import { evaluateWith } from '../../pipelines/prepare.ts'
import type { CachedOptions } from '../../pipelines/cached.ts'
import { authorise } from '../../runtime/identity/authorisation.ts'
import { openKeys } from '../../runtime/identity/keys.ts'
import { createWire } from '../../runtime/identity/wire.ts'
import { openDirectory, type Directory } from '../../runtime/market/directory.ts'
import { hireEffects } from '../../runtime/market/hire.ts'
import { openReputation } from '../../runtime/market/reputation.ts'
import { rank, type Offer } from '../../runtime/market/strategy.ts'
import { askedFor, askedInWords } from '../../runtime/market/asked.ts'
import type { Capability, Pipeline } from '../../schemas/documents.gen.ts'
import { AigenError } from '../../schemas/error.ts'
import { formatMoney } from '../../schemas/money.ts'
import { join } from '../join.ts'
import type { Output } from '../output.ts'
import { unlock } from '../unlock.ts'
import { readPipelineFile, standardCapabilities } from '../pipeline-file.ts'
import { dataFolder } from '../places.ts'
import { showOutlook, showQuotes, type Excluded } from '../quote-table.ts'
import { readGiven } from '../run-pipeline.ts'
import type { ReadOptions } from './bill.ts'

const DAY_MS = 86_400_000
/** Longest wait for one step's quotes. */
const ASK_MS = 15_000
/** Calls for quotes at once. */
const ASKS_MAX = 16

export interface QuoteOptions extends ReadOptions {
  /** `k=v` and `k=@file` words; none: what need not be hired is not looked for. */
  readonly input: readonly string[]
}

export async function quote(given: string, options: QuoteOptions, output: Output): Promise<boolean> {
  const { text } = readPipelineFile(given, process.cwd())
  const { ports, keys, home } = await join(dataFolder(options.data), options.as)
  try {
    const { bus, clock, random, rail, guardians } = ports
    // A node key of its own: the participant's running node, if there is one, is not disturbed.
    const asker = await openKeys({ home, random, nodeName: 'asker', ...unlock })
    const today = Math.floor(clock.now() / DAY_MS) * DAY_MS
    const authorisation = await authorise(keys.wallet, asker.node.publicKey, { notBefore: today - DAY_MS, notAfter: today + 2 * DAY_MS }, clock.now(), asker.authorisation)
    const wire = createWire({ bus, clock, random, node: asker.node, authorisation })
    const directory = await openDirectory({ bus, clock, verifier: wire.credentials.verifier })
    const reputation = guardians ? await openReputation({ bus, clock, guardians }) : undefined
    const capabilities = new Map([...standardCapabilities(), ...directory.capabilities()])
    const report = check(text, { capabilities })
    if (!report.ok || !report.pipeline) throw new AigenError('pipeline.invalid', undefined, { issues: report.errors })
    const plan = planOf(report.pipeline, report.budget, report.graph)
    const actors = await readRuns(ports)
    const ask = hireEffects({ wire, clock, directory, terms: rail.terms, host: () => actors, keep: async () => undefined, ...(reputation ? { reputation } : {}) })['market.ask']!
    const offersOf = async ({ plan: step, uses, cap, expect, role }: Hiring): Promise<Offer[]> => {
      const settled = role === 'fallback' ? { settle: 'postpaid' as const, escrow: null } : { settle: step.settle, escrow: step.escrow }
      const params = { capability: uses, units: capabilities.get(uses)?.estimate?.units ?? 1, inputBytes: 0, cap, deadlineMs: step.deadlineMs, graceMs: step.graceMs, expect, ...settled, only: step.only, exclude: step.not, trace: null }
      const key = `quote.${Buffer.from(random.bytes(9)).toString('hex')}`
      const answer = await ask.run(params, { key, actor: 'quote', attempt: 1, again: false, signal: AbortSignal.timeout(ASK_MS) }) as unknown as { offers: Offer[] }
      return rank(answer.offers, step.choose)
    }
    const hirings = hiringsOf(plan)
    const offers = new Map<Hiring, readonly Offer[]>()
    const open = [...hirings]
    await Promise.all(Array.from({ length: Math.min(ASKS_MAX, open.length) }, async () => {
      for (let one = open.shift(); one; one = open.shift()) offers.set(one, await offersOf(one))
    }))
    const picks = picksOf(hirings, (one) => offers.get(one)!.map(pickOf))
    const heard = hirings.map((hiring) => ({ hiring, offers: offers.get(hiring)!, excluded: excludedOf(hiring, offers.get(hiring)!, directory, keys.participant), picked: picks.get(hiring)!.map(({ provider }) => provider) }))
    const outlook = options.input.length === 0 ? undefined : await outlookOf(plan, report.pipeline, await inputsOf(text, options.input, capabilities), { host: () => actors, capability: (id) => capabilities.get(id), clock, blobs: ports.blobs, directory })
    await reputation?.close()
    await directory.close()
    showQuotes(plan, heard, forecastOf(plan, picks), report.worstCase?.criticalPath ?? [], output)
    if (outlook) showOutlook(outlook, output)
    return heard.every(({ picked, hiring: { role, plan: { many } } }) => role === 'compensate' || role === 'fallback' || picked.length >= (many?.providers ?? 1))
  } finally {
    await ports.close()
  }
}

/** The inputs as the words give them, defaults filled in by `outlookOf`. */
async function inputsOf(text: string, inputs: readonly string[], capabilities: Map<string, Capability>): Promise<Record<string, unknown>> {
  return (await readGiven(text, { inputs, cwd: process.cwd() }, { user: { capabilities: () => capabilities } })).inputs
}

/** What of a run with these inputs need not be hired. Error `input.invalid`. */
async function outlookOf(plan: RunPlan, pipeline: Pipeline, given: Record<string, unknown>, options: Omit<CachedOptions, 'evaluate'>): Promise<Outlook> {
  const { inputs, issues } = checkInputs(pipeline, given)
  if (issues.length > 0) throw new AigenError('input.invalid', undefined, { issues: issues.map((one) => ({ ...one, path: `input.${one.path}` })) })
  const evaluator = makeBoundedEvaluator()
  try {
    const evaluate = evaluateWith(evaluator)
    return await foresee(plan, { inputs, evaluate, find: openKnown({ ...options, evaluate }) })
  } finally {
    await evaluator.close()
  }
}

function pickOf({ quote: { terms }, latencyMs, reputation }: Offer): Pick {
  return { provider: terms.provider, price: BigInt(terms.cap), latencyMs: Math.max(latencyMs, reputation?.p95Ms ?? 0) }
}

/** Everybody else with a card for the capability, and why they are not asked or gave no offer that counts. */
function excludedOf({ uses, cap, plan: { only, not } }: Hiring, offers: readonly Offer[], directory: Directory, self: string): Excluded[] {
  const found: Excluded[] = []
  for (const { card: { body }, alive } of directory.entries()) {
    const offer = body.offers.find(({ capability }) => capability.id === uses)
    if (!offer || offers.some(({ quote }) => quote.terms.provider === body.participant)) continue
    const why = body.participant === self ? 'yourself'
      : not.includes(body.participant) ? 'in the document\'s not'
      : only && !only.includes(body.participant) ? 'not in the document\'s only'
      : !alive ? 'away'
      : askedFor(offer, offer.capability.estimate?.units ?? 1) > BigInt(cap) ? `asks ${askedInWords(offer)}, the step pays ${formatMoney(BigInt(cap))} at most`
      : 'gave no offer that fits the step\'s price and terms'
    found.push({ provider: body.participant, name: body.name, why })
  }
  return found
}
