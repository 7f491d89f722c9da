/** Every machine that is shipped keeps its promises (issue 4, item 10); `kinds.test.ts` sees that none is left out. */
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import type { ActorEvent } from '../runtime/actors/actor.ts'
import { crossCheck, explore, type Explored, type Samples } from '../runtime/actors/explore.ts'
import { sameAsXstate } from '../runtime/actors/same-as-xstate.fixture.ts'
import { seededRandom } from '../runtime/memory/random.ts'
import { KINDS } from './kinds.ts'

const here = new URL('../', import.meta.url)
const samples: Record<string, Samples> = {}
for (const room of ['runtime', 'pipelines', 'agents']) {
  for (const path of readdirSync(new URL(room, here), { recursive: true, encoding: 'utf8' }).filter((one) => one.endsWith('samples.fixture.ts'))) {
    const { samples: those } = (await import(fileURLToPath(new URL(`${room}/${path}`, here)))) as { samples: Record<string, Samples> }
    Object.assign(samples, those)
  }
}

describe('every shipped machine', () => {
  const explored: Explored[] = []

  it('has samples, and no samples are of another', () => {
    expect(Object.keys(samples).sort()).toEqual(KINDS.map(({ name }) => name).sort())
  })

  it.each(KINDS.map((kind) => [kind.name, kind] as const))('%s: pays only what was agreed, waits for something, gives back what it held', (name, kind) => {
    const one = explore(kind, samples[name])
    explored.push(one)
    expect(one.faults.join('\n')).toBe('')
    expect(one.states).toBeGreaterThan(0)
    expect(one.transitions).toBeGreaterThan(0)
  })

  it.each(KINDS.map((kind) => [kind.name, kind] as const))('%s: goes on as xstate says, whatever it meets, also from its snapshot', (name, kind) => {
    const { inputs, answers = {}, events } = samples[name]!
    let changed = 0
    for (const [at, input] of inputs.entries()) {
      for (let walk = 0; walk < (process.env['AIGEN_LONG'] ? 100 : 6); walk++) {
        const random = seededRandom(`${name} ${at} ${walk}`)
        // What it asked for and was not answered yet, and the timers that run.
        let open: { kind: string; params: any }[] = []
        const answering = new Map<ActorEvent, object>()
        let timers: { id: string; event: ActorEvent }[] = []
        changed += sameAsXstate(kind, input, ({ outcome, now, chosen }) => {
          const state = { context: outcome.snapshot.context, state: outcome.snapshot.value, now }
          open = [...open.filter((one) => one !== answering.get(chosen!)), ...outcome.effects.filter(({ kind: asked }) => asked !== 'abort')].slice(-8)
          timers = outcome.timers.reduce((left, timer) => [...left.filter(({ id }) => id !== timer.id), ...('cancel' in timer ? [] : [timer])], timers)
          return [
            ...(events?.(state) ?? []), ...timers.map(({ event }) => event),
            ...open.flatMap((one) => {
              const { kind: asked, params } = one
              const ends = [...(answers[asked]?.({ ...state, params }) ?? []), { type: `${asked}.failed`, params, error: { code: 'network.timeout', message: 'No answer came in time.' } }]
              for (const event of ends) answering.set(event, one)
              return ends
            }),
          ]
        }, 60, (count) => Math.floor(random.fraction() * count))
      }
    }
    expect(changed).toBeGreaterThan(0)
  })

  it('is told by others what it hears, and hears from those who are said to tell it', () => {
    expect(crossCheck(KINDS, explored).join('\n')).toBe('')
    const sum = (of: (one: Explored) => number): number => explored.reduce((total, one) => total + of(one), 0)
    process.stdout.write(`machines: ${explored.length} kinds, ${sum((one) => one.states)} states, ${sum((one) => one.transitions)} transitions, each taken or named as out of reach, in ${sum((one) => one.explored)} explored states\n`)
    for (const { kind, states, transitions, explored: seen } of explored) process.stdout.write(`  ${kind}: ${states} states, ${transitions} transitions, ${seen} explored\n`)
  })
})
