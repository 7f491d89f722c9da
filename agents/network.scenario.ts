/**
 * The whole network under faults, from one seed (D10): sellers, a payment provider and a user whose
 * pipelines fan out, retry elsewhere, stream and settle in escrow, on production nodes. Checked after
 * each durable record and chain write, and all over when it has come to rest. Used by `aigen simulate`
 * and by the tests of the simulator.
 */
import { createHash } from 'node:crypto'
import type { Delivery } from '../schemas/documents.gen.ts'
import { asError, type ErrorBody } from '../schemas/error.ts'
import { nodeId } from '../schemas/id.ts'
import { paidCalls } from '../pipelines/bill.ts'
import type { RunContext } from '../pipelines/run.machine.ts'
import type { ActorEvent } from '../runtime/actors/actor.ts'
import type { LiveActor } from '../runtime/actors/fold.ts'
import type { Host } from '../runtime/actors/host.ts'
import { nodeSigner } from '../runtime/identity/ed25519.ts'
import type { Keys } from '../runtime/identity/keys.ts'
import { toText } from '../runtime/identity/text-bytes.ts'
import { seededRandom } from '../runtime/memory/random.ts'
import { readParcel } from '../runtime/memory/transaction-pool.ts'
import { openNode, type Node, type NodeOptions, type Room } from '../runtime/node/node.ts'
import { deliveryHash } from '../runtime/payments/delivery.ts'
import type { PurseContext } from '../runtime/payments/lane.ts'
import { verifyReceipt } from '../runtime/payments/receipt.ts'
import type { TillContext } from '../runtime/payments/till.machine.ts'
import { drawFaults, forgetful, type Fault, type FaultKind } from '../runtime/simulation/faults.ts'
import { broken, ChainBooks, Envelopes, Folds, Owners, sameAsReplay, withoutSnapshots, Writes, type Finding, type Violation } from '../runtime/simulation/invariants.ts'
import { LaneBooks, withinHolds, Words } from '../runtime/simulation/lane-books.ts'
import type { Life } from '../runtime/simulation/life.ts'
import type { LifePorts, Process } from '../runtime/simulation/process.ts'
import { World } from '../runtime/simulation/world.ts'
import { evaluateHere, keysOf } from './memory-network.fixture.ts'
import { openPayments } from './payments/open.ts'
import { prepareShop, providerRooms, readyToSell } from './provider/provide.ts'
import { drawWork, SHOUT, sold, TELL, type Errand, type Seller, type Work } from './simulated-work.ts'
import { keyedRun, startRun } from './user/run.ts'
import { openUser, type User } from './user/user.ts'
import type { WalletContext } from './user/wallet.machine.ts'

/** A defect put into the simulated network on purpose: the simulator must find it. */
export interface Mutation {
  readonly name: string
  /** Other ports for a process. */
  readonly ports?: (ports: LifePorts, process: string) => LifePorts
  /** What replaces actors and effects of a node. */
  readonly room?: (process: string) => Room | undefined
  /** Another node for what is served on it. */
  readonly node?: (node: Node, process: string) => Node
  /** Changes a module for the time of the run; gives how to undo it. */
  readonly patch?: () => () => void
}

export interface ScenarioOptions {
  readonly seed: number
  /** Default: those that the seed draws. */
  readonly faults?: readonly Fault[]
  readonly traced?: boolean
  /** Partitions of each participant's journal (default 1). */
  readonly partitions?: number
  readonly mutation?: Mutation
}

export interface Outcome {
  readonly seed: number
  readonly events: number
  /** Virtual time in ms. */
  readonly ms: number
  readonly faults: readonly Fault[]
  /** Those that struck. */
  readonly struck: readonly Fault[]
  /** The first one; the run ends there. */
  readonly violation: Violation | undefined
  readonly lines: readonly string[]
  /** How its runs ended, and how many calls they paid. */
  readonly runs: { readonly done: number; readonly failed: number; readonly paid: number }
}

/** Faults begin within this time, in ms; then all is healed and must come to rest within the other. */
const FAULTS_MS = 12_000
const REST_MS = 900_000
const UP_MS = 60_000
const KINDS_OF_FAULTS: readonly FaultKind[] = ['drop', 'duplicate', 'garble', 'delay', 'replay', 'cut', 'crash', 'pause', 'unacknowledged', 'unheard', 'chain-away', 'skew']
/** One seed of so many has disks that lie, and nothing is expected of who has one but what the chain knows. */
const FORGETFUL_EVERY = 8

/** Kinds of actors that take part. */
const KINDS = ['run', 'step', 'negotiation', 'inquiry', 'dispute', 'purse', 'wallet', 'experience', 'keyring', 'call', 'till', 'settler', 'verdict', 'sender', 'case', 'credits', 'purchase']

/** Those that end when what they are for has ended. */
const PASSING = new Set(['run', 'step', 'negotiation', 'inquiry', 'dispute'])

/** The faults of a seed. */
export function faultsOf(seed: number, { sellers, users, escrow }: Work): Fault[] {
  // Half of what goes wrong goes wrong at those who pay.
  const processes = [...users, ...users, ...sellers.map(({ name }) => name), ...(escrow ? ['safe'] : [])]
  const kinds = seed % FORGETFUL_EVERY === FORGETFUL_EVERY - 1 ? [...KINDS_OF_FAULTS, 'forget' as const] : KINDS_OF_FAULTS
  return drawFaults(seededRandom(`${seed} faults`), { processes, spanMs: FAULTS_MS, hops: 300, times: 60, awayMs: 6_000, skewMs: 4_000, kinds })
}

const allKeys = new Map<string, Keys>()
/** Keys of a process; a node that took over has its own. */
function keysFor(name: string, node: number): Keys {
  const known = allKeys.get(`${name} ${node}`)
  if (known) return known
  const keys = keysOf(name)
  const signer = nodeSigner(createHash('sha256').update(`${name} node ${node}`).digest())
  const own = node === 0 ? keys : { ...keys, node: signer, nodeId: nodeId(toText(signer.publicKey)) }
  allKeys.set(`${name} ${node}`, own)
  return own
}

/** Runs the network of one seed until it rests, or until something does not hold. */
export async function simulateNetwork(options: ScenarioOptions): Promise<Outcome> {
  const undo = options.mutation?.patch?.()
  const network = new Network(options)
  try {
    return await network.play()
  } finally {
    network.world.close()
    undo?.()
  }
}

class Network {
  readonly world: World
  readonly #options: ScenarioOptions
  readonly #work: Work
  readonly #faults: readonly Fault[]
  readonly #forgetful: ReadonlySet<string>
  readonly #lanes = new LaneBooks()
  readonly #chain = new ChainBooks()
  readonly #owners = new Owners()
  readonly #envelopes = new Envelopes()
  readonly #writes = new Writes()
  readonly #words = new Words()
  readonly #folds = new Map<string, Folds>()
  readonly #processes = new Map<string, Process<{ readonly node: Node }>>()
  readonly #users = new Map<string, Process<User>>()
  #violation: Violation | undefined
  #begun = 0
  #ended = { done: 0, failed: 0, paid: 0 }

  constructor(options: ScenarioOptions) {
    this.#options = options
    this.#work = drawWork(seededRandom(`${options.seed} work`))
    this.#faults = options.faults ?? faultsOf(options.seed, this.#work)
    this.#forgetful = forgetful(this.#faults)
    this.world = new World({
      seed: options.seed, faults: this.#faults, ...(options.traced ? { traced: true } : {}),
      observer: {
        appended: (process, life, partition, sequence) => this.#found(this.#owners.appended(`${process} ${partition}`, life.number, sequence)),
        mined: (_process, bytes) => {
          this.#found(this.#writes.mined(readParcel(bytes)))
          this.#found(this.#chain.look(this.world.rail))
        },
        answered: (_process, { data, subject }, answer) => this.#found(this.#envelopes.answered(data, answer, subject)),
        changed: (bytes) => this.#envelopes.changed(bytes),
        died: (process, fault) => { if (fault?.kind === 'forget') this.#forget(process) },
      },
    })
    for (const seller of this.#work.sellers) this.#sell(seller)
    if (this.#work.escrow) {
      this.#add('safe', async (node) => {
        const { user } = await openPayments({ ...node, name: 'safe', fee: '0.001', challengeMs: 20_000, evaluate: evaluateHere, deposit: 1_000_000n, faucet: true, standard: STANDARD })
        return user
      })
    }
    for (const name of this.#work.users) {
      this.#users.set(name, this.#add(name, async (node, rooms) => openUser({ ...node, rooms, evaluate: evaluateHere, deposit: this.#work.deposit, faucet: true, standard: STANDARD }), () => {
        for (const errand of this.#work.errands) if (errand.user === name && this.#begun > 0 && errand.at <= this.world.clock.now() - this.#begun) this.#ask(errand)
      }))
    }
  }

  async play(): Promise<Outcome> {
    const { world } = this
    const over = (holds: () => boolean) => (): boolean => this.#violation !== undefined || holds()
    for (const name of this.#processes.keys()) world.start(name)
    const up = await world.run(over(() => this.#up()), UP_MS)
    if (!up) this.#found(broken('I5', 'the network does not come up'))
    this.#begun = world.clock.now()
    world.arm()
    for (const errand of this.#work.errands) {
      world.clock.timer(this.#begun + errand.at, () => this.#ask(errand))
      if (errand.cancelAt !== undefined) world.clock.timer(this.#begun + errand.at + errand.cancelAt, () => this.#cancel(errand))
    }
    await world.run(over(() => world.clock.now() - this.#begun > FAULTS_MS && this.#done()), FAULTS_MS * 2)
    world.heal()
    const rested = await world.run(over(() => this.#up() && this.#done() && this.#lanes.settled && this.#heard()), REST_MS)
    if (this.#violation === undefined) await this.#final(rested)
    const { trace, plan } = world
    return { seed: this.#options.seed, events: trace.events, ms: world.clock.monotonic(), faults: this.#faults, struck: plan.struck, violation: this.#violation, lines: trace.lines, runs: this.#ended }
  }

  // ------------------------------------------------------------ who takes part

  #add<Running extends { readonly node: Node }>(name: string, open: (node: Omit<NodeOptions, 'rooms'>, rooms: Room[]) => Promise<Running>, up?: () => void): Process<Running> {
    const { mutation } = this.#options
    this.#folds.set(name, new Folds())
    const process: Process<Running> = this.world.add<Running>({
      name, participant: keysOf(name).participant,
      boot: (ports, life) => open({
        ports: mutation?.ports?.(ports, name) ?? ports, keys: keysFor(name, life.node),
        limits: this.#work.limits, partitions: this.#options.partitions ?? 1,
        onOpen: (host) => this.#watch(name, host, life),
        onLost: (error) => this.world.lost(life, error),
      }, [mutation?.room?.(name) ?? []].flat()),
      ...(up ? { up } : {}),
    })
    this.#processes.set(name, process)
    return process
  }

  #sell(seller: Seller): void {
    this.#add(seller.name, async (options, rooms) => {
      const selling = sold(seller, this.#options.seed, options.ports.clock)
      await readyToSell(selling)
      const node = await openNode({ ...options, rooms: [...providerRooms(selling, evaluateHere), ...rooms] })
      const heard = this.#overhear(node)
      const shop = await prepareShop(this.#options.mutation?.node?.(heard, seller.name) ?? heard, selling)
      await node.start()
      await shop.open()
      return { node }
    })
  }

  /** The node, with all that it answers about calls heard. */
  #overhear(node: Node): Node {
    const serve: Node['wire']['serve'] = (verb, validate, handler, options) => node.wire.serve(verb, validate, async (body, call) => {
      const answer = await handler(body, call) as { readonly state?: string; readonly delivery?: Delivery }
      if (verb === 'invoke' || verb === 'cancel' || verb === 'status') {
        const { agreement, call: number } = body as { readonly agreement: string; readonly call: number }
        this.#found(this.#words.said(`${agreement} ${number}`, answer.state ?? '', answer.delivery && deliveryHash(answer.delivery)))
      }
      return answer
    }, options)
    return { ...node, wire: { ...node.wire, serve } }
  }

  /** Asks for an errand; a user that does not hear whether it is begun asks again when it is up again. */
  #ask({ user: name, key, document, inputs, heard }: Errand): void {
    const user = this.#users.get(name)!.running
    if (!user) return
    startRun(user, { key, document, inputs, ...(heard ? { onPiece: () => undefined } : {}) }).catch((thrown) => {
      const error = asError(thrown)
      // A process that has lost its journal to another takes nothing on.
      if (!error.rule.retry && !error.code.startsWith('journal.')) this.#found(broken('I5', `${key} was refused: ${error.message}`))
    })
  }

  #cancel({ user, key }: Errand): void {
    this.#users.get(user)!.running?.node.host.send(`run/${keyedRun(key)}`, { type: 'cancel' }).catch(() => undefined)
  }

  // ------------------------------------------------------------ what must hold

  #found(finding: Finding): void {
    if (!finding || this.#violation) return
    this.#violation = finding
    this.world.trace.note(() => `VIOLATION ${finding.invariant} ${finding.says}`)
  }

  /** Looks at a host as it was opened, and at every durable event from then on. */
  #watch(name: string, host: Host, life: Life): void {
    const folds = this.#folds.get(name)!
    this.#found(folds.opened(host))
    for (const kind of KINDS) for (const actor of host.list(kind)) this.#look(name, host, actor)
    host.watch((actor, { event }) => {
      // What a process that was taken over still hears of its own records is true, and old.
      if (this.#processes.get(name)!.life !== life) return
      this.world.trace.note(() => `event ${name} ${actor.id} ${actor.number} ${event.type}${said(event)}`)
      folds.saw(actor)
      this.#look(name, host, actor)
    })
  }

  #look(name: string, host: Host, { id, kind, parked, snapshot }: LiveActor): void {
    if (parked !== undefined) this.#found(broken('I5', `${id} is parked: ${parked}`))
    if (kind.name === 'till') {
      const till = snapshot.context as TillContext
      this.#found(this.#lanes.till(till))
      if (till.owed) this.#found(this.#words.owed(`${till.owed.agreement} 0`))
    }
    if (kind.name === 'purse' || kind.name === 'wallet') {
      const purse = host.context<PurseContext>('purse')
      const wallet = host.context<WalletContext>('wallet')
      if (purse) this.#found(this.#lanes.purse(purse))
      if (purse && wallet && this.#users.has(name)) this.#found(withinHolds(purse, wallet))
    }
    if (kind.name === 'run') {
      const { spent, hold, budget } = snapshot.context as RunContext
      if (BigInt(spent) > BigInt(hold) || BigInt(hold) > BigInt(budget)) this.#found(broken('I4', `${id} has spent ${spent}, held ${hold}, its budget is ${budget}`))
    }
  }

  #forget(process: string): void {
    this.#folds.get(process)!.forget()
    this.#owners.forget(`${process} `)
    this.#lanes.forget(keysOf(process).participant)
    this.#words.forget()
    this.#writes.forget(keysOf(process).participant)
  }

  #up(): boolean {
    return [...this.#processes.values()].every(({ running }) => running !== undefined)
  }

  /** Whether every record that is stored has been acknowledged. */
  #heard(): boolean {
    return [...this.#processes.values()].every(({ life }) => life?.unheard === 0)
  }

  #done(): boolean {
    return this.#work.errands.every(({ user, key }) => {
      const host = this.#users.get(user)!.running?.node.host
      // What a run tells its wallet at its end may be on its way.
      return host?.peek(`run/${keyedRun(key)}`)?.snapshot.status === 'done' && host.context<WalletContext>('wallet')?.holds[`run/${keyedRun(key)}`] === undefined
    })
  }

  /** Everything, when all is at rest. */
  async #final(rested: boolean): Promise<void> {
    for (const [name, { running }] of this.#processes) if (!running) return this.#found(broken('I5', `${name} does not come up`))
    if (!this.#done()) return this.#found(broken('I5', `not every run has ended: ${this.#standing()}`))
    const honest = this.#forgetful.size === 0
    if (honest && !rested) return this.#found(broken('I5', 'vouchers are not handed over and claimed'))
    if (honest && this.#standing() !== '') return this.#found(broken('I5', `all is at rest, and ${this.#standing()}`))
    this.#found(this.#chain.look(this.world.rail))
    for (const [name, { running, disk, archive }] of this.#processes) {
      // From its snapshots, and from its first record: both are what it is.
      for (const read of [disk, withoutSnapshots(archive)]) this.#found(await sameAsReplay(running!.node.host, read, KINDS, this.world.clock, this.#folds.get(name)!))
    }
    const { ledger } = this.world.rail.mark()
    if (honest) this.#found(this.#lanes.atRest((lane) => ledger.lanes.get(lane as `0x${string}`)?.claimed ?? 0n))
    for (const [name, { running }] of this.#users) {
      const wallet = running!.node.host.context<WalletContext>('wallet')!
      if (Object.keys(wallet.holds).length > 0) this.#found(broken('I2', `runs of ${name} have ended and hold money: ${JSON.stringify(wallet.holds)}`))
      if (!this.#forgetful.has(name)) this.#runs(running!.node, wallet)
    }
  }

  /** I1, I2, I3 over every run: what it spent are receipts that verify, of calls paid once. */
  #runs({ host, wire: { credentials: { verifier } } }: Node, wallet: WalletContext): void {
    const calls = new Set<string>()
    let spent = 0n
    for (const { snapshot } of host.list('run')) {
      const run = snapshot.context as RunContext
      spent += BigInt(run.spent)
      const paid = paidCalls(host, run, verifier)
      this.#ended[run.error ? 'failed' : 'done']++
      this.#ended.paid += paid.length
      const sum = paid.reduce((total, { amount }) => total + amount, 0n)
      if (sum !== BigInt(run.spent)) this.#found(broken('I3', `run ${run.run} has spent ${run.spent}, its receipts come to ${sum}`))
      if (run.doubts !== 0) this.#found(broken('I5', `run ${run.run} has ended with ${run.doubts} calls in doubt`))
      for (const { delivery: { body }, receipt } of paid) {
        const call = `${body.agreement} ${body.call}`
        if (calls.has(call)) this.#found(broken('I1', `call ${call} was paid twice`))
        calls.add(call)
        try {
          verifyReceipt(receipt, this.world.rail)
        } catch (thrown) {
          this.#found(broken('I3', `receipt ${receipt.id} does not verify: ${asError(thrown).message}`))
        }
      }
    }
    if (spent !== BigInt(wallet.spent)) this.#found(broken('I2', `the wallet has spent ${wallet.spent}, its runs ${spent}`))
  }

  /** What is not over yet, for people; nothing when all is. */
  #standing(): string {
    const open = [...this.#processes].flatMap(([name, { running }]) => running === undefined ? [] : KINDS.flatMap((kind) => [...running.node.host.list(kind)])
      .filter(({ kind, snapshot }) => snapshot.status === 'active' && PASSING.has(kind.name))
      .map(({ id, snapshot }) => `${id} of ${name} is ${JSON.stringify(snapshot.value)}`))
    return open.slice(0, 8).join(', ')
  }
}

const STANDARD = new Map([SHOUT, TELL].map((capability) => [capability.id, capability]))

/** What went wrong, where an event says so. */
function said({ error }: ActorEvent): string {
  const { code, message } = (error ?? {}) as Partial<ErrorBody>
  return code === undefined ? '' : ` (${code}: ${message})`
}
