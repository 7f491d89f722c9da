/** `aigen pass ls|show|buy`: subscriptions that providers sell, and until when a participant holds them. */
import Table from 'cli-table3'
import { buyPass, listPasses, type PassLine } from '../../agents/user/pass.ts'
import { createAuthorisations } from '../../runtime/identity/authorisation.ts'
import { createVerifier } from '../../runtime/identity/signed.ts'
import { openDirectory } from '../../runtime/market/directory.ts'
import { AigenError } from '../../schemas/error.ts'
import { BARE } from '../bare-table.ts'
import { join } from '../join.ts'
import type { Output } from '../output.ts'
import { dataFolder } from '../places.ts'
import { openSession } from '../user-session.ts'
import type { ReadOptions } from './bill.ts'

export interface BuyOptions extends ReadOptions {
  readonly periods?: number
  readonly capability?: string
}

const until = (expiresAt: number): string => expiresAt === 0 ? 'not held' : `${expiresAt > Date.now() ? 'until' : 'ended'} ${new Date(expiresAt).toISOString()}`

/** What is sold, by everybody or by one provider; looks only, so that it works beside a running node. */
export async function list(provider: string | undefined, options: ReadOptions, output: Output): Promise<boolean> {
  const { ports, keys } = await join(dataFolder(options.data), options.as)
  let lines: PassLine[]
  try {
    const directory = await openDirectory({ bus: ports.bus, clock: ports.clock, verifier: createVerifier(createAuthorisations()) })
    lines = await listPasses({ rail: ports.rail, directory }, keys.participant)
    await directory.close()
  } finally {
    await ports.close()
  }
  if (provider !== undefined) {
    lines = lines.filter((one) => one.name === provider || one.provider === provider.toLowerCase())
    if (lines.length === 0) throw new AigenError('usage.invalid', `${provider} sells no pass; see aigen pass ls.`)
  }
  const { ink } = output
  const table = new Table({ head: ['provider', 'capability', 'price', 'covers', 'yours', 'pass'].map((text) => ink.dim(text)), chars: BARE, style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 } })
  for (const line of lines) {
    output.emit({ type: 'pass', ...line })
    table.push([line.name, line.capability, `${line.price} for ${line.periodDays} days`, line.quotaPerDay === undefined ? 'every call' : `${line.quotaPerDay} calls a day`, until(line.expiresAt), ink.dim(line.pass)])
  }
  output.print(lines.length === 0 ? 'Nobody sells a pass here.' : table.toString())
  return true
}

export async function buy(provider: string, { data, as, periods, capability }: BuyOptions, output: Output): Promise<boolean> {
  const session = await openSession({ data: dataFolder(data), name: as })
  try {
    const bought = await buyPass(session.user, { provider, faucet: true, ...(periods === undefined ? {} : { periods }), ...(capability === undefined ? {} : { capability }) })
    output.emit({ type: 'pass', ...bought })
    output.print(`${bought.name} serves ${bought.capability} for nothing ${until(bought.expiresAt)}; paid ${bought.paid}`)
    return true
  } finally {
    await session.close()
  }
}
