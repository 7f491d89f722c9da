/**
 * The faults of one run as they strike: asked at each point where one could, it counts and answers.
 * Counting begins when it is armed and ends when all is to be well again. Used by `world` and `life`.
 */
import type { Fault, Point } from './faults.ts'

type OfKind<K extends Fault['kind']> = Extract<Fault, { readonly kind: K }>
export type HopFault = OfKind<'drop' | 'duplicate' | 'garble' | 'delay' | 'replay'>
export type EndFault = OfKind<'crash' | 'forget' | 'pause'>

export class FaultPlan {
  /** Those that did strike, in order. */
  readonly struck: Fault[] = []
  readonly #hops = new Map<number, HopFault[]>()
  readonly #ends = new Map<string, EndFault[]>()
  readonly #appends = new Map<string, OfKind<'unacknowledged'>>()
  readonly #broadcasts = new Map<string, OfKind<'unheard'>>()
  readonly #spans: OfKind<'cut' | 'chain-away' | 'chain-lags'>[] = []
  readonly #skews: OfKind<'skew'>[] = []
  readonly #reorgs: OfKind<'reorg'>[] = []
  readonly #counts = new Map<string, number>()
  #from: number | undefined

  constructor(faults: readonly Fault[]) {
    const add = <K, V>(map: Map<K, V[]>, key: K, value: V): void => void map.set(key, [...(map.get(key) ?? []), value])
    for (const fault of faults) {
      switch (fault.kind) {
        case 'drop': case 'duplicate': case 'garble': case 'delay': case 'replay': add(this.#hops, fault.hop, fault); break
        case 'crash': case 'forget': case 'pause': add(this.#ends, `${fault.process} ${fault.point} ${fault.nth}`, fault); break
        case 'unacknowledged': this.#appends.set(`${fault.process} ${fault.nth}`, fault); break
        case 'unheard': this.#broadcasts.set(`${fault.process} ${fault.nth}`, fault); break
        case 'cut': case 'chain-away': case 'chain-lags': this.#spans.push(fault); break
        case 'reorg': this.#reorgs.push(fault); break
        case 'skew': this.#skews.push(fault)
      }
    }
  }

  /** Faults strike from the time `now` on. */
  arm(now: number): void {
    this.#from = now
  }

  /** No fault strikes any more. */
  disarm(): void {
    this.#from = undefined
  }

  get armed(): boolean {
    return this.#from !== undefined
  }

  /** Clocks that go wrong, to be set by the world. */
  get skews(): readonly OfKind<'skew'>[] {
    return this.#skews
  }

  /** Blocks that the chain loses, to be taken by the world. */
  get reorgs(): readonly OfKind<'reorg'>[] {
    return this.#reorgs
  }

  /** Whether a past of the chain is needed. */
  get looksBack(): boolean {
    return this.#reorgs.length > 0 || this.#spans.some(({ kind }) => kind === 'chain-lags')
  }

  /** The chain has lost its blocks. */
  lost(fault: OfKind<'reorg'>): void {
    this.#strike([fault])
  }

  /** What happens to the next message. */
  hop(): readonly HopFault[] {
    return this.#strike(this.#hops.get(this.#count('hop')) ?? [])
  }

  /** What happens to a process that comes to a point. */
  point(process: string, point: Point): EndFault | undefined {
    const found = this.#ends.get(`${process} ${point} ${this.#count(`${process} ${point}`)}`) ?? []
    return this.#strike(found.slice(0, 1))[0]
  }

  append(process: string): OfKind<'unacknowledged'> | undefined {
    const found = this.#appends.get(`${process} ${this.#count(`${process} append`)}`)
    return found && this.#strike([found])[0]
  }

  broadcast(process: string): OfKind<'unheard'> | undefined {
    const found = this.#broadcasts.get(`${process} ${this.#count(`${process} broadcast`)}`)
    return found && this.#strike([found])[0]
  }

  /** Whether two participants are cut off from each other at the time `now`. */
  cut(one: string, other: string, now: number): boolean {
    return this.#during(now).some((span) => span.kind === 'cut' && span.between.includes(one) && span.between.includes(other) && one !== other)
  }

  /** Whether the chain is out of a process's reach at the time `now`. */
  chainAway(process: string, now: number): boolean {
    return this.#during(now).some((span) => span.kind === 'chain-away' && span.process === process)
  }

  /** How many blocks a process sees less of the chain at the time `now`. */
  chainLag(process: string, now: number): number {
    return Math.max(0, ...this.#during(now).map((span) => (span.kind === 'chain-lags' && span.process === process ? span.blocks : 0)))
  }

  #during(now: number): OfKind<'cut' | 'chain-away' | 'chain-lags'>[] {
    if (this.#from === undefined || this.#spans.length === 0) return []
    const at = now - this.#from
    return this.#spans.filter(({ from, ms }) => at >= from && at < from + ms)
  }

  #count(key: string): number {
    if (this.#from === undefined) return 0
    const next = (this.#counts.get(key) ?? 0) + 1
    this.#counts.set(key, next)
    return next
  }

  #strike<F extends Fault>(faults: readonly F[]): readonly F[] {
    this.struck.push(...faults)
    return faults
  }
}
