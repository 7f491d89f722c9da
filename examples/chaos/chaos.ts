#!/usr/bin/env node
/**
 * `npm run chaos`: real processes killed and paused at seeded moments while paid pipelines run, then
 * every book compared. Progress on stderr, the figures as one JSON line on stdout; exit 1 where a
 * pipeline has no answer or a book does not balance.
 */
import { parseArgs } from 'node:util'
import { storm } from './storm.ts'

const USAGE = 'usage: npm run chaos -- [--seed N] [--pipelines N] [--servers 1|3] [--minutes N] [--at-once N] [--once] [--quiet]\n'

function readOptions(): { seed: number; pipelines: number; servers: number; minutes: number; atOnce: number; once: boolean; quiet: boolean } | undefined {
  try {
    const { values } = parseArgs({
      options: { seed: { type: 'string', default: '1' }, pipelines: { type: 'string', default: '200' }, servers: { type: 'string', default: '1' }, minutes: { type: 'string', default: '15' }, 'at-once': { type: 'string', default: '8' }, once: { type: 'boolean', default: false }, quiet: { type: 'boolean', default: false } },
    })
    const [seed, pipelines, servers, minutes, atOnce] = [values.seed, values.pipelines, values.servers, values.minutes, values['at-once']].map(Number) as [number, number, number, number, number]
    const whole = [seed, pipelines, atOnce].every((one) => Number.isSafeInteger(one) && one > 0)
    return whole && (servers === 1 || servers === 3) && minutes > 0 && minutes <= 600 && pipelines <= 10_000 && atOnce <= 64 ? { seed, pipelines, servers, minutes, atOnce, once: values.once, quiet: values.quiet } : undefined
  } catch {
    return undefined
  }
}

const options = readOptions()
if (!options) {
  process.stderr.write(USAGE)
  process.exitCode = 2
} else {
  const from = performance.now()
  const weather = await storm({ ...options, say: (line) => void (options.quiet || process.stderr.write(`${((performance.now() - from) / 1_000).toFixed(1).padStart(6)} ${line}\n`)) })
  process.stdout.write(`${JSON.stringify({ chaos: weather })}\n`)
  process.exitCode = weather.done === weather.pipelines && weather.violations === 0 ? 0 : 1
}
