/**
 * A payer's side of hubs as effects: `hub.route` asks hubs, the best first, for a lane to the chosen
 * provider; `hub.open` opens the provider's output with the key that the hub was paid for. Asked for by
 * `passage` and `step`.
 */
import { hashOf } from '../schemas/canonical.ts'
import type { Address } from '../schemas/documents.gen.ts'
import { AigenError, asError, fromBody } from '../schemas/error.ts'
import { participantId } from '../schemas/id.ts'
import { validate } from '../schemas/validate.ts'
import type { EffectKind } from '../runtime/actors/effects.ts'
import type { Directory } from '../runtime/market/directory.ts'
import { historyOf, type ExperienceContext } from '../runtime/market/experience.machine.ts'
import { HUB_CAPABILITY, verifyGrant } from '../runtime/market/grant.ts'
import { hubsFor, type HubWish } from '../runtime/market/hubs.ts'
import type { Reputation } from '../runtime/market/reputation.ts'
import { feeStepId } from './escrow.ts'
import { NO_HUB } from './passage.machine.ts'
import { negotiationId, type StepContext } from './step.ts'
import { openerOf, type UnlockOptions } from './unlock.ts'
import { unlockId, type UnlockContext } from './unlock.machine.ts'

/** One hub is asked for this long, in ms; pause between two of its answers. */
const HUB_MS = 6_000
const PAUSE_MS = 150
const CALL_MS = 4_000
/** Hubs asked of those that could do it. */
const HUBS_MAX = 3

export interface PassageOptions extends UnlockOptions {
  readonly directory: Directory
  readonly reputation?: Pick<Reputation, 'of'>
}

interface RouteParams {
  readonly self: string
  readonly through: HubWish
  readonly forMs: number
  readonly asked: number
  readonly payee: Address
  readonly amount: string
}

/** The effects `hub.route` and `hub.open`. */
export function passageEffects(options: PassageOptions): Record<string, EffectKind> {
  const { wire, clock, rail, host, directory, reputation } = options
  const open = openerOf(options)

  /** A hub's grant. Errors: what it refuses with; `network.timeout`. */
  const ask = async (hub: Address, key: string, { payee, amount, forMs }: RouteParams, signal: AbortSignal) => {
    for (const until = clock.monotonic() + HUB_MS; ;) {
      const { grant } = await wire.call(participantId(hub), 'route', { key, payee, amount, forMs }, {
        callId: `h-${key}`, timeoutMs: CALL_MS, signal, validate: (value) => validate('RouteAnswer', value),
      })
      if (grant) {
        if (grant.body.hub !== hub || BigInt(grant.body.amount) < BigInt(amount)) throw new AigenError('market.refused', 'another grant than was asked for')
        verifyGrant(grant, { lane: rail.laneId(grant.body.vault, payee, grant.body.number), payer: wire.participant, payee }, wire.credentials.verifier, clock.now())
        return grant
      }
      if (clock.monotonic() >= until) throw new AigenError('network.timeout')
      await clock.sleep(PAUSE_MS, signal)
    }
  }

  const route: EffectKind = {
    mode: 'idempotent',
    attempts: 1,
    concurrency: 128,
    run: async (params: RouteParams, { signal }) => {
      const experience = await host().look<ExperienceContext>('experience').catch(() => undefined)
      const hubs = hubsFor(params.through, params.amount, { payer: wire.participant, payee: params.payee }, {
        directory, history: (hub) => historyOf(experience, hub, HUB_CAPABILITY), decimals: rail.terms.decimals, ...(reputation ? { reputation } : {}),
      })
      let last = fromBody(NO_HUB)
      for (const hub of hubs.slice(0, HUBS_MAX)) {
        const key = hashOf([params.self, params.asked, hub, params.payee]).slice('sha256-'.length, 'sha256-'.length + 32)
        try {
          return { type: 'hub.route.done', route: key, grant: await ask(hub, key, params, signal) }
        } catch (thrown) {
          last = asError(thrown)
          if (signal.aborted) throw last
        }
      }
      throw last
    },
  }

  const openAll: EffectKind = {
    mode: 'idempotent',
    attempts: 3,
    concurrency: 256,
    run: async (_params: object, { actor }) => {
      const step = host().context<StepContext>(actor)!
      const { agreement, delivery, sealed } = step
      const fee = (await host().look<StepContext>(feeStepId(step.self, step.attempts.length, 'hub')))!
      const { key, hop } = (await host().look<UnlockContext>(unlockId(negotiationId(fee, fee.attempts.length - 1))))!
      if (!key) throw new AigenError('step.output', 'the key of the output is not known')
      const { key: _key, ...opened } = await open({ agreement: agreement!, delivery: delivery!, sealed: sealed! }, key)
      return { type: 'hub.open.done', ...opened, hop: hop ?? null }
    },
  }
  return { 'hub.route': route, 'hub.open': openAll }
}
