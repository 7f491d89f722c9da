import { afterEach, expect, it } from 'vitest'
import { virtualClock } from '../runtime/memory/clock.ts'
import { seededRandom } from '../runtime/memory/random.ts'
import { memoryExporter } from '../runtime/telemetry/exporter.ts'
import { createTelemetry } from '../runtime/telemetry/trace.ts'
import { MemoryWorld, SHOUT, shouter } from './memory-network.fixture.ts'
import { finishRun, startRun } from './user/run.ts'

let world: MemoryWorld
afterEach(() => world.close())

it('one trace goes from who starts the run to the provider\'s handler', async () => {
  const clock = virtualClock()
  world = new MemoryWorld({ clock })
  const [mine, theirs] = [memoryExporter(), memoryExporter()]
  const telemetry = createTelemetry({ clock, random: seededRandom('user'), processor: mine.processor })
  await world.drive(world.provider(shouter('p1', '0.01', 90), {}, createTelemetry({ clock, random: seededRandom('provider'), processor: theirs.processor })))
  const user = await world.drive(world.user('alice', { telemetry }))
  const document = {
    name: 'one', version: '1.0.0', budget: { max: '0.05' },
    steps: { a: { uses: SHOUT.id, with: { text: 'x' }, price: { max: '0.05' } } }, output: '${steps.a.text}',
  }
  const root = telemetry.start('aigen run', {})
  const run = await world.drive(startRun(user, { document, inputs: {}, trace: root.trace['traceparent']! }))
  await world.drive(finishRun(user, run, 60_000))
  root.end()
  const traceId = root.trace['traceparent']!.split('-')[1]
  const spans = [...mine.spans(), ...theirs.spans()].filter((span) => span.spanContext().traceId === traceId)
  const names = spans.map((span) => span.name)
  expect(names).toContain('send call-for-quotes')
  expect(names).toContain('process call-for-quotes')
  expect(names).toContain(`work ${SHOUT.id}`)
  // Every span but the root hangs under another of the same trace.
  const ids = new Set(spans.map((span) => span.spanContext().spanId))
  for (const span of spans) if (span.name !== 'aigen run') expect(ids).toContain(span.parentSpanContext?.spanId)
})
