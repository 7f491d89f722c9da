/**
 * The whole network under faults, from one seed (D10): sellers, a payment provider and a user whose
 * pipelines fan out, retry elsewhere, stream and settle in escrow, on production nodes. Checked after
 * each durable record and chain write, and all over when it has come to rest. Used by `aigen simulate`
 * and by the tests of the simulator.
 */
import { createHash } from 'node:crypto'
import { asError } from '../../schemas/error.ts'
import { nodeId } from '../../schemas/id.ts'
import type { LiveActor } from '../../runtime/actors/fold.ts'
import type { Host } from '../../runtime/actors/host.ts'
import { nodeSigner } from '../../runtime/identity/ed25519.ts'
import type { Keys } from '../../runtime/identity/keys.ts'
import { toText } from '../../runtime/identity/text-bytes.ts'
import { seededRandom } from '../../runtime/memory/random.ts'
import type { Node } from '../../runtime/node/node.ts'
import { forgetful, type Fault } from '../../runtime/simulation/faults.ts'
import { broken, type Violation } from '../../runtime/simulation/invariants.ts'
import type { Process } from '../../runtime/simulation/process.ts'
import { World } from '../../runtime/simulation/world.ts'
import { keysOf } from '../memory-network.fixture.ts'
import { NetworkBooks } from './books.ts'
import { FAULTS_MS, faultsOf } from './faults.ts'
import { homeOf, twin } from './names.ts'
import { drawLiars, lyingPorts, type Liars } from './lies.ts'
import type { Mutation } from './mutation.ts'
import { GUARDIANS, openArbiter, openBuyer, openOverseer, openSeller, openTower, type Open, type Scene } from './participants.scenario.ts'
import { ARBITER, drawWork, GUARDIAN, TOWER, type Errand, type Work } from './work.ts'
import { keyedRun, startRun } from '../user/run.ts'
import type { User } from '../user/user.ts'
import type { WalletContext } from '../user/wallet.machine.ts'

export interface ScenarioOptions {
  readonly seed: number
  /** Default: those that the seed draws. */
  readonly faults?: readonly Fault[]
  readonly traced?: boolean
  /** Partitions of each participant's journal (default 1). */
  readonly partitions?: number
  /** Whether the first seller and the first user have two nodes each, which share their partitions (default: one seed in ten). */
  readonly fleet?: boolean
  readonly mutation?: Mutation
  /** Those that cheat, and how; default: those that the seed draws. */
  readonly liars?: Liars
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
  /** How its runs ended, how many calls they paid, and how many of these a hub paid on. */
  readonly runs: { readonly done: number; readonly failed: number; readonly paid: number; readonly paidOn: number }
}

/** When one that leaves closes its lanes, in ms after the faults began. */
const LEAVES_MS = 2_000
/** After the faults all is healed and must come to rest within this time, in ms. */
const REST_MS = 900_000
/** A lock for a key that does not come is over after 15 minutes, that of a payer for its hub after 25. */
const LOCK_MS = 960_000
const HUB_LOCK_MS = 1_560_000
/** Pause before an errand is asked for again that was refused for now, in ms. */
const ASK_AGAIN_MS = 1_000
const UP_MS = 60_000
/** Seeds with several nodes of a participant, and how many partitions those share. */
const FLEET_EVERY = 10
const FLEET_PARTITIONS = [1, 3]

const allKeys = new Map<string, Keys>()
/** Keys of a process; a node that took over has its own. */
function keysFor(home: string, name: string, node: number): Keys {
  const known = allKeys.get(`${name} ${node}`)
  if (known) return known
  const keys = keysOf(home, name === home ? '' : name)
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
  /** Runs that have ended, by the host that has said so. */
  readonly #ended = new WeakMap<Host, Set<string>>()
  readonly #books: NetworkBooks
  readonly #processes = new Map<string, Process<{ readonly node: Node }>>()
  readonly #users = new Map<string, Process<User>>()
  /** Those with two nodes. */
  readonly #fleets: ReadonlySet<string>
  /** Those that cheat. */
  readonly #liars: Liars
  #begun = 0

  constructor(options: ScenarioOptions) {
    this.#options = options
    this.#work = drawWork(seededRandom(`${options.seed} work`), seededRandom(`${options.seed} money`), seededRandom(`${options.seed} ways`))
    this.#fleets = new Set(options.mutation?.fleet ?? options.fleet ?? options.seed % FLEET_EVERY === 2 ? [this.#work.sellers[0]!.name, this.#work.users[0]!] : [])
    this.#liars = options.liars ?? options.mutation?.liars ?? drawLiars(options.seed, this.#work, seededRandom(`${options.seed} liars`))
    this.#faults = options.faults ?? faultsOf(options.seed, this.#work, this.#fleets, options.mutation?.chain)
    this.#books = new NetworkBooks({
      world: () => this.world, processes: this.#processes, payers: new Set(this.#work.users), forgetful: forgetful(this.#faults), participantOf: (name) => keysOf(name).participant, fleets: this.#fleets, liars: this.#liars,
    })
    this.world = new World({ seed: options.seed, faults: this.#faults, observer: this.#books.observer, ...(options.traced ? { traced: true } : {}) })
    const scene: Scene = { seed: options.seed, work: this.#work, liars: this.#liars, mutation: options.mutation, books: this.#books }
    const nodesOf = (name: string): string[] => (this.#fleets.has(name) ? [name, twin(name)] : [name])
    for (const seller of this.#work.sellers) for (const name of nodesOf(seller.name)) this.#add(name, openSeller(scene, seller, name))
    if (this.#work.escrow || this.#work.hub) this.#add(ARBITER, openArbiter(scene))
    if (this.#work.tower) this.#add(TOWER, openTower(scene))
    if (this.#work.guardian) this.#add(GUARDIAN, openOverseer(scene))
    for (const user of this.#work.users) for (const name of nodesOf(user)) this.#users.set(name, this.#add(name, openBuyer(scene, name), () => this.#resume(user)))
  }

  async play(): Promise<Outcome> {
    const { world } = this
    const over = (holds: () => boolean) => (): boolean => this.#books.violation !== undefined || holds()
    for (const name of this.#processes.keys()) world.start(name)
    const up = await world.run(over(() => this.#up()), UP_MS)
    if (!up) this.#books.found(broken('I5', 'the network does not come up'))
    this.#begun = world.clock.now()
    world.arm()
    for (const errand of this.#work.errands) {
      world.clock.timer(this.#begun + errand.at, () => this.#ask(errand))
      if (errand.cancelAt !== undefined) world.clock.timer(this.#begun + errand.at + errand.cancelAt, () => this.#cancel(errand))
    }
    for (const [name, lie] of this.#liars) if (lie === 'leaves') world.clock.timer(this.#begun + LEAVES_MS, () => void this.#leave(name))
    await world.run(over(() => world.clock.now() - this.#begun > FAULTS_MS && this.#done()), FAULTS_MS * 2)
    world.heal()
    const rested = await world.run(over(() => this.#up() && this.#done() && this.#books.settled && this.#books.agreed && this.#heard()), REST_MS + (this.#work.hub ? HUB_LOCK_MS : [...this.#liars.values()].includes('keeps the key') ? LOCK_MS : 0))
    if (this.#books.violation === undefined) {
      if (this.#done()) await this.#books.final(rested)
      else this.#books.found(broken('I5', `not every run has ended: ${this.#books.standing()}`))
    }
    const { trace, plan } = world
    return { seed: this.#options.seed, events: trace.events, ms: world.clock.monotonic(), faults: this.#faults, struck: plan.struck, violation: this.#books.violation, lines: trace.lines, runs: this.#books.ended }
  }

  // ------------------------------------------------------------ who takes part

  #add<Running extends { readonly node: Node }>(name: string, open: Open<Running>, up?: () => void): Process<Running> {
    const { mutation } = this.#options
    const process: Process<Running> = this.world.add<Running>({
      name, participant: keysOf(homeOf(name)).participant, guardian: name === GUARDIAN, ...(name === homeOf(name) ? {} : { beside: homeOf(name) }),
      boot: (ports, life) => open({
        ports: { ...(mutation?.ports?.(ports, name) ?? lyingPorts(this.#liars.get(name), ports, keysOf(name).voucher)), ...(this.#work.guardian ? { guardians: GUARDIANS } : {}) }, keys: keysFor(homeOf(name), name, life.node),
        limits: this.#work.limits, ...(this.#fleets.has(homeOf(name)) ? { fleet: true, partitions: this.#options.partitions ?? FLEET_PARTITIONS[Math.floor(this.#options.seed / FLEET_EVERY) % 2]! } : { partitions: this.#options.partitions ?? 1 }),
        onOpen: (host) => this.#books.watch(name, host, life),
        onLost: (error) => this.world.lost(life, error),
      }, [mutation?.room?.(name) ?? []].flat()),
      ...(up ? { up } : {}),
    })
    this.#processes.set(name, process)
    return process
  }

  /** What a user that is up again had asked for, or should have. */
  #resume(user: string): void {
    for (const errand of this.#work.errands) if (errand.user === user && this.#begun > 0 && errand.at <= this.world.clock.now() - this.#begun) this.#ask(errand)
  }

  /** Asks for an errand; a user that does not hear whether it is begun asks again, and when it is up again. */
  #ask(errand: Errand): void {
    const { user: name, key, document, inputs, heard } = errand
    const user = this.#nodes(name)[0]
    if (!user) return
    startRun(user, { key, document, inputs, ...(heard ? { onPiece: () => undefined } : {}) }).catch((thrown) => {
      const error = asError(thrown)
      if (error.rule.retry) this.world.clock.timer(this.world.clock.now() + ASK_AGAIN_MS, () => this.#ask(errand))
      // A process that has lost its journal to another takes nothing on.
      else if (!error.code.startsWith('journal.')) this.#books.found(broken('I5', `${key} was refused: ${error.message}`))
    })
  }

  /** One that leaves begins to close its lanes on the chain, whatever is owed on them. */
  async #leave(name: string): Promise<void> {
    const { rail } = this.world
    const { participant, wallet } = keysOf(name)
    for (const { owner, id } of rail.mark().ledger.lanes.values()) {
      if (owner === participant) await rail.broadcast((await rail.prepare({ kind: 'exit', lane: id }, wallet, await rail.nonce(participant))).bytes)
    }
  }

  #cancel({ user, key }: Errand): void {
    this.#nodes(user)[0]?.node.host.send(`run/${keyedRun(key)}`, { type: 'cancel' }).catch(() => undefined)
  }

  /** The nodes of a user that are up. */
  #nodes(user: string): User[] {
    return [user, twin(user)].flatMap((name) => this.#users.get(name)?.running ?? [])
  }

  #up(): boolean {
    return [...this.#processes.values()].every(({ running }) => running !== undefined)
  }

  /** Whether every record that is stored has been acknowledged. */
  #heard(): boolean {
    return [...this.#processes.values()].every(({ life }) => life?.unheard === 0)
  }

  /** One that has ended may be out of memory: it is looked at there once, and known the next time. */
  #hasEnded(host: Host, run: string): boolean {
    const ended = this.#ended.get(host) ?? new Set()
    this.#ended.set(host, ended)
    const note = (actor: LiveActor | undefined): void => void (actor?.snapshot.status === 'done' && ended.add(run))
    const actor = host.peek(run)
    if (actor) note(actor)
    else if (!ended.has(run)) host.load(run).then(note, () => undefined)
    return ended.has(run)
  }

  #done(): boolean {
    return this.#work.errands.every(({ user, key }) => {
      if (this.#liars.has(user)) return true
      const run = `run/${keyedRun(key)}`
      const holder = (id: string): Host | undefined => this.#nodes(user).find(({ node: { host } }) => host.holds(id))?.node.host
      const [host, purser] = [holder(run), holder('wallet')]
      // What a run tells its wallet at its end may be on its way.
      return host !== undefined && purser !== undefined && this.#hasEnded(host, run) && purser.context<WalletContext>('wallet')?.holds[run] === undefined
    })
  }

}
