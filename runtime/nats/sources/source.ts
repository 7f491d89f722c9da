/**
 * One place a nats-server can come from. Each source is a function of this shape; `find-server.ts`
 * asks them in order. Everything they read from the machine is in `Machine`, so that tests can give
 * another one.
 */

export interface Machine {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly platform: NodeJS.Platform
  readonly arch: string
  /** Directory of cached binaries; made when needed. */
  readonly cache: string
  /** Runs a program; resolves with its output, rejects when it fails or takes longer than `timeoutMs`. */
  readonly run: (file: string, args: readonly string[], options?: { cwd?: string; timeoutMs?: number }) => Promise<string>
  /** Downloads the body of a URL, at most `maxBytes`. */
  readonly download: (url: string, maxBytes: number) => Promise<Uint8Array>
  /** Tells the user what takes long. */
  readonly say: (what: string) => void
}

export interface FoundServer {
  readonly source: 'path' | 'cache' | 'debian' | 'homebrew' | 'release'
  /** The executable. */
  readonly path: string
  /** Like `2.10.27`. */
  readonly version: string
}

/** The server from this source, or `undefined` where it has none; throws to say why it failed. */
export type Source = (machine: Machine) => Promise<FoundServer | undefined>

/** The version an executable reports, or `undefined` where it is no nats-server. */
export async function versionOf(machine: Machine, path: string): Promise<string | undefined> {
  try {
    return /v?(\d+\.\d+\.\d+)/.exec(await machine.run(path, ['--version'], { timeoutMs: 10_000 }))?.[1]
  } catch {
    return undefined
  }
}

/** Whether `version` is `least` or newer, both like `2.10.27`. */
export function atLeast(version: string, least: string): boolean {
  const [have, want] = [version, least].map((text) => text.split(/[.-]/).map(Number))
  for (let i = 0; i < 3; i++) {
    const difference = (have![i] ?? 0) - (want![i] ?? 0)
    if (difference !== 0) return difference > 0
  }
  return true
}
