/** A value labelled secret is in the journal and sealed on the wire; what people and tools are shown of a run has it nowhere. */
import { afterEach, expect, it } from 'vitest'
import { virtualClock } from '../runtime/memory/clock.ts'
import { seededRandom } from '../runtime/memory/random.ts'
import { memoryExporter } from '../runtime/telemetry/exporter.ts'
import { createTelemetry } from '../runtime/telemetry/trace.ts'
import { MemoryWorld, SHOUT, shouter } from './memory-network.fixture.ts'
import { followRun } from './user/follow.ts'
import { queryRun, runReport } from './user/inspect.ts'
import { finishRun, startRun } from './user/run.ts'

let world: MemoryWorld
afterEach(() => world.close())

it('no bill, report, error or trace shows what is secret, whatever fails over it', async () => {
  const clock = virtualClock()
  world = new MemoryWorld({ clock })
  const [mine, theirs] = [memoryExporter(), memoryExporter()]
  const provider = await world.drive(world.provider(shouter('p1', '0.01', 90), {}, createTelemetry({ clock, random: seededRandom('provider'), processor: theirs.processor })))
  const user = await world.drive(world.user('alice', { telemetry: createTelemetry({ clock, random: seededRandom('user'), processor: mine.processor }) }))
  const secret = 'correct-horse-battery'
  const call = (more: object): object => ({ uses: SHOUT.id, with: { text: 'x' }, price: { max: '0.02' }, ...more })
  const run = await world.drive(startRun(user, {
    document: {
      name: 'kept', version: '1.0.0', budget: { max: '0.5' },
      input: { type: 'object', required: ['key'], properties: { key: { 'x-label': 'secret' } } },
      labels: { secret: [provider.node.participant] }, providers: { only: [provider.node.participant] },
      steps: {
        given: call({ with: { text: '${input.key}' } }),
        asked: call({ if: '${input.key}' }),
        listed: call({ forEach: '${input.key}', maxItems: 3 }),
        chosen: { switch: [{ when: '${input.key}', value: 1 }] },
        wrong: call({ with: { text: '${string(timestamp(input.key))}' } }),
        number: call({ with: { text: '${string(int(input.key))}' } }),
        until: { wait: { until: '${input.key}' } },
        parsed: call({ with: { text: '${string(parseJson(input.key).a)}' } }),
        poor: call({ with: { text: '${input.key}' }, expect: '${output.text.size() > 100}' }),
        all: { if: "${meta.asked.state == 'failed' && meta.listed.state == 'failed' && meta.chosen.state == 'failed' && meta.wrong.state == 'failed' && meta.number.state == 'failed' && meta.until.state == 'failed' && meta.parsed.state == 'failed' && meta.poor.state == 'failed'}", switch: [{ value: 'all failed' }] },
      },
      output: '${steps.all}',
    },
    inputs: { key: secret },
  }))
  const rows: unknown[] = []
  const followed = followRun(user.node.host, run, (row) => rows.push(row))
  const { bill, output, error } = await world.drive(finishRun(user, run, 60_000))
  await world.drive(followed)
  expect({ output, error }).toEqual({ output: 'all failed', error: null })
  const { host } = user.node
  const left = {
    bill, rows, report: await runReport(host, run), inputs: await queryRun(host, run, 'inputs'), steps: await queryRun(host, run, 'steps'),
    spans: [...mine.spans(), ...theirs.spans()].map(({ name, attributes, status, events }) => ({ name, attributes, status, events })),
  }
  expect(left.spans.length).toBeGreaterThan(5)
  for (const [where, what] of Object.entries(left)) {
    const text = JSON.stringify(what).toLowerCase()
    expect(text.includes(secret) && `${where}: ${text.slice(Math.max(0, text.indexOf(secret) - 200), text.indexOf(secret) + 60)}`).toBe(false)
  }
})
