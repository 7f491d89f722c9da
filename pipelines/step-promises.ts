/** What a step promises about money and waiting; `step.machine.ts` is held to it by `explore` (I1, I4, I5). */
import type { Promises } from '../runtime/actors/promises.ts'

export const stepPromises: Promises = {
  pays: [
    { by: ['do call.invoke', 'tell purse stake', 'tell purse pay', 'tell standing pay', 'tell unlock start', 'tell stream start'], after: ['on agreed'], until: ['tell negotiation start', 'tell standing want'] },
    // The agent that takes its case: its step hires for itself.
    { by: ['tell step start', 'do hub.open'], after: ['on agreed'] },
  ],
  holds: [{
    what: 'lane', taken: ['on agreed'], returned: ['tell purse release', 'tell passage release', 'tell standing return', 'tell purse unstake', 'tell inquiry start', 'tell dispute start', 'tell purse prepaid', 'tell unlock start', 'tell stream start', 'on paid'],
    kept: { because: 'a signed clause failed: its payee still counts on that lane', when: ({ type, verdict }) => type === 'call.invoke.done' && !verdict.ok },
  }],
  waits: {
    queueing: [{ event: 'turn', from: 'fan' }], hiring: [{ event: 'agreed', from: 'negotiation' }, { event: 'refused', from: 'negotiation' }, { event: 'agreed', from: 'standing' }, { event: 'refused', from: 'standing' }],
    engaging: [{ event: 'step.ended', from: 'step' }], passing: [{ event: 'step.ended', from: 'step' }], staking: [{ event: 'staked', from: 'purse' }], paying: [{ event: 'paid', from: 'purse' }, { event: 'paid', from: 'standing' }],
    streaming: [{ event: 'streamed', from: 'stream' }, { event: 'unstreamed', from: 'stream' }],
    unlocking: [{ event: 'opened', from: 'unlock' }, { event: 'unopened', from: 'unlock' }],
  },
  ignores: { pause: 'a call under way is not held up', resume: 'it was not held up' },
}
