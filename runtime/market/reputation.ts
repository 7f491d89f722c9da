/**
 * A full node's replica of reputation: hears the registries that guardians keep on
 * `aigen.v1.reputation.<epoch>`, believes those a quorum signed (I8, D9) and answers from the latest.
 * Read by hiring; guardians serve it at their doors. Bounded: some epochs, one registry each.
 */
import { decodeJson } from '../../schemas/decode.ts'
import type { GuardianSet, Registry, ReputationFigures } from '../../schemas/documents.gen.ts'
import { asError, type AigenError } from '../../schemas/error.ts'
import type { Bus, BusMessage } from '../ports/bus.ts'
import type { Clock } from '../ports/clock.ts'
import { entryKey, epochAt, reputationSubject, verifyRegistry } from './registry.ts'

/** Epochs remembered, and how far back a node that has just started looks. */
const EPOCHS_MAX = 64
const LOOK_BACK = 6
const REGISTRY_BYTES_MAX = 256 * 1024
/** A registry of so many epochs ago says nothing of today. */
const STALE_EPOCHS = 64

export interface Reputation {
  /** The agreed figures; undefined where guardians know nothing of the pair. */
  of(provider: string, capability: string): ReputationFigures | undefined
  /** Finds out about these before one of them is chosen, where nothing is known beforehand; takes a second at most. */
  learn?(providers: readonly string[]): Promise<void>
  /** The registry of that epoch, or the latest; undefined where there is none. */
  registry(epoch?: number): Registry | undefined
  /** Told of each new registry, and of what was refused, with the epoch whose place it took. */
  watch(heard: (registry: Registry) => void, refused?: (epoch: number, error: AigenError) => void): void
  close(): Promise<void>
}

export interface ReputationOptions {
  readonly bus: Bus
  readonly clock: Pick<Clock, 'now'>
  readonly guardians: GuardianSet
}

/** What a node without guardians knows: nothing. */
export const NO_REPUTATION: Reputation = { of: () => undefined, registry: () => undefined, watch: () => undefined, close: async () => undefined }

export async function openReputation({ bus, clock, guardians }: ReputationOptions): Promise<Reputation> {
  const epochs = new Map<number, Registry>()
  const watchers: ((registry: Registry) => void)[] = []
  const refusals: ((epoch: number, error: AigenError) => void)[] = []
  let latest: { readonly registry: Registry; readonly figures: ReadonlyMap<string, ReputationFigures> } | undefined

  const take = ({ subject, data }: BusMessage): void => {
    const epoch = Number(subject.slice(subject.lastIndexOf('.') + 1))
    // Four guardians keep the same: the first good one counts. What lies ahead of the clock is nobody's word.
    if (!Number.isSafeInteger(epoch) || epoch >= epochAt(guardians, clock.now()) || epoch < epochAt(guardians, clock.now()) - STALE_EPOCHS) return
    let registry: Registry
    try {
      if (epochs.has(epoch) && refusals.length === 0) return
      registry = verifyRegistry(decodeJson(data, { bytesMax: REGISTRY_BYTES_MAX }), guardians)
      if (registry.header.epoch !== epoch) throw new Error('it is of another epoch')
    } catch (thrown) {
      for (const refused of refusals) refused(epoch, asError(thrown, 'auth.forged'))
      return
    }
    if (epochs.has(epoch)) return
    epochs.set(epoch, registry)
    if (epochs.size > EPOCHS_MAX) epochs.delete(Math.min(...epochs.keys()))
    if (!latest || latest.registry.header.epoch < epoch) {
      latest = { registry, figures: new Map(registry.entries.map((entry) => [entryKey(entry), entry.figures])) }
    }
    for (const heard of watchers) heard(registry)
  }
  const subscription = await bus.subscribe(reputationSubject('*'), take)
  const now = epochAt(guardians, clock.now())
  for (let epoch = now - 1; epoch >= now - LOOK_BACK && epoch >= 0 && !latest; epoch--) {
    for await (const message of bus.kept(reputationSubject(epoch))) take(message)
  }
  const current = (): typeof latest => (latest && latest.registry.header.epoch >= epochAt(guardians, clock.now()) - STALE_EPOCHS ? latest : undefined)
  return {
    of: (provider, capability) => current()?.figures.get(`${provider} ${capability}`),
    registry: (epoch) => (epoch === undefined ? current()?.registry : epochs.get(epoch)),
    watch: (heard, refused) => {
      watchers.push(heard)
      if (refused) refusals.push(refused)
    },
    close: () => subscription.stop(),
  }
}
