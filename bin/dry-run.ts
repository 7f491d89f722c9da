/**
 * `aigen doctor --dry-run`: every actor of a participant's journal played against this code, before it
 * takes the journal over. Reads only; the node that runs the participant is not disturbed.
 */
import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { KINDS } from '../agents/kinds.ts'
import { rehearse, type Rehearsal } from '../runtime/actors/rehearse.ts'
import { AigenError } from '../schemas/error.ts'
import { joinAny, runningNetwork } from './join.ts'
import type { Output } from './output.ts'
import { homeOf } from './places.ts'

/** Of one participant, or of every one on this machine; false when an actor would break. Errors: those of `join`, `journal.*`. */
export async function dryRun(data: string, name: string | undefined, output: Output): Promise<boolean> {
  await runningNetwork(data)
  const names = name === undefined ? await participantsOf(data) : [name]
  if (name !== undefined && !isHere(data, name)) throw new AigenError('usage.invalid', `There is no participant ${name} on this machine.`)
  let good = true
  for (const one of names) {
    const { ports } = await joinAny(data, one)
    try {
      const found = await rehearse({ journal: ports.journal, blobs: ports.blobs, clock: ports.clock, kinds: KINDS })
      show(one, found, output)
      good &&= found.breaks.length === 0
    } finally {
      await ports.close()
    }
  }
  if (names.length === 0) output.print('No participant has a journal here.')
  return good
}

const isHere = (data: string, name: string): boolean => existsSync(join(homeOf(data, name), 'wallet.key')) || existsSync(join(homeOf(data, name), 'wallet.json'))

async function participantsOf(data: string): Promise<string[]> {
  const names = await readdir(join(data, 'participants')).catch(() => [])
  return names.filter((name) => isHere(data, name)).toSorted()
}

function show(name: string, { actors, live, changed, breaks, parked }: Rehearsal, output: Output): void {
  const { ink } = output
  output.emit({ type: 'rehearsal', participant: name, actors, live, changed, breaks, parked })
  const fine = actors - breaks.length
  const said = [`${fine} of ${actors} actors follow`, `${live} live`, ...(changed > 0 ? [`${changed} written by another machine`] : []), ...(parked.length > 0 ? [`${parked.length} parked before`] : [])]
  output.print(`${breaks.length === 0 ? ink.green('good') : ink.red('bad ')} ${name.padEnd(14)} ${said.join(', ')}`)
  for (const { actor, event, type, why } of breaks) output.print(`  ${ink.red('breaks')} ${actor} at event ${event} (${type}): ${why}`)
  for (const { actor, reason } of parked) output.print(`  ${ink.yellow('parked')} ${actor}: ${reason}`)
}
