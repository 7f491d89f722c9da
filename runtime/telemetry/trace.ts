/**
 * Traces: one from the command line to the provider, over NATS headers (W3C trace context).
 *
 * Nothing global: a node makes one `Telemetry` and hands it on. A span's place in its trace is a
 * plain record of headers (`Trace`), so it can be journaled with a run and carried in a message.
 * Without an exporter a span is a shared no-op that passes its parent's trace on, so that a node
 * which records nothing does not cut the trace of those that do.
 */
import {
  defaultTextMapGetter, defaultTextMapSetter, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace as api,
  type Attributes, type Context, type HrTime,
} from '@opentelemetry/api'
import { W3CTraceContextPropagator } from '@opentelemetry/core'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { BasicTracerProvider, type IdGenerator, type SpanProcessor } from '@opentelemetry/sdk-trace-base'
import { asError } from '../../schemas/error.ts'
import type { Clock } from '../ports/clock.ts'
import type { Random } from '../ports/random.ts'

/** `traceparent` and, where there is one, `tracestate`; empty outside any trace. */
export type Trace = Readonly<Record<string, string>>

export type Kind = 'internal' | 'client' | 'server' | 'producer' | 'consumer'

export interface Span {
  /** Headers for messages sent within this span, and the parent of spans inside it. */
  readonly trace: Trace
  /** Whether anything is recorded; asks before costly attributes are made. */
  readonly recording: boolean
  set(attributes: Attributes): void
  /** Marks the span as failed, with the error's code as `error.type`. */
  fail(error: unknown): void
  /** Idempotent. */
  end(): void
}

export interface Telemetry {
  /** A span that the caller ends. */
  start(name: string, attributes: Attributes, parent?: Trace, kind?: Kind): Span
  /** Runs `fn` within a span, which ends with it and fails when it throws. */
  withSpan<T>(name: string, attributes: Attributes, parent: Trace | undefined, fn: (span: Span) => Promise<T>, kind?: Kind): Promise<T>
  /** Sends what was recorded so far. */
  flush(): Promise<void>
  close(): Promise<void>
}

export interface TelemetryOptions {
  readonly clock: Clock
  readonly random: Random
  /** Where ended spans go (`exporter.ts`); none turns telemetry off. */
  readonly processor: SpanProcessor | undefined
  /** `service.name`; default `aigen`. */
  readonly service?: string
  /** More resource attributes, like `aigen.participant`. */
  readonly resource?: Attributes
}

const EMPTY: Trace = Object.freeze({})
const FIELDS = ['traceparent', 'tracestate'] as const
const KINDS = {
  internal: SpanKind.INTERNAL, client: SpanKind.CLIENT, server: SpanKind.SERVER, producer: SpanKind.PRODUCER, consumer: SpanKind.CONSUMER,
} as const
const propagator = new W3CTraceContextPropagator()

/** The trace in a message's headers, as far as it is well formed; `undefined` when there is none. */
export function traceOf(headers: Readonly<Record<string, string>>): Trace | undefined {
  const traceparent = headers['traceparent']
  if (traceparent === undefined || !/^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/.test(traceparent)) return undefined
  const tracestate = headers['tracestate']
  return tracestate === undefined || tracestate.length > 512 || /[^\x20-\x7e]/.test(tracestate) ? { traceparent } : { traceparent, tracestate }
}

/** Records nothing, passes traces on. */
export const noTelemetry: Telemetry = {
  start: (_name, _attributes, parent) => silent(parent),
  withSpan: (_name, _attributes, parent, fn) => fn(silent(parent)),
  flush: () => Promise.resolve(),
  close: () => Promise.resolve(),
}

const nothing = (): void => {}
const SILENT: Span = { trace: EMPTY, recording: false, set: nothing, fail: nothing, end: nothing }

function silent(parent: Trace | undefined): Span {
  return parent === undefined ? SILENT : { trace: parent, recording: false, set: nothing, fail: nothing, end: nothing }
}

export function createTelemetry(options: TelemetryOptions): Telemetry {
  const { clock, random, processor } = options
  if (!processor) return noTelemetry
  const provider = new BasicTracerProvider({
    idGenerator: idsFrom(random),
    resource: resourceFromAttributes({ 'service.name': options.service ?? 'aigen', ...options.resource }),
    spanProcessors: [processor],
    spanLimits: { attributeCountLimit: 64, attributeValueLengthLimit: 1_024, eventCountLimit: 32, linkCountLimit: 8 },
  })
  const tracer = provider.getTracer('aigen')

  const start = (name: string, attributes: Attributes, parent: Trace | undefined, kind: Kind): Span => {
    const context: Context = parent === undefined ? ROOT_CONTEXT : propagator.extract(ROOT_CONTEXT, parent, defaultTextMapGetter)
    const at = clock.now()
    const from = clock.monotonic()
    const span = tracer.startSpan(name, { kind: KINDS[kind], attributes, startTime: hrTime(at) }, context)
    let trace: Trace | undefined
    let open = true
    return {
      // made when somebody asks: most spans send nothing
      get trace() {
        if (trace === undefined) {
          const carrier: Record<string, string> = {}
          propagator.inject(api.setSpan(ROOT_CONTEXT, span), carrier, defaultTextMapSetter)
          trace = carrier
        }
        return trace
      },
      recording: span.isRecording(),
      set: (more) => void span.setAttributes(more),
      fail: (thrown) => {
        const error = asError(thrown)
        span.setAttribute('error.type', error.code)
        span.setStatus({ code: SpanStatusCode.ERROR, message: error.message.slice(0, 500) })
      },
      end: () => {
        if (!open) return
        open = false
        // the duration comes from the clock that never falls
        span.end(hrTime(at + (clock.monotonic() - from)))
      },
    }
  }
  return {
    start: (name, attributes, parent, kind = 'internal') => start(name, attributes, parent, kind),
    withSpan: async (name, attributes, parent, fn, kind = 'internal') => {
      const span = start(name, attributes, parent, kind)
      try {
        return await fn(span)
      } catch (error) {
        span.fail(error)
        throw error
      } finally {
        span.end()
      }
    },
    flush: () => provider.forceFlush(),
    close: () => provider.shutdown(),
  }
}

/** The fields of trace context in message headers. */
export const TRACE_FIELDS: readonly string[] = FIELDS

function hrTime(ms: number): HrTime {
  const seconds = Math.floor(ms / 1_000)
  return [seconds, Math.round((ms - seconds * 1_000) * 1e6)]
}

/** Ids from the Random port, so that a simulated run has the same ones each time. */
function idsFrom(random: Random): IdGenerator {
  const make = (length: number): string => {
    const bytes = Buffer.from(random.bytes(length))
    // all zeros means "no id" (W3C trace context)
    if (bytes.every((byte) => byte === 0)) bytes[0] = 1
    return bytes.toString('hex')
  }
  return { generateTraceId: () => make(16), generateSpanId: () => make(8) }
}
