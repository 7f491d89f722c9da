/**
 * The whole network on this machine: NATS, an EVM chain, and every participant as a process of its
 * own (DESIGN, `aigen dev`). State stays in the data folder; nothing is left running: NATS and
 * anvil have watchers, participants a lifeline (participant-process.ts).
 */
import { mkdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Connections } from '../../runtime/node/connect.ts'
import { serveAdmission, writeNetworkFile, type NetworkFile } from '../../runtime/node/admission.ts'
import { lockHome } from '../../runtime/node/lock.ts'
import { systemRandom } from '../../runtime/node/system-random.ts'
import { startServer, type ServerEvent } from '../../runtime/nats/server.ts'
import { AigenError } from '../../schemas/error.ts'
import type { GuardianSet } from '../../schemas/documents.gen.ts'
import type { ParticipantId } from '../../schemas/id.ts'
import { genesisGuardians } from './genesis.ts'
import { layKnownWallets } from './known-wallets.ts'
import { startChain, type DevnetChain } from './chain.ts'
import { participantsIn, type DevnetParticipant } from './participants.ts'
import { ParticipantProcess } from './participant-process.ts'

/** How long the participants may take to load, on a slow machine too. */
const LIVE_MS = 120_000

export interface DevnetOptions {
  readonly data: string
  /** Preferred port of the NATS server. */
  readonly port?: number
  /** The command line's file, which provider processes run. */
  readonly program: string
  /** One line for people, about start-up, deaths and restarts. */
  readonly say: (line: string) => void
  readonly participants?: readonly DevnetParticipant[]
}

export interface Devnet {
  readonly file: NetworkFile
  /** Resolves when every participant is there; `network.timeout` with the names of those that are not. */
  readonly live: Promise<void>
  participants(): { readonly name: string; readonly role: string; readonly does: string; readonly participant: ParticipantId | undefined; readonly pid: number | undefined }[]
  /** Takes a participant in: an account on NATS, gas on the chain. Repeatable. */
  admit(participant: ParticipantId): Promise<Connections>
  /** Stops participants, then chain and NATS. Idempotent. */
  stop(): Promise<void>
}

/**
 * Starts the network of `data`; resolves when NATS and the chain are there, while participants load.
 * Errors: `node.locked` when another process runs it, `nats.*`, `anvil.*`, `chain.*`.
 */
export async function startDevnet(options: DevnetOptions): Promise<Devnet> {
  const { say } = options
  const data = resolve(options.data)
  await mkdir(data, { recursive: true, mode: 0o700 })
  const unlock = await lockHome(data)
  const from = performance.now()
  const since = (): string => `${((performance.now() - from) / 1_000).toFixed(1)} s`
  const undo: (() => Promise<unknown>)[] = [unlock]
  let stopping: Promise<void> | undefined
  const stop = (): Promise<void> => (stopping ??= (async () => {
    for (const step of undo.reverse()) await step().catch((error: Error) => say(error.message))
  })())

  let opened!: (ground: Ground) => void
  let failed!: (error: unknown) => void
  const ground = new Promise<Ground>((done, fail) => {
    opened = done
    failed = fail
  })
  ground.catch(() => undefined)
  const funded = new Map<ParticipantId, Promise<void>>()
  const admit = async (participant: ParticipantId): Promise<Connections> => {
    const { nats, chain, guardians } = await ground
    const funding = funded.get(participant) ?? chain.fund(participant)
    funded.set(participant, funding)
    funding.catch(() => funded.delete(participant))
    const [credentials] = await Promise.all([nats.admit(participant, { guardian: guardians?.participants.includes(participant) === true }), funding])
    return { ...credentials, chain: chain.chain, ...(guardians ? { guardians } : {}) }
  }

  const invited = options.participants ?? participantsIn(process.env)
  const guardians = await genesisGuardians(data, invited)
  await layKnownWallets(data, invited)
  // Participants load their models while NATS and the chain start; they are taken in when both are there.
  const children = invited.map(({ name, role, arguments: words }) => new ParticipantProcess({
    name, role, admit, say, program: options.program,
    args: [...words.map((word) => (word.startsWith('./') ? moduleFile(word) : word)), '--data', data, '--as', name],
  }))
  undo.push(() => Promise.all(children.map((child) => child.stop())))
  try {
    const natsStart = startServer({ dataDir: join(data, 'nats'), random: systemRandom, ...(options.port === undefined ? {} : { port: options.port }), onEvent: (event) => sayEvent(event, say) })
      .then((nats) => {
        undo.splice(1, 0, () => nats.stop())
        say(`nats ${nats.version} (${nats.source}) at ${nats.url}, ${since()}`)
        for (const warning of nats.warnings) say(`  ${warning}`)
        return nats
      })
    const chainStart = startChain(data).then((chain) => {
      undo.splice(1, 0, () => chain.stop())
      say(`chain ${chain.chain.chainId} at ${chain.chain.url}, vault ${chain.chain.contract}, ${since()}`)
      return chain
    })
    await Promise.allSettled([natsStart, chainStart])
    const [nats, chain] = [await natsStart, await chainStart]
    opened({ nats, chain, guardians })
    const { url, version, source, warnings, pid, dataDir, operator } = nats
    const file: NetworkFile = { version: 1, pid: process.pid, startedAt: Date.now(), nats: { url, version, source, warnings, pid, dataDir }, chain: chain.chain, operator, ...(guardians ? { guardians } : {}) }
    const stopAdmission = await serveAdmission(operator, admit)
    const removeFile = await writeNetworkFile(data, file)
    undo.push(stopAdmission, removeFile)
    let count = 0
    for (const child of children) void child.live.then(() => say(`${child.role} ${child.name} is live (${++count}/${children.length}), ${since()}`), () => undefined)
    const needed = new Set(invited.filter(({ optional }) => !optional).map(({ name }) => name))
    const live = within(LIVE_MS, children.filter(({ name }) => needed.has(name)))
    live.catch(() => undefined)
    return { file, live, admit, stop, participants: () => children.map(({ name, role, does, participant, pid: child }) => ({ name, role, does, participant, pid: child })) }
  } catch (error) {
    failed(error)
    await stop()
    throw error
  }
}

interface Ground {
  readonly nats: Awaited<ReturnType<typeof startServer>>
  readonly chain: DevnetChain
  readonly guardians: GuardianSet | undefined
}

async function within(ms: number, children: readonly ParticipantProcess[]): Promise<void> {
  const waiting = new Set(children.map(({ name }) => name))
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new AigenError('network.timeout', `Not live after ${ms / 1_000} s: ${[...waiting].join(', ')}.`)), ms)
  })
  try {
    await Promise.race([late, Promise.all(children.map((child) => child.live.then(() => waiting.delete(child.name))))])
  } finally {
    clearTimeout(timer)
  }
}

/** A service beside this file: compiled when this file is. */
function moduleFile(module: string): string {
  // Documents are not compiled: they lie beside the sources.
  if (module.endsWith('.json')) return fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? module : `../../../examples/devnet/${module}`, import.meta.url))
  return fileURLToPath(new URL(`${module}${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url))
}

function sayEvent(event: ServerEvent, say: (line: string) => void): void {
  if (event.type === 'fetching') say(`nats: fetching ${event.what}`)
  else if (event.type === 'ended-orphan') say(`nats: ended the server of an earlier run (process ${event.pid})`)
  else if (event.type === 'died') say(`nats ended (${event.reason}); started again in ${event.waitMs} ms`)
  else if (event.type === 'restarted') say(`nats runs again (process ${event.pid})`)
  else say(event.error.message)
}
