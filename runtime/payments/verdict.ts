/**
 * How an escrow came out, as the chain shows it, as an effect: waits until a ruling is recorded or
 * the challenge is over. Neither side believes the arbiter or the other; both look here. Asked for by
 * `verdict` (the payee's watch) and by the payer's dispute.
 */
import type { EscrowVoucher } from '../../schemas/documents.gen.ts'
import { asError } from '../../schemas/error.ts'
import type { EffectKind } from '../actors/effects.ts'
import type { Clock } from '../ports/clock.ts'
import type { Rail } from '../ports/rail.ts'
import { escrowDigest } from './escrow.ts'

/** Pause between looks, in ms: doubled each time, within these, and near the end half of what is left. */
const PAUSE_MIN_MS = 500
const PAUSE_MAX_MS = 60_000

export type Verdict = {
  readonly type: 'verdict.look.done'
  /** What the arbiter gave the payee of the escrowed amount, atomic; null where it gave no ruling in time. */
  readonly ruled: string | null
}

export interface VerdictOptions {
  readonly rail: Rail
  readonly clock: Clock
}

/** What is recorded now: the ruling, null for none in time, undefined while it is open. Errors `chain.*`. */
export async function lookOnce(rail: Rail, voucher: EscrowVoucher): Promise<string | null | undefined> {
  // The time first: a ruling recorded between both reads is then still seen.
  const { time } = await rail.head()
  const ruled = await rail.ruling(escrowDigest(rail, voucher))
  return ruled === undefined ? (time >= voucher.challengeEnd ? null : undefined) : ruled.toString()
}

/** The effect `verdict.look`. */
export function verdictEffects({ rail, clock }: VerdictOptions): Record<string, EffectKind> {
  const look: EffectKind = {
    mode: 'idempotent',
    concurrency: 1_024,
    run: async ({ voucher, patient = false }: { voucher: EscrowVoucher; patient?: boolean }, { signal }): Promise<Verdict> => {
      const rest = (longest: number): Promise<void> => clock.sleep(Math.max(PAUSE_MIN_MS, Math.min(longest, PAUSE_MAX_MS, (voucher.challengeEnd * 1_000 - clock.now()) / 2)), signal)
      // Most escrows are accepted long before: who only watches lets them be, and the step makes no call to the chain.
      if (patient) await rest(PAUSE_MAX_MS)
      for (let pause = patient ? PAUSE_MAX_MS : PAUSE_MIN_MS; ; pause *= 2) {
        try {
          const ruled = await lookOnce(rail, voucher)
          if (ruled !== undefined) return { type: 'verdict.look.done', ruled }
        } catch (thrown) {
          // A chain that cannot be reached is asked again: there is no other way to know.
          const error = asError(thrown)
          if (!error.rule.retry) throw error
        }
        await rest(pause)
      }
    },
  }
  return { 'verdict.look': look }
}
