/** A nats-server on the PATH: what the machine's owner installed comes first. */
import { access, constants } from 'node:fs/promises'
import { delimiter, isAbsolute, join } from 'node:path'
import { versionOf } from './source.ts'
import type { FoundServer, Machine } from './source.ts'

/** Relative entries of the PATH are passed over: the working directory must not decide what runs. */
export async function fromPath(machine: Machine): Promise<FoundServer | undefined> {
  for (const folder of (machine.env['PATH'] ?? '').split(delimiter)) {
    if (!isAbsolute(folder)) continue
    const path = join(folder, machine.platform === 'win32' ? 'nats-server.exe' : 'nats-server')
    if (!(await access(path, constants.X_OK).then(() => true, () => false))) continue
    const version = await versionOf(machine, path)
    if (version !== undefined) return { source: 'path', path, version }
  }
  return undefined
}
