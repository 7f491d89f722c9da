/**
 * The Postgres that DBOS stands on in `durable`: the machine's own programs, or Debian's packages
 * unpacked beside, on a data folder of its own with the settings that initdb gives. Postgres does not
 * run as root, so root hands it to another user.
 */
import { execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { access, chmod, chown, constants, mkdir, open, readdir, readFile, realpath, writeFile } from 'node:fs/promises'
import { delimiter, dirname, isAbsolute, join } from 'node:path'
import pg from 'pg'
import { thisMachine } from '../runtime/nats/find-server.ts'
import { watch } from '../runtime/nats/orphan.ts'
import { freePort } from '../runtime/nats/server-process.ts'
import { ready, type PeerServer } from './peer-server.ts'
import { unpackPostgres, type PostgresPrograms } from './postgres-package.ts'

const INITDB_MS = 120_000

/** Starts a server in `folder`, whose parents must let every user through. Rejects where no Postgres can be had. */
export async function startPostgres(folder: string, tell: (text: string) => void): Promise<PeerServer> {
  await mkdir(folder, { recursive: true })
  await chmod(folder, 0o711)
  const { bin, libraries } = await findPrograms() ?? await unpackPostgres(thisMachine(tell), join(folder, 'package'))
  const user = process.getuid?.() === 0 ? await otherUser() : undefined
  const home = join(folder, 'server')
  await mkdir(home, { mode: 0o700 })
  const password = randomBytes(16).toString('hex')
  await writeFile(join(home, 'password'), password, { mode: 0o600 })
  if (user) for (const path of [home, join(home, 'password')]) await chown(path, user.uid, user.gid)
  const [data, port] = [join(home, 'data'), await freePort()]
  const options = { ...user, cwd: home, env: { PATH: process.env['PATH'], LC_ALL: 'C', ...(libraries === undefined ? {} : { LD_LIBRARY_PATH: libraries }) } }
  const initdb = ['-D', data, '-U', 'bench', '-A', 'scram-sha-256', `--pwfile=${join(home, 'password')}`, '--encoding=UTF8', '--locale=C', '--no-instructions']
  await new Promise<void>((resolve, reject) => execFile(join(bin, 'initdb'), initdb, { ...options, timeout: INITDB_MS }, (error, _out, said) => {
    if (error) reject(new Error(`initdb: ${said.trim().split('\n')[0] || error.message}`))
    else resolve()
  }))
  const log = await open(join(folder, 'postgres.log'), 'w')
  const args = ['-D', data, '-p', `${port}`, '-c', 'listen_addresses=127.0.0.1', '-c', 'unix_socket_directories=']
  const child = spawn(join(bin, 'postgres'), args, { ...options, stdio: ['ignore', log.fd, log.fd] })
  await log.close()
  const url = `postgres://bench:${password}@127.0.0.1:${port}`
  const server = await ready(child, watch(child.pid!, data), `postgres (${join(folder, 'postgres.log')})`, () => ask(url, ['server_version']).then(() => true, () => false), 'SIGINT')
  const [version, fsync, commit, method] = await ask(url, ['server_version', 'fsync', 'synchronous_commit', 'wal_sync_method'])
  const synced = fsync === 'on' && commit === 'on' ? 'fsync before the acknowledgement' : 'NO fsync before the acknowledgement'
  return { ...server, url: `${url}/dbos_bench`, durability: `Postgres ${version} fsync=${fsync} synchronous_commit=${commit} wal_sync_method=${method}: ${synced}` }
}

async function ask(url: string, settings: readonly string[]): Promise<string[]> {
  const client = new pg.Client({ connectionString: `${url}/postgres`, connectionTimeoutMillis: 2_000 })
  try {
    await client.connect()
    const answers: string[] = []
    for (const setting of settings) answers.push(Object.values((await client.query(`SHOW ${setting}`)).rows[0] as Record<string, string>)[0]!)
    return answers
  } finally {
    await client.end().catch(() => {})
  }
}

/** On the PATH, then where Debian puts them, the newest first. */
async function findPrograms(): Promise<PostgresPrograms | undefined> {
  const debian = '/usr/lib/postgresql'
  const versions = (await readdir(debian).catch(() => [] as string[])).sort((one, other) => Number(other) - Number(one))
  const folders = [...(process.env['PATH'] ?? '').split(delimiter).filter((folder) => isAbsolute(folder)), ...versions.map((version) => join(debian, version, 'bin'))]
  for (const folder of folders) {
    const program = await realpath(join(folder, 'postgres')).catch(() => undefined)
    if (program === undefined) continue
    const bin = dirname(program)
    const runs = await Promise.all(['postgres', 'initdb'].map((name) => access(join(bin, name), constants.X_OK).then(() => true, () => false)))
    if (runs.every(Boolean)) return { bin }
  }
  return undefined
}

/** A user without rights, for root. */
async function otherUser(): Promise<{ uid: number; gid: number }> {
  const lines = (await readFile('/etc/passwd', 'utf8')).split('\n').map((line) => line.split(':'))
  const found = ['postgres', 'nobody'].map((name) => lines.find((fields) => fields[0] === name)).find((fields) => fields !== undefined)
  if (!found) throw new Error('Postgres does not run as root, and there is no user postgres or nobody')
  return { uid: Number(found[2]), gid: Number(found[3]) }
}
