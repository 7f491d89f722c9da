/**
 * The actor kinds that a node knows, by name and by hash (D1). Several versions of one kind may
 * stand side by side: what runs under one finishes under it, the last one given is the one that new
 * actors begin with. Used by `partition`, `stage` and `replay`.
 */
import type { ActorKind } from './actor.ts'

export class Kinds {
  readonly #current = new Map<string, ActorKind>()
  readonly #byHash = new Map<string, ActorKind>()

  constructor(kinds: readonly ActorKind[]) {
    for (const kind of kinds) {
      this.#current.set(kind.name, kind)
      this.#byHash.set(kind.hash, kind)
    }
  }

  /** The version that new actors of this kind begin with. */
  current(name: string): ActorKind | undefined {
    return this.#current.get(name)
  }

  /** The very version that wrote `hash`, if this node still has it. */
  byHash(hash: string): ActorKind | undefined {
    return this.#byHash.get(hash)
  }
}
