/**
 * One process per participant home (D2): the second one is told who has it, before it could fence
 * the first one's journal. A lock whose process is gone is taken over.
 */
import { link, readFile, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { AigenError } from '../../schemas/error.ts'

const TRIES_MAX = 5

/** Locks `home` for this process; resolves with how to give it back. Error `node.locked`. */
export async function lockHome(home: string): Promise<() => Promise<void>> {
  const path = join(home, 'node.lock')
  const own = join(home, `node.lock.${process.pid}`)
  await writeFile(own, String(process.pid), { mode: 0o600 })
  try {
    for (let attempt = 0; attempt < TRIES_MAX; attempt++) {
      try {
        await link(own, path)
        return async () => {
          if ((await readFile(path, 'utf8').catch(() => '')) === String(process.pid)) await unlink(path).catch(() => undefined)
        }
      } catch {
        const holder = Number(await readFile(path, 'utf8').catch(() => ''))
        if (holder && holder !== process.pid && isRunning(holder)) throw new AigenError('node.locked', `process ${holder} runs ${home}`)
        await unlink(path).catch(() => undefined)
      }
    }
    throw new AigenError('node.locked', home)
  } finally {
    await unlink(own).catch(() => undefined)
  }
}

/** Id of the process that runs `home`; nothing when none does. */
export async function holderOf(home: string): Promise<number | undefined> {
  const holder = Number(await readFile(join(home, 'node.lock'), 'utf8').catch(() => ''))
  return holder && isRunning(holder) ? holder : undefined
}

/** Whether a process of this id is there. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
