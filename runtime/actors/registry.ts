/** What a node can do, put together from its rooms. Used by `host`, made by `runtime/node`. */
import type { ActorKind } from './actor.ts'
import type { EffectKind } from './effects.ts'

/** What a room brings to a node: its actor kinds and the effects they ask for. */
export interface Registry {
  readonly actors: readonly ActorKind[]
  readonly effects: Readonly<Record<string, EffectKind>>
}
