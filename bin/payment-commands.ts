/** `aigen payments` and `aigen credit`: the two sides of a payment provider, declared as `main.ts` declares all commands. */
import type { Command } from 'commander'
import type { Output } from './output.ts'

type Act = <A extends unknown[]>(action: (...args: [...A, Output]) => Promise<boolean>) => (...args: unknown[]) => Promise<void>

export function paymentCommands(aigen: Command, command: (parent: Command, name: string, description: string) => Command, as: (one: Command) => Command, act: Act): void {
  const collect = (word: string, words: string[]): string[] => [...words, word]
  as(command(aigen, 'payments', 'decide about escrowed calls, pay on as a hub, keep credits, for fees'))
    .option('--fee <amount>', 'price of one case (default 0.001)')
    .option('--challenge <duration>', 'how long complaints are heard, like 60s', undefined)
    .option('--hub-fee <amount>', 'what it takes for one dollar that it pays on (default 0.005)')
    .option('--credit-fee <percent>', 'on what is bought on credit (default 2)')
    .option('--accept <asset=rate@account>', 'sell credit for this too, by invoice, like EUR=0.92@IBAN (repeatable)', collect, []).option('--rate-for <duration>', 'how long these rates hold (default 1d)')
    .option('--operator <address>', 'whose word it is that an invoice was paid (repeatable)', collect, [])
    .option('--watchtower <address>', 'hand the vouchers to this watchtower too', collect, [])
    .action(act<[any]>(async (options, output) => (await import('./commands/payments.ts')).payments(options, output)))

  const load = async () => import('./commands/credit.ts')
  const credit = aigen.command('credit').description('an account with a payment provider, which pays calls from it')
  const at = (one: Command): Command => as(one).option('--at <provider>', 'payment provider, by name or address (default: the only one)')
  at(command(credit, 'balance', 'what was deposited, held, spent, and is free')).action(act<[any]>(async (options, output) => (await load()).balance(options, output)))
  at(command(credit, 'deposit', 'buy credit over the network').argument('<amount>', 'whole cents, like 5.00')).action(act<[string, any]>(async (amount, options, output) => (await load()).deposit(amount, options, output)))
  at(command(credit, 'buy', 'have a call hired and paid from the account').argument('<capability>', 'like text.chat@1')).requiredOption('--max-price <amount>', 'most that the call may cost, the fee not included')
    .option('--input <k=v>', 'an input; k=@file for a file (repeatable)', collect, []).option('--deadline <duration>', 'how long it may take (default 60s)').option('--expect <expression>', 'what its output must be, like "output.confidence > 80.0"')
    .option('--key <text>', 'the same key again is the same call, paid once')
    .action(act<[string, any]>(async (capability, options, output) => (await load()).buy(capability, options, output)))
  at(command(credit, 'invoice', 'an invoice for credit, to be paid in another asset').argument('<amount>', 'of the dollar, like 5.00')).requiredOption('--asset <name>', 'like EUR')
    .action(act<[string, any]>(async (amount, options, output) => (await load()).invoice(amount, options, output)))
  as(command(credit, 'acknowledge', 'say as its operator that an invoice was paid').argument('<file>', 'the invoice')).requiredOption('--reference <text>', 'the payment, as the bank names it')
    .action(act<[string, any]>(async (file, options, output) => (await load()).acknowledge(file, options, output)))
  at(command(credit, 'refund', 'take out what is unused, to the own account on the chain').argument('<amount>', 'of the dollar')).option('--key <text>', 'the same key again is the same refund')
    .action(act<[string, any]>(async (amount, options, output) => (await load()).refund(amount, options, output)))
}
