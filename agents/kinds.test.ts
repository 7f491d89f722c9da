/** No machine of the house is left out of what journals are played against. */
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { rehearse } from '../runtime/actors/rehearse.ts'
import { virtualClock } from '../runtime/memory/clock.ts'
import { KINDS } from './kinds.ts'
import { MemoryWorld, SHOUT, shouter } from './memory-network.fixture.ts'
import { finishRun, startRun } from './user/run.ts'

it('has every kind that a file of the four rooms defines, each once', () => {
  const defined = ['runtime', 'pipelines', 'agents'].flatMap((room) => {
    const folder = fileURLToPath(new URL(`../${room}/`, import.meta.url))
    return readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts') && !/\.(test|fixture|contract)\.ts$/.test(file))
      .flatMap((file) => [...readFileSync(`${folder}${file}`, 'utf8').matchAll(/^export const (\w+) = defineActor\(/gm)].map(() => file))
  })
  expect(defined.length).toBeGreaterThan(20)
  expect(KINDS.length).toBe(defined.length)
  expect(new Set(KINDS.map(({ name }) => name)).size).toBe(KINDS.length)
})

it('follows what it wrote itself: the journals of both sides of a paid run', async () => {
  const world = new MemoryWorld({ clock: virtualClock() })
  await world.drive(world.provider(shouter('p1', '0.01', 90)))
  const user = await world.drive(world.user('alice'))
  const run = await world.drive(startRun(user, { document: { name: 'shout', version: '1.0.0', input: { type: 'object' }, budget: { max: '0.05' }, steps: { a: { uses: SHOUT.id, with: { text: 'a' }, price: { max: '0.02' } } }, output: '${steps.a.text}' }, inputs: {} }))
  await world.drive(finishRun(user, run, 60_000))
  for (const name of ['alice', 'p1']) {
    const { journal, clock } = world.ports(name)
    const { actors, changed, breaks, parked } = await rehearse({ journal, clock, kinds: KINDS })
    expect({ name, changed, breaks, parked }).toEqual({ name, changed: 0, breaks: [], parked: [] })
    expect(actors).toBeGreaterThan(3)
  }
  await world.close()
})
