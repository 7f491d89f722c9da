/**
 * The payee's watch over one escrow voucher: waits for what the chain says of it, then tells the
 * till, which has it claimed. Started by the till when the call begins, closed by it when the payer
 * accepts. Waits at most until the voucher's challenge is over (I5).
 */
import { createMachine } from 'xstate'
import type { EscrowVoucher, Hash, Hex32 } from '../../schemas/documents.gen.ts'
import { defineActor, effect } from '../actors/actor.ts'
import type { Verdict } from './verdict.ts'

export interface VerdictInput {
  readonly till: string
  readonly agreement: Hash
  readonly voucher: EscrowVoucher
}

export type VerdictEvent = Verdict | { type: 'verdict.look.failed' } | { type: 'close' }

/** Beside its lane's till. @example verdictActor('0xcd…', 'sha256-ab…') // 'verdict/0xcd…/sha256-ab…' */
export function verdictActor(lane: Hex32, agreement: Hash): string {
  return `verdict/${lane}/${agreement}`
}

/** Pause after a look that failed for good, in ms. */
const AGAIN_MS = 60_000

const machine = createMachine({
  id: 'verdict',
  types: {} as { context: VerdictInput; events: VerdictEvent; input: VerdictInput },
  context: ({ input: { till, agreement, voucher } }) => ({ till, agreement, voucher }),
  initial: 'watching',
  states: {
    watching: {
      entry: effect<VerdictInput, any>('verdict.look', ({ context: { voucher } }) => ({ voucher, patient: true })),
      on: {
        'verdict.look.done': {
          target: 'known',
          actions: { type: 'tell', params: ({ context, event }: any) => ({ to: context.till, event: { type: 'ruled', agreement: context.agreement, ruled: event.ruled } }) } as any,
        },
        'verdict.look.failed': 'pausing',
        close: { target: 'known', actions: { type: 'abort', params: { kind: 'verdict.look' } } as any },
      },
    },
    pausing: { after: { [AGAIN_MS]: 'watching' }, on: { close: 'known' } },
    known: { type: 'final' },
  },
})

export const verdict = defineActor('verdict', '2', machine, { pays: [], holds: [] }, { passivates: true })
