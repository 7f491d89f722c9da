/**
 * What became of a step of a run, whatever did it: its output and how it ended, as expressions, the
 * bill and the run's answer read them. Read from the journal's actors; steps that have ended never
 * change, so reading them again gives the same.
 */
import type { Address } from '../schemas/documents.gen.ts'
import { formatMoney } from '../schemas/money.ts'
import type { Actors } from '../runtime/actors/read-actors.ts'
import type { StepMeta } from './expression.ts'
import { isMany, type FanContext } from './fan.ts'
import type { GateContext } from './gate.machine.ts'
import type { NestContext } from './nest.machine.ts'
import type { StepPlan } from './plan.ts'
import { actorOf, stepId, type StepContext } from './step.ts'

/** What is read of actors. */
export type Loads = Pick<Actors, 'look' | 'lookEach'>

type Done = StepContext | FanContext | GateContext | NestContext

/** What hired for a step, or of a race or a quorum for the answer that counts. */
async function hirer(host: Loads, run: string, plan: StepPlan, index: number | null): Promise<StepContext | undefined> {
  const id = actorOf(run, plan, index)
  const context = await host.look<Done>(id)
  if (!context || id.startsWith('step/')) return context as StepContext | undefined
  const { winner } = context as FanContext
  return id.startsWith('fan/') && winner !== null ? host.look<StepContext>(stepId(run, plan.name, index, winner)) : undefined
}

/** What a step put out, or an item of it: an item each for a forEach, null for what was skipped, failed or tolerated. */
export async function outputOf(host: Loads, run: string, plan: StepPlan, index: number | null = null): Promise<unknown> {
  const id = actorOf(run, plan, index)
  const context = await host.look<Done>(id)
  if (!context) return null
  // Whoever rejected it said why.
  if (plan.approve) return (context as GateContext).output
  if (context.state !== 'done') return null
  if (!id.startsWith('fan/')) return (context as Exclude<Done, FanContext>).output
  const fan = context as FanContext
  if (isMany(fan)) return (await hirer(host, run, plan, index))?.output ?? null
  const places = Array.from({ length: fan.items }, (_, place) => place)
  const ids = places.map((place) => actorOf(run, plan, place))
  if (!ids[0]?.startsWith('step/')) return Promise.all(places.map((place) => outputOf(host, run, plan, place)))
  return (await host.lookEach<StepContext>(ids)).map((item) => (item?.state === 'done' ? item.output : null))
}

/** Who was hired for a step: of all its items, by every provider that does the same, at every attempt. */
export async function hiredFor(host: Loads, run: string, plan: StepPlan, index: number | null = null): Promise<Address[]> {
  const id = actorOf(run, plan, index)
  const context = await host.look<Done>(id)
  if (!context) return []
  if (id.startsWith('step/')) {
    const { attempts, agreement, reused } = context as StepContext
    return [...new Set([...attempts.map(({ provider }) => provider), ...(agreement ? [agreement.terms.provider] : []), ...(reused ? [reused.provider] : [])])]
  }
  if (!id.startsWith('fan/')) return []
  const fan = context as FanContext
  const places = Array.from({ length: fan.started }, (_, place) => place)
  if (!isMany(fan)) return [...new Set((await Promise.all(places.map((place) => hiredFor(host, run, plan, place)))).flat())]
  // One that failed may have hired others before.
  const members = await host.lookEach<StepContext>(places.map((member) => stepId(run, plan.name, index, member)))
  return [...new Set([...Object.values(fan.providers), ...members.flatMap((one) => one?.attempts.map(({ provider }) => provider) ?? [])])]
}

/** How a step ended, for `meta`: state, provider, price of all its calls, and what went wrong. */
export async function metaOf(host: Loads, run: string, plan: StepPlan): Promise<StepMeta> {
  const context = await host.look<Done>(actorOf(run, plan, null))
  const state = context?.state ?? 'skipped'
  const work = await hirer(host, run, plan, null)
  const spent = context && 'spent' in context ? context.spent : work?.voucher || (work?.plan.through && work.state === 'done' && work.delivery) ? work.delivery!.body.amount : '0'
  return {
    state: state === 'running' ? 'cancelled' : state,
    provider: work?.reused?.provider ?? work?.agreement?.terms.provider ?? null,
    providerName: work?.reused?.providerName ?? work?.offer?.name ?? null,
    price: formatMoney(BigInt(spent)),
    attempts: context && 'attempts' in context ? (typeof context.attempts === 'number' ? context.attempts : context.attempts.length) : 0,
    error: context && state !== 'done' ? context.error?.code ?? null : null,
    fallback: work?.fallback === true && state === 'done',
    failed: context && 'failed' in context && !isMany(context) ? context.failed : 0,
  }
}
