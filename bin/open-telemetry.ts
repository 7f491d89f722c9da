/**
 * Telemetry of a command's process: on when the standard OpenTelemetry variables name a collector.
 * The exporter is loaded only then: it costs every process of the devnet a tenth of a second of CPU.
 */
import { systemClock } from '../runtime/node/system-clock.ts'
import { systemRandom } from '../runtime/node/system-random.ts'
import { createTelemetry, noTelemetry, type Telemetry } from '../runtime/telemetry/trace.ts'

/** `resource` says whose spans these are. */
export async function openTelemetry(resource: Readonly<Record<string, string>>): Promise<Telemetry> {
  const { env } = process
  if (!env['OTEL_EXPORTER_OTLP_ENDPOINT'] && !env['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT']) return noTelemetry
  const { exporterFromEnvironment } = await import('../runtime/telemetry/exporter.ts')
  return createTelemetry({ clock: systemClock, random: systemRandom, processor: exporterFromEnvironment(env), service: 'aigen', resource })
}
