/** What the chain's sender meets when it is explored (runtime/actors/explore.ts). */
import type { Samples } from '../actors/explore.ts'
import type { SenderContext } from '../evm/sender.ts'

const HASH = `0x${'ab'.repeat(32)}`
/** Nonce that the first write gets: what is below it is not remembered. */
const FIRST = 5
const FINAL = { code: 'chain.reverted', message: 'No.' }

const sender: Samples = {
  inputs: [{ account: '0xaa' }],
  depth: 10,
  bounds: { 'signing → chain.sign.failed [0]': 'a replacement, after twelve rounds of looking', 'signing → chain.sign.failed [1]': 'the same' },
  tells: ({ queue, current, history, checked, results }: SenderContext) => [
    queue.length, checked, history.length, results.map(({ type, key }) => [type, key]).slice(-1),
    current && [current.key, current.nonce !== null, Math.min(current.signed.length, 2), Math.min(current.rounds, 12), current.displaced, current.behind, Math.min(current.signTries, 20), current.write.kind],
  ],
  answers: {
    'chain.sign': ({ context, params }) => [
      { type: 'chain.sign.done', key: params.key, nonce: context.current.nonce ?? FIRST, bytes: HASH, hash: HASH }, ...[0, FIRST].map((nonce) => ({ type: 'chain.sign.behind', key: params.key, nonce })), { type: 'chain.sign.failed', params, error: FINAL },
    ],
    'chain.broadcast': ({ params }) => [{ type: 'chain.broadcast.done', key: params.key }, { type: 'chain.broadcast.failed', params, error: FINAL }],
    'chain.outcome': ({ params }) => [
      ...[true, false].map((ok) => ({ type: 'chain.outcome.done', key: params.key, hash: HASH, ok, block: 1, reason: null, paid: [], refused: [] })),
      ...[[params.nonce, false], [params.nonce + 1, true], [0, false], [FIRST, false]].map(([nonce, displaced]) => ({ type: 'chain.outcome.pending', key: params.key, nonce, displaced })),
    ],
    'chain.nonce': () => [FIRST + 2, FIRST, 0].map((nonce) => ({ type: 'chain.nonce.done', nonce })),
    'chain.mend': ({ params }) => [{ type: 'chain.mend.done', nonce: params.nonce }],
  },
  events: ({ context }: { context: SenderContext }) => (context.queue.length > 0 || context.results.length > 1 ? [] : [
    { type: 'send', key: `k${context.results.length}`, to: 'relay', write: { kind: 'claim', claims: [] } }, { type: 'send', key: `d${context.results.length}`, to: 'relay', write: { kind: 'deposit' } },
  ]),
}

export const samples: Readonly<Record<string, Samples>> = { sender }
