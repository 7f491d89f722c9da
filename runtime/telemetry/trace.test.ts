import { describe, expect, it } from 'vitest'
import { AigenError } from '../../schemas/error.ts'
import { virtualClock } from '../memory/clock.ts'
import { seededRandom } from '../memory/random.ts'
import { exporterFromEnvironment, memoryExporter } from './exporter.ts'
import { createTelemetry, noTelemetry, traceOf } from './trace.ts'

const PARENT = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', tracestate: 'vendor=1' }

function recording(seed = 1) {
  const clock = virtualClock(1_700_000_000_000)
  const { processor, spans } = memoryExporter()
  return { clock, spans, telemetry: createTelemetry({ clock, random: seededRandom(seed), processor, resource: { 'aigen.participant': '0xa' } }) }
}

describe('telemetry', () => {
  it('records spans with the port\'s times, under their parent', async () => {
    const { clock, spans, telemetry } = recording()
    await telemetry.withSpan('outer', { n: 1 }, PARENT, async (outer) => {
      await clock.advance(5)
      await telemetry.withSpan('inner', {}, outer.trace, () => clock.advance(20))
      clock.skew(-1_000)
    })
    const [inner, outer] = spans()
    expect(outer).toMatchObject({ name: 'outer', attributes: { n: 1 }, startTime: [1_700_000_000, 0], duration: [0, 25_000_000] })
    expect(inner!.duration).toEqual([0, 20_000_000])
    expect(outer!.spanContext().traceId).toBe('0af7651916cd43dd8448eb211c80319c')
    expect(outer!.parentSpanContext!.spanId).toBe('b7ad6b7169203331')
    expect(inner!.parentSpanContext!.spanId).toBe(outer!.spanContext().spanId)
    expect(outer!.resource.attributes).toMatchObject({ 'service.name': 'aigen', 'aigen.participant': '0xa' })
  })

  it('marks a failed span with the code', async () => {
    const { spans, telemetry } = recording()
    const failing = telemetry.withSpan('x', {}, undefined, () => Promise.reject(new AigenError('step.timeout')))
    await expect(failing).rejects.toMatchObject({ code: 'step.timeout' })
    expect(spans()[0]).toMatchObject({ status: { code: 2 }, attributes: { 'error.type': 'step.timeout' } })
  })

  it('gives a trace that travels, the same from the same seed', () => {
    const traces = [1, 1, 2].map((seed) => recording(seed).telemetry.start('x', {}, undefined).trace)
    expect(traces[0]!['traceparent']).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/)
    expect(traces[1]).toEqual(traces[0])
    expect(traces[2]).not.toEqual(traces[0])
    const kept = recording().telemetry.start('x', {}, PARENT).trace
    expect(kept['tracestate']).toBe('vendor=1')
  })

  it('does not record what its parent does not sample', () => {
    const { spans, telemetry } = recording()
    const span = telemetry.start('x', {}, { traceparent: PARENT.traceparent.replace(/01$/, '00') })
    expect(span.recording).toBe(false)
    span.end()
    span.end()
    expect(spans()).toHaveLength(0)
  })

  it('reads headers strictly', () => {
    expect(traceOf(PARENT)).toEqual(PARENT)
    expect(traceOf({ ...PARENT, other: 'x', tracestate: 'a\r\nb' })).toEqual({ traceparent: PARENT.traceparent })
    expect(traceOf({ traceparent: 'nonsense' })).toBeUndefined()
    expect(traceOf({})).toBeUndefined()
  })

  it('is off without an endpoint, and then passes traces on', async () => {
    expect(exporterFromEnvironment({})).toBeUndefined()
    expect(exporterFromEnvironment({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318', OTEL_SDK_DISABLED: 'true' })).toBeUndefined()
    const off = createTelemetry({ clock: virtualClock(), random: seededRandom(1), processor: undefined })
    expect(off).toBe(noTelemetry)
    expect(await off.withSpan('x', {}, PARENT, async (span) => span.trace)).toEqual(PARENT)
    expect(off.start('x', {}).trace).toEqual({})
  })

  it('sends to the endpoint that the environment names', async () => {
    const processor = exporterFromEnvironment({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9' })
    expect(processor).toBeDefined()
    await processor!.shutdown()
  })
})
