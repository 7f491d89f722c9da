/** Who is told of each durable event: of a host (`Host.watch`), or of a journal that is read on (`ReadActors.watch`). */
import type { LiveActor } from './fold.ts'
import type { Entry } from './record.ts'

/** Must not throw and must not block. */
export type Watcher = (actor: LiveActor, entry: Entry) => void
