/**
 * Where spans go: to an OpenTelemetry collector over HTTP when `OTEL_EXPORTER_OTLP_ENDPOINT` (or
 * `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`) says where, otherwise nowhere. The exporter itself reads
 * the rest of the standard variables (headers, time-out). Its queue is bounded: spans beyond it are
 * dropped, never waited for. `memoryExporter` keeps them for tests.
 */
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import {
  BatchSpanProcessor, InMemorySpanExporter, SimpleSpanProcessor, type ReadableSpan, type SpanProcessor,
} from '@opentelemetry/sdk-trace-base'

/** The processor that the environment asks for; `undefined` when it asks for none. */
export function exporterFromEnvironment(environment: Readonly<Record<string, string | undefined>>): SpanProcessor | undefined {
  const asked = environment['OTEL_EXPORTER_OTLP_ENDPOINT'] || environment['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT']
  if (!asked || environment['OTEL_SDK_DISABLED'] === 'true' || environment['OTEL_TRACES_EXPORTER'] === 'none') return undefined
  return new BatchSpanProcessor(new OTLPTraceExporter(), {
    maxQueueSize: 4_096,
    maxExportBatchSize: 512,
    scheduledDelayMillis: 1_000,
    exportTimeoutMillis: 5_000,
  })
}

/** A processor that keeps every ended span, and the spans it kept. */
export function memoryExporter(): { readonly processor: SpanProcessor; spans(): readonly ReadableSpan[] } {
  const exporter = new InMemorySpanExporter()
  return { processor: new SimpleSpanProcessor(exporter), spans: () => exporter.getFinishedSpans() }
}
