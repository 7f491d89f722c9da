/** A run for people: a line a step, its hirings that came to nothing, what it was told, what is parked. Used by `aigen runs show|query`. */
import Table from 'cli-table3'
import type { RunReport, StepReport } from '../agents/user/inspect.ts'
import { BARE } from './bare-table.ts'
import type { Colours } from './output.ts'

export function reportText({ run, pipeline, state, spent, budget, startedAt, endedAt, steps, signals, parked }: RunReport, ink: Colours): string {
  const table = new Table({
    head: ['step', 'state', 'provider', 'asked', 'agreed', 'paid', 'attempts'].map((text) => ink.dim(text)), chars: BARE,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 }, colAligns: ['left', 'left', 'left', 'right', 'right', 'right', 'right'],
  })
  for (const step of steps) table.push([step.step, step.state, step.provider ?? '', step.asked ?? '', step.agreed ?? '', step.charged ?? '', step.attempts.length === 0 ? '' : String(step.attempts.length)])
  const at = (ms: number): string => new Date(ms).toISOString()
  return [
    `${ink.bold(run)} ${pipeline}: ${state}, spent ${spent} of ${budget}`,
    `started ${at(startedAt)}${endedAt === null ? '' : `, ended ${at(endedAt)}`}`,
    table.toString(),
    ...steps.flatMap(attemptLines).map((line) => ink.dim(line)),
    ...signals.map((signal) => `${ink.bold('signal')} ${signal.name} ${JSON.stringify(signal.data)} ${ink.dim(at(signal.at))}`),
    ...parked.map(({ actor, reason }) => `${ink.red('parked')} ${actor}: ${reason}`),
  ].join('\n')
}

/** The hirings of a step, where there was more to say than that it was done. */
function attemptLines({ step, attempts, why }: StepReport): string[] {
  if (attempts.length === 0 && why !== undefined) return [`${step}: ${why}`]
  if (attempts.every(({ state }) => state === 'done')) return []
  return attempts.map(({ providerName, agreed, charged, state, reason }, at) => `${step}, attempt ${at + 1}: ${providerName} for ${agreed}, ${state}, ${charged} paid${reason === undefined ? '' : `: ${reason}`}`)
}
