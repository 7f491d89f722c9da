/**
 * What an agent's machine asks for, done (D1): look at the market, pay for a model call or a run,
 * check and quote a plan, judge by expression. Registered on a user's node by `agentRooms`. The owner's
 * policy is applied here to whatever the model proposed, before anything is started (I4, I8).
 */
import { check } from '../../pipelines/check.ts'
import { parseDocument } from '../../pipelines/document.ts'
import { planOf } from '../../pipelines/plan.ts'
import { accepts, type Evaluate } from '../../pipelines/prepare.ts'
import type { EffectKind } from '../../runtime/actors/effects.ts'
import type { LiveActor } from '../../runtime/actors/fold.ts'
import type { NodeParts, Room } from '../../runtime/node/node.ts'
import { askedFor } from '../../runtime/market/asked.ts'
import type { Capability, Offer, Pipeline } from '../../schemas/documents.gen.ts'
import { AigenError, type Issue } from '../../schemas/error.ts'
import { formatMoney } from '../../schemas/money.ts'
import { hireDocument } from '../user/hire.ts'
import { runOnce, userOf } from '../user/keyed-run.ts'
import type { StartOptions } from '../user/run.ts'
import { judgeWorst, leftAfter, type AgentCall, type AgentContext, type Plan } from './agent.ts'
import { heldToPolicy, mayHire } from './agent-policy.ts'
import { judgeMessages, planMessages, readPlan } from './agent-prompt.ts'
import { offerList, sellersOf, servingModel } from './offer-list.ts'
import { agent } from './planner.machine.ts'

/** What an agent hires its model as. */
export const CHAT = 'text.chat@1'
/** Faults of one plan that are told to the model. */
const FAULTS_MAX = 50
/** Providers that one step may exclude (the pipeline's schema). */
const NOT_MAX = 64
const SELLERS_MAX = 16

export interface AgentRoomOptions {
  readonly evaluate: Evaluate
  /** Contracts of capabilities that no card has shown yet. */
  readonly standard?: ReadonlyMap<string, Capability>
}

/** Rooms for `openUser({ rooms })` that let a user's node host agents. */
export function agentRooms(options: AgentRoomOptions): Room[] {
  return [(parts) => ({ actors: [agent], effects: agentEffects(parts, options) })]
}

function agentEffects(parts: NodeParts, { evaluate, standard = new Map() }: AgentRoomOptions): Record<string, EffectKind> {
  const { directory } = parts
  /** Of one whose effect runs: it has not ended. */
  const contextOf = (actor: string): AgentContext => {
    const context = parts.host().context<AgentContext>(actor)
    if (!context) throw new AigenError('agent.unknown', actor)
    return context
  }
  /** What a plan may cost at worst: what is left once its run has been judged. */
  const allowed = (context: AgentContext): bigint => leftAfter(context, judgeWorst(context))

  const look: EffectKind = {
    mode: 'idempotent',
    attempts: 6,
    pauseMs: 500,
    run: async (_params: object, { actor }) => {
      const { terms, goal } = contextOf(actor)
      const models = servingModel(directory, terms, CHAT) ?? sellersOf(directory, terms, CHAT)
      if (models.length === 0) throw new AigenError('market.no-provider', `nobody offers ${CHAT}${terms.model === null ? '' : ` with the model ${terms.model}`}`)
      return { type: 'agent.look.done', offers: offerList(directory, terms, goal) }
    },
  }

  /** The hire of a model. One whose last answer came to nothing is left out while there is another. */
  const modelCall = (context: AgentContext, call: AgentCall): Pick<StartOptions, 'document' | 'inputs'> => {
    const { terms } = context
    const only = servingModel(directory, terms, CHAT)
    if (only?.length === 0) throw new AigenError('run.failed', `nobody offers ${CHAT} with the model ${terms.model}`)
    const failed = context.calls.filter(({ purpose, state }) => purpose !== 'run' && state === 'failed').flatMap(({ providers }) => providers.map(({ participant }) => participant))
    const others = sellersOf(directory, terms, CHAT).filter(({ participant }) => !failed.includes(participant) && (only?.includes(participant) ?? true))
    const not = [...new Set([...terms.not, ...(others.length > 0 ? failed : [])])].slice(0, NOT_MAX)
    const messages = call.purpose === 'judge' ? judgeMessages(context) : planMessages(context, allowed(context))
    const input = { messages, maxTokens: terms.maxTokens, json: true, ...(terms.model === null ? {} : { model: terms.model }) }
    // One attempt: a second one would have to be put aside for too. The machine asks again by itself.
    const document = hireDocument({ capability: CHAT, input, maxPrice: formatMoney(BigInt(call.worst)), deadlineMs: terms.modelMs, attempts: 1, not, ...(only === null ? {} : { only }) })
    return { document, inputs: {} }
  }

  const paidCall: EffectKind = {
    mode: 'idempotent',
    attempts: 8,
    concurrency: 256,
    run: async ({ key }: { key: string }, { actor, signal }) => {
      const options = (): StartOptions => {
        const context = contextOf(actor)
        const call = context.calls.find((one) => one.key === key)!
        const what = call.purpose === 'run' ? { document: context.plan!.document, inputs: context.inputs } : modelCall(context, call)
        return { ...what, budget: BigInt(call.worst) }
      }
      return { type: 'agent.call.done', ...(await runOnce(userOf(parts, standard), { key, payer: actor, stopping: isStopping, options }, signal)) }
    },
  }

  const checkPlan: EffectKind = {
    mode: 'idempotent',
    run: async (_params: object, { actor }) => {
      const context = contextOf(actor)
      const faults = (issues: readonly Issue[]): { type: string; faults: readonly Issue[] } => ({
        type: 'agent.check.done', faults: issues.slice(0, FAULTS_MAX).map(({ path, message, hint }) => ({ path, message, ...(hint === undefined ? {} : { hint }) })),
      })
      const read = readPlan(context.text)
      if ('issue' in read) return faults([read.issue])
      const { pipeline, issues } = parseDocument(read.value)
      if (!pipeline) return faults(issues)
      const held = heldToPolicy(pipeline, context.terms, context.inputs, allowed(context))
      const capabilities = new Map([...userOf(parts, standard).capabilities()].filter(([id]) => mayHire(context.terms, id)))
      const report = check(held.document, { capabilities, budget: allowed(context) })
      if (held.issues.length > 0 || !report.ok || !report.pipeline) return faults([...held.issues, ...report.errors])
      const { worst, timeMs } = planOf(report.pipeline, report.budget, report.graph)
      return { type: 'agent.check.done', document: report.pipeline, worst, timeMs }
    },
  }

  const quote: EffectKind = {
    mode: 'idempotent',
    run: async (_params: object, { actor }) => {
      const context = contextOf(actor)
      const { document } = context.plan!
      const { steps: plans } = planOf(document)
      const faults: Issue[] = []
      const steps: Plan['steps'][number][] = []
      for (const [step, { uses, providers }] of Object.entries(document.steps) as [string, Pipeline['steps'][string]][]) {
        if (uses === undefined) continue
        const max = BigInt(plans[step]!.maxPrice)
        const live = sellersOf(directory, context.terms, uses).filter(({ participant }) => (providers?.only?.includes(participant) ?? true) && !providers?.not?.includes(participant))
        const priced = live.map(({ name, offer }) => ({ name, asked: usuallyAsked(offer) }))
        const sellers = priced.filter(({ asked }) => asked <= max).map(({ name }) => name)
        steps.push({ step, uses, max: formatMoney(max), sellers: sellers.slice(0, SELLERS_MAX) })
        if (live.length === 0) faults.push({ path: `steps.${step}.uses`, message: `nobody sells ${uses} now`, hint: 'Use another service.' })
        else if (sellers.length === 0) {
          const least = priced.reduce((one, other) => (other.asked < one.asked ? other : one)).asked
          faults.push({ path: `steps.${step}.price.max`, message: `nobody sells ${uses} for ${formatMoney(max)}`, hint: `The lowest asked price is ${formatMoney(least)}.` })
        }
      }
      return { type: 'agent.quote.done', steps, faults: faults.slice(0, FAULTS_MAX) }
    },
  }

  const judge: EffectKind = {
    mode: 'idempotent',
    run: async (_params: object, { actor }) => {
      const { accept, output } = contextOf(actor)
      const { ok, why } = await accepts(accept, output, evaluate)
      return { type: 'agent.judge.done', verdict: { met: ok, reason: ok ? `${accept} holds` : why ?? `${accept} does not hold`, by: 'expression' } }
    },
  }
  return { 'agent.look': look, 'agent.call': paidCall, 'agent.check': checkPlan, 'agent.quote': quote, 'agent.judge': judge }
}

/** Whether the agent only waits for its open call to be cancelled. */
function isStopping({ snapshot }: LiveActor): boolean {
  const { value } = snapshot
  return typeof value === 'object' && value['pursuing'] === 'stopping'
}

/** What one call of an offer asks for, with the units that its capability says are usual. */
function usuallyAsked(offer: Offer): bigint {
  const { units, expression } = offer.capability.estimate ?? {}
  return askedFor(offer, expression === undefined ? units ?? 1 : 1)
}
