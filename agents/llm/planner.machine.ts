/**
 * An agent that pursues a goal under a budget and a policy: looks at what the network sells, has a
 * hired model write a plan, has it checked and quoted, asks its owner where the policy says so, runs
 * it, judges the result, and tries again while money, attempts and time last. Hosted by a user's node.
 *
 * Keeps I4: whatever is paid is put aside at its worst case in the record that begins it, under a key
 * from the actor and the call's number, and counted when it ended; an unknown outcome counts in full.
 * Keeps I5: the owner is waited for until a stored time, all of it ends at a stored deadline. What a
 * model says is only ever a plan to check or a verdict to note (I8): no event of it moves money.
 */
import { assign, createMachine, enqueueActions } from 'xstate'
import type { ErrorCode } from '../../schemas/error.ts'
import { AigenError } from '../../schemas/error.ts'
import { formatMoney } from '../../schemas/money.ts'
import { defineActor, effect } from '../../runtime/actors/actor.ts'
import { judgeWorst, leftAfter, type AgentCall, type AgentContext, type AgentEvent, type AgentInput, type Attempt, type Verdict } from './agent.ts'
import { lesson, readVerdict, TEXT_MAX } from './agent-prompt.ts'

/** Judgements that a model may be asked for about one run: an answer that is none is asked for once more. */
const JUDGEMENTS_MAX = 2

type At = { context: AgentContext; event: any }

const fail = (code: ErrorCode, detail?: (at: At) => string): any => assign({ error: (at: any) => new AigenError(code, detail?.(at)).toJSON() })
const failWith: any = assign({ error: ({ event }: any) => event.error })
const stop = (kind: string): any => ({ type: 'abort', params: { kind } })

/** Begins a paid call: its worst case is put aside in the record that asks for it. */
const begin = (purpose: AgentCall['purpose'], worst: (context: AgentContext) => string): any => enqueueActions(({ context, enqueue }: any) => {
  const { self, calls, attempt } = context as AgentContext
  const key = `${self}/${calls.length}`
  const call: AgentCall = { purpose, key, attempt, worst: worst(context), charged: '0', state: 'open', run: null, providers: [], error: null }
  enqueue.assign({ calls: [...calls, call], reserved: call.worst })
  enqueue({ type: 'agent.call', params: { key } })
})

/** Counts what the open call cost. */
const settle: any = assign(({ context, event }: At) => {
  const { calls, spent, unasked, approved } = context
  const open = calls.at(-1)!
  const call: AgentCall = { ...open, charged: event.charged, state: event.error ? 'failed' : 'done', run: event.run, providers: event.providers, error: event.error }
  return {
    calls: [...calls.slice(0, -1), call], reserved: '0', spent: add(spent, event.charged),
    unasked: call.purpose === 'run' && !approved ? add(unasked, event.charged) : unasked,
  }
})

/** Nobody knows what the open call cost: it counts as its worst case. */
const settleUnknown: any = assign(({ context, event }: At) => {
  const open = context.calls.at(-1)!
  return { calls: [...context.calls.slice(0, -1), { ...open, charged: open.worst, state: 'unknown', error: event.error } satisfies AgentCall], reserved: '0', spent: add(context.spent, open.worst) }
})

/** Writes the run down as an attempt, with what became of it. */
const note = (outcome: (at: At) => { met: boolean; reason: string }): any => assign((at: any) => {
  const { context } = at as At
  const { document, worst } = context.plan!
  const call = context.calls.findLast((one) => one.purpose === 'run')!
  const attempt: Attempt = { pipeline: `${document.name}@${document.version}`, worst, charged: call.charged, run: call.run, approved: context.approved, ...outcome(at) }
  return {
    attempts: [...context.attempts, attempt],
    lessons: attempt.met ? context.lessons : [...context.lessons, lesson(document.name, attempt.reason)],
    plan: null, approved: false, rounds: 0, faults: [], text: '', judgements: 0,
  }
})

function whyNoPlan({ calls, faults }: AgentContext): string {
  const last = calls.at(-1)?.error
  return last ? last.message : faults.map(({ path, message }) => `${path}${path === '' ? '' : ': '}${message}`).slice(0, 5).join('; ')
}

function tooLittle(context: AgentContext): string {
  const left = leftAfter(context, 0n)
  return `${formatMoney(left > 0n ? left : 0n)} is left; a plan${context.accept === null ? ' and its judging' : ''} alone may cost ${formatMoney(BigInt(context.terms.modelPrice) + judgeWorst(context))} (pricePerModelCall)`
}

/** Where to go for a plan, or a better one: nowhere when rounds or money are used up. */
const towardsPlan = (actions: any[] = []): any[] => [
  { guard: ({ context }: At) => context.rounds > context.terms.repairs, target: 'ended', actions: [...actions, fail('agent.no-plan', ({ context }) => whyNoPlan(context))] },
  { guard: ({ context }: At) => leftAfter(context, BigInt(context.terms.modelPrice) + judgeWorst(context)) <= 0n, target: 'ended', actions: [...actions, fail('budget.too-small', ({ context }) => tooLittle(context))] },
  { target: 'writing', reenter: true, actions },
]

/** After a run that did not meet the goal. */
const again = (actions: any[]): any[] => [
  { guard: ({ context }: At) => context.attempt >= context.terms.attempts, target: 'ended', actions: [...actions, fail('agent.not-met', ({ context }) => context.lessons.at(-1) ?? '')] },
  { target: 'looking', actions },
]

const contentOf = (event: any): string => {
  const content: unknown = event.output?.message?.content
  return typeof content === 'string' ? content : ''
}

/** Whether the owner must be asked: by what may have been spent unasked in the end, so that many small runs are no way around it. */
const mustAsk = ({ context }: At): boolean => {
  const { approval } = context.terms
  if (typeof approval === 'string') return approval === 'always'
  return BigInt(context.unasked) + BigInt(context.plan!.worst) > BigInt(approval.above)
}

const verdictIn = ({ event }: At): Verdict | undefined => (event.error ? undefined : readVerdict(contentOf(event)))
const met = (verdict: Verdict): { met: boolean; reason: string } => ({ met: verdict.met, reason: verdict.reason })

/** Out of time, or no longer wanted; what was said first stands. */
const leaving = (code: ErrorCode): any[] => {
  const why = assign<AgentContext, any, undefined, any, never>({ error: ({ context }) => context.error ?? new AigenError(code).toJSON() })
  return [
    { guard: ({ context }: At) => context.calls.at(-1)?.state === 'open', target: '.stopping', actions: why },
    { target: '.ended', actions: [...['agent.look', 'agent.check', 'agent.quote', 'agent.judge'].map(stop), why] },
  ]
}

const machine = createMachine({
  id: 'agent',
  types: {} as { context: AgentContext; events: AgentEvent; input: AgentInput },
  context: ({ input: { at, ...input } }) => ({
    ...input, startedAt: at, endedAt: 0, offers: '', attempt: 0, rounds: 0, text: '', faults: [], lessons: [], plan: null, question: 0, answerBy: 0, approved: false,
    calls: [], spent: '0', reserved: '0', unasked: '0', attempts: [], judgements: 0, output: null, error: null,
  }),
  initial: 'pursuing',
  states: {
    pursuing: {
      initial: 'looking',
      after: { deadline: leaving('agent.late') },
      on: { cancel: leaving('agent.cancelled') },
      onDone: 'closed',
      states: {
        looking: {
          entry: effect<AgentContext, any>('agent.look', () => ({})),
          on: {
            'agent.look.done': towardsPlan([assign({ offers: ({ event }: any) => event.offers })]),
            'agent.look.failed': { target: 'ended', actions: failWith },
          },
        },
        writing: {
          entry: [assign({ rounds: ({ context }) => context.rounds + 1 }), begin('plan', ({ terms }) => terms.modelPrice)],
          on: {
            // What a model call failed of is told to nobody: the next one is a new call, elsewhere if it can be.
            'agent.call.done': [
              ...towardsPlan([settle]).map((branch) => ({ ...branch, guard: (at: At) => at.event.error !== null && (branch.guard?.(settledAt(at)) ?? true) })),
              { target: 'checking', actions: [settle, assign({ text: ({ event }: any) => contentOf(event).slice(0, TEXT_MAX + 1) })] },
            ],
            'agent.call.failed': { target: 'ended', actions: [settleUnknown, failWith] },
          },
        },
        checking: {
          entry: effect<AgentContext, any>('agent.check', () => ({})),
          on: {
            'agent.check.done': [
              { guard: ({ event }: any) => event.faults === undefined, target: 'quoting', actions: assign({ faults: [], plan: ({ event: { document, worst, timeMs } }: any) => ({ document, worst, timeMs, steps: [] }) }) },
              ...faulty(),
            ],
            'agent.check.failed': { target: 'ended', actions: failWith },
          },
        },
        quoting: {
          entry: effect<AgentContext, any>('agent.quote', () => ({})),
          on: {
            'agent.quote.done': [
              ...faulty().map((branch) => ({ ...branch, guard: (at: At) => at.event.faults.length > 0 && (branch.guard?.(at) ?? true) })),
              { target: 'deciding', actions: assign({ plan: ({ context, event }: any) => ({ ...context.plan, steps: event.steps }) }) },
            ],
            'agent.quote.failed': { target: 'ended', actions: failWith },
          },
        },
        deciding: { always: [{ guard: mustAsk as any, target: 'asking' }, { target: 'running' }] },
        asking: {
          entry: assign({ question: ({ context }) => context.question + 1, answerBy: ({ context, event }: any) => event.at + context.terms.approvalMs }),
          after: { answer: { target: 'ended', actions: fail('agent.unanswered') } },
          on: {
            // An answer to an earlier question is none: what the owner saw is what runs.
            approve: { guard: ({ context, event }) => event.question === context.question, target: 'running', actions: assign({ approved: true }) },
            reject: { guard: ({ context, event }) => event.question === context.question, target: 'ended', actions: fail('agent.rejected', ({ event }) => event.reason) },
          },
        },
        running: {
          entry: [assign({ attempt: ({ context }) => context.attempt + 1 }), begin('run', ({ plan }) => plan!.worst)],
          on: {
            'agent.call.done': [
              ...again([settle, note(({ event }) => ({ met: false, reason: event.error.message }))]).map((branch) => ({ ...branch, guard: (at: At) => at.event.error !== null && (branch.guard?.(at) ?? true) })),
              { guard: ({ context }) => context.accept !== null, target: 'measuring', actions: [settle, assign({ output: ({ event }: any) => event.output })] },
              { target: 'judging', actions: [settle, assign({ output: ({ event }: any) => event.output })] },
            ],
            'agent.call.failed': { target: 'ended', actions: [settleUnknown, note(({ event }) => ({ met: false, reason: event.error.message })), failWith] },
          },
        },
        measuring: {
          entry: effect<AgentContext, any>('agent.judge', () => ({})),
          on: {
            'agent.judge.done': [
              { guard: ({ event }: any) => event.verdict.met, target: 'ended', actions: note(({ event }) => met(event.verdict)) },
              ...again([note(({ event }) => met(event.verdict))]),
            ],
            'agent.judge.failed': again([note(({ event }) => ({ met: false, reason: event.error.message }))]),
          },
        },
        judging: {
          entry: [assign({ judgements: ({ context }) => context.judgements + 1 }), begin('judge', ({ terms }) => terms.modelPrice)],
          on: {
            'agent.call.done': [
              { guard: ((at: At) => verdictIn(at)?.met === true) as any, target: 'ended', actions: [settle, note((at) => met(verdictIn(at)!))] },
              {
                guard: ((at: At) => !verdictIn(at) && at.context.judgements < JUDGEMENTS_MAX && leftAfter(settledAt(at).context, BigInt(at.context.terms.modelPrice)) >= 0n) as any,
                target: 'judging', reenter: true, actions: settle,
              },
              ...again([settle, note((at) => met(verdictIn(at) ?? { met: false, reason: 'the model that should judge it gave no verdict', by: 'model' }))]),
            ],
            'agent.call.failed': { target: 'ended', actions: [settleUnknown, note(() => ({ met: false, reason: 'nobody judged it' })), failWith] },
          },
        },
        /** Out of time or cancelled while a paid call is under way: its handler cancels the run; what it cost still counts. */
        stopping: {
          on: {
            'agent.call.done': [
              { guard: ({ context }) => context.calls.at(-1)!.purpose === 'run', target: 'ended', actions: [settle, assign({ output: ({ event }: any) => event.output }), note(({ context }) => ({ met: false, reason: context.error!.message }))] },
              { target: 'ended', actions: settle },
            ],
            'agent.call.failed': { target: 'ended', actions: settleUnknown },
          },
        },
        // Here and not below: the event that says that the inner states are done bears no time.
        ended: { type: 'final', entry: assign({ endedAt: ({ context, event }: any) => event.at ?? context.startedAt }) },
      },
    },
    closed: { type: 'final' },
  },
}, {
  delays: { deadline: ({ context }) => context.terms.deadlineMs, answer: ({ context }) => context.terms.approvalMs },
})

/** A plan with faults goes back to the model. */
function faulty(): any[] {
  return towardsPlan([assign({ plan: null, faults: ({ event }: any) => event.faults })])
}

/** Guards see the context before their actions: as it will be once the open call is counted. */
function settledAt(at: At): At {
  return { event: at.event, context: { ...at.context, reserved: '0', spent: add(at.context.spent, at.event.charged) } }
}

function add(one: string, other: string): string {
  return (BigInt(one) + BigInt(other)).toString()
}

export const agent = defineActor('agent', '1', machine, { pays: [], holds: [{ what: 'worst case', taken: ['do agent.call'], returned: ['on agent.call.done', 'on agent.call.failed'] }] }, { passivates: 'ended' })
