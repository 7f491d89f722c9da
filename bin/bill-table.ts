/** A bill for people: a line a step, the attempts that came to nothing, totals, transactions. */
import Table from 'cli-table3'
import type { Bill } from '../schemas/documents.gen.ts'
import { BARE, seconds } from './bare-table.ts'
import type { Colours } from './output.ts'

export function billText(bill: Bill, ink: Colours): string {
  const table = new Table({
    head: ['step', 'provider', 'list', 'agreed', 'units', 'charged', 'time', 'receipt'].map((text) => ink.dim(text)), chars: BARE,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 }, colAligns: ['left', 'left', 'right', 'right', 'left', 'right', 'right', 'left'],
  })
  for (const step of bill.steps) {
    for (const attempt of step.attempts ?? []) {
      if (attempt.state === 'done') continue
      table.push([ink.dim(`${step.step} (${attempt.state})`), ink.dim(attempt.providerName ?? attempt.provider), '', attempt.agreed ?? '', '', attempt.charged, '', attempt.receipt ?? ''])
    }
    const units = Object.entries(step.units ?? {}).map(([unit, count]) => `${count} ${unit}`).join(', ') + (step.stream ? ink.dim(`${step.units ? ', ' : ''}${step.stream.pieces} pieces in ${step.stream.vouchers} vouchers`) : '')
    const per = (price: string | undefined): string => (price === undefined ? '' : step.per === undefined ? price : `${price}/${step.per}`)
    table.push([
      step.step, step.providerName ?? step.provider ?? ink.dim(step.state), per(step.list), per(step.agreed), units, step.charged,
      step.latencyMs === undefined ? '' : seconds(step.latencyMs), step.receipt ?? (step.reused ? ink.dim(`reused${step.reused.until === undefined ? '' : ' as its card allows'}, ${step.reused.paid} was paid: ${step.reused.receipt}`) : step.state === 'done' ? '' : ink.yellow(step.state)),
    ])
  }
  return [
    `${ink.bold('Bill')} ${bill.pipeline} ${ink.dim(bill.run)}`,
    table.toString(),
    ...bill.steps.flatMap(({ step, escrow }) => escrow ? [ink.dim(`${step}: escrow ${escrow.state}${escrow.paid === undefined ? '' : `, ${escrow.paid} to the provider`}${escrow.lost === undefined ? '' : `, ${escrow.lost} of it for no delivery, so without a receipt`}; ${escrow.agentName ?? escrow.agent} decides for ${escrow.fee}${escrow.reason === undefined ? '' : `: ${escrow.reason}`}`)] : []),
    `${ink.bold(`spent ${bill.spent}`)} of ${bill.budget}, settled on the chain ${bill.settled} ${ink.dim(bill.asset)}`,
    ...bill.transactions.map((hash) => `transaction ${hash}`),
  ].join('\n')
}
