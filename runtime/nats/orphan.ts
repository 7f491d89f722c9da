/**
 * The embedded server never outlives its owner. Two lines of defence: a watcher, a shell that reads
 * from a pipe its parent holds and ends the server when the pipe closes, so also after SIGKILL; and
 * the pid file, by which the next start ends a server that was left all the same. Neither signals a
 * process that does not name our data directory on its command line.
 */
import { execFile, spawn } from 'node:child_process'
import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { AigenError } from '../../schemas/error.ts'
import type { ChildProcess } from 'node:child_process'

const END_WAIT_MS = 10_000
const POLL_MS = 20

/** `$1` the server's pid, `$2` a text its command line must hold. */
const WATCH = `cat >/dev/null
if [ -r "/proc/$1/cmdline" ]; then grep -aqF -- "$2" "/proc/$1/cmdline" || exit 0
else ps -o args= -p "$1" 2>/dev/null | grep -qF -- "$2" || exit 0; fi
kill -TERM "$1" 2>/dev/null`

/** Ends the server `pid` when this process is gone, however it went. */
export function watch(pid: number, mark: string): ChildProcess {
  const watcher = spawn('/bin/sh', ['-c', WATCH, 'aigen-watch', `${pid}`, mark], { stdio: ['pipe', 'ignore', 'ignore'], detached: true })
  watcher.on('error', () => {})
  watcher.stdin?.on('error', () => {})
  watcher.unref()
  // the pipe alone must not keep the process running
  ;(watcher.stdin as unknown as { unref?: () => void } | null)?.unref?.()
  return watcher
}

/** Writes the pid file, by rename. */
export async function writePid(path: string, server: number): Promise<void> {
  await writeFile(`${path}.new`, JSON.stringify({ server, owner: process.pid }), { mode: 0o600 })
  await rename(`${path}.new`, path)
}

/**
 * Ends the server that the pid file names, if it is one of this data directory and has lost its
 * owner; resolves with its pid, `undefined` when there was none. Error `node.locked` when its owner lives.
 */
export async function endOrphan(path: string, mark: string): Promise<number | undefined> {
  const pids = await readFile(path, 'utf8').then((text) => JSON.parse(text) as { server?: unknown; owner?: unknown }).catch(() => undefined)
  const pid = pids?.server
  if (typeof pid !== 'number' || !Number.isInteger(pid) || pid <= 1) return undefined
  if (!(await names(pid, mark))) {
    await rm(path, { force: true })
    return undefined
  }
  if (await parentOf(pid) === pids?.owner) throw new AigenError('node.locked', `process ${String(pids?.owner)} runs the server of this data directory`)
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    try {
      process.kill(pid, signal)
    } catch {
      // gone in between
    }
    for (let waited = 0; waited < END_WAIT_MS; waited += POLL_MS) {
      if (!(await names(pid, mark))) {
        await rm(path, { force: true })
        return pid
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_MS))
    }
  }
  throw new AigenError('nats.failed', `the server of an earlier run (process ${pid}) does not end`)
}

/** Whether `pid` runs with `mark` on its command line. */
export async function names(pid: number, mark: string): Promise<boolean> {
  if (process.platform === 'linux') {
    // a zombie's command line is empty
    return readFile(`/proc/${pid}/cmdline`, 'utf8').then((line) => line.split('\0').some((arg) => arg.includes(mark)), () => false)
  }
  return (await ps(pid, 'args')).includes(mark)
}

async function parentOf(pid: number): Promise<number> {
  if (process.platform === 'linux') {
    const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
    return Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[1])
  }
  return Number(await ps(pid, 'ppid'))
}

function ps(pid: number, field: string): Promise<string> {
  return new Promise((resolve) => execFile('ps', ['-o', `${field}=`, '-p', `${pid}`], (error, stdout) => resolve(error ? '' : stdout.trim())))
}
