/** What an owner may say of a run while it runs, in this process and from another, and what stands after a crash. */
import { createHash } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { parseDocument } from '../../pipelines/document.ts'
import { planOf } from '../../pipelines/plan.ts'
import { run as runKind, type RunContext } from '../../pipelines/run.machine.ts'
import { SIGNAL_BYTES_MAX, SIGNALS_MAX } from '../../pipelines/signals.ts'
import { advance } from '../../runtime/actors/transition.ts'
import { authoriseNode } from '../../runtime/identity/authorisation.ts'
import { nodeSigner } from '../../runtime/identity/ed25519.ts'
import { createWire, type Wire } from '../../runtime/identity/wire.ts'
import { virtualClock } from '../../runtime/memory/clock.ts'
import type { AigenError } from '../../schemas/error.ts'
import { participantId } from '../../schemas/id.ts'
import { dieAt, STRIDE } from '../die-at.fixture.ts'
import { evaluateHere, keysOf, MemoryWorld, SHOUT, shouter } from '../memory-network.fixture.ts'
import { controlFrom, controlRun } from './control.ts'
import { queryRun, runReport, type RunReport } from './inspect.ts'
import { finishRun, startRun } from './run.ts'
import { runLine } from './run-line.ts'
import { withUserAtRest, type User } from './user.ts'
import { available, type WalletContext } from './wallet.machine.ts'

let world: MemoryWorld
/** Texts that the provider has worked on, and how long it takes. */
let worked: string[]
let workMs: number
beforeEach(() => {
  world = new MemoryWorld({ clock: virtualClock() })
  worked = []
  workMs = 1_000
})
afterEach(() => world.close())

const sell = (): Promise<unknown> => world.drive(world.provider(shouter('p1', '0.01', 90, {
  handler: async ({ text }: { text: string }) => {
    await world.clock.sleep(workMs)
    worked.push(text)
    return { output: { text: text.toUpperCase(), quality: 90 }, units: { call: 1 } }
  },
})))
const step = (text: string, more: object = {}): object => ({ uses: SHOUT.id, with: { text }, price: { max: '0.02' }, sla: { deadline: '30s', grace: '1s' }, ...more })
const pipeline = (steps: object, output: unknown): object => ({ name: 'shout', version: '1.0.0', input: { type: 'object' }, budget: { max: '0.50' }, steps, output })
const three = pipeline({ a: step('a'), b: step('${steps.a.text + "b"}'), c: step('${steps.b.text + "c"}') }, '${steps.c.text}')

const stateOf = async (user: User, run: string): Promise<string> => (await runLine(user.node.host, run)).state
const reportOf = (user: User, run: string): Promise<RunReport> => runReport(user.node.host, run)
const until = (holds: () => boolean | Promise<boolean>): Promise<void> => world.drive((async () => { while (!(await holds())) await world.clock.sleep(20) })())
const pass = (ms: number): Promise<void> => world.drive(world.clock.sleep(ms))
const say = (user: User, run: string, want: 'pause' | 'resume' | 'cancel'): Promise<string> => world.drive(controlRun(user, { run, want })).then(({ state }) => state)
const start = (user: User, document: object): Promise<string> => world.drive(startRun(user, { document, inputs: {} }))
const finish = (user: User, run: string) => world.drive(finishRun(user, run, 60_000))

function balanced(user: User): void {
  const wallet = user.node.host.context<WalletContext>('wallet')!
  const spent = [...user.node.host.list('run')].reduce((sum, { snapshot }) => sum + BigInt((snapshot.context as RunContext).spent), 0n)
  expect(wallet.holds, 'nothing is held any more (I2)').toEqual({})
  expect(available(wallet)).toBe(10_000_000n - spent)
  expect(world.rail.imbalance()).toBe(0n)
}

describe('pause and resume', () => {
  it('lets what is under way end and be paid, starts nothing more, and goes on where it stood', async () => {
    await sell()
    const user = await world.drive(world.user('alice'))
    const run = await start(user, three)
    await until(async () => (await reportOf(user, run)).steps[0]!.state === 'working')
    expect(await say(user, run, 'pause')).toBe('pausing')
    await until(async () => (await stateOf(user, run)) === 'paused')
    await pass(100_000)
    expect(worked).toEqual(['a'])
    expect(await reportOf(user, run)).toMatchObject({ state: 'paused', spent: '0.01', steps: [{ step: 'a', state: 'done', charged: '0.01', provider: 'p1' }, { step: 'b', state: 'waiting' }, { step: 'c', state: 'waiting' }] })
    expect(await say(user, run, 'resume')).toBe('running')
    const { output, bill } = await finish(user, run)
    expect([output, bill.spent, worked]).toEqual(['ABC', '0.03', ['a', 'Ab', 'ABc']])
    balanced(user)
  })

  it('before its first step holds that one back', async () => {
    await sell()
    const user = await world.drive(world.user('alice'))
    const started = startRun(user, { document: three, inputs: {}, key: 'one' })
    const run = await world.drive(started)
    expect(['pausing', 'paused']).toContain(await say(user, run, 'pause'))
    expect(await say(user, run, 'pause'), 'said twice is said once').toBe(await stateOf(user, run))
    await pass(60_000)
    expect(await stateOf(user, run)).toBe('paused')
    expect(worked.length).toBeLessThan(2)
    await say(user, run, 'resume')
    expect((await finish(user, run)).output).toBe('ABC')
    expect(worked).toEqual(['a', 'Ab', 'ABc'])
  })

  it('begins no further item of a step that hires for each', async () => {
    await sell()
    const user = await world.drive(world.user('alice'))
    const run = await start(user, pipeline({ all: step('${item}', { forEach: '${["w", "x", "y", "z"]}', maxItems: 4, parallel: 2 }) }, '${steps.all.map(one, one.text)}'))
    await until(async () => (await reportOf(user, run)).steps.some(({ state }) => state === 'working'))
    expect(await say(user, run, 'pause')).toBe('pausing')
    await pass(60_000)
    expect(worked.toSorted(), 'the two that had begun').toEqual(['w', 'x'])
    expect(await stateOf(user, run), 'the step has not ended').toBe('paused')
    await say(user, run, 'resume')
    expect((await finish(user, run)).output).toEqual(['W', 'X', 'Y', 'Z'])
    expect(worked.length).toBe(4)
    balanced(user)
  })

  it('is no way to lose a run: one that fails or is cancelled meanwhile closes', async () => {
    await sell()
    const user = await world.drive(world.user('alice'))
    const fails = pipeline({ a: step('a', { expect: '${output.quality > 95.0}' }), x: step('x'), b: step('${steps.x.text}') }, '${steps.a.text + steps.b.text}')
    const failing = await start(user, fails)
    await until(async () => (await reportOf(user, failing)).steps[0]!.state === 'working')
    await say(user, failing, 'pause')
    expect((await finish(user, failing)).error).toMatchObject({ path: 'steps.a' })
    expect(await stateOf(user, failing)).toBe('failed')

    const given = await start(user, three)
    await until(async () => (await reportOf(user, given)).steps[0]!.state === 'working')
    await say(user, given, 'pause')
    await until(async () => (await stateOf(user, given)) === 'paused')
    await say(user, given, 'cancel')
    expect((await finish(user, given)).bill.spent).toBe('0.01')
    expect(await stateOf(user, given)).toBe('cancelled')
    expect(user.node.host.context<WalletContext>('wallet')!.holds).toEqual({})
  })
})

describe('what is parked', () => {
  it.each(['step/RUN/a', 'run/RUN'])('(%s) is named with its reason, holds up nobody else, and goes on when the run is resumed', async (which) => {
    await sell()
    const user = await world.drive(world.user('alice'))
    const run = await start(user, three)
    await until(async () => (await reportOf(user, run)).steps[0]!.state === 'working')
    const actor = which.replace('RUN', run)
    // Events that no room of ours sends: the machine throws at what they lack.
    const broken = actor.startsWith('run/') ? { type: 'step.ended', step: 'nowhere' } : { type: 'call.invoke.done' }
    await expect(world.drive(user.node.host.send(actor, broken))).rejects.toMatchObject({ code: 'internal' })
    await pass(20_000)
    expect(await reportOf(user, run)).toMatchObject({ state: actor.startsWith('run/') ? 'parked' : 'running', parked: [{ actor, reason: expect.stringContaining('undefined') }] })
    expect(worked).toEqual(['a'])
    if (actor === `run/${run}`) await expect(world.drive(controlRun(user, { run, want: 'cancel' }))).rejects.toMatchObject({ code: 'run.parked', message: expect.stringContaining('undefined') })
    const other = await start(user, three)
    expect((await finish(user, other)).output).toBe('ABC')
    await say(user, run, 'resume')
    expect((await finish(user, run)).output).toBe('ABC')
    expect(await reportOf(user, run)).toMatchObject({ state: 'done', spent: '0.03', parked: [] })
    expect(worked.filter((text) => text === 'a'), 'once a run').toHaveLength(2)
    balanced(user)
  })
})

describe('cancel', () => {
  it.each(['preparing', 'asking', 'reserving', 'agreeing', 'working'])('while the first step is %s, gives back what was held', async (moment) => {
    await sell()
    const user = await world.drive(world.user('alice'))
    let run = ''
    let asked = false
    const stop = user.node.host.watch(({ id }) => {
      const [kind, of] = id.split('/')
      if (kind === 'run' && run === '') run = of!
      if (run === '') return
      void reportOf(user, run).then(({ steps }) => {
        if (steps[0]!.state !== moment || asked) return
        asked = true
        stop()
        void user.node.host.send(`run/${run}`, { type: 'cancel' })
      })
    })
    await start(user, three)
    const { error, bill } = await finish(user, run)
    expect(error?.code, moment).toBe('step.cancelled')
    expect(await stateOf(user, run)).toBe('cancelled')
    expect(worked.length).toBeLessThan(2)
    expect(bill.settled).toBe(bill.spent)
    balanced(user)
    expect(await say(user, run, 'cancel'), 'again changes nothing').toBe('cancelled')
    await expect(world.drive(controlRun(user, { run, want: 'pause' }))).rejects.toMatchObject({ code: 'run.ended' })
  })
})

it('cancelled or paused before the wallet has answered, a run hires nobody', () => {
  const plan = planOf(parseDocument(three).pipeline!)
  const after = (...words: string[]) => {
    let { snapshot, tells } = advance(runKind, undefined, { type: 'start', at: 1, input: { run: 'r', pipeline: 'p', document: three, plan, inputs: {}, budget: '1', hold: '1' } })
    for (const type of words) ({ snapshot, tells } = advance(runKind, snapshot, { type, at: 2 }))
    return { value: snapshot.value, told: tells.map(({ to, event }) => `${to} ${event.type}`) }
  }
  expect(after('held')).toEqual({ value: 'running', told: ['step/r/a start'] })
  expect(after('cancel', 'held')).toEqual({ value: 'closed', told: ['wallet close'] })
  expect(after('pause', 'held')).toEqual({ value: 'running', told: [] })
  expect(after('pause', 'held', 'resume')).toEqual({ value: 'running', told: ['step/r/a start'] })
  expect(after('pause', 'resume', 'held')).toEqual({ value: 'running', told: ['step/r/a start'] })
  expect(after('pause', 'held', 'cancel')).toEqual({ value: 'closed', told: ['wallet close'] })
})

describe('signals', () => {
  it('are kept in order, each id once, within bounds, and are there after a restart', async () => {
    await sell()
    const user = await world.drive(world.user('alice'))
    const run = await start(user, three)
    const signal = (name: string | undefined, data: unknown, id?: string) => world.drive(controlRun(user, { run, want: 'signal', ...(name === undefined ? {} : { name }), data }, id))
    await signal('approved', { by: 'ann' }, 's1')
    await signal('approved', { by: 'bob' }, 's1')
    await signal('note', undefined, 's2')
    await expect(signal(undefined, 1)).rejects.toMatchObject({ code: 'input.invalid', path: 'name' })
    await expect(signal('not a name', 1)).rejects.toMatchObject({ code: 'input.invalid' })
    await expect(signal('long', 'x'.repeat(SIGNAL_BYTES_MAX))).rejects.toMatchObject({ code: 'input.too-large', path: 'data' })
    for (let more = 2; more < SIGNALS_MAX; more++) await signal('more', more)
    await expect(signal('more', 0)).rejects.toMatchObject({ code: 'input.too-large' })
    expect((await finish(user, run)).output).toBe('ABC')
    await expect(signal('late', 0)).rejects.toMatchObject({ code: 'run.ended' })
    await world.drive(user.close())
    const again = await world.drive(world.user('alice'))
    const { signals } = await reportOf(again, run)
    expect(signals.length).toBe(SIGNALS_MAX)
    expect(signals.slice(0, 2)).toMatchObject([{ id: 's1', name: 'approved', data: { by: 'ann' }, at: expect.any(Number) }, { id: 's2', name: 'note', data: null }])
  })
})

describe('a query', () => {
  it('answers from the fold, without an event, and says what there is not', async () => {
    await sell()
    const user = await world.drive(world.user('alice'))
    const run = await start(user, three)
    await finish(user, run)
    const { last } = user.node.host.stats()
    const ask = (name: string) => world.drive(controlRun(user, { run, want: 'query', name })).then(({ value }) => value)
    expect(await ask('steps.b.output.text')).toBe('AB')
    expect(await ask('state')).toBe('done')
    expect(await ask('steps.a.attempts')).toMatchObject([{ providerName: 'p1', list: '0.01', agreed: '0.01', charged: '0.01', state: 'done' }])
    expect(await queryRun(user.node.host, run)).toEqual(await reportOf(user, run))
    await expect(ask('steps.bb')).rejects.toMatchObject({ code: 'input.invalid', path: 'steps.bb', message: expect.stringContaining('Did you mean b?') })
    await expect(ask('steps.b.constructor')).rejects.toMatchObject({ code: 'input.invalid' })
    await expect(world.drive(controlRun(user, { run: 'run_x', want: 'query' }))).rejects.toMatchObject({ code: 'run.unknown' })
    expect(user.node.host.stats().last).toBe(last)
  })
})

/** Another process of `name`, with a node key of its own. */
function elsewhere(name: string): Wire {
  const { bus, clock, random } = world.ports(name)
  const node = nodeSigner(createHash('sha256').update(`${name} asker`).digest())
  const authorisation = authoriseNode(keysOf(name).wallet, node.publicKey, { notBefore: clock.now() - 1_000, notAfter: clock.now() + 86_400_000 })
  return createWire({ bus, clock, random, node, authorisation })
}

describe('from another process', () => {
  it('is heard from the same participant only', async () => {
    await sell()
    const user = await world.drive(world.user('alice'))
    const run = await start(user, three)
    const stolen = (want: string) => elsewhere('mallory').call(participantId(user.node.participant), 'control', { run, want }, { callId: `m-${want}`, timeoutMs: 5_000, validate: (value) => value })
    for (const want of ['pause', 'cancel', 'query']) await expect(world.drive(stolen(want))).rejects.toMatchObject({ code: 'auth.unauthorised' })
    const alice = elsewhere('alice')
    const from = (want: 'pause' | 'resume' | 'signal' | 'query', more: object = {}) => world.drive(controlFrom(alice, { run, want, ...more }, new Uint8Array([want.length])))
    expect(['pausing', 'paused']).toContain((await from('pause')).state)
    await from('signal', { name: 'note', data: [1] })
    await until(async () => (await stateOf(user, run)) === 'paused')
    expect(await from('query', { name: 'signals' })).toMatchObject({ state: 'paused', value: [{ name: 'note', data: [1] }] })
    expect(await from('resume')).toEqual({ state: 'running' })
    expect((await finish(user, run)).output).toBe('ABC')
  })

  it('where none runs, a node at rest takes the word and moves nothing', async () => {
    await sell()
    const user = await world.drive(world.user('alice'))
    const run = await start(user, three)
    await until(() => worked.length === 1)
    await user.kill()
    const rest = withUserAtRest({ ports: world.ports('alice'), keys: keysOf('alice'), evaluate: evaluateHere }, (node) => controlRun({ node }, { run, want: 'pause' }))
    expect(['pausing', 'paused']).toContain((await world.drive(rest)).state)
    const again = await world.drive(world.user('alice'))
    await pass(60_000)
    expect(await stateOf(again, run)).toBe('paused')
    expect(worked).toEqual(['a'])
    await say(again, run, 'resume')
    expect((await finish(again, run)).output).toBe('ABC')
    expect(worked).toEqual(['a', 'Ab', 'ABc'])
  })
})

describe('killed at whichever append', () => {
  it.each(['before', 'after'] as const)('what was acknowledged stands, nothing is done twice (%s)', async (when) => {
    workMs = 100
    for (let nth = 1; ; nth += STRIDE) {
      world = new MemoryWorld({ clock: virtualClock() })
      worked = []
      await sell()
      const first = await world.drive(world.user('alice'))
      await world.drive(first.close())
      const fault = dieAt(nth, when)
      const doomed = await world.drive(world.user('alice', {}, fault.hooks))
      const run = await start(doomed, three)
      fault.arm()
      const said: string[] = []
      const owner = async (): Promise<'done'> => {
        await controlRun(doomed, { run, want: 'pause' })
        said.push('pause')
        await controlRun(doomed, { run, want: 'signal', name: 'go', data: nth }, 'go')
        said.push('signal')
        await doomed.node.host.until(`run/${run}`, ({ context }) => (context as RunContext).running.length === 0, 60_000)
        await controlRun(doomed, { run, want: 'resume' })
        said.push('resume')
        await finishRun(doomed, run, 60_000)
        return 'done'
      }
      if (await world.drive(Promise.race([fault.died.then(() => 'died' as const), owner()])) === 'done') break
      await doomed.kill()
      const again = await world.drive(world.user('alice'))
      const about = `killed ${when} append ${nth}, acknowledged ${said.join(', ')}`
      if (said.includes('signal')) expect((await reportOf(again, run)).signals, about).toMatchObject([{ id: 'go', data: nth }])
      if (said.includes('pause') && !said.includes('resume')) {
        await pass(30_000)
        // A resume may have been stored before anybody heard of it.
        if (again.node.host.context<RunContext>(`run/${run}`)!.paused) expect([await stateOf(again, run), worked.length], about).toEqual(['paused', 1])
        else expect([when, await stateOf(again, run)], about).toEqual(['after', 'done'])
      }
      if ((await runLine(again.node.host, run)).state !== 'done') {
        // A resume that was stored lets it end by itself meanwhile.
        const unlessEnded = (error: AigenError): void => { if (error.code !== 'run.ended') throw error }
        await world.drive(controlRun(again, { run, want: 'signal', name: 'go', data: 0 }, 'go')).catch(unlessEnded)
        await say(again, run, 'resume').catch(unlessEnded)
      }
      const { output, bill } = await finish(again, run)
      expect([output, bill.spent, worked], about).toEqual(['ABC', '0.03', ['a', 'Ab', 'ABc']])
      expect((await reportOf(again, run)).signals.length, about).toBe(1)
      balanced(again)
      await world.close()
      expect(nth, 'the run has an end').toBeLessThan(100)
    }
  }, 60_000)
})
