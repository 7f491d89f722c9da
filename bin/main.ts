/**
 * The command line's entry point: bin/aigen.js calls `main` with the arguments and exits with what
 * it returns (0 done, 1 the thing asked for failed, 2 wrong usage). Commands are declared here and
 * loaded when they are called, so that `--help` and `check` stay quick.
 */
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { asError, type AigenError } from '../schemas/error.ts'
import type * as Desk from './commands/subscription.ts'
import { paymentCommands } from './payment-commands.ts'
import { createOutput, reportError, type Output, type Streams } from './output.ts'

/** Runs one command; the exit code. */
export async function main(argv: readonly string[], streams: Streams = process): Promise<number> {
  let output = createOutput(argv.includes('--json'), streams)
  let done = true
  const act = <A extends unknown[]>(action: (...args: [...A, Output]) => Promise<boolean>) => async (...args: unknown[]): Promise<void> => {
    args.pop() // the command itself
    output = createOutput((args.at(-1) as { json?: boolean }).json === true, streams)
    done = await action(...(args as A), output)
  }
  try {
    await program(streams, act).parseAsync([...argv], { from: 'user' })
    return done ? 0 : 1
  } catch (thrown) {
    if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? 0 : 2
    const error = asError(thrown)
    reportError(error, output)
    if (error.code === 'internal' && process.env['DEBUG'] !== undefined) output.say(String((error.cause as Error | undefined)?.stack ?? error.stack))
    return isUsage(error) ? 2 : 1
  }
}

const isUsage = (error: AigenError): boolean => error.code === 'usage.invalid' || error.code === 'money.invalid' || error.code === 'pipeline.unknown'

type Act = <A extends unknown[]>(action: (...args: [...A, Output]) => Promise<boolean>) => (...args: unknown[]) => Promise<void>

const collect = (word: string, words: string[]): string[] => [...words, word]

function port(text: string): number {
  const number = Number(text)
  if (!Number.isInteger(number) || number < 1 || number > 65_535) throw new InvalidArgumentError('Expected a port between 1 and 65535.')
  return number
}

function number(text: string): number {
  const found = Number(text)
  if (!Number.isInteger(found) || found < 1) throw new InvalidArgumentError('Expected a whole number from 1.')
  return found
}

function program(streams: Streams, act: Act): Command {
  const aigen = new Command('aigen')
    .description('Hire models, data and compute from strangers, compose them into pipelines, pay step by step.')
    .exitOverride()
    // `aigen watch` and `aigen gateway` are commands and have commands: an option after one belongs to it.
    .enablePositionalOptions()
    .configureOutput({ writeOut: (text) => void streams.stdout.write(text), writeErr: (text) => void streams.stderr.write(text) })
    .showSuggestionAfterError()
    .showHelpAfterError('See aigen --help.')
  const command = (parent: Command, name: string, description: string): Command =>
    parent.command(name).description(description).addOption(new Option('--json', 'one JSON object a line on stdout'))
  const data = (one: Command): Command => one.option('--data <dir>', 'data folder of the network (default: aigen/dev in your state folder)')
  const as = (one: Command): Command => data(one).option('--as <name>', 'participant, by the name of its folder', undefined)

  data(command(aigen, 'dev', 'the whole network on this machine'))
    .option('--once', 'run the showcase pipeline, print the bill, stop')
    .option('--port <n>', 'preferred port of the NATS server', port)
    .action(act<[any]>(async (options, output) => (await import('./commands/dev.ts')).dev(options, output)))
  as(command(aigen, 'run', 'run a pipeline and pay for it').argument('<pipeline>', 'file, or name from the library'))
    .option('--input <k=v>', 'an input; k=@file for a file (repeatable)', collect, [])
    .option('--budget <amount>', 'most it may cost, like 0.50')
    .option('--out <dir>', 'folder for the answer\'s files')
    .option('--through <hub>', 'have a hub pay the providers of steps that say nothing of how they are paid: an address, or any')
    .option('--light', 'on a light node: journal in a local file, no chain, deposits through relays')
    .action(act<[string, any]>(async (pipeline, options, output) => (await import('./commands/run.ts')).run(pipeline, options, output)))
  data(command(aigen, 'check', 'check a pipeline; starts nothing').argument('<pipeline>', 'file, or name from the library'))
    .option('--budget <amount>', 'check the worst case against this')
    .action(act<[string, any]>(async (pipeline, options, output) => (await import('./commands/check.ts')).check(pipeline, options, output)))
  command(aigen, 'init', 'begin a pipeline in a folder of its own').argument('[name]', 'of the folder and the pipeline (default: my-pipeline)')
    .option('--provider', 'a service provider, and a pipeline that hires it')
    .action(act<[string | undefined, any]>(async (name, options, output) => (await import('./commands/init.ts')).init(name, options, output)))
  command(aigen, 'explain', 'draw a pipeline: Mermaid on stdout; starts nothing').argument('<pipeline>', 'file, or name from the library')
    .option('--svg <file>', 'draw it into this file instead')
    .action(act<[string, any]>(async (pipeline, options, output) => (await import('./commands/explain.ts')).explain(pipeline, options, output)))
  as(command(aigen, 'quote', 'ask for prices; agrees to nothing').argument('<pipeline>', 'file, or name from the library'))
    .option('--input <k=v>', 'an input, to see what need not be hired for it; k=@file for a file (repeatable)', collect, [])
    .action(act<[string, any]>(async (pipeline, options, output) => (await import('./commands/quote.ts')).quote(pipeline, options, output)))
  as(command(aigen, 'bill', 'the bill of a run').argument('<run>', 'id of the run'))
    .action(act<[string, any]>(async (run, options, output) => (await import('./commands/bill.ts')).bill(run, options, output)))

  controlledRuns(aigen, command, as, act)
  const agent = aigen.command('agent').description('agents that pursue a goal under a budget and a policy')
  as(command(agent, 'run', 'start an agent, follow it, answer what it asks').argument('<goal>', 'what is wanted, in words'))
    .option('--budget <amount>', 'most it may spend, like 0.50')
    .option('--policy <file>', 'JSON file of what it may do (schemas/agent-policy.schema.json)')
    .option('--input <k=v>', 'an input for its plans; k=@file for a file (repeatable)', collect, [])
    .option('--accept <expression>', 'CEL over output that decides whether the goal is met; without it a model judges')
    .option('--yes', 'run its plans without asking')
    .option('--out <dir>', 'folder for the answer\'s files')
    .action(act<[string, any]>(async (goal, options, output) => (await import('./commands/agent.ts')).run(goal, options, output)))
  as(command(agent, 'ls', 'every agent'))
    .action(act<[any]>(async (options, output) => (await import('./commands/agent.ts')).list(options, output)))
  as(command(agent, 'show', 'what an agent did, paid and asks').argument('<agent>', 'id of the agent'))
    .action(act<[string, any]>(async (id, options, output) => (await import('./commands/agent.ts')).show(id, options, output)))
  as(command(agent, 'resume', 'go on with agents that were left open').argument('[agent]', 'only this one'))
    .action(act<[string | undefined, any]>(async (id, options, output) => (await import('./commands/agent.ts')).resume(id, options, output)))
  for (const [want, description] of [['approve', 'let the plan run that it asks about'], ['reject', 'refuse the plan, which ends the agent'], ['cancel', 'end an agent']] as const) {
    as(command(agent, want, description).argument('<agent>', 'id of the agent'))
      .option('--question <n>', 'number of the question that is answered', number)
      .option('--reason <text>', 'why')
      .action(act<[string, any]>(async (id, options, output) => (await import('./commands/agent.ts')).tell(id, want, options, output)))
  }

  const watch = as(command(aigen, 'watch', 'look again and again, run a pipeline when a condition holds'))
  watch.argument('<file>', 'JSON file of the watcher (schemas/watcher.schema.json)')
    .action(act<[string, any]>(async (file, options, output) => (await import('./commands/watch.ts')).watch(file, options, output)))
  as(command(watch, 'ls', 'every watcher'))
    .action(act<[any]>(async (options, output) => (await import('./commands/watch.ts')).list(options, output)))
  as(command(watch, 'show', 'what a watcher saw, ran and paid').argument('<watcher>', 'id of the watcher'))
    .action(act<[string, any]>(async (id, options, output) => (await import('./commands/watch.ts')).show(id, options, output)))
  as(command(watch, 'stop', 'end a watcher').argument('<watcher>', 'id of the watcher'))
    .action(act<[string, any]>(async (id, options, output) => (await import('./commands/watch.ts')).stop(id, options, output)))
  as(command(watch, 'resume', 'go on with watchers that were left open'))
    .action(act<[any]>(async (options, output) => (await import('./commands/watch.ts')).resume(options, output)))

  const providers = aigen.command('providers').description('who offers what')
  as(command(providers, 'ls', 'every provider'))
    .action(act<[any]>(async (options, output) => (await import('./commands/providers.ts')).list(options, output)))
  as(command(providers, 'show', 'one provider, with its capability\'s contract').argument('<provider>', 'name or address'))
    .action(act<[string, any]>(async (provider, options, output) => (await import('./commands/providers.ts')).show(provider, options, output)))

  wallets(aigen, command, as, act)
  const pass = aigen.command('pass').description('subscriptions: calls for nothing while a pass lasts')
  as(command(pass, 'ls', 'every pass that is sold, and until when you hold it'))
    .action(act<[any]>(async (options, output) => (await import('./commands/pass.ts')).list(undefined, options, output)))
  as(command(pass, 'show', 'the passes of one provider').argument('<provider>', 'name or address'))
    .action(act<[string, any]>(async (provider, options, output) => (await import('./commands/pass.ts')).list(provider, options, output)))
  as(command(pass, 'buy', 'buy or renew a pass').argument('<provider>', 'name or address'))
    .option('--periods <n>', 'how many (default 1)', number).option('--capability <id>', 'where the provider sells passes of several')
    .action(act<[string, any]>(async (provider, options, output) => (await import('./commands/pass.ts')).buy(provider, options, output)))
  const subscription = aigen.command('subscription').description('plans that providers sell: calls for nothing, renewed by themselves, given away')
  const desk = (): Promise<typeof Desk> => import('./commands/subscription.ts')
  as(command(subscription, 'ls', 'every plan that is sold, and what you hold')).action(act<[any]>(async (options, output) => (await desk()).list(options, output)))
  as(command(subscription, 'buy', 'buy a subscription, or renew the one you hold').argument('<provider>', 'name or address'))
    .option('--periods <n>', 'how many now (default 1)', number).option('--renewals <n>', 'periods that renew themselves later, within the wallet\'s policy', number).option('--capability <id>', 'where the provider sells several plans').action(act<[string, any]>(async (provider, options, output) => (await desk()).buy(provider, options, output)))
  as(command(subscription, 'renewals', 'how many periods renew themselves').argument('<id>').argument('<n>', '0 for none', number)).action(act<[string, number, any]>(async (id, n, options, output) => (await desk()).renewals(id, n, options, output)))
  as(command(subscription, 'cancel', 'end it when what is paid is over').argument('<id>')).action(act<[string, any]>(async (id, options, output) => (await desk()).cancel(id, options, output)))
  as(command(subscription, 'give', 'give it away, with the rest of its time').argument('<id>').argument('<to>', 'address')).action(act<[string, string, any]>(async (id, to, options, output) => (await desk()).give(id, to, options, output)))
  as(command(subscription, 'take', 'take up one that you were given').argument('<id>')).action(act<[string, any]>(async (id, options, output) => (await desk()).take(id, options, output)))

  as(command(aigen, 'provide', 'sell what a module defines, or a pipeline').argument('<module>', 'file whose default export is a provider, or a bundle in JSON'))
    .option('--http [port]', 'also answer access keys over HTTP', (text) => (text === undefined ? true : port(text)))
    .option('--http-host <address>', 'address to listen on (default 127.0.0.1)')
    .option('--http-url <url>', 'address told to clients, where a proxy stands in front')
    .option('--watchtower <address>', 'hand the vouchers to this watchtower too, which claims while this provider is away', (one: string, all: string[]) => [...all, one], [] as string[])
    .action(act<[string, any]>(async (module, options, output) => module.endsWith('.json')
      ? (await import('./commands/provide-bundle.ts')).provideBundle(module, options, output)
      : (await import('./commands/provide.ts')).provide(module, options, output)))
  accessKeys(aigen, command, data, act)
  gateways(aigen, command, as, act)
  paymentCommands(aigen, command, as, act)
  as(command(aigen, 'guardian', 'measure providers and agree on their reputation'))
    .option('--port <n>', 'port of its HTTP door (default: a free one)', port)
    .action(act<[any]>(async (options, output) => (await import('./commands/guardian.ts')).guardian(options, output)))
  const reputation = aigen.command('reputation').description('what guardians agree on')
  data(command(reputation, 'ls', 'every provider, in the latest epoch'))
    .action(act<[any]>(async (options, output) => (await import('./commands/reputation.ts')).list(options, output)))
  data(command(reputation, 'show', 'one provider, with the proof of each figure').argument('<provider>', 'name or address'))
    .action(act<[string, any]>(async (provider, options, output) => (await import('./commands/reputation.ts')).show(provider, options, output)))
  data(command(reputation, 'verify', 'check a registry or an entry offline').argument('<file>', 'as a guardian\'s door gives it'))
    .option('--guardians <file>', 'the set of guardians as JSON (default: that of the running network)')
    .action(act<[string, any]>(async (file, options, output) => (await import('./commands/reputation.ts')).verify(file, options, output)))
  as(command(aigen, 'relay', 'carry light nodes\' writes to the chain, and prove its state to them'))
    .action(act<[any]>(async (options, output) => (await import('./commands/relay.ts')).relay(options, output)))
  as(command(aigen, 'watchtower', 'claim for payees that are away when a payer leaves; needs no key of theirs'))
    .action(act<[any]>(async (options, output) => (await import('./commands/watchtower.ts')).watchtower(options, output)))
  const receipts = aigen.command('receipts').description('proofs of what was paid')
  command(receipts, 'verify', 'check receipts offline').argument('<file>', 'a receipt, a list of them, or one a line')
    .action(act<[string, any]>(async (file, _options, output) => (await import('./commands/receipts.ts')).verify(file, output)))
  as(command(aigen, 'doctor', 'what this machine has and lacks'))
    .option('--dry-run', 'play every journal here, or that of --as, against this code; change nothing')
    .action(act<[any]>(async (options, output) => (await import('./commands/doctor.ts')).doctor(options, output)))
  command(aigen, 'simulate', 'the whole network under faults from seeds, its invariants checked after each event')
    .option('--seeds <n>', 'how many (default 200; 1 with --seed)', number)
    .option('--seed <n>', 'the first one (default 0)', Number)
    .option('--jobs <n>', 'processes at work at once (default 1)', number)
    .option('--partitions <n>', 'of each journal (default 1)', number)
    .action(act<[any]>(async (options, output) => (await import('./commands/simulate.ts')).simulate(options, output)))
  return aigen
}

/** `aigen runs …`: what ran, where it stands, and the owner's word on it. */
function controlledRuns(aigen: Command, command: (parent: Command, name: string, description: string) => Command, as: (one: Command) => Command, act: Act): void {
  const load = async () => import('./commands/runs.ts')
  const runs = aigen.command('runs').description('runs of a participant, whichever process runs them')
  const one = (name: string, description: string): Command => as(command(runs, name, description)).argument('<run>', 'id of the run')
  as(command(runs, 'ls', 'every run'))
    .action(act<[any]>(async (options, output) => (await load()).list(options, output)))
  one('show', 'one run, step by step, with its attempts, signals and bill')
    .action(act<[string, any]>(async (run, options, output) => (await load()).show(run, options, output)))
  one('watch', 'follow a run to its end; exits as it ends')
    .action(act<[string, any]>(async (run, options, output) => (await load()).watch(run, options, output)))
  one('query', 'ask the process that runs it').argument('[path]', 'what is asked, like steps.read.output (default: where it stands)')
    .action(act<[string, string | undefined, any]>(async (run, path, options, output) => (await load()).query(run, path, options, output)))
  one('pause', 'start no further step; those under way end and are paid')
    .action(act<[string, any]>(async (run, options, output) => (await load()).pause(run, options, output)))
  as(command(runs, 'resume', 'go on with runs that were left open, and wait for them')).argument('[run]', 'only this one, also when it is paused or parked')
    .action(act<[string | undefined, any]>(async (run, options, output) => (await load()).resume(run, options, output)))
  one('fork', 'start it again on what it has paid for, from a step, with other inputs or another document')
    .option('--from <step>', 'this step and what depends on it is done anew (default: only what has changed is)')
    .option('--input <name=value>', 'an input that is another, k=v or k=@file (repeatable)', collect, [])
    .option('--document <file>', 'another document').option('--budget <money>', 'most that it may cost').option('--out <dir>', 'folder for the files of the answer')
    .option('--dry-run', 'only say what it would cost')
    .action(act<[string, any]>(async (run, options, output) => (await import('./commands/fork.ts')).fork(run, options, output)))
  one('cancel', 'stop what is under way, pay what was delivered, give back the rest')
    .action(act<[string, any]>(async (run, options, output) => (await load()).cancel(run, options, output)))
  one('approve', 'answer a step that waits for it').argument('<step>', 'name of the step, of a sub-pipeline like sub.sign')
    .option('--reject', 'say no').option('--comment <text>', 'why').option('--of <participant>', 'whose run it is, when it is not your own')
    .action(act<[string, string, any]>(async (run, step, options, output) => (await load()).approve(run, step, options, output)))
  one('signal', 'tell a run something, which it keeps').argument('<name>', 'name of the signal').argument('[json]', 'what it says')
    .action(act<[string, string, string | undefined, any]>(async (run, name, json, options, output) => (await load()).signal(run, name, json, options, output)))
}

/** `aigen wallet …`: the participant's key, its money, and what it may spend. */
function wallets(aigen: Command, command: (parent: Command, name: string, description: string) => Command, as: (one: Command) => Command, act: Act): void {
  const load = async () => import('./commands/wallet.ts')
  const wallet = aigen.command('wallet').description('your key, your money, and what may be spent')
  as(command(wallet, 'create', 'make a wallet whose key is encrypted; asks for the passphrase')).option('--no-passphrase', 'keep the key in a plain private file')
    .action(act<[any]>(async (options, output) => (await load()).create(options, output)))
  as(command(wallet, 'import', 'bring in a key').argument('[file]', 'key file of version 3, or 64 hex digits; - to type them')).option('--no-passphrase', 'keep the key in a plain private file')
    .option('--signer <command>', 'a command that signs in place of a key here: a device, a key service').option('--account <address>', 'which account of the signer')
    .action(act<[string | undefined, any]>(async (file, options, output) => (await load()).bringIn(file, options, output)))
  as(command(wallet, 'show', 'the wallet\'s address, and how its key is kept')).action(act<[any]>(async (options, output) => (await load()).show(options, output)))
  as(command(wallet, 'balance', 'what was deposited, spent, held, and may be spent')).action(act<[any]>(async (options, output) => (await load()).balance(options, output)))
  as(command(wallet, 'lanes', 'what is reserved for whom, promised and claimed')).action(act<[any]>(async (options, output) => (await load()).lanes(options, output)))
  as(command(wallet, 'history', 'every movement, with its receipt or transaction')).option('--limit <n>', 'only the latest n', number)
    .action(act<[any]>(async (options, output) => (await load()).history(options, output)))
  as(command(wallet, 'deposit', 'move money from the wallet into its vault').argument('<amount>', 'like 5.00'))
    .action(act<[string, any]>(async (amount, options, output) => (await load()).deposit(amount, options, output)))
  as(command(wallet, 'withdraw', 'take out of the vault what no run holds and no lane has reserved').argument('<amount>', 'like 5.00')).option('--to <address>', 'who gets it (default: the wallet)')
    .action(act<[string, any]>(async (amount, options, output) => (await load()).withdraw(amount, options, output)))
  as(command(wallet, 'policy', 'what runs may spend: shows the rules, or sets those given'))
    .option('--per-run <amount>', 'most that a run may hold').option('--per-day <amount>', 'most that a day (UTC) may cost')
    .option('--capability <id=amount>', 'most that a capability may cost a day (repeatable)', collect, [])
    .option('--payee <address=amount>', 'most that a payee may be paid a day (repeatable)', collect, []).option('--voucher-key <amount>', 'most that the voucher key may sign away in all').option('--clear', 'drop every rule that is not given')
    .action(act<[any]>(async (options, output) => (await load()).policy(options, output)))
}

/** `aigen key …`: for a provider's operator and for those who hold its keys. */
function accessKeys(aigen: Command, command: (parent: Command, name: string, description: string) => Command, data: (one: Command) => Command, act: Act): void {
  const key = aigen.command('key').description('access keys for clients without a node')
  const limits = (one: Command): Command => one
    .option('--capability <id>', 'only this capability (repeatable)', collect, [])
    .option('--quota <calls>', 'most calls').option('--amount <money>', 'most that all calls may cost').option('--max-price <money>', 'most that one call may cost')
    .option('--rate <n/m>', 'most calls a minute').option('--expires <time>', 'how long it holds, like 30d')
  const at = (one: Command): Command => data(one).requiredOption('--as <provider>', 'provider on this machine, by the name of its folder')
  const load = async () => import('./commands/key.ts')
  command(key, 'new', 'make a key pair; prints the public key').requiredOption('--out <dir>', 'folder of the private key')
    .action(act<[any]>(async (options, output) => (await load()).make(options, output)))
  at(limits(command(key, 'issue', 'issue a key, sealed to a public key').requiredOption('--to <public key>', 'of the holder, as "aigen key new" prints it').option('--label <text>', 'for your own list').option('--out <file>', 'where the sealed key goes')))
    .action(act<[any]>(async (options, output) => (await load()).issue(options, output)))
  command(key, 'open', 'open a sealed key').argument('<file>', 'as it was received').requiredOption('--key <dir>', 'folder of the private key').option('--out <file>', 'where the key goes (default access-key.json beside it)')
    .action(act<[string, any]>(async (file, options, output) => (await load()).open(file, options, output)))
  limits(command(key, 'attenuate', 'narrow a key; needs no network').argument('<file>', 'as "aigen key open" wrote it').requiredOption('--out <file>', 'where the narrower key goes'))
    .action(act<[string, any]>(async (file, options, output) => (await load()).narrow(file, options, output)))
  at(command(key, 'ls', 'every key issued')).action(act<[any]>(async (options, output) => (await load()).list(options, output)))
  for (const [name, says] of [['show', 'one key'], ['revoke', 'end a key at once'], ['invoice', 'every call of a key, with the signed deliveries']] as const) {
    at(command(key, name, says).argument('<id>', 'id of the key')).action(act<[string, any]>(async (id, options, output) => (await load())[name](id, options, output)))
  }
}

/** `aigen gateway`, and what its operator does beside it. */
function gateways(aigen: Command, command: (parent: Command, name: string, description: string) => Command, as: (one: Command) => Command, act: Act): void {
  const load = async () => import('./commands/gateway.ts')
  const gateway = as(command(aigen, 'gateway', 'serve models and pipelines of the network over HTTP, with accounts and keys'))
    .option('--port <n>', 'port (default 8787, or a free one)', port)
    .option('--host <address>', 'address to listen on (default 127.0.0.1)')
    .option('--url <url>', 'address told to clients, where a proxy stands in front')
    .option('--tier <name>', 'tier of new accounts: free, pay-as-you-go, monthly', 'free')
    .option('--no-sign-up', 'no accounts for strangers')
    .option('--pipeline <file>', 'serve this document too (repeatable)', collect, [])
    .action(act<[any]>(async (options, output) => (await load()).gateway(options, output)))
  const account = (one: Command): Command => as(one).requiredOption('--account <email>', 'whose account')
  const key = gateway.command('key').description('API keys of accounts')
  account(command(key, 'create', 'make a key, and the account if it is new; prints the key'))
    .option('--name <text>', 'for the account\'s own list', 'key').option('--tier <name>', 'move the account to this tier').option('--credit <amount>', 'add so much to the account')
    .option('--budget <amount>', 'most the key may spend').option('--per <time>', 'in each such time, like 30d').option('--rpm <n>', 'requests a minute').option('--tpm <n>', 'tokens a minute')
    .option('--parallel <n>', 'calls at once').option('--max-tokens <n>', 'tokens of an answer').option('--allow <name>', 'only this model or pipeline (repeatable)', collect, [])
    .action(act<[any]>(async (options, output) => (await load()).createKey(options, output)))
  account(command(key, 'revoke', 'end a key at once').argument('<id>', 'id of the key'))
    .action(act<[string, any]>(async (id, options, output) => (await load()).revokeKey(id, options, output)))
  account(command(gateway, 'credit', 'add money to an account')).requiredOption('--amount <amount>', 'like 5.00').requiredOption('--reference <text>', 'the payment; counts once')
    .action(act<[any]>(async (options, output) => (await load()).credit(options, output)))
  account(command(gateway, 'tier', 'move an account to another tier').argument('<tier>', 'free, pay-as-you-go, monthly'))
    .action(act<[string, any]>(async (tier, options, output) => (await load()).setTier(tier, options, output)))
  as(command(gateway, 'ledger', 'add the whole ledger up anew'))
    .action(act<[any]>(async (options, output) => (await load()).audit(options, output)))
}
