/**
 * What a provider takes in: calls at work, calls that wait, calls begun within a minute, in all and
 * by caller; nothing while it drains or is unwell. Asked before each quote and each accept. Counted
 * from what the journal left open, which is in memory, then by watching: a scan of all calls would grow
 * without end.
 */
import { AigenError } from '../../schemas/error.ts'
import type { Host } from '../../runtime/actors/host.ts'
import type { Clock } from '../../runtime/ports/clock.ts'
import type { CallContext } from './call.machine.ts'
import type { ProviderDefinition } from './define.ts'

export const CONCURRENCY = 2
export const QUEUE = 16
const MINUTE_MS = 60_000
/** An agreed call keeps its place for so long before its invoke must come, in ms. */
const AGREED_MS = 10_000
/** Callers whose rate is remembered; the count of a minute that is over makes room. */
const CALLERS_MAX = 10_000

export interface Admission {
  /** Whether a call of this capability would be refused now, by this caller or anybody. */
  busy(capability: string, caller?: string): boolean
  /**
   * Counts a call, by its actor's id, that is about to be agreed: it has a place from here on, so that
   * many accepts at one moment get no more than there are. Error `node.busy` when it is one too many.
   */
  admit(capability: string, caller: string, id: string): void
  /** Takes nothing more from now on. */
  drain(): void
  /** Takes nothing of a capability while it is unwell. */
  setWell(capability: string, well: boolean): void
  /** Calls at work, and those that were agreed since this was opened. */
  stats(): { readonly working: number; readonly calls: number }
  close(): void
}

interface Count {
  readonly minute: number
  readonly calls: number
}

export function openAdmission({ host, clock }: { host: Host; clock: Pick<Clock, 'monotonic'> }, definitions: readonly ProviderDefinition[]): Admission {
  const under = new Map<string, Set<string>>(definitions.map(({ capability }) => [capability.id, new Set()]))
  /** Calls that were agreed and not invoked yet, with the end of their place: no more than there are places. */
  const agreed = new Map<string, Map<string, number>>(definitions.map(({ capability }) => [capability.id, new Map()]))
  const rates = new Map<string, Count>()
  const unwell = new Set<string>()
  let draining = false
  let calls = 0

  const note = (id: string, state: unknown, { terms }: CallContext): void => {
    const those = under.get(terms.capability)
    if (state !== 'agreed') agreed.get(terms.capability)?.delete(id)
    if (state === 'working' || state === 'stopping') those?.add(id)
    else those?.delete(id)
  }
  const count = (): void => {
    for (const those of under.values()) those.clear()
    for (const { id, snapshot } of host.list('call')) note(id, snapshot.value, snapshot.context as CallContext)
  }
  count()
  // Where several nodes share the work, each counts its own.
  const unshare = host.onShare(count)
  const unwatch = host.watch(({ id, kind, snapshot }, { number }) => {
    if (kind.name !== 'call') return
    if (number === 1) calls++
    note(id, snapshot.value, snapshot.context as CallContext)
  })

  const minute = (): number => Math.floor(clock.monotonic() / MINUTE_MS)
  const begun = (key: string): number => {
    const count = rates.get(key)
    return count?.minute === minute() ? count.calls : 0
  }
  const begin = (key: string): void => void rates.set(key, { minute: minute(), calls: begun(key) + 1 })
  /** Whether this caller's calls can be counted: while the table is full of this minute's, strangers wait for the next. */
  const counted = (key: string): boolean => {
    if (rates.has(key) || rates.size < CALLERS_MAX) return true
    for (const [other, count] of rates) if (count.minute !== minute()) rates.delete(other)
    return rates.size < CALLERS_MAX
  }
  const promised = (capability: string): number => {
    const those = agreed.get(capability)!
    for (const [id, until] of those) if (until <= clock.monotonic()) those.delete(id)
    return those.size
  }
  const busy = (capability: string, caller?: string): boolean => {
    const definition = definitions.find((one) => one.capability.id === capability)
    if (!definition || draining || unwell.has(capability)) return true
    const { concurrency = CONCURRENCY, queue = QUEUE, rate } = definition
    if (under.get(capability)!.size + promised(capability) >= concurrency + queue) return true
    if (rate?.perMinute !== undefined && begun(capability) >= rate.perMinute) return true
    if (caller === undefined || rate?.perCaller === undefined) return false
    const key = `${capability} ${caller}`
    return begun(key) >= rate.perCaller || !counted(key)
  }
  return {
    busy,
    admit: (capability, caller, id) => {
      if (busy(capability, caller)) throw new AigenError('node.busy')
      agreed.get(capability)!.set(id, clock.monotonic() + AGREED_MS)
      begin(capability)
      if (definitions.find((one) => one.capability.id === capability)?.rate?.perCaller !== undefined) begin(`${capability} ${caller}`)
    },
    drain: () => { draining = true },
    setWell: (capability, well) => void (well ? unwell.delete(capability) : unwell.add(capability)),
    stats: () => ({ working: [...under.values()].reduce((sum, { size }) => sum + size, 0), calls }),
    close: () => {
      unshare()
      unwatch()
    },
  }
}
