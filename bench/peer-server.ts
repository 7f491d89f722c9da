/** A server process that a peer of `durable` stands on: waited for, ended by its id. Used by `restate` and `postgres`. */
import type { ChildProcess } from 'node:child_process'

const READY_MS = 60_000
const POLL_MS = 50
const STOP_MS = 10_000

export interface PeerServer {
  readonly pid: number
  readonly url: string
  readonly admin?: string
  /** What the server says of its own fsync, for the reader of the figures. */
  readonly durability: string
  stop(): Promise<void>
}

/** Resolves once `isReady`; `watcher` ends the server when this process is gone. Rejects when it ends or is not ready in a minute. */
export async function ready(child: ChildProcess, watcher: ChildProcess, name: string, isReady: () => Promise<boolean>, signal: NodeJS.Signals = 'SIGTERM'): Promise<Pick<PeerServer, 'pid' | 'stop'>> {
  let ended = false
  const gone = new Promise<void>((resolve) => {
    child.once('exit', () => { ended = true; resolve() })
    child.once('error', () => { ended = true; resolve() })
  })
  const stop = async (): Promise<void> => {
    if (!ended) child.kill(signal)
    const hard = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
    await gone
    clearTimeout(hard)
    watcher.kill('SIGKILL')
  }
  for (let waited = 0; !ended && waited < READY_MS; waited += POLL_MS) {
    if (await isReady()) return { pid: child.pid!, stop }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
  const why = ended ? `ended (${child.exitCode ?? child.signalCode})` : 'was not ready in a minute'
  await stop()
  throw new Error(`${name} ${why}`)
}
