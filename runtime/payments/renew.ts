/**
 * The renewal of a subscription as an effect (D1): looked up on the chain first, then one period more by
 * the account's sender, under a key made of the end that it extends. So a crash, a repeated effect or a
 * renewal by somebody else pays nothing twice (I1). Asked for by `subscriptions`.
 */
import type { Address, Hex32 } from '../../schemas/documents.gen.ts'
import { AigenError, type ErrorBody } from '../../schemas/error.ts'
import { formatMoney } from '../../schemas/money.ts'
import type { ActorEvent } from '../actors/actor.ts'
import type { EffectKind } from '../actors/effects.ts'
import type { Host } from '../actors/host.ts'
import { encodeWrite } from '../ports/rail-json.ts'
import type { Rail } from '../ports/rail.ts'
import { writeThrough } from './write.ts'

export interface RenewOptions {
  readonly host: () => Host
  readonly rail: Rail
  readonly participant: Address
}

/** The effect `subscription.renew`. */
export function renewEffects({ host, rail, participant }: RenewOptions): Record<string, EffectKind> {
  const renew: EffectKind = {
    mode: 'idempotent',
    attempts: 4,
    run: async ({ id, expiresAt, tries }: { id: Hex32; expiresAt: number; tries: number }, { actor, signal }) => {
      const { subscriptions, terms } = rail
      const done = (at: number, renewed: boolean, gone: ErrorBody | null = null): ActorEvent => ({ type: 'subscription.renew.done', expiresAt: at, renewed, gone })
      const ends = (message: string): ErrorBody => ({ code: 'market.refused', message })
      const state = await subscriptions?.subscription(id)
      if (!state || state.holder !== participant) return done(state?.expiresAt ?? 0, false, ends('The subscription is another\'s.'))
      if (state.cancelled) return done(state.expiresAt, false, ends('The subscription is cancelled.'))
      // Renewed already: by what a crash had left under way, or by anybody else.
      if (state.expiresAt > expiresAt) return done(state.expiresAt, true)
      const plan = await subscriptions!.plan(state.plan)
      if (!plan || plan.closed) return done(state.expiresAt, false, ends('The plan is closed.'))
      const has = await rail.balance(participant)
      if (has < plan.price) throw new AigenError('wallet.empty', `${formatMoney(plan.price, terms.decimals)} ${terms.symbol} are needed outside the vault, ${formatMoney(has, terms.decimals)} are there`)
      const write = (what: Parameters<typeof encodeWrite>[0]): Promise<unknown> => writeThrough(host(), participant, `${what.kind}.${id}.${expiresAt}.${tries}`, actor, encodeWrite(what), signal)
      await write({ kind: 'subscription-approve', amount: plan.price })
      await write({ kind: 'subscription-renew', subscription: id, seconds: plan.period })
      return done((await subscriptions!.subscription(id))!.expiresAt, true)
    },
  }
  return { 'subscription.renew': renew }
}
