/**
 * The one error table (DESIGN, Errors): every refusal on the wire, in the CLI and over HTTP is one
 * of these codes. Used by every room. Exhaustive: a code that is not listed does not compile.
 */
import type { Failure } from './documents.gen.ts'

/** Who has to act for the error to go away. */
export type Fault = 'caller' | 'provider' | 'network' | 'config' | 'bug'

export interface ErrorRule {
  readonly fault: Fault
  /** Whether doing the same thing again may succeed. */
  readonly retry: boolean
  /** One sentence, without the particulars. */
  readonly says: string
  /** What to do about it. */
  readonly hint: string
}

const rule = (fault: Fault, retry: boolean, says: string, hint: string): ErrorRule => ({ fault, retry, says, hint })

export const ERRORS = {
  // what came in from outside
  'input.invalid': rule('caller', false, 'The document does not fit its schema.', 'Mend the paths listed.'),
  'input.too-large': rule('caller', false, 'The value is larger than allowed.', 'Send it as a blob, or send less.'),
  'input.too-deep': rule('caller', false, 'The value is nested too deeply.', 'Flatten it.'),
  'input.unparsable': rule('caller', false, 'The bytes are not a document.', 'Check the format and the encoding.'),
  'usage.invalid': rule('caller', false, 'The command line is wrong.', 'See --help.'),
  // identity and envelopes
  'auth.forged': rule('caller', false, 'The seal or signature does not verify.', 'Sign with the key that the wallet authorised.'),
  'auth.replayed': rule('caller', false, 'This message was received before.', 'Send a new message.'),
  'auth.expired': rule('caller', false, 'The message or document is past its expiry.', 'Make a new one; check the clock.'),
  'auth.unknown-session': rule('network', true, 'There is no such session.', 'Say hello again.'),
  'auth.unauthorised': rule('caller', false, 'The key is not authorised for this.', 'Use the key of the participant concerned.'),
  'auth.version': rule('caller', false, 'The message follows another version of its schema.', 'Upgrade the older side.'),
  'key.revoked': rule('caller', false, 'The access key was revoked, or was never issued here.', 'Ask the provider for a new one.'),
  'key.scope': rule('caller', false, 'The access key is not for this.', 'Use a key that covers it; a key can only be narrowed, never widened.'),
  'key.quota': rule('caller', false, 'The quota of the access key is used up.', 'Ask the provider for a new one.'),
  'key.rate': rule('caller', true, 'The access key is used too often.', 'Wait as long as Retry-After says.'),
  'keys.exposed': rule('config', false, 'A key file can be read by others.', 'Make it private (chmod 600, its folder 700); if others use this machine, move to a new key.'),
  'keys.broken': rule('config', false, 'A key file cannot be used.', 'Restore it from your backup; nothing was overwritten.'),
  'keys.locked': rule('config', false, 'The wallet is encrypted.', 'Give its passphrase: at the prompt, in AIGEN_PASSPHRASE, or in the file that AIGEN_PASSPHRASE_FILE names.'),
  'signer.refused': rule('caller', false, 'The wallet\'s signer refuses.', 'Nothing was signed: ask again, and confirm it there.'),
  'signer.absent': rule('config', true, 'The wallet\'s signer does not answer.', 'Nothing was signed: plug it in, unlock it, see that its command runs.'),
  'signer.wrong': rule('config', false, 'What the wallet\'s signer gave is not its signature of this.', 'Nothing has left: check that the device holds this account, and that it changed nothing.'),
  'keys.present': rule('caller', false, 'There is a wallet already.', 'Give the new one a name of its own with --as; to replace this one, move its folder away first.'),
  // network and journal
  'network.no-responders': rule('network', true, 'Nobody answers on that subject.', 'Check that the other node is running.'),
  'network.timeout': rule('network', true, 'No answer came in time.', 'Try again.'),
  'network.closed': rule('network', true, 'The connection is closed.', 'Start the node again.'),
  'network.garbled': rule('network', true, 'What came back was not sealed by the peer.', 'It is dropped; try again.'),
  'network.refused': rule('network', true, 'The peer\'s node refuses, without a seal to prove that it is the peer.', 'Try again; if it stays so, compare clocks and versions.'),
  'network.unreachable': rule('config', true, 'The NATS server cannot be reached.', 'Check its address, or let AIGEN start one.'),
  'network.denied': rule('config', false, 'The server refuses this subject to this connection.', 'Use credentials with that permission.'),
  'network.moved': rule('network', true, 'Another node owns this now.', 'Call the node named.'),
  'nats.missing': rule('config', false, 'No NATS server could be found or fetched.', 'Install nats-server 2.10 or newer, or set AIGEN_NATS_URL.'),
  'nats.failed': rule('config', true, 'The NATS server did not start.', 'Read its log; run aigen doctor.'),
  'anvil.missing': rule('config', false, 'The local EVM node cannot be started.', 'Run npm install, or set AIGEN_RPC_URL.'),
  'anvil.failed': rule('config', true, 'The local EVM node stopped.', 'It is restarted from its saved state; run aigen doctor if this repeats.'),
  'journal.conflict': rule('network', false, 'Another owner wrote to this partition.', 'This node no longer owns it.'),
  'journal.unknown': rule('network', true, 'The append was not confirmed.', 'It is sent again with the same id.'),
  'journal.corrupt': rule('bug', false, 'A journal record cannot be read.', 'Keep the data directory and report it.'),
  'journal.value': rule('config', false, 'A large value of the journal is missing or damaged.', 'Restore the participant\'s shelf of blobs, and open the node again.'),
  'journal.machine-changed': rule('config', false, 'A journaled actor does not replay with this code.', 'Run the version that wrote it.'),
  'blob.missing': rule('network', true, 'The blob is not there.', 'Ask the sender to store it again.'),
  'blob.corrupt': rule('provider', false, 'The blob does not match its hash.', 'Do not pay for it.'),
  'blob.too-large': rule('caller', false, 'The blob is larger than allowed.', 'Send a smaller one.'),
  'blob.quota': rule('caller', false, 'The blob store is full.', 'Wait until older blobs expire.'),
  'node.busy': rule('provider', true, 'Too much is under way.', 'Try again later, or elsewhere.'),
  'node.locked': rule('caller', false, 'Another process runs this participant.', 'Wait for it or end it; its process id is named.'),
  'node.unsupported': rule('caller', false, 'The node does not answer this verb.', 'Upgrade the older side.'),
  // market
  'market.no-provider': rule('network', true, 'No live provider offers this capability within the price.', 'Raise the price, or see aigen providers ls.'),
  'market.expired': rule('caller', true, 'The quote is past its expiry.', 'Ask for a new one.'),
  'market.above-cap': rule('provider', false, 'The quote is above the step\'s price.', 'Raise price.max, or hire elsewhere.'),
  'market.refused': rule('provider', false, 'The provider refuses.', 'Hire elsewhere.'),
  'market.unknown-agreement': rule('caller', false, 'There is no such agreement.', 'Make one first.'),
  'market.conflict': rule('caller', false, 'The same call came with another body.', 'Use a new call number.'),
  // steps
  'step.timeout': rule('provider', true, 'The step missed its deadline.', 'Hire elsewhere, or allow more time.'),
  'step.failed': rule('provider', true, 'The provider could not do the work.', 'Hire elsewhere.'),
  'step.input': rule('caller', false, 'The provider cannot work with this input.', 'Mend the input at the path named.'),
  'step.output': rule('provider', true, 'The result does not fit the capability\'s schema.', 'It is not paid; hire elsewhere.'),
  'step.expect': rule('provider', true, 'The result fails the step\'s acceptance expression.', 'It is not paid; hire elsewhere.'),
  'step.cancelled': rule('caller', false, 'The step was cancelled.', 'Start it again.'),
  'step.rejected': rule('caller', false, 'The step was rejected.', 'Ask who was to approve it.'),
  'step.quorum': rule('provider', true, 'Too few providers agree on the result.', 'Ask more providers, or let fewer have to agree.'),
  'step.expression': rule('caller', false, 'An expression failed.', 'Mend the expression at the path named.'),
  // money
  'money.invalid': rule('caller', false, 'The amount is not a decimal string of the asset.', 'Write it like "0.25".'),
  'budget.too-small': rule('caller', false, 'The budget does not cover the worst case.', 'Raise the budget, or lower the steps\' prices.'),
  'budget.exhausted': rule('caller', false, 'What is left of the allowance does not cover the call.', 'Stop spending, ask for less, or raise the allowance.'),
  'wallet.empty': rule('caller', false, 'The wallet does not hold enough.', 'Deposit more.'),
  'policy.refused': rule('caller', false, 'The spending policy does not allow it.', 'See aigen wallet policy: wait for the next day, ask for less, or change the rule named.'),
  'voucher.too-low': rule('caller', false, 'The voucher pays less than is owed.', 'Sign the amount agreed.'),
  'voucher.lane': rule('caller', false, 'The voucher is for another lane.', 'Sign for the lane of the agreement.'),
  'voucher.key': rule('caller', false, 'The voucher is signed by another key.', 'Sign with the vault\'s voucher key.'),
  'voucher.ref': rule('caller', false, 'The voucher does not fold the delivery it should pay.', 'Sign for the deliveries in order.'),
  'voucher.escrow': rule('caller', false, 'The escrow voucher does not fit the agreement.', 'Stake the agreed amount with the agreed arbiter and times.'),
  'voucher.prepaid': rule('caller', false, 'The prepayment does not fit the agreement.', 'Pay the agreed cap before the call, and nothing before any other.'),
  'voucher.locked': rule('caller', false, 'The locked voucher does not fit the delivery.', 'Lock what the delivery costs under its lock, for long enough.'),
  'voucher.over-reserve': rule('caller', false, 'The lane holds too little for this.', 'Reserve more first.'),
  'lane.unpaid': rule('caller', false, 'An earlier step of this lane is not paid.', 'Pay it first.'),
  'voucher.unopened': rule('network', true, 'The key of this lock has not come yet.', 'Ask again, until the lock expires.'),
  'lane.unsafe': rule('caller', false, 'The lane could be closed before its vouchers are claimed.', 'Open a vault with a longer challenge delay.'),
  'lane.unconfirmed': rule('network', true, 'The reservation is too new to count.', 'Wait for more blocks.'),
  'lane.closed': rule('caller', false, 'The lane is closed.', 'Open another.'),
  'chain.reverted': rule('config', false, 'The chain refused the transaction.', 'See the reason given.'),
  'chain.unproven': rule('network', true, 'What the relays say of the chain is not proven.', 'Ask other relays, or enough of them.'),
  'chain.unreachable': rule('config', true, 'The chain cannot be reached.', 'Check the RPC address.'),
  // language models of others
  'vendor.denied': rule('config', false, 'The model vendor refuses this provider.', 'Check its API key.'),
  'vendor.empty': rule('config', true, 'The account at the model vendor is out of credit.', 'Pay the vendor; it is tried again every five minutes.'),
  'vendor.unreachable': rule('config', true, 'The model vendor cannot be reached.', 'Check its address and that it runs.'),
  'vendor.models': rule('config', false, 'The model vendor has no such model.', 'Name models it has (AIGEN_OPENAI_MODELS and the like), or load one.'),
  // escrow
  'escrow.no-agent': rule('network', true, 'No live payment provider takes the case within its fee.', 'Raise escrow.fee.max, or see aigen providers ls.'),
  'escrow.unknown-case': rule('caller', false, 'There is no such case here.', 'Hire payment.escrow for the agreement first.'),
  'escrow.too-late': rule('caller', false, 'The challenge is over.', 'The default holds: the provider is paid.'),
  'hub.none': rule('network', true, 'No live hub pays this provider within its fee.', 'Raise through.fee.max, or see aigen providers ls.'),
  // reputation
  'epoch.unknown': rule('network', true, 'This guardian does not know that epoch.', 'Ask again, or ask another guardian.'),
  'reputation.quorum': rule('caller', false, 'Too few guardians stand behind this.', 'Get it from a guardian\'s door or from the network, and check the list of guardians.'),
  'reputation.unknown': rule('caller', false, 'Guardians know nothing of this yet.', 'Wait for the next epoch; see aigen reputation ls.'),
  'credit.short': rule('caller', false, 'The account has too little credit.', 'Deposit more: hire payment.deposit.'),
  // pipelines
  'pipeline.invalid': rule('caller', false, 'The pipeline has errors.', 'Mend each path listed; aigen check shows them all.'),
  'bundle.loss': rule('config', false, 'The bundle could cost more than it is sold for.', 'Raise its price, or lower its steps\' prices and attempts.'),
  'pipeline.unknown': rule('caller', false, 'There is no such pipeline.', 'Give a file, or a name from pipelines/library.'),
  'run.unknown': rule('caller', false, 'There is no such run.', 'See aigen runs ls.'),
  'run.conflict': rule('caller', false, 'The same key came with another run.', 'Use a new key.'),
  'run.ended': rule('caller', false, 'The run has ended.', 'See aigen runs show.'),
  'run.parked': rule('bug', false, 'The run takes no more events.', 'aigen runs resume tries again what it failed at: best with code that is mended.'),
  'run.timeout': rule('caller', false, 'The run took longer than its timeout.', 'Allow more time.'),
  'run.failed': rule('caller', false, 'The run failed.', 'See its steps.'),
  // agents
  'agent.unknown': rule('caller', false, 'There is no such agent.', 'See aigen agent ls.'),
  'agent.moved-on': rule('caller', false, 'The agent does not wait for this answer.', 'See aigen agent show.'),
  'agent.rejected': rule('caller', false, 'The owner refused the plan.', 'Change the goal or the policy.'),
  'agent.unanswered': rule('caller', false, 'The owner did not answer in time.', 'Start it again, or raise approvalTimeout.'),
  'agent.no-plan': rule('provider', false, 'The model wrote no plan that passes.', 'See what was wrong with the last one; try another model.'),
  'agent.not-met': rule('provider', false, 'No attempt met the goal.', 'See why each one failed; say the goal more exactly, or allow more attempts.'),
  'agent.late': rule('caller', false, 'The agent is past its deadline.', 'Allow it more time.'),
  'agent.cancelled': rule('caller', false, 'The agent was cancelled.', 'Start it again.'),
  'watcher.unknown': rule('caller', false, 'There is no such watcher.', 'See aigen watch ls.'),
  // the gateway
  'gateway.key': rule('caller', false, 'The API key is missing or unknown.', 'Send "Authorization: Bearer <key>"; make one with aigen gateway key create.'),
  'gateway.denied': rule('caller', false, 'This is not allowed.', 'Use a key or session that may do it.'),
  'gateway.credit': rule('caller', false, 'The account does not hold enough for this call.', 'Add credit, or ask for less.'),
  'gateway.budget': rule('caller', false, 'The budget of this key is used up.', 'Raise its budget, wait for its next window, or use another key.'),
  'gateway.rate': rule('caller', true, 'Too many requests or tokens this minute.', 'Wait as long as Retry-After says.'),
  'gateway.parallel': rule('caller', true, 'Too many calls of this key at once.', 'Wait until one has ended.'),
  'gateway.repeat': rule('caller', false, 'This Idempotency-Key came with another request.', 'Use a new key for a new request.'),
  'gateway.pending': rule('caller', true, 'The request with this Idempotency-Key is still under way.', 'Try again in a moment.'),
  'gateway.model': rule('caller', false, 'There is no such model.', 'See GET /v1/models.'),
  'gateway.unsupported': rule('caller', false, 'The request asks for something this gateway does not do.', 'Leave out or change the parameter named.'),
  'gateway.unknown': rule('caller', false, 'There is nothing at this address.', 'See GET /openapi.json.'),
  'gateway.account': rule('caller', false, 'There is no such account.', 'Sign up, or make it with aigen gateway key create.'),
  'internal': rule('bug', false, 'Something is broken inside AIGEN.', 'Please report it with the message.'),
} as const satisfies Record<string, ErrorRule>

export type ErrorCode = keyof typeof ERRORS

/** One thing wrong at one place, for errors that report several at once. */
export interface Issue {
  /** JSON path of what is wrong, like `steps.read.with.image`. */
  readonly path: string
  readonly message: string
  readonly hint?: string
}

/** What crosses the wire, `--json` and HTTP in place of the error object. */
export interface ErrorBody {
  readonly code: ErrorCode
  readonly message: string
  readonly path?: string
  readonly issues?: readonly Issue[]
  /** Id of the participant's node to ask instead, with `network.moved`. */
  readonly node?: string
}

/**
 * The only error thrown on purpose.
 *
 * @example throw new AigenError('voucher.too-low', 'agreed 0.018, voucher pays 0.01')
 */
export class AigenError extends Error {
  override readonly name = 'AigenError'
  readonly code: ErrorCode
  readonly path: string | undefined
  readonly issues: readonly Issue[]
  readonly node: string | undefined

  constructor(code: ErrorCode, detail?: string, extra: { path?: string; issues?: readonly Issue[]; node?: string | undefined; cause?: unknown } = {}) {
    super(detail ? `${ERRORS[code].says} ${detail}` : ERRORS[code].says, extra.cause === undefined ? undefined : { cause: extra.cause })
    this.code = code
    this.path = extra.path
    this.issues = extra.issues ?? []
    this.node = extra.node
  }

  get rule(): ErrorRule {
    return ERRORS[this.code]
  }

  toJSON(): ErrorBody {
    return {
      code: this.code,
      message: this.message,
      ...(this.path === undefined ? {} : { path: this.path }),
      ...(this.issues.length === 0 ? {} : { issues: this.issues }),
      ...(this.node === undefined ? {} : { node: this.node }),
    }
  }
}

/** Any thrown value as an `AigenError`; what is not one already becomes `internal`, its cause kept. */
export function asError(thrown: unknown, code: ErrorCode = 'internal'): AigenError {
  if (thrown instanceof AigenError) return thrown
  const detail = thrown instanceof Error ? thrown.message : String(thrown)
  return new AigenError(code, detail, { cause: thrown })
}

/** The error that an `ErrorBody` from outside stands for; an unknown code becomes `internal`. */
export function fromBody(body: ErrorBody | Failure): AigenError {
  const error = new AigenError(Object.hasOwn(ERRORS, body.code) ? (body.code as ErrorCode) : 'internal', undefined, {
    ...(body.path === undefined ? {} : { path: body.path }),
    ...(body.issues === undefined ? {} : { issues: body.issues }),
    ...('node' in body ? { node: body.node } : {}),
  })
  error.message = body.message
  return error
}
