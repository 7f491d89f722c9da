/** Who may answer a step with `approve`: its owner, or the participant it names, over the wire; nobody else (I8). */
import { createHash } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { authoriseNode } from '../../runtime/identity/authorisation.ts'
import { nodeSigner } from '../../runtime/identity/ed25519.ts'
import { createWire, type Wire } from '../../runtime/identity/wire.ts'
import { virtualClock } from '../../runtime/memory/clock.ts'
import { keysOf, MemoryWorld } from '../memory-network.fixture.ts'
import { controlFrom, controlRun } from './control.ts'
import { finishRun, startRun } from './run.ts'
import type { User } from './user.ts'

let world: MemoryWorld
beforeEach(() => {
  world = new MemoryWorld({ clock: virtualClock() })
})
afterEach(() => world.close())

const document = (by: string): object => ({ name: 'sign', version: '1.0.0', steps: { sign: { approve: { by, message: 'Go?', timeout: '1h' } } }, output: '${steps.sign}' })
const request = (run: string, approved: unknown = true) => ({ run, want: 'answer', name: 'sign', data: { approved } } as const)
const start = (user: User, by: string): Promise<string> => world.drive(startRun(user, { document: document(by), inputs: {} }))
const { participant: bob } = keysOf('bob')

function wireOf(name: string): Wire {
  const { bus, clock, random } = world.ports(name)
  const node = nodeSigner(createHash('sha256').update(`${name} asks`).digest())
  const authorisation = authoriseNode(keysOf(name).wallet, node.publicKey, { notBefore: clock.now() - 1_000, notAfter: clock.now() + 86_400_000 })
  return createWire({ bus, clock, random, node, authorisation })
}
const ask = (wire: Wire, user: User, run: string, approved: unknown = true): Promise<unknown> => world.drive(controlFrom(wire, request(run, approved), wireRandom(), user.node.participant))
let asked = 0
const wireRandom = (): Uint8Array => Uint8Array.of(++asked)

describe('an answer', () => {
  it('is taken from the participant whom the step names, and says who gave it', async () => {
    const user = await world.drive(world.user('alice'))
    const run = await start(user, bob)
    await ask(wireOf('bob'), user, run)
    const { output } = await world.drive(finishRun(user, run, 60_000))
    expect(output).toMatchObject({ approved: true, by: bob, comment: null })
  })

  it('is refused from anybody else, and tells a stranger nothing of the run', async () => {
    const user = await world.drive(world.user('alice'))
    const run = await start(user, bob)
    for (const any of [run, 'run_01kc3q0a7rxw2m5p8t4v6y9zbd']) await expect(ask(wireOf('mallory'), user, any)).rejects.toMatchObject({ code: 'auth.unauthorised', message: expect.stringContaining('another participant') })
    await expect(world.drive(controlRun(user, request(run)))).rejects.toMatchObject({ code: 'auth.unauthorised', message: expect.stringContaining(bob) })
    await ask(wireOf('bob'), user, run, false)
    const { error } = await world.drive(finishRun(user, run, 60_000))
    expect(error).toMatchObject({ code: 'step.rejected', path: 'steps.sign' })
  })

  it('that got lost on its way back is taken again as the same, and no other after it', async () => {
    const user = await world.drive(world.user('alice'))
    const waits = { ...document('owner'), steps: { sign: { approve: { by: 'owner', timeout: '1h' } }, rest: { wait: { for: '5s' } } } }
    const run = await world.drive(startRun(user, { document: waits, inputs: {} }))
    for (let time = 0; time < 2; time++) await world.drive(controlRun(user, request(run)))
    await expect(world.drive(controlRun(user, request(run, false)))).rejects.toMatchObject({ code: 'input.invalid', path: 'name' })
    expect((await world.drive(finishRun(user, run, 60_000))).output).toMatchObject({ approved: true, by: user.node.participant })
  })

  it('where the owner is asked is the owner\'s alone, and counts once', async () => {
    const user = await world.drive(world.user('alice'))
    const run = await start(user, 'owner')
    await expect(ask(wireOf('bob'), user, run)).rejects.toMatchObject({ code: 'auth.unauthorised' })
    await expect(world.drive(controlRun(user, request(run, 'yes')))).rejects.toMatchObject({ code: 'input.invalid', path: 'data.approved' })
    await expect(world.drive(controlRun(user, { ...request(run), name: 'sgin' }))).rejects.toMatchObject({ code: 'input.invalid' })
    await ask(wireOf('alice'), user, run)
    expect((await world.drive(finishRun(user, run, 60_000))).error).toBeNull()
    await expect(world.drive(controlRun(user, request(run, false)))).rejects.toMatchObject({ code: 'run.ended' })
  })
})
