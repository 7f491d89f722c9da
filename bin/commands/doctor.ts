/**
 * `aigen doctor`: what this machine has and lacks for a node, and what runs; exit 1 when something
 * needed is missing. Starts nothing. With --dry-run, what of the journals this code would not follow.
 */
import { access, constants, stat, statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import { anvilPath } from '../../runtime/evm/anvil.ts'
import { chainIdOf } from '../../runtime/evm/client.ts'
import { connectNats } from '../../runtime/nats/connection.ts'
import { natsFacts } from '../../runtime/nats/doctor.ts'
import { configuredUrl, findServer, thisMachine } from '../../runtime/nats/find-server.ts'
import { weaknesses } from '../../runtime/nats/server-config.ts'
import { readNetworkFile } from '../../runtime/node/admission.ts'
import { AigenError, asError } from '../../schemas/error.ts'
import { dryRun } from '../dry-run.ts'
import type { Output } from '../output.ts'
import { dataFolder } from '../places.ts'

const NODE_MIN = [20, 19] as const
const FREE_BYTES_MIN = 2 ** 30

interface Finding {
  readonly what: string
  /** `weak` works, with less than one could have. */
  readonly state: 'good' | 'weak' | 'bad'
  readonly says: string
  readonly hint?: string
}

export async function doctor(options: { data?: string; as?: string; dryRun?: boolean }, output: Output): Promise<boolean> {
  const data = dataFolder(options.data)
  if (options.dryRun) return dryRun(data, options.as, output)
  if (options.as !== undefined) throw new AigenError('usage.invalid', '--as goes with --dry-run.')
  const findings = [node(), ...(await Promise.all([folder(data), network(data), nats(output), chain()])).flat()]
  const { ink } = output
  const marks = { good: ink.green('good'), weak: ink.yellow('weak'), bad: ink.red('bad ') }
  for (const finding of findings) {
    output.emit({ type: 'finding', ...finding })
    output.print(`${marks[finding.state]} ${finding.what.padEnd(8)} ${finding.says}${finding.hint ? ` ${ink.dim(finding.hint)}` : ''}`)
  }
  return findings.every(({ state }) => state !== 'bad')
}

function node(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  const good = major > NODE_MIN[0] || (major === NODE_MIN[0] && minor >= NODE_MIN[1])
  return { what: 'node', state: good ? 'good' : 'bad', says: `Node ${process.versions.node} on ${process.platform} ${process.arch}.`, ...(good ? {} : { hint: `Get ${NODE_MIN.join('.')} or newer.` }) }
}

async function folder(data: string): Promise<Finding[]> {
  let path = data
  while (!(await stat(path).catch(() => undefined)) && dirname(path) !== path) path = dirname(path)
  const found: Finding[] = []
  try {
    await access(path, constants.W_OK)
    const space = await statfs(path)
    const free = space.bavail * space.bsize
    found.push({ what: 'data', state: free < FREE_BYTES_MIN ? 'weak' : 'good', says: `${data}${path === data ? '' : ' (not made yet)'}, ${(free / 2 ** 30).toFixed(1)} GB free.` })
  } catch {
    found.push({ what: 'data', state: 'bad', says: `${path} cannot be written.`, hint: 'Give another folder with --data.' })
  }
  const mode = path === data ? (await stat(data)).mode & 0o077 : 0
  if (mode !== 0 && process.platform !== 'win32') found.push({ what: 'data', state: 'weak', says: `${data} can be read by others.`, hint: 'chmod 700 it.' })
  return found
}

/** The network that runs on the data folder, asked itself. */
async function network(data: string): Promise<Finding[]> {
  const file = await readNetworkFile(data)
  if (!file) return [{ what: 'network', state: 'good', says: 'None runs here; aigen dev starts one.' }]
  try {
    const connection = await connectNats(file.operator, 'doctor', { reconnect: false })
    await connection.close()
    const facts = await natsFacts(file.nats)
    const chainId = await chainIdOf(file.chain.url)
    return [
      { what: 'network', state: 'good', says: `Runs as process ${file.pid} since ${new Date(file.startedAt).toISOString()}.` },
      { what: 'journal', state: 'good', says: `NATS ${facts.version} (${facts.source}) at ${facts.url}, profile ${facts.profile}, store ${facts.storeDir || 'its own'}.` },
      ...facts.weaker.map((says): Finding => ({ what: 'journal', state: 'weak', says })),
      { what: 'money', state: chainId === file.chain.chainId ? 'good' : 'bad', says: `Chain ${chainId} at ${file.chain.url}, vault ${file.chain.contract}.` },
    ]
  } catch (thrown) {
    const error = asError(thrown)
    return [{ what: 'network', state: 'bad', says: `Process ${file.pid} says that it runs, but: ${error.message}`, hint: error.rule.hint }]
  }
}

async function nats(output: Output): Promise<Finding[]> {
  const url = configuredUrl()
  if (url !== undefined) return [{ what: 'nats', state: 'good', says: `AIGEN_NATS_URL names a server at ${url.replace(/\/\/[^@]*@/, '//')}; none is started.` }]
  try {
    const found = await findServer(thisMachine((what) => output.say(`fetching ${what}`)))
    const weak = weaknesses(found.version)
    return [
      { what: 'nats', state: weak.length > 0 ? 'weak' : 'good', says: `nats-server ${found.version} (${found.source}) ${found.path}.` },
      ...weak.map((says): Finding => ({ what: 'nats', state: 'weak', says })),
    ]
  } catch (thrown) {
    const error = asError(thrown)
    return [{ what: 'nats', state: 'bad', says: error.message, hint: error.rule.hint }]
  }
}

async function chain(): Promise<Finding[]> {
  const url = process.env['AIGEN_RPC_URL']?.trim()
  try {
    if (url) return [{ what: 'chain', state: 'good', says: `AIGEN_RPC_URL names chain ${await chainIdOf(url)} at ${url}.` }]
    const path = anvilPath()
    await access(path, constants.X_OK)
    return [{ what: 'chain', state: 'good', says: `anvil ${path}.` }]
  } catch (thrown) {
    const error = asError(thrown, 'anvil.missing')
    return [{ what: 'chain', state: 'bad', says: error.message, hint: error.rule.hint }]
  }
}
