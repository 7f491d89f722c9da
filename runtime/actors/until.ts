/**
 * Waits for a state of an actor that may live at another node, and may move while it is waited for:
 * here by being told, elsewhere by looking again and again. Used by `host` only.
 */
import type { AnyMachineSnapshot } from 'xstate'
import { AigenError, asError } from '../../schemas/error.ts'
import type { Clock } from '../ports/clock.ts'
import type { LiveActor } from './fold.ts'

/** Pauses between looks at an actor of another node, in ms: the first, and the longest. */
const LOOK_MS = [20, 500] as const
/** What passes while a partition changes hands. */
const PASSING: readonly string[] = ['network.moved', 'network.timeout']

export interface Look {
  readonly clock: Clock
  /** Whether it lives at this node, now. */
  readonly here: () => boolean
  /** The actor as it is, at whichever node; where that is this one, in memory. */
  readonly load: () => Promise<LiveActor | undefined>
  /** Resolves with the actor, of this node, once it is in the state. */
  readonly waits: (timeoutMs: number) => Promise<LiveActor>
}

/** Errors: `network.timeout` after `timeoutMs`, those of both ways to look. */
export async function until({ clock, here, load, waits }: Look, holds: (snapshot: AnyMachineSnapshot) => boolean, timeoutMs: number, signal?: AbortSignal): Promise<LiveActor> {
  const end = clock.monotonic() + timeoutMs
  const left = (): number => end - clock.monotonic()
  for (let pause: number = LOOK_MS[0]; ; pause = Math.min(LOOK_MS[1], pause * 2)) {
    try {
      // It may have come with its partition and have left memory: it is loaded before it is waited for.
      const actor = await load()
      if (here()) return await waits(left())
      if (actor && holds(actor.snapshot)) return actor
    } catch (thrown) {
      if (!PASSING.includes(asError(thrown).code)) throw thrown
    }
    if (left() <= 0) throw new AigenError('network.timeout', 'it is not there yet')
    await clock.sleep(Math.max(1, Math.min(pause, left())), signal)
  }
}
