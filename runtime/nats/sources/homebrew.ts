/** Homebrew on macOS: installs the formula, which needs no root either. */
import { join } from 'node:path'
import { versionOf } from './source.ts'
import type { FoundServer, Machine } from './source.ts'

export async function fromHomebrew(machine: Machine): Promise<FoundServer | undefined> {
  if (machine.platform !== 'darwin') return undefined
  if (!(await machine.run('brew', ['--version'], { timeoutMs: 20_000 }).then(() => true, () => false))) return undefined
  machine.say('installing nats-server with Homebrew')
  await machine.run('brew', ['install', '--quiet', 'nats-server'], { timeoutMs: 300_000 })
  const prefix = (await machine.run('brew', ['--prefix', 'nats-server'], { timeoutMs: 20_000 })).trim()
  const path = join(prefix, 'bin/nats-server')
  const version = await versionOf(machine, path)
  return version === undefined ? undefined : { source: 'homebrew', path, version }
}
