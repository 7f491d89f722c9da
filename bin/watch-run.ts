/**
 * A run that another process may run, shown as it happens: its journal is read on as the owner writes
 * it, nothing is taken over. Used by `aigen runs watch`.
 */
import { followRun } from '../agents/user/follow.ts'
import { hasEnded, runLine } from '../agents/user/run-line.ts'
import type { RunContext } from '../pipelines/run.machine.ts'
import { AigenError, asError } from '../schemas/error.ts'
import { formatMoney } from '../schemas/money.ts'
import { billText } from './bill-table.ts'
import { readBill } from './commands/bill.ts'
import { showRun } from './live-table.ts'
import { reportError, type Output } from './output.ts'
import type { ReadSession } from './read-session.ts'

/** How often the journal is looked at. */
const LOOK_MS = 200

/** Shows the run until it ends, then its bill; true when it gave its answer. False when `stop` came first. Error `run.unknown`. */
export async function watchRun(session: ReadSession, run: string, output: Output, stop: AbortSignal): Promise<boolean> {
  const { actors, ports: { clock } } = session
  let { state: said } = await runLine(actors, run)
  const { plan, budget } = (await actors.look<RunContext>(`run/${run}`))!
  output.emit({ type: 'run', run, pipeline: plan.pipeline, worstCase: formatMoney(BigInt(plan.worst)), budget: formatMoney(BigInt(budget)), state: said })
  const shown = showRun(run, plan.pipeline, output)
  const followed = await followRun(actors, run, shown.row)
  shown.begin(followed)
  try {
    while (!hasEnded(await runLine(actors, run)) && !stop.aborted) {
      await clock.sleep(LOOK_MS, stop).catch(() => undefined)
      await actors.refresh().catch((thrown) => {
        // A server that restarts is there again soon.
        if (!asError(thrown).rule.retry) throw thrown
      })
      const { state } = await runLine(actors, run)
      if (state !== said) output.emit({ type: 'run.state', run, state })
      said = state
    }
  } finally {
    followed.stop()
    shown.end()
  }
  if (!hasEnded(await runLine(actors, run))) return false
  const { error } = (await actors.look<RunContext>(`run/${run}`))!
  if (error) reportError(Object.assign(new AigenError('run.failed', error.message), { message: `${error.path ? `${error.path}: ` : ''}${error.message}` }), output)
  const bill = await readBill(session, run)
  output.print(billText(bill, output.ink))
  output.emit(bill)
  return error === null
}
