/**
 * Puts a kept value back when someone made the server write over it (DESIGN D4).
 *
 * NATS lets a client name any subject as the reply of a publish or a direct get, and the server's
 * answer to it is not held to the client's permissions. Thus a participant can have an
 * acknowledgement, or a copy of its own card, stored as another's card. Such a value carries no
 * signature of its owner and deceives nobody, but the card would be gone; its owner hears of it at
 * once and stores it again. Values that nodes of the same participant keep are left alone.
 */
import { delay } from '@nats-io/nats-core'
import { asError } from '../../schemas/error.ts'
import type { Bus, BusMessage } from '../ports/bus.ts'

/** Marks what was written by `keep`; the server's answers do not carry it. */
export const KEPT_HEADER = 'Aigen-Kept'
/** What a direct get adds to the message it copies. */
const COPY_HEADER = 'Nats-Stream'
const SUBJECTS_MAX = 64
const PAUSE_MS = 200

export class KeptGuard {
  readonly #bus: Bus
  readonly #store: (subject: string, data: Uint8Array) => Promise<void>
  readonly #mine = new Map<string, { data: Uint8Array; hurt: boolean; mending: boolean }>()

  constructor(bus: Bus, store: (subject: string, data: Uint8Array) => Promise<void>) {
    this.#bus = bus
    this.#store = store
  }

  /** Watches over `data` as the value of `subject` from now on. */
  async watch(subject: string, data: Uint8Array): Promise<void> {
    const known = this.#mine.get(subject)
    if (known !== undefined) {
      known.data = data.slice()
      return
    }
    if (this.#mine.size >= SUBJECTS_MAX) return
    this.#mine.set(subject, { data: data.slice(), hurt: false, mending: false })
    try {
      await this.#bus.subscribe(subject, (message) => this.#heard(subject, message))
    } catch (thrown) {
      this.#mine.delete(subject)
      // who may not listen there cannot watch; what was kept is kept all the same
      if (asError(thrown).code !== 'network.denied') throw thrown
    }
  }

  #heard(subject: string, message: BusMessage): void {
    const mine = this.#mine.get(subject)
    if (mine === undefined || (KEPT_HEADER in message.headers && !(COPY_HEADER in message.headers))) return
    mine.hurt = true
    if (!mine.mending) void this.#mend(subject, mine)
  }

  async #mend(subject: string, mine: { data: Uint8Array; hurt: boolean; mending: boolean }): Promise<void> {
    mine.mending = true
    try {
      while (mine.hurt) {
        mine.hurt = false
        await this.#store(subject, mine.data)
        await delay(PAUSE_MS)
      }
    } catch {
      // the connection is closed or the server is away; the card is kept again at its next renewal
    } finally {
      mine.mending = false
    }
  }
}
