/** A Restate server of `durable`: one node in a folder of its own, everything as it comes but the ports and the number of partitions. */
import { execFile, spawn } from 'node:child_process'
import { mkdir, open, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePort } from '../runtime/nats/server-process.ts'
import { watch } from '../runtime/nats/orphan.ts'
import { peerFile } from './peers.ts'
import { ready, type PeerServer } from './peer-server.ts'

/** Starts a server with `partitions` and waits until it takes calls. */
export async function startRestate(folder: string, partitions: number): Promise<PeerServer> {
  const binary = peerFile(`@restatedev/restate-server-${process.platform}-${process.arch}/bin/restate-server`)
  await mkdir(folder, { recursive: true })
  const [node, ingress, admin] = [await freePort(), await freePort(), await freePort()]
  const file = join(folder, 'restate.toml')
  await writeFile(file, [
    `default-num-partitions = ${partitions}`, 'disable-telemetry = true', 'log-filter = "warn"', 'listen-mode = "tcp"', 'node-name = "bench"',
    `base-dir = ${JSON.stringify(join(folder, 'data'))}`, `bind-address = "127.0.0.1:${node}"`, `advertised-address = "http://127.0.0.1:${node}"`,
    '[ingress]', `bind-address = "127.0.0.1:${ingress}"`, '[admin]', `bind-address = "127.0.0.1:${admin}"`, '',
  ].join('\n'))
  const log = await open(join(folder, 'restate.log'), 'w')
  const child = spawn(binary, ['--no-logo', '--config-file', file], { stdio: ['ignore', log.fd, log.fd], cwd: folder })
  await log.close()
  const server = await ready(child, watch(child.pid!, file), `restate-server (${join(folder, 'restate.log')})`, async () => {
    const healthy = async (url: string): Promise<boolean> => fetch(url).then(({ ok }) => ok, () => false)
    return await healthy(`http://127.0.0.1:${admin}/health`) && healthy(`http://127.0.0.1:${ingress}/restate/health`)
  })
  return { ...server, url: `http://127.0.0.1:${ingress}`, admin: `http://127.0.0.1:${admin}`, durability: await durabilityOf(binary, file) }
}

/** What the server itself says of its log's write-ahead file. */
function durabilityOf(binary: string, file: string): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(binary, ['--config-file', file, '--dump-config'], (error, config) => {
      if (error) return reject(error)
      const log = config.slice(config.indexOf('[log-server]'))
      const fsync = /rocksdb-disable-wal-fsync = (\w+)/.exec(log)?.[1]
      const partitions = /default-num-partitions = (\d+)/.exec(config)?.[1]
      const synced = fsync === 'false' ? 'fsync before the acknowledgement' : 'whether it syncs first is not known here'
      resolve(`Restate log-server rocksdb-disable-wal-fsync=${fsync ?? 'unknown'}: ${synced}; default-num-partitions=${partitions}`)
    })
  })
}
