/**
 * Finds or gets a nats-server (DESIGN D4), asking the sources in a fixed order: the PATH, the cache,
 * the system's package manager without root, Homebrew, the official release by checksum. A URL in
 * AIGEN_NATS_URL comes before all of them; then nothing is looked for and nothing is started.
 */
import { execFile } from 'node:child_process'
import { homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'
import { AigenError } from '../../schemas/error.ts'
import { fromDebian } from './sources/debian.ts'
import { fromHomebrew } from './sources/homebrew.ts'
import { cached } from './sources/install.ts'
import { fromPath } from './sources/path.ts'
import { fromRelease } from './sources/release.ts'
import type { FoundServer, Machine, Source } from './sources/source.ts'

/** In the order they are asked. */
export const SOURCES: readonly Source[] = [fromPath, cached, fromDebian, fromHomebrew, fromRelease]

/** The URL of a server that runs already, from AIGEN_NATS_URL. */
export function configuredUrl(env: Machine['env'] = process.env): string | undefined {
  const url = env['AIGEN_NATS_URL']?.trim()
  return url ? url : undefined
}

/** The first server a source has. Error `nats.missing` with what each of them said. */
export async function findServer(machine: Machine = thisMachine(), sources: readonly Source[] = SOURCES): Promise<FoundServer> {
  const reasons: string[] = []
  for (const source of sources) {
    try {
      const found = await source(machine)
      if (found !== undefined) return found
    } catch (thrown) {
      reasons.push((thrown instanceof Error ? thrown.message : String(thrown)).split('\n', 1)[0]!)
    }
  }
  const options = machine.platform === 'darwin' ? 'brew install nats-server' : 'apt-get install nats-server (Debian 13 or newer has 2.10)'
  throw new AigenError('nats.missing', [`Options: ${options}; a release from github.com/nats-io/nats-server;`
    + ' AIGEN_NATS_URL=nats://user:pass@host:4222 for a server that runs already.', ...reasons].join(' '))
}

/** The machine this process runs on. `say` gets what takes long, for stderr. */
export function thisMachine(say: (what: string) => void = () => {}): Machine {
  const configured = process.env['XDG_CACHE_HOME']
  const base = configured !== undefined && isAbsolute(configured) ? configured : join(homedir(), '.cache')
  return { env: process.env, platform: process.platform, arch: process.arch, cache: join(base, 'aigen'), run, download, say }
}

function run(file: string, args: readonly string[], options: { cwd?: string; timeoutMs?: number } = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(file, [...args], {
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      timeout: options.timeoutMs ?? 30_000, maxBuffer: 16 * 2 ** 20, env: { ...process.env, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' },
    }, (error, stdout, stderr) => {
      if (error === null) return resolve(stdout || stderr)
      const last = stderr.trim().split('\n').findLast((line) => line !== '')
      reject(new Error(`${file}: ${last ?? error.message}`))
    })
  })
}

async function download(url: string, maxBytes: number): Promise<Uint8Array> {
  const response = await fetch(url, { redirect: 'follow', signal: AbortSignal.timeout(120_000) })
  if (!response.ok || response.body === null) throw new Error(`${url}: ${response.status}`)
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    size += chunk.length
    if (size > maxBytes) throw new Error(`${url}: larger than ${maxBytes} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
