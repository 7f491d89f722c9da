/**
 * Ends a child when this process is gone, however it went, SIGKILL included: a shell waits on a pipe
 * that only we hold, and signals the child only if its command line still names our own file. Used
 * by `anvil.ts`; the NATS server has the same in `runtime/nats/orphan.ts`, which this room may not import.
 */
import { spawn } from 'node:child_process'

/** `$1` the child's pid, `$2` a text its command line must hold. */
const WATCH = `cat >/dev/null
if [ -r "/proc/$1/cmdline" ]; then grep -aqF -- "$2" "/proc/$1/cmdline" || exit 0
else ps -o args= -p "$1" 2>/dev/null | grep -qF -- "$2" || exit 0; fi
kill -TERM "$1" 2>/dev/null`

/** Watches over `pid`; call what comes back when the child has ended in order. */
export function watchChild(pid: number, mark: string): () => void {
  if (process.platform === 'win32') return () => {}
  const watcher = spawn('/bin/sh', ['-c', WATCH, 'aigen-watch', String(pid), mark], { stdio: ['pipe', 'ignore', 'ignore'], detached: true })
  watcher.on('error', () => {})
  watcher.stdin.on('error', () => {})
  // neither the watcher nor its pipe may keep this process running
  watcher.unref()
  ;(watcher.stdin as unknown as { unref?: () => void }).unref?.()
  return () => void watcher.kill('SIGKILL')
}
