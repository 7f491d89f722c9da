/**
 * Runs one case of `pipelines/conformance/*.json`: a document with its inputs, providers that answer
 * as the case says, and what its owner does meanwhile. `playCase` has a whole network on memory ports
 * with the virtual clock for it, `conformance.integration.test.ts` one real network for many. What
 * comes back is compared with what the case expects.
 */
import type { Capability } from '../schemas/documents.gen.ts'
import { isAnswered, type RunContext } from '../pipelines/run.machine.ts'
import { virtualClock } from '../runtime/memory/clock.ts'
import type { Clock } from '../runtime/ports/clock.ts'
import { asError, type ErrorCode } from '../schemas/error.ts'
import { MemoryWorld, SHOUT } from './memory-network.fixture.ts'
import type { HandlerContext, ProviderDefinition } from './provider/define.ts'
import { controlRun } from './user/control.ts'
import { finishRun, startRun } from './user/run.ts'
import type { User, UserOptions } from './user/user.ts'
import type { WalletContext } from './user/wallet.machine.ts'

/** How a provider answers one call: the text in capitals, unless it says otherwise. */
export interface Stub {
  readonly afterMs?: number
  /** Changes of the output `{ text, quality: 90 }`, or all of it. */
  readonly output?: Readonly<Record<string, unknown>>
  readonly fail?: string
  /** Whether it delivers at once when it is cancelled, for it has it already. */
  readonly keeps?: true
  /** Pieces that are sent ahead, so long apart. */
  readonly pieces?: readonly unknown[]
  readonly pieceMs?: number
}

export interface StubProvider {
  readonly price?: string
  /** What it promises, default 100. */
  readonly latencyMs?: number
  /** How long its card lets what it gave be used again. */
  readonly cacheMs?: number
  /** For so long after it came nothing is to be had of it. */
  readonly quotesAfterMs?: number
  /** Answers to its calls, in their order; the last one to all further ones. By capability. */
  readonly does: Readonly<Record<string, readonly Stub[]>>
}

export interface Act {
  readonly atMs: number
  readonly do: 'cancel' | 'pause' | 'resume' | 'signal' | 'approve' | 'reject' | 'crash'
  /** Of a signal, or the step that is approved. */
  readonly name?: string
  readonly data?: unknown
  readonly comment?: string
}

/** A run that has ended before the case's own begins; its steps and inputs are those of the case where it names none. */
export interface Before {
  readonly steps?: Readonly<Record<string, object>>
  readonly inputs?: Readonly<Record<string, unknown>>
  readonly document?: Readonly<Record<string, unknown>>
  /** What it must have spent. */
  readonly spent: string
  /** How long ago it ended. */
  readonly agoMs?: number
  /** Whether the process died since. */
  readonly crash?: true
}

export interface Case {
  readonly name: string
  readonly steps: Readonly<Record<string, object>>
  readonly output?: unknown
  /** Further fields of the document. */
  readonly document?: Readonly<Record<string, unknown>>
  readonly inputs?: Readonly<Record<string, unknown>>
  readonly providers?: Readonly<Record<string, StubProvider>>
  readonly before?: readonly Before[]
  readonly acts?: readonly Act[]
  readonly expect: Expected
}

export interface Expected {
  readonly error?: string
  readonly output?: unknown
  /** Who began and ended, in order. */
  readonly trace: readonly string[]
  /** A line a step: name, state, charge, provider, attempts. */
  readonly bill: readonly string[]
  readonly spent: string
  readonly worst: string
  /** Virtual time from start to end, in ms, rounded to tenths of a second. */
  readonly tookMs?: number
}

const contract = (id: string): Capability => ({ ...SHOUT, id, title: id, description: `Does ${id}.`, ...(id.startsWith('trip.') ? {} : { pure: true }) })
const CHUNKED: Capability = { ...contract('text.tell@1'), chunk: { type: 'object', required: ['word'], properties: { word: { type: 'string' } } } }
/** Costs by the letter, a piece one. */
const SPELLED: Capability = { ...CHUNKED, id: 'text.spell@1', title: 'text.spell@1', description: 'Spells the text.', unit: 'letter', estimate: { expression: '1.0 * input.text.size()' } }
/** What the providers of the cases can sell; all take `{ text }` and give `{ text, quality }`. */
export const CAPABILITIES: ReadonlyMap<string, Capability> = new Map([...['text.shout@1', 'text.whisper@1', 'trip.book@1', 'trip.cancel@1'].map(contract), CHUNKED, SPELLED].map((one) => [one.id, one]))

/** Everybody's default: one provider that does all. */
export const ALL: Readonly<Record<string, StubProvider>> = { p1: { does: Object.fromEntries([...CAPABILITIES.keys()].map((id) => [id, [{}]])) } }

/** What the provider `name` of a case sells; `called` gives what the case's capability `id` is called on the network. */
export function definitions(clock: Clock, name: string, { price = '0.01', latencyMs = 100, cacheMs, quotesAfterMs, does }: StubProvider, called = (id: string): string => id): ProviderDefinition[] {
  const from = clock.now() + (quotesAfterMs ?? 0)
  return Object.entries(does).map(([id, stubs]) => {
    let calls = 0
    const known = new Map<string, number>()
    const { unit } = CAPABILITIES.get(id)!
    return {
      name, capability: { ...CAPABILITIES.get(id)!, id: called(id) }, ...(unit === 'letter' ? { stream: { every: 2 } } : {}), price: { list: price }, latencyMs, concurrency: 8, standing: { calls: 3, first: 2 }, ...(cacheMs === undefined ? {} : { cacheMs }),
      ...(quotesAfterMs === undefined ? {} : { quote: () => Promise.resolve(clock.now() < from ? undefined : price) }),
      handler: async ({ text }: { text: string }, { callId, signal, emit }: HandlerContext) => {
        const nth = known.get(callId) ?? calls++
        known.set(callId, nth)
        const { afterMs = 100, output, fail, keeps, pieces = [], pieceMs = 100 } = stubs[Math.min(nth, stubs.length - 1)]!
        for (const piece of pieces) {
          await clock.sleep(pieceMs, signal)
          await emit(piece, unit === 'letter' ? 1 : 0)
        }
        await clock.sleep(afterMs, signal).catch((aborted: unknown) => {
          if (!keeps) throw aborted
        })
        if (fail !== undefined) throw new Error(fail)
        return { output: { text: id === 'text.whisper@1' ? text.toLowerCase() : text.toUpperCase(), quality: 90, ...output }, units: { [unit]: unit === 'letter' ? pieces.length : 1 } }
      },
    }
  })
}

const KINDS = ['step', 'fan', 'gate', 'nest', 'saga']

/** Begins and ends of what does the steps, as their actors tell them, and when the run's answer is there. */
function tracing(user: User, run: string, trace: string[], answered: (at: number) => void): () => void {
  return user.node.host.watch((actor, entry) => {
    if (actor.id === `run/${run}` && isAnswered(actor.snapshot)) answered(entry.event.at!)
    if (!KINDS.includes(actor.kind.name) || !actor.id.includes(`/${run}`)) return
    const name = actor.kind.name === 'saga' ? 'saga' : actor.id.slice(actor.id.indexOf(run) + run.length + 1)
    if (entry.number === 1) trace.push(`${name} begins`)
    const { state } = actor.snapshot.context as { state?: string }
    if (actor.snapshot.status === 'done' && entry.number === actor.number) trace.push(`${name} ${state ?? 'ends'}`)
  })
}

/** A network with the providers of a case, as `play` uses it. */
export interface Stage {
  readonly clock: Clock
  /** Where each provider of the case is, by its name with an @. */
  readonly addresses: ReadonlyMap<string, string>
  user: User
  /** Lets time pass until `promise` settles. */
  drive<T>(promise: Promise<T>, forMs?: number): Promise<T>
  /** Its process dies and another one takes its place. */
  crash(): Promise<void>
}

/** Does the case on a network of its own, on memory ports; its user asks for `standing` agreements or for none. Throws for what must hold of every run. */
export async function playCase(one: Case, standing?: NonNullable<UserOptions['standing']>): Promise<Expected> {
  const world = new MemoryWorld({ clock: virtualClock() })
  try {
    const addresses = new Map<string, string>()
    for (const [name, provider] of Object.entries(one.providers ?? ALL)) addresses.set(`@${name}`, (await world.drive(world.provider(definitions(world.clock, name, provider) as never))).node.participant)
    const open = (): Promise<User & { kill(): Promise<void> }> => world.drive(world.user('alice', { standard: CAPABILITIES, ...(standing ? { standing } : {}) }))
    let user = await open()
    const seen = await play(one, {
      clock: world.clock, addresses, user,
      drive: (promise, forMs) => world.drive(promise, forMs),
      async crash() {
        await user.kill()
        user = await open()
        this.user = user
      },
    })
    if (world.rail.imbalance() !== 0n) throw new Error('the chain does not balance')
    return seen
  } finally {
    await world.close()
  }
}

/** Does the case, and gives what was seen in the shape of what it expects. Throws for what must hold of every run. */
export async function play(one: Case, stage: Stage): Promise<Expected> {
  const { addresses } = stage
  // `@p1` stands for the address of p1.
  const meant = ({ steps = one.steps, document = one.document }: Pick<Before, 'steps' | 'document'> = one): object =>
    JSON.parse(JSON.stringify({ name: 'case', version: '1.0.0', input: { type: 'object' }, budget: { max: '5' }, steps, output: one.output ?? null, ...document }), (_key, value: unknown) => (typeof value === 'string' ? addresses.get(value) ?? value : value)) as object
  for (const before of one.before ?? []) {
    const { bill } = await stage.drive(finishRun(stage.user, await stage.drive(startRun(stage.user, { document: meant(before), inputs: before.inputs ?? one.inputs ?? {} })), 120_000), 120_000)
    if (bill.spent !== before.spent) throw new Error(`the run before spent ${bill.spent}, not ${before.spent}`)
    if (before.crash) await stage.crash()
    if (before.agoMs !== undefined) await stage.drive(stage.clock.sleep(before.agoMs), before.agoMs + 1_000)
  }
  const trace: string[] = []
  let run: string
  try {
    run = await stage.drive(startRun(stage.user, { document: meant(), inputs: one.inputs ?? {}, key: one.name }))
  } catch (thrown) {
    const { code } = asError(thrown)
    return { error: code satisfies ErrorCode, trace: [asError(thrown).message], bill: [], spent: '0', worst: '0' }
  }
  // Its payees bring what it cost to the chain afterwards, together with what others owe them.
  let answeredAt = Infinity
  const watchRun = (): (() => void) => tracing(stage.user, run, trace, (at) => (answeredAt = Math.min(answeredAt, at)))
  let stop = watchRun()
  // The first steps begin in the record that begins the run.
  for (const name of (stage.user.node.host.context<RunContext>(`run/${run}`))?.running ?? []) trace.push(`${name} begins`)
  const begun = stage.clock.now()
  for (const { atMs, do: what, name, data, comment } of one.acts ?? []) {
    const due = begun + atMs - stage.clock.now()
    if (due > 0) await stage.drive(stage.clock.sleep(due))
    if (what === 'crash') {
      stop()
      await stage.crash()
      stop = watchRun()
    } else if (what === 'approve' || what === 'reject') {
      await stage.drive(controlRun(stage.user, { run, want: 'answer', name: name!, data: { approved: what === 'approve', ...(comment === undefined ? {} : { comment }) } }))
    } else await stage.drive(controlRun(stage.user, { run, want: what, ...(name === undefined ? {} : { name, data: data ?? null }) }))
  }
  const { output, error, bill } = await stage.drive(finishRun(stage.user, run, 120_000), 120_000)
  stop()
  const { host } = stage.user.node
  const context = (await host.look<RunContext>(`run/${run}`))!
  if (host.context<WalletContext>('wallet')!.holds[`run/${run}`] !== undefined) throw new Error('the wallet holds still')
  if (BigInt(context.spent) > BigInt(context.plan.worst)) throw new Error(`spent ${context.spent}, worst case ${context.plan.worst}`)
  if (bill.settled !== bill.spent) throw new Error(`spent ${bill.spent}, settled ${bill.settled}`)
  for (const kind of [...KINDS, 'run', 'inquiry', 'stream']) {
    for await (const actor of host.all(kind)) if (actor.id.includes(run) && actor.snapshot.status !== 'done') throw new Error(`${actor.id} is ${JSON.stringify(actor.snapshot.value)} still`)
  }
  return {
    ...(error ? { error: error.code } : { output }), trace, spent: bill.spent, worst: (Number(context.plan.worst) / 1e6).toString(), tookMs: Math.round((answeredAt - context.startedAt) / 100) * 100,
    bill: bill.steps.map(({ step, state, charged, providerName, attempts, fallback, reused }) =>
      [step, state, charged, ...(providerName ? [providerName] : []), ...(fallback ? ['fallback'] : []), ...(reused ? [`used again, ${reused.paid} was paid`] : []), ...(attempts ? [`(${attempts.map((attempt) => `${attempt.providerName} ${attempt.state} ${attempt.charged}`).join(', ')})`] : [])].join(' ')),
  }
}
