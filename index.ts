/**
 * What programs import from 'aigen'; the only barrel of the package. Whatever is not here may change
 * without notice. Each name is documented where it is defined.
 *
 * A service is a module whose default export is `defineProvider({ … })`, run by `aigen provide`. A
 * program that hires opens its keys, joins a network, opens a user and starts runs:
 *
 * @example
 * const file = await readNetworkFile('/path/of/aigen dev --data')
 * const keys = await openKeys({ home: './me', random: systemRandom })
 * const ports = await connectPorts(await requestAdmission(file, keys.participant), keys.participant)
 * const evaluator = makeBoundedEvaluator()
 * const user = await openUser({ ports, keys, evaluate: evaluateWith(evaluator), deposit: 1_000_000n, faucet: true })
 * const run = await startRun(user, { document, inputs: { text: 'hello' } })
 * const { output, error, bill } = await finishRun(user, run, 60_000)
 * // afterwards: user.close(), ports.close(), evaluator.close()
 */

// Offering a service.
export { type BlobRef, defineProvider, type HandlerContext, type HandlerResult, type PassDefinition, type ProviderDefinition, type ProviderPrice } from './agents/provider/define.ts'
export { type BundleProvider, provideBundle } from './agents/provider/bundle.ts'
export { upstreamReceipts } from './agents/provider/upstream-receipts.ts'
export { provide, type Provider } from './agents/provider/provide.ts'
export { type DoorSettings, provideWithDoor, type ProviderWithDoor } from './agents/provider/with-door.ts'

// Hiring: a user's node, its runs and their bills.
export { hire, type Hired, type HireOptions } from './agents/user/hire.ts'
export { type Allowance, type AllowanceOptions, type AllowanceState, openAllowance } from './agents/user/allowance.ts'
export { buyPass, type BuyPassOptions, listPasses, type PassLine } from './agents/user/pass.ts'
export { acknowledgeInvoice, type AtOptions as CreditAt, type Bought, buyOnCredit, creditBalance, creditInvoice, depositCredit, refundCredit } from './agents/user/credit.ts'
export { cancelSubscription, giveSubscription, heldSubscriptions, listPlans, type PlanLine, setRenewals, subscribe, type SubscribeOptions, takeUp } from './agents/user/subscription.ts'
export { type ForkOptions, type ForkPlan, forkRun, planFork } from './agents/user/fork.ts'
export { openUser, type User, type UserOptions } from './agents/user/user.ts'
export { openLightUser, type LightUserOptions } from './agents/user/light.ts'
export { answerRun, billNow, finishRun, type Finished, listRuns, startRun, type StartOptions } from './agents/user/run.ts'
export { type RunLine } from './agents/user/run-line.ts'
export { type RunReport, type StepReport } from './agents/user/inspect.ts'
export { controlRun } from './agents/user/control.ts'

// Deciding about escrowed calls.
export { openPayments, type Payments, type PaymentsOptions } from './agents/payments/open.ts'

// Calling a provider by access key, without a node.
export { callWithKey, type KeyAnswer, type KeyCall, openAccessKey } from './agents/user/key-client.ts'
export { attenuate } from './runtime/identity/access-key.ts'

// Agents: software that spends under a budget and a policy.
export { agentRooms, type AgentRoomOptions } from './agents/llm/agent-effects.ts'
export { type AgentReport } from './agents/llm/agent-report.ts'
export { agentReport, type AgentOptions, approveAgent, cancelAgent, finishAgent, listAgents, rejectAgent, startAgent } from './agents/llm/pursue.ts'
export { listWatchers, startWatcher, stopWatcher, untilWatcher, watcherReport, type WatcherReport } from './agents/user/watch.ts'
export { watcherRooms, type WatcherRoomOptions } from './agents/user/watcher-effects.ts'

// Joining a network: keys, admission, connections.
export { type KeyOptions, type Keys, openKeys } from './runtime/identity/keys.ts'
export { type NetworkFile, readNetworkFile, requestAdmission, requestLightAdmission } from './runtime/node/admission.ts'
export { type ConnectedLightPorts, connectLightPorts, type LightConnections } from './runtime/node/connect-light.ts'
export { type ConnectedPorts, type Connections, connectPorts } from './runtime/node/connect.ts'
export { openRelay, prepareRelay, relayRoom } from './agents/payments/relay.ts'
export { type Node, type NodeOptions, type NodePorts } from './runtime/node/node.ts'
export { systemClock } from './runtime/node/system-clock.ts'
export { systemRandom } from './runtime/node/system-random.ts'

// Pipelines: checked before a cent is spent; expressions evaluated within bounds.
export { check, type CheckOptions, type CheckReport } from './pipelines/check.ts'
export { type BoundedEvaluator, type BoundedOptions, makeBoundedEvaluator } from './pipelines/evaluate-bounded.ts'
export { type Evaluate, evaluateWith } from './pipelines/prepare.ts'

// Reputation: what a quorum of guardians signed, checked without a node.
export { verifyEntry, verifyRegistry } from './runtime/market/registry.ts'
export type { GuardianSet, ProvenEntry, Registry, ReputationEntry } from './schemas/documents.gen.ts'

// Proof: a receipt verifies offline, without us.
export { verifyReceipt } from './runtime/payments/receipt.ts'

// What is said: documents, their validation, money, errors.
export type {
  AccessCaveat, Address, AgentPolicy, Agreement, Bill, Bundle, Capability, Card, Delivery, Hash, NodeAuthorisation, Offer, OpenAccessKey, Pipeline, Quote, Receipt, SealedAccessKey, Signature, Terms, Units, Voucher, Watcher,
} from './schemas/documents.gen.ts'
export { AigenError, type ErrorBody, type ErrorCode, type ErrorRule, ERRORS, type Issue } from './schemas/error.ts'
export type { ParticipantId } from './schemas/id.ts'
export { formatMoney, parseMoney } from './schemas/money.ts'
export { issuesOf, validate } from './schemas/validate.ts'
