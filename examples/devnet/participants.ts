/**
 * Who takes part in the devnet, a process each. A participant's folder, card and log line bear its
 * name; `arguments` is what the command line is started with, where a word that begins with `./`
 * names a module beside this file, without its ending.
 */
import { vendorsIn } from '../../agents/llm/vendor-environment.ts'

export interface DevnetParticipant {
  readonly name: string
  /** As people call it, for the log: `provider`, `guardian`, `gateway`, `payments`. */
  readonly role: string
  readonly arguments: readonly string[]
  /** The network is live without it: what it works with is not on this machine. */
  readonly optional?: true
}

const provider = (name: string, module: string, ...more: string[]): DevnetParticipant => ({ name, role: 'provider', arguments: ['provide', `./services/${module}`, ...more] })

const guardian = (name: string): DevnetParticipant => ({ name, role: 'guardian', arguments: ['guardian'] })

/** Slow starters first: they begin to load while the others are still being spawned. */
export const PARTICIPANTS: readonly DevnetParticipant[] = [
  provider('warm-tables', 'warm-query'),
  provider('near-and-far', 'embed'),
  provider('fine-lines', 'chart'),
  provider('careful-eye', 'careful-eye'),
  provider('quick-eye', 'quick-ocr'),
  provider('name-finder', 'entities'),
  provider('paper-trail', 'query'),
  provider('plain-engine', 'compute', '--http'),
  { name: 'front-door', role: 'gateway', arguments: ['gateway'] },
  { name: 'safe-hands', role: 'payments', arguments: ['payments'] },
  { name: 'whole-desk', role: 'bundle', arguments: ['provide', './bundles/whole-desk.json'] },
  // Last: they are cheap to start, and have nothing to watch before the others are there.
  guardian('north-watch'),
  guardian('east-watch'),
  guardian('south-watch'),
  guardian('west-watch'),
  // Two that must name the same block: a light node believes neither alone.
  { name: 'long-wave', role: 'relay', arguments: ['relay'] },
  { name: 'short-wave', role: 'relay', arguments: ['relay'] },
]

/** Language models whose vendor the environment names (vendor-environment.ts), and everybody else. */
export function participantsIn(environment: Readonly<Record<string, string | undefined>>): readonly DevnetParticipant[] {
  const models = vendorsIn(environment).map(({ vendor }) => ({ ...provider(`${vendor}-models`, 'language-models'), optional: true as const }))
  return [...PARTICIPANTS, ...models]
}
