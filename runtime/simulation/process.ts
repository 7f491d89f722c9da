/**
 * What a simulated process is given and gives, and who looks on (D10): the seam between `world` and
 * the scenarios, which know what processes do.
 */
import type { MemoryDisk } from '../memory/journal.ts'
import type { Blobs, OwnBlobs } from '../ports/blobs.ts'
import type { Bus, BusMessage } from '../ports/bus.ts'
import type { Clock } from '../ports/clock.ts'
import type { Journal } from '../ports/journal.ts'
import type { Rail } from '../ports/rail.ts'
import type { Random } from '../ports/random.ts'
import type { Hex } from '../ports/signer.ts'
import type { Fault } from './faults.ts'
import type { Life } from './life.ts'

export interface LifePorts {
  readonly bus: Bus
  /** On the participant's own account: those who are `beside` each other meet there. */
  readonly own: Bus
  readonly journal: Journal
  readonly blobs: OwnBlobs
  readonly transfer: Blobs
  readonly rail: Rail
  readonly clock: Clock
  readonly random: Random
}

export interface ProcessOptions<Running> {
  readonly name: string
  readonly participant: string
  /** Another process of the same participant, whose disk it shares. */
  readonly beside?: string
  /** Whether it may keep what guardians keep (default false). */
  readonly guardian?: boolean
  /** Starts it; `life.node` is another number after each take-over. */
  boot(ports: LifePorts, life: Life): Promise<Running>
  /** Called when it is up, each time. */
  up?(running: Running, life: Life): void
}

export interface Process<Running> {
  readonly name: string
  readonly disk: MemoryDisk
  /** Every record that its disk has, those that were given up (`Log.purge`) included. */
  readonly archive: MemoryDisk
  /** What runs now, when it is up. */
  readonly running: Running | undefined
  readonly life: Life | undefined
}

/** Told of what happens, to check it. */
export interface Observer {
  appended?(process: string, life: Life, partition: string, sequence: number, data: Uint8Array): void
  mined?(process: string, bytes: Hex): void
  /** The chain has lost blocks. */
  reorged?(): void
  answered?(process: string, request: BusMessage, answer: Uint8Array): void
  /** Bytes were changed on their way. */
  changed?(bytes: Uint8Array): void
  /** A journal lost its tail, or a process its memory: what was remembered of it is void. */
  died?(process: string, fault: Fault | undefined): void
  /** After each event, when nothing can run without time passing. */
  quiet?(): void
}
