/**
 * A small actor and a host on a memory disk, for the tests of this room: every way in which a
 * machine can ask the host for something, and nothing else.
 */
import { assign, createMachine, enqueueActions } from 'xstate'
import { AigenError } from '../../schemas/error.ts'
import { memoryBlobs, type MemoryShelves } from '../memory/blobs.ts'
import { virtualClock, type VirtualClock } from '../memory/clock.ts'
import { memoryJournal, type MemoryDisk, type MemoryJournalHooks } from '../memory/journal.ts'
import { seededRandom } from '../memory/random.ts'
import type { OwnBlobs } from '../ports/blobs.ts'
import { defineActor, type ActorKind, type KindOptions } from './actor.ts'
import type { EffectKind } from './effects.ts'
import { Host } from './host.ts'
import type { Limits } from './keeper.ts'

export interface CounterContext {
  readonly sum: number
  readonly values: readonly unknown[]
  readonly answers: readonly string[]
  readonly ticks: number
}

/** `change` stands for another version of the code. */
export function counterKind(change: { version?: string; first?: string; step?: number; asks?: string; mended?: boolean; options?: KindOptions } = {}): ActorKind {
  const { version = '1', first, step = 1, asks = 'echo', options } = change
  const note = assign<CounterContext, any, undefined, any, never>({ answers: ({ context, event }) => [...context.answers, event.type] })
  const boom = { actions: change.mended ? note : enqueueActions<any, any, any, any, any, any, any, any, any>(() => { throw new AigenError('internal', 'boom') }) }
  return defineActor('counter', version, createMachine({
    id: 'counter',
    types: {} as { context: CounterContext; events: any; input: { sum?: number } },
    context: ({ input }) => ({ sum: input.sum ?? 0, values: [], answers: [], ticks: 0 }),
    initial: 'open',
    states: {
      open: {
        ...(first === undefined ? {} : { entry: { type: first, params: () => ({}) } as any }),
        on: {
          add: { actions: assign({ sum: ({ context, event }) => context.sum + event.n * step }) },
          keep: { actions: assign({ values: ({ context, event }) => [...context.values, event.value] }) },
          ask: { actions: { type: asks, params: ({ event }: any) => ({ text: event.text }) } as any },
          abort: { actions: { type: 'abort', params: { kind: 'echo' } } as any },
          pass: { actions: { type: 'tell', params: ({ event }: any) => ({ to: event.to, event: { type: 'add', n: event.n } }) } as any },
          boom,
          wait: 'waiting',
          end: 'ended',
          'echo.done': { actions: note }, 'echo.failed': { actions: note }, 'echo.unknown': { actions: note },
        },
      },
      waiting: { after: { 60_000: { target: 'open', actions: assign({ ticks: ({ context }) => context.ticks + 1 }) } }, on: { stop: 'open', boom, add: { actions: assign({ sum: ({ context, event }) => context.sum + event.n }) } } },
      ended: { type: 'final' },
    },
  }), undefined, options)
}

/** What can be compared of a host: value, context and number of each actor, what is open and pending. */
export function stateOf(host: Host): unknown {
  return [...host.list('counter')].map(({ id, snapshot, number, parked }) => ({ id, value: snapshot.value, context: snapshot.context, status: snapshot.status, number, parked: parked ?? null }))
}

export class CounterWorld {
  readonly clock: VirtualClock = virtualClock()
  readonly disk: MemoryDisk = new Map()
  readonly lost: AigenError[] = []
  readonly shelves: MemoryShelves = new Map()
  /** The participant's own shelf; tests put another, or none, in its place. */
  blobs: OwnBlobs | undefined = memoryBlobs({ shelves: this.shelves })
  limits: Limits = {}
  partitions = 1
  #opened = 0

  async open(echo: Partial<EffectKind> = {}, hooks: MemoryJournalHooks = {}, kinds: readonly ActorKind[] = [counterKind()], random?: string): Promise<Host> {
    const host = await Host.open({
      journal: memoryJournal(this.disk, hooks), blobs: this.blobs, clock: this.clock, random: seededRandom(random ?? `host ${this.#opened++}`),
      registry: { actors: kinds, effects: { echo: { mode: 'idempotent', run: async ({ text }: { text: string }) => ({ type: 'echo.done', text }), ...echo } } },
      onLost: (error) => this.lost.push(error),
      limits: this.limits, partitions: this.partitions,
    })
    host.resume()
    return host
  }

  /** What lies on the shelf, by its name there. */
  get shelf(): Map<string, Uint8Array> {
    return this.shelves.get('own') ?? new Map()
  }

  get records(): number {
    return this.disk.get('p0')?.length ?? 0
  }

  /** Lets `ms` pass in small steps, with time to think between them. */
  async pass(ms: number): Promise<void> {
    for (let step = 0; step < 50; step++) {
      await this.settle(5)
      await this.clock.advance(ms / 50)
    }
    await this.settle()
  }

  /** Turns of the event loop, without any time passing. */
  async settle(turns = 20): Promise<void> {
    for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve))
  }
}
