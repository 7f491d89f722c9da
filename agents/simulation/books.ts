/**
 * What must hold of the simulated network (I1–I8), and what was found: journals, lanes, the chain,
 * envelopes and receipts of all who take part, looked at after each event and all over when all is at
 * rest. Used by `network.scenario`.
 */
import type { Delivery, Hash, Hex32 } from '../../schemas/documents.gen.ts'
import { asError, type ErrorBody } from '../../schemas/error.ts'
import { paymentsOf } from '../../pipelines/bill.ts'
import type { RunContext } from '../../pipelines/run.machine.ts'
import type { ActorEvent } from '../../runtime/actors/actor.ts'
import type { LiveActor } from '../../runtime/actors/fold.ts'
import type { Host } from '../../runtime/actors/host.ts'
import { readActors } from '../../runtime/actors/read-actors.ts'
import { decodeRecord } from '../../runtime/actors/record.ts'
import type { Verifier } from '../../runtime/identity/signed.ts'
import { memoryJournal } from '../../runtime/memory/journal.ts'
import { readParcel } from '../../runtime/memory/transaction-pool.ts'
import type { Node } from '../../runtime/node/node.ts'
import { deliveryHash } from '../../runtime/payments/delivery.ts'
import type { PurseContext } from '../../runtime/payments/lane.ts'
import { isQuiet } from '../../runtime/market/standing.ts'
import type { StandingContext } from '../../runtime/market/standing.machine.ts'
import { purseActor } from '../../runtime/payments/purse.machine.ts'
import { verifyReceipt } from '../../runtime/payments/receipt.ts'
import type { TillContext } from '../../runtime/payments/till.machine.ts'
import { broken, ChainBooks, Envelopes, Folds, Owners, sameAsReplay, withoutSnapshots, Writes, type Finding, type Violation } from '../../runtime/simulation/invariants.ts'
import { LaneBooks, withinHolds, Words } from '../../runtime/simulation/lane-books.ts'
import type { Life } from '../../runtime/simulation/life.ts'
import type { Observer, Process } from '../../runtime/simulation/process.ts'
import type { World } from '../../runtime/simulation/world.ts'
import { KINDS as ALL } from '../kinds.ts'
import { Losses } from './losses.ts'
import type { HopContext } from '../payments/hop.machine.ts'
import { callActor, type CallContext } from '../provider/call.machine.ts'
import type { Liars } from './lies.ts'
import { homeOf } from './names.ts'
import { ARBITER } from './work.ts'
import type { WalletContext } from '../user/wallet.machine.ts'

const KINDS = ALL.map(({ name }) => name)
/** A partition's journal, and not what is kept beside it. */
const JOURNAL = /^p\d+$/

/** Those that end when what they are for has ended. */
const PASSING = new Set(['run', 'step', 'fan', 'gate', 'nest', 'saga', 'negotiation', 'inquiry', 'dispute', 'stream', 'unlock'])

export interface NetworkBooksOptions {
  readonly world: () => World
  readonly processes: ReadonlyMap<string, Process<{ readonly node: Node }>>
  /** Names of those who pay. */
  readonly payers: ReadonlySet<string>
  /** Names of those whose disks may lie: less is expected of them. */
  readonly forgetful: ReadonlySet<string>
  readonly participantOf: (process: string) => string
  /** Those of whom several processes share the partitions. */
  readonly fleets: ReadonlySet<string>
  /** Those that cheat, and how: the others are not to lose by it. */
  readonly liars: Liars
}

export class NetworkBooks {
  /** The first thing that did not hold. */
  violation: Violation | undefined
  /** How runs ended, how many calls they paid and how many of these a hub paid on, once all is looked at. */
  readonly ended = { done: 0, failed: 0, paid: 0, paidOn: 0 }
  readonly #options: NetworkBooksOptions
  readonly #lanes: LaneBooks
  /** What honest ones gave and paid for. */
  readonly losses = new Losses()
  readonly #chain = new ChainBooks()
  readonly #owners = new Owners()
  /** Of a process that shares its partitions: whether it is the last to have written what it believes to hold. */
  readonly #owning = new Map<string, () => boolean>()
  readonly #envelopes = new Envelopes()
  readonly #writes = new Writes()
  readonly #words = new Words()
  readonly #folds = new Map<string, Folds>()
  /** Those that have forgotten: what they signed they may learn from others, what it was for they do not. */
  readonly #forgot = new Set<string>()
  /** Participants that cheat. */
  readonly #lying: ReadonlySet<string>
  #reorged = false

  readonly #claimed = (lane: string): bigint => this.#options.world().rail.claimed(lane as `0x${string}`)

  /** What a payer had reserved in blocks that were lost, and will not reserve again: a seller has confirmations against that, of which there are none here. */
  readonly #gone = (lane: string): boolean => this.#reorged && this.#lying.has(this.#lanes.payerOf(lane)!)

  constructor(options: NetworkBooksOptions) {
    this.#options = options
    this.#lying = new Set([...options.liars.keys()].map(options.participantOf))
    this.#lanes = new LaneBooks(this.#lying)
  }

  /** What the world tells. */
  readonly observer: Observer = {
    appended: (process, { number: life }, partition, sequence, data) => {
      const home = homeOf(process)
      if (!this.#options.fleets.has(home)) return this.found(this.#owners.appended(`${home} ${partition}`, `life ${life}`, sequence))
      // One of several gives a partition up and takes it again: what counts is in which epoch it writes. Of snapshots, which hold no truth, only the order.
      if (JOURNAL.test(partition)) this.found(this.#owners.appended(`${home} ${partition}`, `life ${life} of ${process}, epoch ${decodeRecord(data).epoch}`, sequence))
    },
    mined: (_process, bytes) => {
      const parcel = readParcel(bytes)
      // Who cheats writes past its own node, as often as it likes.
      if (!this.#lying.has(parcel.from)) this.found(this.#writes.mined(parcel))
      this.found(this.#chain.look(this.#options.world().rail))
    },
    reorged: () => {
      this.#reorged = true
      this.#chain.reorged()
      this.#writes.reorged()
    },
    answered: (_process, { data, subject }, answer) => this.found(this.#envelopes.answered(data, answer, subject)),
    changed: (bytes) => this.#envelopes.changed(bytes),
    died: (process, fault) => { if (fault?.kind === 'forget') this.#forget(homeOf(process)) },
  }

  /** Whether vouchers are handed over and claimed, and stakes decided. */
  get settled(): boolean {
    return this.#lanes.settled(this.#claimed, this.#gone)
  }

  /** The node of a seller, with all that it answers about calls heard; of one that lies nothing is. */
  overhear(node: Node, name: string): Node {
    if (this.#options.liars.has(homeOf(name))) return node
    const serve: Node['wire']['serve'] = (verb, validate, handler, options) => node.wire.serve(verb, validate, async (body, call) => {
      const answer = await handler(body, call) as { readonly state?: string; readonly delivery?: Delivery }
      const { lane, agreement, call: nth } = body as { readonly lane: Hex32; readonly agreement: Hash; readonly call: number }
      const known = answer.delivery || verb === 'cancel' ? await node.host.look<CallContext>(callActor(lane, agreement, nth)) : undefined
      this.losses.answered(node.participant, verb, body, answer, known)
      if (verb === 'invoke' || verb === 'cancel' || verb === 'status') {
        this.found(this.#words.said(`${agreement} ${nth}`, answer.state ?? '', answer.state === 'part' ? undefined : answer.delivery && deliveryHash(answer.delivery)))
      }
      return answer
    }, options)
    return { ...node, wire: { ...node.wire, serve } }
  }

  found(finding: Finding): void {
    if (!finding || this.violation) return
    this.violation = finding
    this.#options.world().trace.note(() => `VIOLATION ${finding.invariant} ${finding.says}`)
  }

  /** Looks at a host as it was opened, and at every durable event from then on. */
  watch(process: string, host: Host, life: Life): void {
    const name = homeOf(process)
    const folds = this.#folds.get(name) ?? new Folds()
    this.#folds.set(name, folds)
    if (this.#options.fleets.has(name)) return this.#watchShare(process, host, life, folds)
    // What a process that was taken over still knows and hears of its own records is true, and old.
    const owns = (): boolean => this.#owners.owns(`${name} `, `life ${life.number}`)
    if (!owns()) return
    this.found(folds.opened(host))
    for (const kind of KINDS) for (const actor of host.list(kind)) this.#look(name, host, actor)
    host.watch((actor, { event }) => {
      if (!owns()) return
      this.#options.world().trace.note(() => `event ${name} ${actor.id} ${actor.number} ${event.type}${said(event)}`)
      folds.saw(actor)
      this.#look(name, host, actor, event)
    })
  }

  /** The same of a node that holds a part, which changes: what it holds now, and is not another's. */
  #watchShare(process: string, host: Host, life: Life, folds: Folds): void {
    const name = homeOf(process)
    const owns = (partition: number): boolean => this.#owners.owned(`${name} p${partition}`, `life ${life.number} of ${process},`)
    this.#owning.set(process, () => host.stats().owned.every(owns))
    const look = (): void => {
      const held = new Set(host.stats().owned.filter(owns))
      this.found(folds.opened(host, false, (id) => held.has(host.partitionOf(id))))
      for (const kind of KINDS) for (const actor of host.list(kind)) if (held.has(host.partitionOf(actor.id))) this.#look(name, host, actor)
    }
    host.onShare(look)
    look()
    host.watch((actor, { event }) => {
      if (!owns(host.partitionOf(actor.id))) return
      this.#options.world().trace.note(() => `event ${process} ${actor.id} ${actor.number} ${event.type}${said(event)}`)
      folds.saw(actor)
      this.#look(name, host, actor, event)
    })
  }

  #look(name: string, host: Host, { id, kind, parked, snapshot }: LiveActor, event?: ActorEvent): void {
    if (parked !== undefined) this.found(broken('I5', `${id} is parked: ${parked}`))
    if (kind.name === 'till') {
      const till = snapshot.context as TillContext
      this.found(this.#lanes.till(till, event?.type === 'prepaid' ? String(event['agreement']) : undefined))
      if (till.owed) this.found(this.#words.owed(`${till.owed.agreement} 0`))
      for (const { call } of till.tab?.owed ?? []) this.found(this.#words.owed(`${till.tab!.agreement} ${call}`))
    }
    if (kind.name === 'purse' || kind.name === 'wallet') {
      const purses = Array.from({ length: host.width }, (_, partition) => host.context<PurseContext>(purseActor(partition)) ?? []).flat()
      const wallet = host.context<WalletContext>('wallet')
      for (const purse of purses) this.found(this.#lanes.purse(purse, this.#options.participantOf(name)))
      if (wallet && purses.length === host.width && this.#options.payers.has(name) && !this.#forgot.has(name)) this.found(withinHolds(purses, wallet))
    }
    if (kind.name === 'run') {
      const { spent, hold, budget } = snapshot.context as RunContext
      if (BigInt(spent) > BigInt(hold) || BigInt(hold) > BigInt(budget)) this.found(broken('I4', `${id} has spent ${spent}, held ${hold}, its budget is ${budget}`))
    }
  }

  #forget(process: string): void {
    this.#forgot.add(process)
    this.#folds.get(process)?.forget()
    this.#owners.forget(`${process} `)
    this.#lanes.forget(this.#options.participantOf(process))
    this.#words.forget()
    this.#writes.forget(this.#options.participantOf(process))
  }

  /** Whether no process holds what another has gone on with: one hears of that within a moment, and knows old things until then. */
  get agreed(): boolean {
    return [...this.#owning].every(([process, owns]) => this.#options.processes.get(process)?.running === undefined || owns())
  }

  /** Everything, when every run has ended and all is at `rest`, as far as it came to be. */
  async final(rested: boolean): Promise<void> {
    const { processes, payers, forgetful, liars, world } = this.#options
    for (const [name, { running }] of processes) if (!running) return this.found(broken('I5', `${name} does not come up`))
    const honest = forgetful.size === 0
    if (honest && !rested) return this.found(broken('I5', 'vouchers are not handed over and claimed'))
    if (honest && this.standing() !== '') return this.found(broken('I5', `all is at rest, and ${this.standing()}`))
    this.found(this.#chain.look(world().rail))
    for (const [name, { running, disk, archive }] of processes) {
      for (const { actor, reason } of running!.node.host.parked()) this.found(broken('I5', `${actor} is parked: ${reason}`))
      // From its snapshots, and from its first record: both are what it is.
      for (const read of [disk, withoutSnapshots(archive)]) this.found(await sameAsReplay(running!.node.host, read, KINDS, world().clock, this.#folds.get(homeOf(name))!))
    }
    if (honest) this.found(this.#lanes.atRest(this.#claimed, liars.has(ARBITER)))
    if (honest) this.found(this.#lost())
    for await (const { snapshot } of processes.get(ARBITER)?.running?.node.host.all('hop') ?? []) if ((snapshot.context as HopContext).key) this.ended.paidOn++
    for (const name of payers) {
      if (liars.has(name)) continue
      const { running, disk } = processes.get(name)!
      const { host, wire: { credentials: { verifier } } } = running!.node
      // No time passes any more in which one node could ask another.
      const actors = this.#options.fleets.has(name) ? await readActors({ journal: memoryJournal(disk), clock: world().clock, kinds: ALL }) : host
      const wallet = (await actors.look<WalletContext>('wallet'))!
      if (Object.keys(wallet.holds).length > 0) this.found(broken('I2', `runs of ${name} have ended and hold money: ${JSON.stringify(wallet.holds)}`))
      if (!forgetful.has(name)) await this.#runs(name, actors, verifier, wallet)
    }
  }

  /** I1, I2, I3 over every run: what it spent are receipts that verify, of calls paid once. */
  async #runs(name: string, host: Pick<Host, 'look' | 'lookEach'> & { all(kind: string): AsyncIterable<LiveActor> }, verifier: Verifier, wallet: WalletContext): Promise<void> {
    const calls = new Set<string>()
    let spent = 0n
    for await (const { snapshot } of host.all('run')) {
      const run = snapshot.context as RunContext
      // A sub-pipeline's is a part of another.
      if (run.parent !== undefined) continue
      spent += BigInt(run.spent)
      const { paid, lost } = await paymentsOf(host, run, verifier)
      this.ended[run.error ? 'failed' : 'done']++
      this.ended.paid += paid.length
      this.found(this.losses.payer(name, paid, this.#options.liars.get(ARBITER)))
      const sum = [...paid, ...lost].reduce((total, { amount }) => total + amount, 0n)
      if (sum !== BigInt(run.spent)) this.found(broken('I3', `run ${run.run} has spent ${run.spent}, its receipts and what it lost come to ${sum}`))
      if (run.doubts !== 0) this.found(broken('I5', `run ${run.run} has ended with ${run.doubts} calls in doubt`))
      for (const { delivery: { body }, receipt } of paid) {
        const call = `${body.agreement} ${body.call}`
        if (calls.has(call)) this.found(broken('I1', `call ${call} was paid twice`))
        calls.add(call)
        try {
          verifyReceipt(receipt, this.#options.world().rail)
        } catch (thrown) {
          this.found(broken('I3', `receipt ${receipt.id} does not verify: ${asError(thrown).message}`))
        }
      }
    }
    if (spent !== BigInt(wallet.spent)) this.found(broken('I2', `the wallet has spent ${wallet.spent}, its runs ${spent}`))
  }

  /** What sellers lost, where all is at rest. */
  #lost(): Finding {
    const { liars, participantOf, world } = this.#options
    // Deliveries that are dated too far off are not owed: whose clock was wrong is not told apart.
    const skewed = world().plan.skews.length > 0
    if (!liars.has(ARBITER)) this.found(this.losses.hub(participantOf(ARBITER), [...world().rail.mark().ledger.lanes.values()]))
    return this.losses.sellers(this.#claimed, (lane) => skewed || this.#lying.has(this.#lanes.payerOf(lane)!), this.#gone, liars.get(ARBITER))
  }

  /** What is not over yet, for people; nothing when all is. Of one that lies nothing need be. */
  standing(): string {
    const open = [...this.#options.processes].flatMap(([name, { running }]) => running === undefined || this.#options.liars.has(homeOf(name)) ? [] : KINDS.flatMap((kind) => [...running.node.host.list(kind)])
      .filter(({ kind, snapshot }) => snapshot.status === 'active' && (PASSING.has(kind.name) || (kind.name === 'standing' && !isQuiet(snapshot.context as StandingContext))))
      .map(({ id, snapshot }) => `${id} of ${name} is ${JSON.stringify(snapshot.value)}`))
    return open.slice(0, 8).join(', ')
  }
}

/** What went wrong, where an event says so. */
function said({ error }: ActorEvent): string {
  const { code, message } = (error ?? {}) as Partial<ErrorBody>
  return code === undefined ? '' : ` (${code}: ${message})`
}
