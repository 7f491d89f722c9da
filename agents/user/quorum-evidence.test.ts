/** Who delivered what most others of a quorum did not find is named to guardians, and nobody else is (D9). */
import { afterEach, describe, expect, it } from 'vitest'
import { virtualClock } from '../../runtime/memory/clock.ts'
import type { Evidence } from '../../schemas/documents.gen.ts'
import { evidenceSubject } from '../guardian/evidence.ts'
import { keysOf, MemoryWorld, SHOUT, shouter } from '../memory-network.fixture.ts'
import { finishRun, startRun } from './run.ts'

describe('a quorum', () => {
  let world: MemoryWorld
  afterEach(() => world.close())

  const complaints = async (answers: readonly string[]): Promise<{ faults: readonly (readonly [string, string])[]; error: string | undefined }> => {
    world = new MemoryWorld({ clock: virtualClock() })
    for (const [at, text] of answers.entries()) {
      await world.drive(world.provider(shouter(`p${at}`, '0.01', 90, { handler: async () => {
        // Whoever disagrees has delivered before the others agree.
        await world.clock.sleep(text === 'no' ? 100 : 500)
        return { output: { text, quality: 90 }, units: { call: 1 } }
      } })))
    }
    const told: Evidence[] = []
    const observer = await world.drive(world.user('observer'))
    await observer.node.bus.subscribe(evidenceSubject('*'), async ({ data }) => void told.push(JSON.parse(Buffer.from(data).toString()) as Evidence))
    const user = await world.drive(world.user('alice', { shareEvidence: true }))
    const step = { uses: SHOUT.id, with: { text: 'hi' }, price: { max: '0.02' }, sla: { deadline: '5s' }, quorum: { providers: answers.length, agree: 2 } }
    const run = await world.drive(startRun(user, { document: { name: 'ask', version: '1.0.0', budget: { max: '1' }, steps: { step }, output: '${steps.step.text}' }, inputs: {} }))
    const { error } = await world.drive(finishRun(user, run, 60_000))
    await world.drive(world.clock.sleep(1_000))
    return { error: error?.code, faults: told.flatMap(({ complaint }) => (complaint ? [[complaint.body.agreement.terms.provider, complaint.body.fault] as const] : [])) }
  }

  it('complains of the one who disagrees', async () => {
    const { faults, error } = await complaints(['yes', 'no', 'yes'])
    expect(error).toBeUndefined()
    expect(faults).toEqual([[keysOf('p1').participant, 'step.quorum']])
  })

  it('complains of nobody where all agree, or where none do: nobody knows who is right', async () => {
    expect((await complaints(['yes', 'yes', 'yes'])).faults).toEqual([])
    await world.close()
    expect(await complaints(['a', 'b', 'c'])).toEqual({ error: 'step.quorum', faults: [] })
  })
})
