/**
 * Where the HTTP door of a participant on this machine is, and the token that lets its operator in:
 * a private file in the participant's folder while its process runs. Used by `aigen key`.
 */
import { chmod, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isRunning } from '../runtime/node/lock.ts'
import { AigenError } from '../schemas/error.ts'

export interface DoorFile {
  readonly url: string
  /** Lets the operator in, where the door has something for operators. */
  readonly adminToken?: string
  readonly pid: number
}

const fileOf = (home: string): string => join(home, 'door.json')

/** Writes the file, readable by its owner only; resolves with how to take it away again. */
export async function writeDoorFile(home: string, file: DoorFile): Promise<() => Promise<void>> {
  const path = fileOf(home)
  await writeFile(`${path}.new`, JSON.stringify(file), { mode: 0o600 })
  await chmod(`${path}.new`, 0o600)
  await rename(`${path}.new`, path)
  return () => rm(path, { force: true })
}

/** The door of the participant in `home`. Error `network.unreachable` when no process of it has one. */
export async function readDoorFile(home: string): Promise<DoorFile> {
  try {
    const file = JSON.parse(await readFile(fileOf(home), 'utf8')) as DoorFile
    if (isRunning(file.pid)) return file
  } catch {
    // not there, or torn: the same for who asks
  }
  throw new AigenError('network.unreachable', `No provider with a door runs as ${home.split(/[\\/]/).at(-1)}. Start it with "aigen provide MODULE --http".`)
}
