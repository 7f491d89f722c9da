/** `aigen bill RUN`: the bill of a run as it stands, also while another process runs it. */
import { billOf } from '../../pipelines/bill.ts'
import { createAuthorisations } from '../../runtime/identity/authorisation.ts'
import { createVerifier } from '../../runtime/identity/signed.ts'
import type { Bill } from '../../schemas/documents.gen.ts'
import { billText } from '../bill-table.ts'
import type { Output } from '../output.ts'
import { dataFolder } from '../places.ts'
import { openReadSession, type ReadSession } from '../read-session.ts'

export interface ReadOptions {
  readonly data?: string
  readonly as?: string
}

export async function bill(run: string, options: ReadOptions, output: Output): Promise<boolean> {
  const session = await openReadSession(dataFolder(options.data), options.as)
  try {
    const found = await readBill(session, run)
    output.print(billText(found, output.ink))
    output.emit(found)
    return true
  } finally {
    await session.close()
  }
}

/** The bill from the journal alone. Error `run.unknown`. */
export function readBill({ actors, ports }: ReadSession, run: string): Promise<Bill> {
  const { asset, decimals } = ports.rail.terms
  return billOf(run, { host: actors, verifier: createVerifier(createAuthorisations()), asset, decimals })
}
