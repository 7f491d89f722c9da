/**
 * The receipts behind a run's answer, those of what it took over included, as a file in the participant's
 * folder, made when the run has ended: what
 * `aigen receipts verify` and anybody else checks offline.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { receiptsOf } from '../pipelines/bill.ts'
import type { RunContext } from '../pipelines/run.machine.ts'
import type { UserSession } from './user-session.ts'

/** Writes `<home>/receipts/<run>.json`, a list of receipts; `undefined` when there are none. */
export async function writeReceipts({ user, home }: Pick<UserSession, 'user' | 'home'>, run: string): Promise<string | undefined> {
  const { host, wire } = user.node
  const receipts = await receiptsOf(host, (await host.look<RunContext>(`run/${run}`))!, wire.credentials.verifier)
  if (receipts.length === 0) return undefined
  const folder = join(home, 'receipts')
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const file = join(folder, `${run}.json`)
  await writeFile(file, `${JSON.stringify(receipts, null, 1)}\n`, { mode: 0o600 })
  return file
}
