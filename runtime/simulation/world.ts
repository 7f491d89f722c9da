/**
 * A whole network in one process from one seed (D10): a broker, a chain, participants with their
 * disks, and processes that die and are started again. The seed decides how long everything takes and
 * so in which order it comes; between two events everything that can run without time has run, so that
 * the same seed always gives the same run. Knows no agent: what a process does is passed in.
 */
import { memoryNetwork, type Hop, type MemoryNetwork } from '../memory/bus.ts'
import type { MemoryShelves } from '../memory/blobs.ts'
import { virtualClock } from '../memory/clock.ts'
import type { MemoryDisk } from '../memory/journal.ts'
import { MemoryRail } from '../memory/rail.ts'
import { seededRandom } from '../memory/random.ts'
import type { Bus, BusMessage } from '../ports/bus.ts'
import type { Random } from '../ports/random.ts'
import { ChainPast } from './chain-past.ts'
import { BLOCKS_MAX, type Fault } from './faults.ts'
import { forget } from './forget.ts'
import { garbled } from './garble.ts'
import { Life, LifeClock } from './life.ts'
import { BEATS, lifeBlobs, lifeBus, lifeJournal, lifeRail, type Surroundings } from './life-ports.ts'
import { FaultPlan, type EndFault } from './plan.ts'
import type { LifePorts, Observer, Process, ProcessOptions } from './process.ts'
import { mark, Trace } from './trace.ts'

export interface WorldOptions {
  readonly seed: number | string
  readonly faults: readonly Fault[]
  /** Whether lines of what happens are kept. */
  readonly traced?: boolean
  readonly observer?: Observer
}

interface Slot {
  readonly options: ProcessOptions<unknown>
  readonly disk: MemoryDisk
  readonly archive: MemoryDisk
  /** The log of each record, as they were stored. */
  readonly stored: string[]
  readonly shelves: MemoryShelves
  readonly lives: Map<Life, { readonly clock: LifeClock; readonly bus: Bus; readonly own: Bus }>
  running: unknown
  life: Life | undefined
  started: number
  node: number
}

/** A process that does not come up is started again after this time, in ms. */
const AGAIN_MS = 1_000
/** Turns of the event loop without time passing, so that two that wake each other for ever are an error. */
const TURNS_MAX = 100_000

export class World {
  readonly clock = virtualClock()
  readonly rail: MemoryRail
  readonly trace: Trace
  readonly plan: FaultPlan
  readonly #seed: number | string
  readonly #observer: Observer
  readonly #latency: Random
  readonly #network = memoryNetwork({ clock: this.clock, deliver: (hop, deliver) => this.#carry(hop, deliver) })
  /** Sends what is not what its sender sent. */
  readonly #stranger = this.#network.bus()
  readonly #slots = new Map<string, Slot>()
  readonly #names = new Map<string, string>()
  /** The own account of each participant. */
  readonly #accounts = new Map<string, MemoryNetwork>()
  readonly #transfers: MemoryShelves = new Map()
  readonly #past: ChainPast

  constructor(options: WorldOptions) {
    this.#seed = options.seed
    this.#observer = options.observer ?? {}
    this.#latency = seededRandom(`${options.seed} latency`)
    this.plan = new FaultPlan(options.faults)
    this.rail = new MemoryRail({ clock: this.clock, history: this.plan.looksBack ? BLOCKS_MAX : 0 })
    this.#past = new ChainPast(this.rail)
    this.trace = new Trace(options.traced === true, () => this.clock.monotonic())
  }

  /** A process of the network, not started yet. */
  add<Running>(options: ProcessOptions<Running>): Process<Running> {
    const { disk, archive, stored, shelves }: Pick<Slot, 'disk' | 'archive' | 'stored' | 'shelves'> = options.beside === undefined ? { disk: new Map(), archive: new Map(), stored: [], shelves: new Map() } : this.#slots.get(options.beside)!
    const slot: Slot = { options: options as ProcessOptions<unknown>, disk, archive, stored, shelves, lives: new Map(), running: undefined, life: undefined, started: 0, node: 0 }
    this.#slots.set(options.name, slot)
    if (options.beside === undefined) this.#names.set(options.participant, options.name)
    return { name: options.name, disk: slot.disk, archive: slot.archive, get running() { return slot.running as Running | undefined }, get life() { return slot.life } }
  }

  /** Starts a process that is not running. */
  start(name: string): void {
    const slot = this.#slots.get(name)!
    if (slot.life?.alive !== true) this.#start(slot)
  }

  /** Faults strike from now on; clocks go wrong when the plan says. */
  arm(): void {
    const now = this.clock.now()
    this.plan.arm(now)
    for (const fault of this.plan.reorgs) this.#later(fault.from, () => this.#reorg(fault))
    for (const fault of this.plan.skews) this.#later(fault.from, () => { if (this.plan.armed) this.#skew(fault.process, fault.ms) })
  }

  /** Everything is well from now on: nobody is cut off, clocks are right, who stands still moves, who is down is started. */
  heal(): void {
    this.plan.disarm()
    this.trace.note(() => 'all is well')
    for (const slot of this.#slots.values()) {
      for (const [life, { clock }] of slot.lives) {
        if (life !== slot.life) this.#kill(slot, life, undefined)
        else if (life.alive) { clock.set(0); life.go() }
      }
      if (slot.life?.alive !== true) this.#start(slot)
    }
  }

  /** Ends a process; it is started again after `downMs`. */
  crash(name: string, downMs: number): void {
    const slot = this.#slots.get(name)!
    if (slot.life?.alive) this.#end(slot, slot.life, { kind: 'crash', process: name, point: 'send', nth: 0, downMs })
  }

  /** Lets events happen until `over`, for at most `forMs` of virtual time; whether it came to be over. */
  async run(over: () => boolean, forMs: number): Promise<boolean> {
    const until = this.clock.now() + forMs
    for (;;) {
      await this.#quiet()
      this.#observer.quiet?.()
      if (over()) return true
      const next = this.clock.next()
      if (next === undefined || next > until) return false
      await this.clock.advance(next - this.clock.now())
    }
  }

  /** No process is left alive. */
  close(): void {
    for (const slot of this.#slots.values()) for (const life of [...slot.lives.keys()]) this.#kill(slot, life, undefined)
  }

  async #quiet(): Promise<void> {
    for (let turns = 0; ; turns++) {
      await new Promise((resolve) => setImmediate(resolve))
      if (!process.getActiveResourcesInfo().includes('Immediate')) return
      if (turns > TURNS_MAX) throw new Error('two actors wake each other without end')
    }
  }

  #start(slot: Slot): void {
    const { name, participant, guardian = false, boot, up } = slot.options
    const life = new Life(name, ++slot.started, slot.node)
    const clock = new LifeClock(this.clock, life)
    const bus = this.#network.bus(participant, { guardian })
    const account = this.#accounts.get(participant) ?? memoryNetwork({ clock: this.clock, deliver: (_hop, deliver) => this.#later(this.#draw(2), deliver) })
    this.#accounts.set(participant, account)
    const own = account.bus()
    slot.lives.set(life, { clock, bus, own })
    slot.life = life
    slot.running = undefined
    this.trace.note(() => `start ${name} ${life.number}`)
    const around = this.#surroundings(slot, life)
    const ports: LifePorts = {
      bus: lifeBus(bus, around), own: lifeBus(own, around), journal: lifeJournal(slot.disk, around), rail: lifeRail(this.rail, around), clock,
      blobs: lifeBlobs(slot.shelves, 'own', life), transfer: lifeBlobs(this.#transfers, participant, life),
      random: seededRandom(`${this.#seed} ${name} ${life.number}`),
    }
    void boot(ports, life).then((running) => {
      if (!life.alive || slot.life !== life) return
      slot.running = running
      this.trace.note(() => `up ${name} ${life.number}`)
      up?.(running, life)
    }, (thrown) => this.lost(life, thrown))
  }

  /** A process that finds that it cannot go on is gone, and started again. */
  lost(life: Life, why: unknown): void {
    const slot = this.#slots.get(life.process)!
    if (!life.alive) return
    this.trace.note(() => `lost ${life.process} ${life.number}: ${why instanceof Error ? why.message : String(why)}`)
    const current = slot.life === life
    this.#kill(slot, life, undefined)
    if (current) this.#later(AGAIN_MS, () => { if (slot.life === life) this.#start(slot) })
  }

  #surroundings(slot: Slot, life: Life): Surroundings {
    const { name } = slot.options
    return {
      life, plan: this.plan,
      now: () => this.clock.now(),
      pause: (most) => new Promise((resolve) => this.#later(this.#draw(most), resolve)),
      at: (point) => {
        const fault = life.alive ? this.plan.point(name, point) : undefined
        if (fault) this.#end(slot, life, fault)
        return life.awake()
      },
      appended: (partition, record) => {
        const { sequence, data } = record
        const records = slot.archive.get(partition) ?? []
        records.push(record)
        slot.archive.set(partition, records)
        slot.stored.push(partition)
        this.trace.note(() => `append ${name} ${life.number} ${partition} ${sequence} ${data.length} ${mark(data)}`)
        this.#observer.appended?.(name, life, partition, sequence, data)
      },
      mined: (bytes) => {
        this.trace.note(() => `mined ${name} ${mark(Buffer.from(bytes))}`)
        if (this.plan.reorgs.length > 0) this.#past.grown()
        this.#observer.mined?.(name, bytes)
      },
      answered: (request, answer) => this.#observer.answered?.(name, request, answer),
    }
  }

  #end(slot: Slot, life: Life, fault: EndFault): void {
    const { name } = slot.options
    this.trace.note(() => `${fault.kind} ${name} ${life.number} at ${fault.point}`)
    if (fault.kind === 'pause') {
      life.stop()
      if (fault.taken) this.#later(fault.ms / 2, () => { if (slot.life === life && life.alive && !life.running) { slot.node++; this.#start(slot) } })
      this.#later(fault.ms, () => life.go())
      return
    }
    const current = slot.life === life
    this.#kill(slot, life, fault)
    if (fault.kind === 'forget') forget(slot, fault.records)
    if (current) this.#later(fault.downMs, () => { if (slot.life === life) this.#start(slot) })
  }

  #kill(slot: Slot, life: Life, fault: Fault | undefined): void {
    const was = slot.lives.get(life)
    life.kill()
    slot.lives.delete(life)
    // Not awaited: what the dead process was doing never ends.
    void was?.bus.close()
    void was?.own.close()
    if (slot.life === life) slot.running = undefined
    this.#observer.died?.(slot.options.name, fault)
  }

  #reorg(fault: Extract<Fault, { readonly kind: 'reorg' }>): void {
    if (!this.plan.armed || !this.#past.lose(fault.blocks)) return
    this.trace.note(() => `the chain loses ${fault.blocks} blocks`)
    this.plan.lost(fault)
    this.#observer.reorged?.()
  }

  #skew(name: string, ms: number): void {
    this.trace.note(() => `clock ${name} ${ms}`)
    for (const { clock } of this.#slots.get(name)?.lives.values() ?? []) clock.set(ms)
  }

  /** A message on its way to one subscriber. */
  #carry({ from, to, message }: Hop, deliver: () => void): void {
    const sender = this.#names.get(from) ?? 'stranger'
    const receiver = this.#names.get(to) ?? 'stranger'
    if (this.plan.cut(sender, receiver, this.clock.now())) return
    if (message.subject.startsWith(BEATS)) return this.#later(this.#draw(2), deliver)
    const faults = this.plan.hop()
    const says = (): string => `${sender} > ${receiver} ${this.#short(message.subject)} ${message.data.length} ${mark(message.data)}`
    let copies = 1
    let ms = this.#draw(3)
    for (const fault of faults) {
      this.trace.note(() => `${fault.kind} ${says()}`)
      if (fault.kind === 'drop' || fault.kind === 'garble') copies = 0
      if (fault.kind === 'duplicate') copies = 2
      if (fault.kind === 'delay') ms += fault.ms
      if (fault.kind === 'garble') {
        const data = garbled(message.data, fault.hop)
        this.#observer.changed?.(data)
        this.#again(message, data, ms)
      }
      if (fault.kind === 'replay') this.#again(message, message.data, fault.ms)
    }
    for (let copy = 0; copy < copies; copy++) {
      this.#later(ms + (copy === 0 ? 0 : this.#draw(50)), () => {
        this.trace.note(says)
        deliver()
      })
    }
  }

  /** Somebody else sends it, after `ms`. */
  #again({ subject, headers, reply }: BusMessage, data: Uint8Array, ms: number): void {
    this.#later(ms, () => this.#stranger.publish(subject, data, { headers, ...(reply === undefined ? {} : { reply }) }))
  }

  /** A time of up to `most` ms, in steps that a double holds exactly beside the time of day. */
  #draw(most: number): number {
    return (1 + Math.floor(this.#latency.fraction() * most * 1_024)) / 1_024
  }

  #later(ms: number, act: () => void): void {
    this.clock.timer(this.clock.now() + ms, act)
  }

  /** A subject with participants by their names, and without nodes and inboxes. */
  #short(subject: string): string {
    const parts = subject.split('.').slice(2)
    return subject.startsWith('_INBOX') ? 'answer' : parts.map((part) => this.#names.get(part) ?? part.slice(0, 24)).filter((_, at) => parts[0] !== 'call' || at !== 2).join(' ')
  }
}
