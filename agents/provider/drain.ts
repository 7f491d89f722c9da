/**
 * The orderly end of a provider: what is at work ends, what was delivered is paid, what was paid is
 * claimed, as far as the time goes. Whatever is left stands in the journal for the next start.
 */
import type { Node } from '../../runtime/node/node.ts'
import { settlerActor, type SettlerContext } from '../../runtime/payments/settler.machine.ts'
import type { TillContext } from '../../runtime/payments/till.machine.ts'
import type { Admission } from './admission.ts'

const LOOK_MS = 20
/** Pause after a batch that failed, in ms. */
const AGAIN_MS = 500

/** Resolves when nothing is left to wait for, or after `ms`. */
export async function drain({ host, clock }: Pick<Node, 'host' | 'clock'>, admission: Pick<Admission, 'stats'>, ms: number): Promise<void> {
  const until = clock.monotonic() + ms
  const left = (): number => until - clock.monotonic()
  const tills = (): TillContext[] => [...host.list('till')].map(({ snapshot }) => snapshot.context as TillContext)
  while (left() > 0 && (admission.stats().working > 0 || tills().some(({ owed, tab }) => owed !== null || (tab?.owed.length ?? 0) > 0))) await clock.sleep(Math.min(LOOK_MS, left()))
  const unclaimed = (): TillContext[] => tills().filter(({ voucher, claimed }) => voucher?.kind === 'plain' && BigInt(voucher.cumulative) > BigInt(claimed))
  // A chain that is away for a moment fails a batch: the next is asked for while there is time.
  while (left() > 0 && unclaimed().length > 0) {
    const settlerOf = ({ lane }: TillContext): string => settlerActor(host.partitionOf(`till/${lane}`))
    const ends = await Promise.all([...new Set(unclaimed().map(settlerOf))].map(async (settler) => {
      const { batches } = host.context<SettlerContext>(settler)!
      await host.send(settler, { type: 'settle', lanes: unclaimed().filter((till) => settlerOf(till) === settler).map(({ lane }) => lane) })
      return host.until(settler, ({ context, value }) => value === 'idle' && (context as SettlerContext).batches > batches, left()).catch(() => undefined)
    }))
    if (ends.every((end) => end && (end.snapshot.context as SettlerContext).error === null)) return
    await clock.sleep(Math.max(1, Math.min(AGAIN_MS, left())))
  }
}
