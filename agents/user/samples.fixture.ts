/** What the machines of this room meet when they are explored (runtime/actors/explore.ts). */
import type { Samples } from '../../runtime/actors/explore.ts'
import type { WatcherContext } from './watcher.ts'

const ERROR = { code: 'step.failed', message: 'It failed.' }

const wallet: Samples = {
  inputs: [{}],
  tells: ({ deposits, holds, spent, policy, withdrawals }) => [deposits, holds, spent === '0', policy !== undefined, withdrawals],
  events: () => [{ type: 'deposited', id: 'd', amount: '9' }, ...['run/a', 'run/b'].flatMap((run) => [{ type: 'hold', run, amount: '5' }, { type: 'close', run, spent: '2' }]), { type: 'policy', policy: { perDay: '7' } }, { type: 'outside', id: 'o', amount: '3', for: 'subscriptions' },
    { type: 'withdraw', id: 'w', amount: '1', to: '0x00' }, { type: 'withdraw.done', id: 'w' }, { type: 'withdraw.failed', id: 'w' }],
}

const settled = (change: object): any => ({ type: 'watcher.call.done', output: {}, error: null, charged: '3', run: 'r', providers: [], ...change })
const terms = { budget: '30', lookPrice: '3', runWorst: '9', when: { everyMs: 1_000 }, cooldownMs: 0, expiresMs: 600_000, lookMs: 500, runsMax: 2, edge: true }

const watcher: Samples = {
  inputs: [terms, { ...terms, when: { cron: '* * * * *' } }, { ...terms, edge: false, runsMax: 5 }].map((one) => ({ self: 'watcher/w', document: {}, terms: one })),
  tells: ({ fires, held, open, ended, spent }: WatcherContext) => [fires, held, open?.purpose, ended, spent],
  answers: {
    'watcher.call': () => [settled({}), settled({ error: ERROR }), settled({ output: 'x'.repeat(70_000) })],
    'watcher.weigh': () => [[true, '9'], [true, '99'], [false, '9']].map(([holds, worst]) => ({ type: 'watcher.weigh.done', holds, inputs: {}, worst })),
  },
  events: () => [{ type: 'stop' }],
}

export const samples: Readonly<Record<string, Samples>> = { wallet, watcher }
