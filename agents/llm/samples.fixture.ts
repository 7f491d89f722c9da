/** What the agent's machine meets when it is explored (runtime/actors/explore.ts). */
import type { Samples } from '../../runtime/actors/explore.ts'
import type { AgentContext } from './agent.ts'

const ERROR = { code: 'step.failed', message: 'It failed.' }
const settled = (change: object): any => ({ type: 'agent.call.done', output: {}, error: null, charged: '3', run: 'r', providers: [], ...change })
const says = (content: string): object => settled({ output: { message: { content } } })
const faults = [{ path: 'steps.a', message: 'No.' }]
const document = { name: 'p', version: '1.0.0' }

const terms = { budget: '60', modelPrice: '4', attempts: 2, repairs: 1, approval: { above: '8' }, approvalMs: 60_000, deadlineMs: 600_000 }

const agent: Samples = {
  inputs: [{}, { accept: 'output.ok' }, { terms: { ...terms, approval: 'always' } }, { terms: { ...terms, budget: '3' } }, { terms: { ...terms, budget: '11' } }].map((change) => ({ self: 'agent/a', goal: 'g', accept: null, inputs: {}, terms, ...change })),
  bounds: { 'pursuing.looking → agent.look.done [0]': 'a plan was asked for too often before it looked' },
  tells: ({ attempt, rounds, calls, judgements, spent, faults: wrong, error, approved }: AgentContext) => [attempt, rounds, calls.at(-1)?.state, calls.at(-1)?.purpose, judgements, spent, wrong.length, error?.code, approved],
  answers: {
    'agent.look': () => [{ type: 'agent.look.done', offers: 'all' }],
    'agent.call': ({ context }: { context: AgentContext }) => [
      settled({ error: ERROR }), ...(context.calls.at(-1)?.purpose === 'judge' ? ['{"met":true,"reason":"yes"}', '{"met":false,"reason":"no"}', 'hm'].map(says) : [says('{}')]),
    ],
    'agent.check': () => [{ type: 'agent.check.done', document, worst: '9', timeMs: 10 }, { type: 'agent.check.done', faults }],
    'agent.quote': () => [[], faults].map((one) => ({ type: 'agent.quote.done', steps: [], faults: one })),
    'agent.judge': () => [true, false].map((met) => ({ type: 'agent.judge.done', verdict: { met, reason: 'So.', by: 'expression' } })),
  },
  events: ({ context }: { context: AgentContext }) => [{ type: 'cancel' }, { type: 'approve', question: context.question }, { type: 'reject', question: context.question, reason: 'No.' }],
}

export const samples: Readonly<Record<string, Samples>> = { agent }
