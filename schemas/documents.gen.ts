/* Made by schemas/generate.js from the *.schema.json files: run `npm run schemas`, do not edit. */

/**
 * One narrowing of an access key; every field must hold, and every caveat of the chain
 */
export interface AccessCaveat {
  /**
   * capabilities that may be called
   *
   * @minItems 1
   * @maxItems 64
   */
  capabilities?: CapabilityId[]
  /**
   * most calls served in all
   */
  calls?: number
  /**
   * most that all calls may cost together
   */
  amount?: Atomic
  /**
   * most that one call may cost
   */
  price?: Atomic
  /**
   * most calls that begin within a minute
   */
  perMinute?: number
  /**
   * when it ends
   */
  until?: Time
}

/**
 * What a call of one capability costs under the key
 */
export interface AccessRate {
  capability: CapabilityId
  unit: Unit
  unitPrice: Atomic
  /**
   * how many units the unit price is for; 1 when it is not named
   */
  per?: number
}

/**
 * What a provider promises the holder of an access key. Kind "access-grant".
 */
export interface AccessGrantBody {
  /**
   * id of the key
   */
  id: Id
  provider: Address
  /**
   * X25519 public key that the key is sealed to
   */
  holder: NodeKey
  /**
   * what may be called, at which price
   *
   * @minItems 1
   * @maxItems 64
   */
  rates: AccessRate[]
  asset: Asset
  /**
   * HTTP addresses where it opens
   *
   * @maxItems 8
   */
  doors: string[]
  issuedAt: Time
  /**
   * of the node key that signs grant and deliveries
   */
  authorisation: NodeAuthorisation
}

/**
 * A grant with its provider's signature
 */
export interface AccessGrant {
  body: AccessGrantBody
  signature: Signature
}

/**
 * An access key on its way to its holder, sealed by HPKE (RFC 9180: X25519, HKDF-SHA256, AES-256-GCM)
 */
export interface SealedAccessKey {
  version: 1
  provider: Address
  holder: NodeKey
  /**
   * the encapsulated key, base64url
   */
  enc: string
  /**
   * ciphertext of an OpenAccessKey, base64url
   */
  sealed: string
}

/**
 * An access key as its holder keeps it
 */
export interface OpenAccessKey {
  /**
   * the bearer key
   */
  key: string
  grant: AccessGrant
}

/**
 * One call served
 */
export interface AccessInvoiceLine {
  call: CallNumber
  capability: CapabilityId
  delivery: Delivery
}

/**
 * What the calls of an access key cost. Kind "access-invoice".
 */
export interface AccessInvoiceBody {
  /**
   * id of the key
   */
  id: Id
  provider: Address
  asset: Asset
  /**
   * @maxItems 100000
   */
  lines: AccessInvoiceLine[]
  total: Atomic
  at: Time
}

/**
 * An invoice with its provider's signature
 */
export interface AccessInvoice {
  body: AccessInvoiceBody
  signature: Signature
}

/**
 * What an agent may do with its owner's money. Held by the runtime, never by the model: nothing that a model, a provider or a card says can widen it.
 */
export interface AgentPolicy {
  /**
   * most that model calls and runs may cost together; the smaller of this and the budget given at the start counts
   */
  budget?: Money
  /**
   * when the owner is asked before a run: always (default), never, or when a run's worst case, together with what earlier runs cost without being asked for, is above an amount
   */
  approval?:
    | ('always' | 'never')
    | {
        above: Money
      }
  /**
   * how long an answer is waited for; no answer means no (default 1h)
   */
  approvalTimeout?: PipelineDuration
  capabilities?: AgentCapabilities
  providers?: AgentProviders
  /**
   * runs at most (default 3)
   */
  attempts?: number
  /**
   * times the model may mend one plan (default 3)
   */
  repairs?: number
  /**
   * how long all of it may take, waiting for the owner included (default 2h)
   */
  deadline?: PipelineDuration
  /**
   * model wanted, as an offer of text.chat@1 names it; any when it is not named
   */
  model?: string
  /**
   * most that one model call may cost (default 0.05)
   */
  pricePerModelCall?: Money
  /**
   * how long one model call may take (default 60s)
   */
  modelDeadline?: PipelineDuration
  /**
   * most tokens of one answer (default 2000)
   */
  maxTokens?: number
}
/**
 * what its pipelines may hire; denied counts over allowed, and without allow everything else is allowed
 */
export interface AgentCapabilities {
  allow?: AgentPolicyCapabilityList
  deny?: AgentPolicyCapabilityList
}
/**
 * participants that are never hired, for the model's own calls neither
 */
export interface AgentProviders {
  /**
   * @maxItems 64
   */
  deny?: Address[]
}

/**
 * @maxItems 256
 */
export type AgentPolicyCapabilityList = CapabilityId[]

/**
 * A quote with both signatures, each over {terms, lane}; its id is the hash of {terms, lane}. Kind "agreement".
 */
export interface Agreement {
  terms: Terms
  /**
   * id of the lane that pays
   */
  lane: Hex32
  payer: Signature
  provider: Signature
}

/**
 * A node's sign of life on aigen.v1.alive.<participant>, which only that participant may publish (DESIGN, Wire).
 */
export interface Alive {
  node: NodeKey
  /**
   * The partitions that this node owns; none when it is about to stop
   *
   * @maxItems 64
   */
  partitions: string[]
}

/**
 * What a run cost, step by step.
 */
export interface Bill {
  type: 'bill'
  run: Id
  /**
   * name@version
   */
  pipeline: string
  budget: Money
  /**
   * sum of what the steps were charged
   */
  spent: Money
  /**
   * sum of what was claimed on the chain
   */
  settled: Money
  asset: Asset
  /**
   * the steps in the order of the plan
   *
   * @maxItems 100000
   */
  steps: BillStep[]
  /**
   * hashes of the settling transactions
   *
   * @maxItems 10000
   */
  transactions: Hex32[]
}
/**
 * One step; what was never hired (a skipped step, an approval) has no provider and no prices
 */
export interface BillStep {
  /**
   * name of the step in the pipeline, with its place in a forEach, like rows[3], or among several providers, like read#0; of a sub-pipeline sub.read, of a compensation book/undo
   */
  step: string
  /**
   * how the step ended
   */
  state: 'done' | 'failed' | 'skipped' | 'cancelled' | 'refunded'
  /**
   * whether the step's fallback stood in
   */
  fallback?: boolean
  reused?: BillReused
  stream?: BillStream
  /**
   * of a compensation: the step, or the item, that it undoes
   */
  undoes?: string
  provider?: Address
  /**
   * name on the provider's card
   */
  providerName?: string
  capability?: CapabilityId
  /**
   * asked price of one unit
   */
  list?: Money
  /**
   * price of one unit in the agreement
   */
  agreed?: Money
  /**
   * how many units list and agreed are for; 1 when it is not named
   */
  per?: number
  /**
   * what the step cost
   */
  charged: Money
  units?: Units
  inputHash?: Hash
  outputHash?: Hash
  receipt?: Id
  escrow?: BillEscrow
  latencyMs?: DurationMs
  /**
   * every provider tried, in order, when there was more than one, or what counts was taken over
   *
   * @maxItems 64
   */
  attempts?: BillAttempt[]
  through?: BillThrough
}
/**
 * what was taken over from an earlier run instead of hiring anybody, by a fork or where the provider's card allows it: that run, its receipt, and what it had paid
 */
export interface BillReused {
  run: Id
  receipt: Id
  paid: Money
  /**
   * where the provider's card allows it: how long it may be used again
   */
  until?: Time
}
/**
 * of a step that was paid piece by piece: how many pieces, and the vouchers that paid them
 */
export interface BillStream {
  pieces: number
  vouchers: number
}
export interface BillAttempt {
  provider: Address
  /**
   * name on the provider's card
   */
  providerName?: string
  agreed?: Money
  charged: Money
  /**
   * how the attempt ended
   */
  state: 'done' | 'failed' | 'expect' | 'timeout' | 'cancelled' | 'refused'
  /**
   * whether it stood in for those before
   */
  fallback?: boolean
  /**
   * why, for people
   */
  reason?: string
  receipt?: Id
  escrow?: BillEscrow
  latencyMs?: DurationMs
}

/**
 * How an escrowed call was decided
 */
export interface BillEscrow {
  agent: Address
  /**
   * name on the agent's card
   */
  agentName?: string
  /**
   * what the agent was paid
   */
  fee: Money
  /**
   * receipt of the fee
   */
  receipt?: Id
  /**
   * accepted by the payer, ruled by the agent, paid by default, or not decided yet
   */
  state: 'open' | 'accepted' | 'ruled' | 'default'
  /**
   * what the provider gets
   */
  paid?: Money
  /**
   * what of that no delivery of this call proves: it has no receipt
   */
  lost?: Money
  /**
   * why it was ruled so, for people
   */
  reason?: string
}

/**
 * The hub that paid the provider, and what that cost
 */
export interface BillThrough {
  hub: Address
  /**
   * name on the hub's card
   */
  hubName?: string
  /**
   * what it cost beyond the call's own price
   */
  fee: Money
  /**
   * receipt of what the hub was paid
   */
  receipt?: Id
  /**
   * receipt of what the hub paid the provider
   */
  onward?: Id
}

/**
 * A pipeline sold as one capability (D8): whoever hires it pays one price, the bundle's provider pays the steps.
 */
export interface Bundle {
  /**
   * name of the provider, for people
   */
  name: string
  capability: BundleCapability
  price: BundlePrice
  /**
   * listed: who paid a call is shown the receipts of what was bought for it (default hidden)
   */
  receipts?: 'listed' | 'hidden'
  /**
   * promised time from invoke to delivery (default: what the pipeline takes at worst)
   */
  latencyMs?: DurationMs
  /**
   * calls worked on at once (default 4)
   */
  concurrency?: number
  pipeline: Pipeline
}
/**
 * what is sold; its input is the pipeline's, its output the pipeline's answer
 */
export interface BundleCapability {
  id: CapabilityId
  /**
   * name for people
   */
  title: string
  /**
   * what it does, for people and agents
   */
  description: string
  /**
   * schema of the answer; without it, that it has the keys of the pipeline's output
   */
  output?: JsonSchema
}
/**
 * price of one call: fixed (list, floor), or made of what the steps cost when it is asked for (margin or formula, with max)
 */
export interface BundlePrice {
  /**
   * asked price; the lowest must exceed what the pipeline can cost at worst
   */
  list?: Money
  /**
   * lowest price that bargaining can reach (default list)
   */
  floor?: Money
  /**
   * what is added to the quotes of the steps, and kept of what a call pays before any of it is spent upstream
   */
  margin?: string
  /**
   * CEL over input.upstream (what the steps cost at their quotes) and input.bytes (of the call's input), like ${input.upstream * 1.2 + 0.001}: what is asked, where that is more than the steps cost and the margin
   */
  formula?: string
  /**
   * least that is asked
   */
  min?: Money
  /**
   * most that is asked, and what the card says: while the steps cost more, nothing is quoted
   */
  max?: Money
}

/**
 * A payer's signed question to all providers of a capability. It carries no input. Kind "call-for-quotes".
 */
export interface CallForQuotes {
  body: CallForQuotesBody
  signature: Signature
  /**
   * the one that signature.auth names, for those who have not met the payer
   */
  authorisation?: NodeAuthorisation
}

export interface CallForQuotesBody {
  id: Id
  payer: Address
  capability: CapabilityId
  /**
   * units to expect, for pricing
   */
  units: number
  /**
   * size of the input, for pricing
   */
  inputBytes: number
  /**
   * time from invoke within which the delivery must come
   */
  deadlineMs: DurationMs
  /**
   * time beyond the deadline in which a delivery still counts
   */
  graceMs: DurationMs
  /**
   * the acceptance expression (CEL) over the output that decides, with the output schema, whether a delivery is owed; null for none
   */
  expect: string | null
  settle: Settle
  /**
   * the payer's subscriptions that may cover it
   *
   * @minItems 1
   * @maxItems 8
   */
  subscriptions?: Hex32[]
  /**
   * where it is settled in escrow
   */
  escrow?: EscrowTerms
  /**
   * where one agreement for many calls is wanted, at most so many and so long; a quote without it is for one
   */
  standing?: Standing
  issuedAt: Time
  expiresAt: Time
}

/**
 * A named contract of what can be hired: input, output and billing unit.
 */
export interface Capability {
  id: CapabilityId
  /**
   * name for people
   */
  title: string
  /**
   * what it does, for people and agents
   */
  description: string
  /**
   * what is billed
   */
  unit: Unit
  /**
   * how many units a price is for, like 1000 where thousands of tokens are priced; default 1
   */
  per?: number
  /**
   * schema of the input; {"$ref": "aigen:blob"} stands for a blob reference
   */
  input: JsonSchema
  /**
   * schema of the output
   */
  output: JsonSchema
  /**
   * schema of one piece of a streamed output; only capabilities that have it are streamed. The output stays whole in the delivery
   */
  chunk?: JsonSchema
  /**
   * whether the same input always gives an equally good output, so that a result may be reused
   */
  pure?: boolean
  /**
   * how many units a call takes, for pricing before it runs
   */
  estimate?: {
    /**
     * units of one call when nothing else says so
     */
    units?: number
    /**
     * CEL over input that gives the units to expect
     */
    expression?: string
  }
}

/**
 * A participant's signed description of itself; kept on aigen.v1.card.<participant>. Kind "card".
 */
export interface Card {
  body: CardBody
  signature: Signature
}

export interface CardBody {
  participant: Address
  /**
   * name shown to people
   */
  name: string
  /**
   * roles of the participant
   *
   * @minItems 1
   * @maxItems 5
   */
  roles: Role[]
  /**
   * address that is paid
   */
  payee: Address
  /**
   * the node keys that sign for the participant
   *
   * @minItems 1
   * @maxItems 64
   */
  authorisations: NodeAuthorisation[]
  /**
   * what is for sale
   *
   * @maxItems 64
   */
  offers: Offer[]
  /**
   * HTTP addresses where the participant answers those who have no node
   *
   * @maxItems 8
   */
  doors?: Door[]
  escrow?: EscrowOffer
  relay?: RelayOffer
  asset: Asset
  issuedAt: Time
  expiresAt: Time
  credit?: CreditOffer
}
/**
 * One capability for sale
 */
export interface Offer {
  capability: Capability
  /**
   * asked price of one unit
   */
  list: Money
  /**
   * least that a call costs, where it costs anything
   */
  min?: Money
  /**
   * most that a call costs, however much it uses
   */
  max?: Money
  tiers?: TiersOffer
  free?: FreeOffer
  /**
   * how the units are counted, in every agreement
   */
  meter?: Meter
  /**
   * promised time from invoke to delivery
   */
  latencyMs: DurationMs
  /**
   * how long an output stays the right one for the same input, from its delivery: its payer may use it again for nothing (default: never)
   */
  cacheMs?: DurationMs
  /**
   * most calls that one agreement may stand for (default: each call is agreed)
   */
  standing?: number
  /**
   * models served, as an input's model names them
   *
   * @maxItems 64
   */
  models?: string[]
  pass?: PassOffer
  subscription?: SubscriptionOffer
  /**
   * calls worked on at once
   */
  concurrency: number
}
/**
 * units that cost less, the more of them
 */
export interface TiersOffer {
  /**
   * what is counted together: the units of one call, or all that a payer was delivered in a day or a month (UTC)
   */
  over: 'call' | 'day' | 'month'
  /**
   * each further on and cheaper than the one before
   *
   * @minItems 1
   * @maxItems 16
   */
  steps: TierOffer[]
}
export interface TierOffer {
  /**
   * units before it begins
   */
  above: number
  /**
   * asked price of a unit from there on
   */
  price: Money
}
/**
 * units of a payer in a day (UTC) that cost nothing
 */
export interface FreeOffer {
  /**
   * units of a day
   */
  units: number
  /**
   * what the payer's vault must hold, so that names are not free
   */
  deposit?: Money
}
/**
 * A subscription: with a valid pass of this class calls cost nothing
 */
export interface PassOffer {
  /**
   * class in the network's pass contract
   */
  id: Hex32
  /**
   * price of one period
   */
  price: Money
  /**
   * days of one period
   */
  periodDays: number
  /**
   * calls of a day (UTC) that it covers; further ones cost the list price
   */
  quotaPerDay?: number
}
/**
 * A plan of the network's subscription contract: who holds a subscription of it is served for nothing; several offers of one participant may be covered by one plan
 */
export interface SubscriptionOffer {
  /**
   * plan in the network's subscription contract
   */
  plan: Hex32
  /**
   * price of one period
   */
  price: Money
  /**
   * days of one period
   */
  periodDays: number
  /**
   * calls of a day (UTC) that it covers, of all it covers together; further ones cost the ordinary price
   */
  quotaPerDay?: number
}
/**
 * An HTTP address and what answers there
 */
export interface Door {
  /**
   * what answers there: an OpenAI-compatible gateway, a provider's door for access keys, a guardian's reputation, a payment provider's relay
   */
  kind: 'gateway' | 'provider' | 'reputation' | 'relay'
  /**
   * base address, http or https
   */
  url: string
}
/**
 * Terms on which a payment provider is the arbiter of escrowed steps
 */
export interface EscrowOffer {
  /**
   * key that signs its rulings
   */
  arbiter: Address
  /**
   * price of one escrowed step, paid to the arbiter
   */
  fee: Money
  /**
   * time from the delivery in which a complaint is heard; then the provider is paid by default
   */
  challengeMs: DurationMs
  /**
   * time from the delivery in which the escrowed amount must be claimed
   */
  expiryMs: DurationMs
}
/**
 * Terms on which a payment provider carries light nodes' writes to the chain and proves its state
 */
export interface RelayOffer {
  /**
   * price of one write carried; 0 where it is free
   */
  fee: Money
}
/**
 * Terms on which a payment provider pays from an account's credit
 */
export interface CreditOffer {
  /**
   * on what a call cost, rounded up
   */
  feePercent: number
  /**
   * what credit is sold for besides the network's dollar
   *
   * @maxItems 32
   */
  rates?: CreditRate[]
}
/**
 * What one dollar of credit costs in another asset
 */
export interface CreditRate {
  /**
   * what it is paid in: a currency like EUR, or an asset as CAIP-19
   */
  asset: string
  /**
   * of `asset` for one dollar
   */
  rate: Money
  /**
   * the rate is asked for no longer then
   */
  until: Time
}

/**
 * The provider's signed statement of one call's result. Kind "delivery".
 */
export interface Delivery {
  body: DeliveryBody
  signature: Signature
  group?: DeliveryGroup
}
/**
 * where several deliveries are signed at once: the signature is of kind "delivery-group", over the root of their Merkle tree
 */
export interface DeliveryGroup {
  root: Hex32
  /**
   * from this delivery to the root
   *
   * @minItems 1
   * @maxItems 16
   */
  proof: Hex32[]
}

export interface DeliveryBody {
  agreement: Hash
  call: CallNumber
  inputHash: Hash
  outputHash: Hash
  units: Units
  /**
   * what this call costs
   */
  amount: Atomic
  at: Time
  stream?: Streamed
  sealed?: Sealed
}
/**
 * where it is paid piece by piece: what units and amount are of
 */
export interface Streamed {
  /**
   * how many there were so far
   */
  pieces: number
  /**
   * link of the last one, over all pieces and the units after each
   */
  chain: Hash
  /**
   * the output is not whole: outputHash is the chain
   */
  part?: true
}
/**
 * where the output is handed over encrypted, and its key for a locked voucher
 */
export interface Sealed {
  /**
   * SHA-256 of the key
   */
  lockHash: Hex32
  /**
   * SHA-256 of the ciphertext
   */
  cipherHash: Hash
  /**
   * nothing is encrypted: what is handed over is the text itself, and the key is of somebody else's output
   */
  open?: true
}

/**
 * What guardians tell each other to close an epoch (D9), by the verb `epoch`. Each part is signed by itself.
 */
export interface EpochMessage {
  /**
   * which part is there
   */
  kind: 'commit' | 'report' | 'proposal' | 'echo' | 'vote'
  commit?: EpochCommit
  report?: EpochReport
  proposal?: EpochProposal
  echo?: EpochEcho
  vote?: EpochVote
}

/**
 * The hash of a report, said before anybody shows one. Kind "epoch-commit"
 */
export interface EpochCommitBody {
  /**
   * number of the epoch: its beginning in ms since the epoch, divided by its length
   */
  epoch: number
  report: Hash
}

/**
 * A signed commitment
 */
export interface EpochCommit {
  body: EpochCommitBody
  signature: Signature
  authorisation: NodeAuthorisation
}

/**
 * One guardian's measurements in one epoch. Kind "epoch-report"
 */
export interface EpochReportBody {
  /**
   * number of the epoch: its beginning in ms since the epoch, divided by its length
   */
  epoch: number
  /**
   * keeps the hash from being guessed
   */
  salt: Hex32
  /**
   * in order of provider and capability
   *
   * @maxItems 512
   */
  entries: ReputationEntry[]
}

/**
 * A signed report
 */
export interface EpochReport {
  body: EpochReportBody
  signature: Signature
  authorisation: NodeAuthorisation
}

/**
 * The list of reports that the proposer of a round puts forward. Kind "epoch-proposal"
 */
export interface EpochProposalBody {
  /**
   * from 0; guardians take turns
   */
  round: number
  header: RegistryHeader
}

/**
 * A signed proposal, with the reports it names
 */
export interface EpochProposal {
  body: EpochProposalBody
  signature: Signature
  authorisation: NodeAuthorisation
  /**
   * in the order of the header
   *
   * @minItems 1
   * @maxItems 64
   */
  reports: EpochReport[]
}

/**
 * A guardian found the proposal of this round good. Kind "epoch-echo"
 */
export interface EpochEchoBody {
  /**
   * number of the epoch: its beginning in ms since the epoch, divided by its length
   */
  epoch: number
  /**
   * the round
   */
  round: number
  /**
   * hash of the header
   */
  header: Hash
}

/**
 * A signed echo
 */
export interface EpochEcho {
  body: EpochEchoBody
  signature: Signature
  authorisation: NodeAuthorisation
}

/**
 * The signature on the header itself, one an epoch, with the echoes that allow it
 */
export interface EpochVote {
  header: RegistryHeader
  signature: Signature
  authorisation: NodeAuthorisation
  /**
   * a quorum of one round
   *
   * @minItems 1
   * @maxItems 64
   */
  echoes: EpochEcho[]
}

/**
 * Asks a guardian for the proposal behind a header that it voted for: verb `epoch-proposal`
 */
export interface EpochFetch {
  /**
   * number of the epoch: its beginning in ms since the epoch, divided by its length
   */
  epoch: number
  header: Hash
}

/**
 * What a payer publishes of a step on aigen.v1.evidence.<participant>: its receipt, or its complaint.
 */
export interface Evidence {
  receipt?: Receipt
  complaint?: Complaint
}

/**
 * A payer says that an agreed call was not delivered as agreed. Kind "complaint"
 */
export interface ComplaintBody {
  agreement: Agreement
  /**
   * code from the error table
   */
  fault: string
  at: Time
  proof?: WrongContent
}

/**
 * Of a call that settled locked: the key that was paid for does not open the output that was signed for. Anybody can see it from these three
 */
export interface WrongContent {
  delivery: Delivery
  /**
   * the ciphertext, as base64
   */
  sealed: string
  key: Hex32
}

/**
 * A signed complaint, with what its signatures need to be checked
 */
export interface Complaint {
  body: ComplaintBody
  signature: Signature
  /**
   * those that the signatures name
   *
   * @minItems 1
   * @maxItems 8
   */
  authorisations: NodeAuthorisation[]
}

/**
 * A wallet's statement that a node key signs for it, on any chain (D5). Kept for ever by its hash.
 */
export interface NodeAuthorisation {
  wallet: Address
  node: NodeKey
  notBefore: Time
  notAfter: Time
  /**
   * EIP-712 by the wallet, domain {name: "AIGEN", version: "1"}
   */
  signature: WalletSignature
}

/**
 * an EVM address in lower case, like 0x00000000000000000000000000000000000000aa
 */
export type Address = `0x${string}`

/**
 * 32 bytes as 0x and 64 lower-case hex digits
 */
export type Hex32 = `0x${string}`

/**
 * a secp256k1 signature r‖s‖v as 0x and 130 lower-case hex digits
 */
export type WalletSignature = `0x${string}`

/**
 * a SHA-256 hash as sha256- and 64 lower-case hex digits
 */
export type Hash = `sha256-${string}`

/**
 * an Ed25519 public key, 32 bytes as base64url without padding
 */
export type NodeKey = string

/**
 * an Ed25519 signature, 64 bytes as base64url without padding
 */
export type NodeSignature = string

/**
 * an amount of money as a decimal string, like "0.25"
 */
export type Money = string

/**
 * an amount in the asset's smallest unit as a decimal string of an integer, like "18000"
 */
export type Atomic = string

/**
 * an ERC-20 token by CAIP-19, like eip155:31337/erc20:0x00000000000000000000000000000000000000aa
 */
export type Asset = string

/**
 * a time in whole milliseconds since the epoch
 */
export type Time = number

/**
 * a time in whole seconds since the epoch, as the chain counts it
 */
export type Seconds = number

/**
 * a duration in whole milliseconds
 */
export type DurationMs = number

/**
 * an id of letters, digits, - and _, at most 128 characters
 */
export type Id = string

/**
 * a capability with its version, like vision.ocr@1
 */
export type CapabilityId = string

/**
 * a billing unit, like page
 */
export type Unit = string

/**
 * how much was used, by billing unit, like {"page": 1}
 */
export interface Units {
  [k: string]: number
}

/**
 * the number of a call under its agreement, from 0
 */
export type CallNumber = number

/**
 * a role of a participant
 */
export type Role = 'service-provider' | 'client-provider' | 'user' | 'trust-guardian' | 'payment-provider'

/**
 * how a step is settled
 */
export type Settle = 'postpaid' | 'locked' | 'prepaid' | 'streamed' | 'escrow'

/**
 * a media type in lower case, like image/png
 */
export type MediaType = string

/**
 * A reference to a blob, in place of its bytes
 */
export interface BlobRef {
  /**
   * SHA-256 of the plaintext
   */
  $blob: Hash
  /**
   * length of the plaintext in bytes
   */
  size: number
  mediaType: MediaType
}

/**
 * a JSON Schema (2020-12) of bounded size, without recursion or remote references
 */
export interface JsonSchema {
  [k: string]: unknown
}

/**
 * What stands for an error on the wire
 */
export interface Failure {
  /**
   * a code of the error table, like step.input
   */
  code: string
  /**
   * one sentence and the particulars
   */
  message: string
  /**
   * JSON path of what is wrong
   */
  path?: string
  /**
   * each thing wrong, when several are reported at once
   *
   * @maxItems 100
   */
  issues?: {
    /**
     * JSON path of what is wrong
     */
    path: string
    /**
     * what was expected and what was found
     */
    message: string
    /**
     * what to do about it
     */
    hint?: string
  }[]
}

/**
 * How a blob of this message is fetched: sealed under a random key on the sender's shelf
 */
export interface Parcel {
  /**
   * SHA-256 of the plaintext, as in the blob reference
   */
  blob: Hash
  /**
   * participant on whose shelf the ciphertext lies
   */
  shelf: Address
  /**
   * name of the ciphertext on the shelf
   */
  key: Id
  /**
   * key of the seal, 32 bytes as base64url without padding
   */
  secret: string
}

/**
 * Who decides about an escrowed call, and by when
 */
export interface EscrowTerms {
  /**
   * participant that hears complaints
   */
  agent: Address
  /**
   * key that signs its rulings
   */
  arbiter: Address
  /**
   * time from the latest delivery that counts in which a ruling can be recorded; then the provider is paid by default
   */
  challengeMs: DurationMs
  /**
   * time from the latest delivery that counts in which the amount must be claimed
   */
  expiryMs: DurationMs
}

/**
 * One agreement for many calls: how many, and until when they may be invoked
 */
export interface Standing {
  /**
   * calls, numbered from 0
   */
  calls: number
  until: Time
}

/**
 * A delivery and its price, as a voucher's ref folds them
 */
export interface Folded {
  delivery: Hash
  amount: Atomic
}

/**
 * how both sides count what was used, over the same input and output: who charges for more than can be counted is not paid
 */
export interface Meter {
  /**
   * items of the lists, numbers as they stand, bytes of canonical JSON and of the blobs in it, tokens of the texts, or seconds from invoke to delivery as the payer saw them
   */
  by: 'items' | 'number' | 'bytes' | 'tokens' | 'seconds'
  /**
   * what is counted, all of it together; nothing for seconds
   *
   * @minItems 1
   * @maxItems 8
   */
  of?: Metered[]
  /**
   * of tokens; models have their own, which this one comes near
   */
  tokenizer?: 'cl100k_base' | 'o200k_base'
  /**
   * percent by which a count may be above what was counted; 0 when it is not named
   */
  tolerance?: number
}
export interface Metered {
  /**
   * like output.rows
   */
  path: string
  /**
   * units that each counts for; 1 when it is not named
   */
  times?: number
}

/**
 * A pipeline: steps that are hired, checked and paid one by one. Data flow decides their order.
 */
export interface Pipeline {
  /**
   * lower-case letters, digits and dashes, like scan-desk
   */
  name: string
  /**
   * semantic version, like 1.0.0
   */
  version: string
  /**
   * name for people
   */
  title?: string
  /**
   * what it does, for people and agents
   */
  description?: string
  /**
   * schema of the inputs, an object; {"$ref": "aigen:blob"} stands for a file
   */
  input?: JsonSchema
  budget?: PipelineBudget
  /**
   * the longest a run may take; what is under way then is cancelled, what was delivered is paid, and the run fails
   */
  timeout?: PipelineDuration
  /**
   * who may do its steps and who is preferred, where a step says nothing else
   */
  providers?: PipelineProviders
  /**
   * by label: the only participants that data of that label may reach, directly or through the outputs of steps; a schema of an input labels a value with "x-label"
   */
  labels?: {
    /**
     * @maxItems 64
     */
    [k: string]: Address[]
  }
  /**
   * sub-pipelines by name, which steps run with "pipeline"; their budgets are parts of this one's
   */
  pipelines?: {
    [k: string]: Pipeline
  }
  /**
   * the steps by their id, which is an identifier that expressions can name
   */
  steps: {
    [k: string]: PipelineStep
  }
  /**
   * the run's answer: any JSON with ${…} in its strings; it waits for every step
   */
  output: {
    [k: string]: unknown
  }
}

/**
 * the most that one run may spend
 */
export interface PipelineBudget {
  max: Money
  /**
   * symbol of the asset, for people, or its CAIP-19 id
   */
  asset?: string
}

/**
 * one step; it has one of uses, pipeline, switch, approve and wait
 */
export interface PipelineStep {
  /**
   * name for people
   */
  title?: string
  /**
   * what it is for
   */
  description?: string
  /**
   * the capability or bundle to hire, like vision.ocr@1
   */
  uses?: CapabilityId
  /**
   * the sub-pipeline to run, by its name in pipelines; with is its input
   */
  pipeline?: string
  /**
   * the first case whose when is true is what the step does; none is the state skipped
   *
   * @minItems 1
   * @maxItems 16
   */
  switch?: PipelineCase[]
  /**
   * its input: JSON with ${…} in its strings; a string that is one ${…} keeps the value's type
   */
  with?: {
    [k: string]: unknown
  }
  /**
   * whether the step runs; false gives null and the state skipped
   */
  if?: PipelineExpression
  /**
   * steps that must have ended before, besides those that expressions name
   *
   * @maxItems 1000
   */
  needs?: string[]
  /**
   * a list, or ${chunks.<step>}, the pieces of a step's streamed output as they come; the step runs once for each item and sees item and index
   */
  forEach?: PipelineExpression
  /**
   * the most items forEach may have; a longer list fails the step before anything is hired
   */
  maxItems?: number
  /**
   * how many items run at once (default 8)
   */
  parallel?: number
  /**
   * how many items may fail, giving null in their place, before the step fails and begins no further one (default 0)
   */
  tolerate?: number
  race?: PipelineRace
  quorum?: PipelineQuorum
  price?: PipelinePrice
  sla?: PipelineSla
  /**
   * the longest the whole step may take, its attempts, items and waits together
   */
  timeout?: PipelineDuration
  /**
   * a result of any run that was paid for stands in for the same input to the same pure capability, for as long as its provider's card says; a duration: while it is no older than that; false: never, and nothing is kept
   */
  cache?: false | PipelineDuration
  /**
   * acceptance over output: a delivery that fails it is not paid
   */
  expect?: PipelineExpression
  retry?: PipelineRetry
  fallback?: PipelineFallback
  providers?: PipelineProviders
  compensate?: PipelineCompensate
  /**
   * how it is paid (default postpaid)
   */
  settle?: Settle
  escrow?: PipelineEscrow
  through?: PipelineThrough
  approve?: PipelineApprove
  wait?: PipelineWait
}
/**
 * several providers do the same work at once; the first good answer counts, the others are cancelled and paid for what they delivered before that
 */
export interface PipelineRace {
  providers: number
}
/**
 * several providers do the same work and so many of them must agree; all that delivered are paid
 */
export interface PipelineQuorum {
  providers: number
  /**
   * how many must agree; more than half of them
   */
  agree: number
  /**
   * whether two outputs a and b agree, like ${a.total == b.total} (default: they are equal)
   */
  rule?: PipelineExpression
}
/**
 * of a step settled in escrow: who decides, and what that may cost
 */
export interface PipelineEscrow {
  /**
   * payment provider; without it the cheapest that is live
   */
  agent?: Address
  /**
   * most that its fee for one call may be (default 0.01)
   */
  fee?: PipelinePrice
}
/**
 * of a step settled locked: a hub pays its provider, so that the payer needs no lane to it
 */
export interface PipelineThrough {
  /**
   * payment provider; without it the cheapest that is live and has not failed
   */
  hub?: Address
  /**
   * most that its fee for one call may be (default 0.01)
   */
  fee?: PipelinePrice
}

/**
 * one CEL expression, like ${output.confidence > 85.0}
 */
export type PipelineExpression = string

/**
 * a whole number and its unit: 500ms, 20s, 5m, 1h, 7d
 */
export type PipelineDuration = string

/**
 * what one call may cost
 */
export interface PipelinePrice {
  max: Money
}

/**
 * how long one call may take
 */
export interface PipelineSla {
  /**
   * from invoke to delivery; a later delivery need not be paid (default 60s)
   */
  deadline: PipelineDuration
  /**
   * how long past the deadline its outcome is waited for (default 5s)
   */
  grace?: PipelineDuration
}

export type PipelineRetryReason = 'timeout' | 'expect' | 'output' | 'failed' | 'refused'

/**
 * what is tried again
 */
export interface PipelineRetry {
  /**
   * calls in all, the first one included
   */
  attempts: number
  /**
   * the disappointments that are tried again (default all): timeout, expect (acceptance failed), output (does not fit the capability's schema), failed (the provider could not do it), refused (nobody took it)
   *
   * @minItems 1
   * @maxItems 5
   */
  on?: PipelineRetryReason[]
  /**
   * whether another provider is hired for the next attempt (default true)
   */
  elsewhere?: boolean
  /**
   * wait before the second attempt, doubled before each further one (default 0ms)
   */
  backoff?: PipelineDuration
}

/**
 * what stands in when every attempt failed: another capability, or a constant
 */
export interface PipelineFallback {
  uses?: CapabilityId
  /**
   * its input
   */
  with?: {
    [k: string]: unknown
  }
  price?: PipelinePrice
  /**
   * a constant, when no capability is named
   */
  value?: {
    [k: string]: unknown
  }
}

/**
 * what undoes the step when the run fails later; the last one done is undone first
 */
export interface PipelineCompensate {
  uses: CapabilityId
  /**
   * its input; it may name the step's own output
   */
  with?: {
    [k: string]: unknown
  }
  price?: PipelinePrice
  sla?: PipelineSla
}

/**
 * a person decides
 */
export interface PipelineApprove {
  /**
   * who: owner, or a participant's address
   */
  by: string
  /**
   * what they read, with ${…}
   */
  message?: string
  timeout: PipelineDuration
  /**
   * what no answer in time means (default reject); a rejected step has failed, and its output says who, when and why
   */
  then?: 'reject' | 'approve'
}

/**
 * a wait: it has one of for, until, schedule and signal
 */
export interface PipelineWait {
  for?: PipelineDuration
  /**
   * a time: RFC 3339 text, or an expression that gives that or milliseconds since the epoch; one that is over waits no time
   */
  until?: string
  schedule?: PipelineSchedule
  /**
   * name of the signal (aigen runs signal RUN NAME DATA); its data is the step's output
   */
  signal?: string
  /**
   * how long a signal is waited for
   */
  timeout?: PipelineDuration
  /**
   * what no signal in time means (default fail)
   */
  then?: 'fail' | 'continue'
}
/**
 * the next time of a cron expression
 */
export interface PipelineSchedule {
  cron: string
  /**
   * IANA name (default UTC)
   */
  timeZone?: string
}

export type PipelineChoice = 'cheapest' | 'fastest' | 'trusted'

/**
 * who may do it, and who is preferred; without it anybody who offers it, the cheapest first
 */
export interface PipelineProviders {
  /**
   * participants, of which one does it
   *
   * @minItems 1
   * @maxItems 64
   */
  only?: Address[]
  /**
   * participants that are never asked
   *
   * @minItems 1
   * @maxItems 64
   */
  not?: Address[]
  /**
   * who is preferred of those who fit (default cheapest): cheapest, fastest (promised latency, corrected by what was measured), trusted (reputation), or weights of the three from 0 to 100
   */
  choose?: PipelineChoice | PipelineWeights
  /**
   * steps whose providers are not hired for this one; it waits for them
   *
   * @minItems 1
   * @maxItems 64
   */
  differ?: string[]
}
export interface PipelineWeights {
  price?: number
  latency?: number
  reputation?: number
}

/**
 * one case of a switch: a capability with its input, or a constant
 */
export interface PipelineCase {
  /**
   * the case counts when this is true; without it, always
   */
  when?: PipelineExpression
  uses?: CapabilityId
  /**
   * its input
   */
  with?: {
    [k: string]: unknown
  }
  price?: PipelinePrice
  /**
   * acceptance over output
   */
  expect?: PipelineExpression
  /**
   * a constant, with ${…} in its strings, when no capability is named
   */
  value?: {
    [k: string]: unknown
  }
}

/**
 * A priced, expiring, signed offer. Kind "quote".
 */
export interface Quote {
  terms: Terms
  /**
   * the provider's, over terms
   */
  signature: Signature
}

/**
 * A delivery together with the voucher that pays it: enough to verify offline (I3).
 */
export interface Receipt {
  id: Id
  agreement: Agreement
  delivery: Delivery
  voucher: Voucher
  /**
   * ref of the lane before this delivery
   */
  previousRef: Hex32
  /**
   * of a call that was paid piece by piece: what was folded between previousRef and the delivery, in order
   *
   * @minItems 1
   * @maxItems 1024
   */
  parts?: Folded[]
  /**
   * what the voucher folds after this delivery, in order, where it pays several
   *
   * @minItems 1
   * @maxItems 255
   */
  after?: Folded[]
  /**
   * key that signs for the vault
   */
  voucherKey: Address
  /**
   * those that the signatures name
   *
   * @minItems 1
   * @maxItems 8
   */
  authorisations: NodeAuthorisation[]
}

/**
 * What a quorum of guardians agrees on for one epoch (D9): the lower median of their reports, figure by figure. Kept on aigen.v1.reputation.<epoch>.
 */
export interface Registry {
  header: RegistryHeader
  /**
   * in order of provider and capability
   *
   * @maxItems 512
   */
  entries: ReputationEntry[]
  /**
   * by guardians, on the header
   *
   * @minItems 1
   * @maxItems 64
   */
  signatures: Signature[]
  /**
   * those that the signatures name
   *
   * @minItems 1
   * @maxItems 64
   */
  authorisations: NodeAuthorisation[]
}

/**
 * The guardians of an epoch and their quorum, from genesis
 */
export interface GuardianSet {
  /**
   * in the order in which they take turns to propose
   *
   * @minItems 1
   * @maxItems 64
   */
  participants: Address[]
  /**
   * how many must sign: 2f + 1 of 3f + 1
   */
  quorum: number
  /**
   * length of an epoch in ms
   */
  epochMs: number
}

/**
 * What is known of one provider at one capability. Rates are basis points (10000 is all), times ms; null where nobody could measure
 */
export interface ReputationFigures {
  /**
   * share of the signs of life heard when one was due
   */
  uptime: number | null
  /**
   * median time that a status call takes there and back
   */
  rttMs: number | null
  /**
   * median time from invoke to delivery
   */
  p50Ms: number | null
  /**
   * 95th percentile of the same
   */
  p95Ms: number | null
  /**
   * share of the calls that were delivered and right
   */
  success: number | null
  /**
   * share of the calls that were not delivered
   */
  errors: number | null
  /**
   * deliveries later than promised on the card, and payers who proved a wrong content
   */
  breaches: number
  /**
   * calls that the guardian paid for itself
   */
  probes: number
  /**
   * distinct payers with a settled receipt
   */
  receipts: number
  /**
   * distinct payers with a complaint
   */
  complaints: number
}

/**
 * The agreed figures of one provider at one capability
 */
export interface ReputationEntry {
  provider: Address
  capability: CapabilityId
  figures: ReputationFigures
}

/**
 * What guardians sign of a registry. Kind "registry"
 */
export interface RegistryHeader {
  /**
   * number of the epoch: its beginning in ms since the epoch, divided by its length
   */
  epoch: number
  from: Time
  to: Time
  /**
   * the reports that the registry is made from, in order of the guardian
   *
   * @minItems 1
   * @maxItems 64
   */
  reports: ReportRef[]
  /**
   * number of entries
   */
  entries: number
  /**
   * root of the Merkle tree of the entries; zeros when there are none
   */
  root: Hex32
}
/**
 * A report by its hash
 */
export interface ReportRef {
  guardian: Address
  report: Hash
}

/**
 * One entry, with what proves it to anybody who knows the guardians
 */
export interface ProvenEntry {
  entry: ReputationEntry
  /**
   * siblings from leaf to root
   *
   * @maxItems 16
   */
  proof: Hex32[]
  header: RegistryHeader
  /**
   * by guardians, on the header
   *
   * @minItems 1
   * @maxItems 64
   */
  signatures: Signature[]
  /**
   * those that the signatures name
   *
   * @minItems 1
   * @maxItems 64
   */
  authorisations: NodeAuthorisation[]
}

/**
 * A participant's signature on a document, by one of its node keys. Convinces third parties (D5).
 */
export interface Signature {
  /**
   * the participant that signs
   */
  by: Address
  /**
   * the node key that made sig
   */
  node: NodeKey
  /**
   * hash of the node authorisation that lets this key sign for the participant
   */
  auth: Hash
  /**
   * over utf8("aigen/v1/" + kind + "\n") ‖ canonical(body)
   */
  sig: NodeSignature
}

/**
 * What a quote offers and an agreement fixes; they alone decide what is owed (D6).
 */
export interface Terms {
  quote: Id
  /**
   * id of the call for quotes
   */
  request: Id
  provider: Address
  payer: Address
  /**
   * address that is paid
   */
  payee: Address
  capability: CapabilityId
  /**
   * hash of the capability document
   */
  capabilityHash: Hash
  /**
   * hash of the schema that an output must fit to be owed
   */
  outputSchemaHash: Hash
  /**
   * the acceptance expression (CEL) over the output that decides, with the output schema, whether a delivery is owed; null for none
   */
  expect: string | null
  unit: Unit
  unitPrice: Atomic
  /**
   * how many units the unit price is for; 1 when it is not named
   */
  per?: number
  /**
   * least that a call costs, where it costs anything
   */
  min?: Atomic
  /**
   * units of the call, from `above` on, that cost less; each further on than the one before
   *
   * @minItems 1
   * @maxItems 16
   */
  tiers?: Tier[]
  /**
   * first units of the call that cost nothing
   */
  free?: number
  /**
   * how the units are counted; without it the provider's count stands, up to the cap
   */
  meter?: Meter
  /**
   * units expected
   */
  units: number
  /**
   * most that one call can cost; what it costs where it is prepaid or in escrow
   */
  cap: Atomic
  /**
   * class of the payer's pass, by which the unit price is 0
   */
  pass?: Hex32
  /**
   * the payer's subscription, by which the unit price is 0
   */
  subscription?: Hex32
  /**
   * time from invoke within which the delivery must come
   */
  deadlineMs: DurationMs
  /**
   * time beyond the deadline in which a delivery still counts
   */
  graceMs: DurationMs
  settle: Settle
  /**
   * where it is settled in escrow; such a call costs its cap, known before the work
   */
  escrow?: EscrowTerms
  /**
   * where it stands for many calls, each under these terms and up to this cap
   */
  standing?: Standing
  stream?: StreamTerms
  asset: Asset
  /**
   * the vault contract
   */
  vault: Address
  expiresAt: Time
  /**
   * bargaining round, 0 for the first offer
   */
  round: number
}
export interface Tier {
  /**
   * units of the call, after those that are free, before it begins
   */
  above: number
  /**
   * price of a unit from there on, where it is less than the price before
   */
  unitPrice: Atomic
}
/**
 * where it is paid piece by piece: how much a part of it may be, which is what either side can lose
 */
export interface StreamTerms {
  /**
   * pieces after which a part is signed for and paid, before any further one is sent
   */
  every: number
  /**
   * most units that the pieces of one part may take
   */
  units: number
}

/**
 * The payer accepts a quote and names the lane that pays
 */
export interface AcceptRequest {
  terms: Terms
  lane: Hex32
  /**
   * the payer's, over {terms, lane}
   */
  payer: Signature
  /**
   * the provider's, from the quote, over terms
   */
  quote: Signature
  proof: LaneProof
  /**
   * the one that payer.auth names
   */
  authorisation?: NodeAuthorisation
  /**
   * where the lane is a hub's, who pays on it for the payer
   */
  grant?: LaneGrant
}
/**
 * what the provider needs to find the lane on the chain
 */
export interface LaneProof {
  /**
   * id of the vault in the vault contract
   */
  vault: Hex32
  /**
   * lane number
   */
  number: number
  voucherKey: Address
}

/**
 * The provider's signature makes it an agreement
 */
export interface AcceptAnswer {
  /**
   * over {terms, lane}
   */
  provider: Signature
}

/**
 * The operator's word that an invoice was paid; the same again changes nothing
 */
export interface AcknowledgeRequest {
  invoice: Invoice
  /**
   * the payment, as bank or chain names it; it settles one invoice
   */
  reference: string
}

/**
 * What was credited
 */
export interface AcknowledgeAnswer {
  account: Address
  credit: Money
}

/**
 * Asks for the credit of whoever asks
 */
export interface BalanceRequest {}

/**
 * The account: free = deposited − held − spent − fees − refunded
 */
export interface BalanceAnswer {
  deposited: Money
  held: Money
  spent: Money
  fees: Money
  free: Money
  /**
   * taken out again, or on its way out; absent for nothing
   */
  refunded?: Money
}

/**
 * Has one call hired and paid from the credit of whoever asks; the same key again is the same call
 */
export interface BuyRequest {
  /**
   * names the call within the account
   */
  key: string
  capability: CapabilityId
  /**
   * any JSON value that fits the capability's input schema, without blobs
   */
  input: {
    [k: string]: unknown
  }
  /**
   * most that the call may cost, the fee not included
   */
  maxPrice: Money
  deadlineMs?: DurationMs
  /**
   * CEL over output
   */
  expect?: string
}

/**
 * Where it stands; ask again while it is pending
 */
export interface BuyAnswer {
  state: 'pending' | 'done' | 'failed'
  /**
   * any JSON value
   */
  output?: {
    [k: string]: unknown
  }
  /**
   * what the network charged
   */
  charged?: Money
  fee?: Money
  /**
   * name of who did it
   */
  provider?: string
  error?: Failure
}

/**
 * Asks to stop a call; a call that has a result already answers with it
 */
export interface CancelRequest {
  agreement: Hash
  call: CallNumber
  /**
   * that pays the call: it says which of the provider's nodes knows it
   */
  lane: Hex32
  /**
   * of a call that is paid piece by piece: how many were taken, and are paid
   */
  pieces?: number
}

/**
 * Where the call stands now
 */
export type CancelAnswer = CallOutcome

/**
 * Either side of an escrowed call asks its agent where the case stands
 */
export interface CaseRequest {
  agreement: Hash
}

/**
 * Where the case stands
 */
export type CaseAnswer = CaseState

/**
 * Where a case stands at its agent
 */
export interface CaseState {
  /**
   * open: nobody complained; hearing: evidence is gathered; ruling: decided and on its way to the chain; ruled: recorded; undecided: the default holds; unknown: no such case
   */
  state: 'open' | 'hearing' | 'ruling' | 'ruled' | 'undecided' | 'unknown'
  /**
   * what the provider gets of the escrowed amount
   */
  payeeAmount?: Atomic
  /**
   * why, for people
   */
  reason?: string
  /**
   * what the provider showed and is paid for
   */
  outcome?: CallDelivered
}

/**
 * The payer of an escrowed call asks its agent for a ruling, and shows what it has
 */
export interface ComplainRequest {
  agreement: Agreement
  voucher: EscrowVoucher
  /**
   * ref of the lane before the voucher, which folds the agreement
   */
  previousRef: Hex32
  /**
   * the contract that the agreement names by hash
   */
  capability: Capability
  /**
   * those that the signatures name
   *
   * @minItems 1
   * @maxItems 8
   */
  authorisations: NodeAuthorisation[]
  /**
   * as it came, if it did
   */
  delivery?: Delivery
  /**
   * any JSON value, as it came with the delivery
   */
  output?: {
    [k: string]: unknown
  }
  /**
   * what is wrong, for people
   */
  reason: string
}

/**
 * Where the case stands
 */
export type ComplainAnswer = CaseState

/**
 * What the owner wants of a run
 */
export interface ControlRequest {
  /**
   * id of the run
   */
  run: Id
  want: 'pause' | 'resume' | 'cancel' | 'signal' | 'answer' | 'query'
  /**
   * of a signal: its name, and data what it says, at most 4096 bytes of canonical JSON; of an answer: the step that waits for an approval, and data {approved, comment}; of a query: the path of what is asked, like steps.read.output
   */
  name?: string
  data?: unknown
}

/**
 * Where the run stands then, and the answer of a query
 */
export interface ControlAnswer {
  state: string
  value?: unknown
}

/**
 * The agent of an escrowed call asks its provider to show the delivery
 */
export interface EvidenceRequest {
  agreement: Hash
  call: CallNumber
  /**
   * that pays the call: it says which of the provider's nodes knows it
   */
  lane: Hex32
}

/**
 * Where the call stands
 */
export type EvidenceAnswer = CallOutcome

/**
 * The latest voucher of each lane, which stands in for every earlier one; or what hangs on a condition on top of it
 */
export interface GuardRequest {
  /**
   * @maxItems 100
   */
  vouchers: PlainVoucher[]
  /**
   * Claimed when the payer leaves or its end comes near, unless a plain voucher of as much has come
   *
   * @maxItems 100
   */
  conditional?: {
    voucher: LockedVoucher | EscrowVoucher
    /**
     * Preimage of a locked voucher's lock
     */
    key?: Hex32
  }[]
}

/**
 * What is watched over from here on, and what is not
 */
export interface GuardAnswer {
  /**
   * @maxItems 100
   */
  held: {
    lane: Hex32
    cumulative: Atomic
  }[]
  /**
   * @maxItems 100
   */
  refused: {
    lane: Hex32
    code: string
  }[]
}

/**
 * Credit that a payment provider gives for a payment outside of the network
 */
export interface InvoiceBody {
  /**
   * names the invoice; say it with the payment
   */
  id: string
  /**
   * payment provider
   */
  provider: Address
  /**
   * participant that is credited
   */
  account: Address
  /**
   * of the dollar
   */
  credit: Money
  /**
   * what it is paid in: a currency like EUR, or an asset as CAIP-19
   */
  asset: string
  /**
   * what is to be paid, in `asset`, rounded up
   */
  amount: Money
  /**
   * of `asset` for one dollar
   */
  rate: Money
  /**
   * where to: an address, an account, in words
   */
  payTo: string
  issuedAt: Time
  /**
   * pay until then: the rate holds no longer
   */
  expiresAt: Time
}

/**
 * An invoice with its signature
 */
export interface Invoice {
  body: InvoiceBody
  signature: Signature
}

/**
 * Asks for an invoice for credit of whoever asks
 */
export interface InvoiceRequest {
  /**
   * of the dollar
   */
  credit: Money
  /**
   * what it is paid in: a currency like EUR, or an asset as CAIP-19
   */
  asset: string
}

/**
 * Starts a call, or asks for the stored answer of a known one
 */
export interface InvokeRequest {
  agreement: Hash
  call: CallNumber
  /**
   * that pays the call: it says which of the provider's nodes knows it
   */
  lane: Hex32
  /**
   * any JSON value that fits the capability's input schema
   */
  input: {
    [k: string]: unknown
  }
  inputHash: Hash
  /**
   * the caller pays for nothing that is delivered later; a call that has not begun then never does
   */
  until?: Time
  /**
   * the blobs named in it
   *
   * @maxItems 64
   */
  parcels?: Parcel[]
  flow?: Flow
  /**
   * secures the provider before it works, where the agreement is settled in escrow
   */
  escrow?: EscrowVoucher
  /**
   * pays the call before it begins, where the agreement is prepaid: its ref folds the agreement
   */
  prepaid?: PlainVoucher
}
/**
 * asks for the pieces of the output as they are made, sealed under this secret on the call's flow subject
 */
export interface Flow {
  /**
   * 32 bytes as base64url without padding
   */
  secret: string
}

/**
 * Where the call stands
 */
export type InvokeAnswer = CallPending | CallDelivered | CallPart | CallSealed | CallFailed

/**
 * What the payer has signed last
 */
export interface LatestRequest {
  lane: Hex32
  /**
   * null where it knows of none
   */
  voucher: PlainVoucher | null
}

/**
 * What the payee holds, after it has taken the payer's where that is higher
 */
export interface LatestAnswer {
  voucher: PlainVoucher | null
  /**
   * hash of the delivery that waits for its voucher
   */
  owed: Hash | null
  /**
   * under a standing agreement: hashes of all deliveries that wait for a voucher
   *
   * @maxItems 1024
   */
  owes?: Hash[]
}

/**
 * Where a call stands at its provider
 */
export type CallOutcome = CallPending | CallDelivered | CallPart | CallSealed | CallFailed | CallCancelled | CallUnknown

/**
 * The call runs; ask again
 */
export interface CallPending {
  state: 'pending'
}

/**
 * The call ended with a result
 */
export interface CallDelivered {
  state: 'delivered'
  delivery: Delivery
  /**
   * any JSON value; large ones are blob references
   */
  output: {
    [k: string]: unknown
  }
  /**
   * the blobs named in it
   *
   * @maxItems 64
   */
  parcels?: Parcel[]
}

/**
 * The call waits until so much of it is paid
 */
export interface CallPart {
  state: 'part'
  delivery: Delivery
}

/**
 * The call ended with a result that only its key opens
 */
export interface CallSealed {
  state: 'sealed'
  delivery: Delivery
  /**
   * output and parcels under AES-256-GCM, as base64
   */
  sealed: string
}

/**
 * The call ended without a result and costs nothing
 */
export interface CallFailed {
  state: 'failed'
  error: Failure
}

/**
 * The call was cancelled before a result and costs nothing
 */
export interface CallCancelled {
  state: 'cancelled'
}

/**
 * The provider never saw this call and will refuse it from now on
 */
export interface CallUnknown {
  state: 'unknown'
}

/**
 * Hands over a voucher
 */
export interface PayRequest {
  lane: Hex32
  voucher: Voucher
  /**
   * hashes of the deliveries this voucher pays, in the order they are folded into ref
   *
   * @minItems 1
   * @maxItems 1024
   */
  deliveries: Hash[]
}

/**
 * The provider took it
 */
export interface PayAnswer {
  /**
   * what the provider holds a voucher for now
   */
  cumulative: Atomic
  /**
   * under a standing agreement: calls that may be unpaid at once from now on
   */
  window?: number
  /**
   * what a locked voucher was given for
   */
  key?: Hex32
  hop?: Hop
}
/**
 * By a hub: what it has paid the provider with in turn
 */
export interface Hop {
  voucher: Voucher
  previousRef: Hex32
}

/**
 * A counter-offer; the answer is another quote, of the next round
 */
export interface QuoteRequest {
  /**
   * the provider's offer that is bargained about
   */
  quote: Quote
  /**
   * unit price the payer would take
   */
  want: Atomic
}

/**
 * The provider's next offer; the same price again when there is nothing to give
 */
export type QuoteAnswer = Quote

/**
 * What the payee holds of the lane
 */
export interface RecallRequest {
  lane: Hex32
  /**
   * null where it knows of none
   */
  voucher: PlainVoucher | null
}

/**
 * What the payer has signed last, after it has heard the payee's; null where nothing, or where it is not known here
 */
export interface RecallAnswer {
  voucher: PlainVoucher | null
}

/**
 * Takes unused credit of whoever asks out again; the same key again is the same refund
 */
export interface RefundRequest {
  /**
   * names the refund within the account
   */
  key: string
  /**
   * of the dollar, paid to the account's own address
   */
  amount: Money
}

/**
 * Where it stands; ask again while it is pending
 */
export interface RefundAnswer {
  state: 'pending' | 'done'
  amount: Money
}

/**
 * What the vault is made of
 */
export interface RelayVaultTerms {
  owner: Address
  voucherKey: Address
  delay: number
  number: number
}

/**
 * Test dollars for the asker, where the token has an open faucet
 */
export interface RelayMint {
  kind: 'mint'
  to: Address
  amount: Atomic
}

/**
 * A deposit by the depositor's EIP-3009 authorisation
 */
export interface RelayDeposit {
  kind: 'open-authorised'
  authorisation: RelayAuthorisation
  signature: WalletSignature
}
/**
 * What was signed
 */
export interface RelayAuthorisation {
  vault: RelayVaultTerms
  from: Address
  amount: Atomic
  validAfter: Seconds
  validBefore: Seconds
  salt: Hex32
}

/**
 * A reservation by the owner's signed order
 */
export interface RelayReserve {
  kind: 'reserve-ordered'
  order: RelayReserveOrder
  signature: WalletSignature
}
/**
 * What was signed
 */
export interface RelayReserveOrder {
  vault: Hex32
  /**
   * @minItems 1
   * @maxItems 200
   */
  reserves: RelayReservation[]
  validBefore: Seconds
}
/**
 * One lane's total
 */
export interface RelayReservation {
  payee: Address
  number: number
  total: Atomic
}

/**
 * What a relay carries to the chain
 */
export type RelayWrite = RelayMint | RelayDeposit | RelayReserve

/**
 * A write, numbered by its sender
 */
export interface RelayOrder {
  /**
   * the participant that asks
   */
  account: Address
  number: number
  bump: number
  write: RelayWrite
}

/**
 * Asks to carry a write to the chain; the same order is carried once
 */
export interface RelayRequest {
  order: RelayOrder
}

/**
 * Asks what became of an order
 */
export interface RelayStatusRequest {
  /**
   * SHA-256 of the order's canonical bytes
   */
  id: Hex32
}

/**
 * What became of an order, by the relay's word
 */
export interface RelayStatus {
  state: 'unknown' | 'pending' | 'done' | 'failed'
  transaction?: Hex32
  reason?: string
}

/**
 * Asks for proofs of storage at the latest block
 */
export interface ProveRequest {
  /**
   * @minItems 1
   * @maxItems 4
   */
  reads: ProveRead[]
}
/**
 * Words of one contract
 */
export interface ProveRead {
  account: Address
  /**
   * @minItems 1
   * @maxItems 64
   */
  slots: Hex32[]
}

/**
 * A header and what proves the words under its state root
 */
export interface ProveAnswer {
  header: `0x${string}`
  /**
   * @maxItems 4
   */
  accounts: ProvenAccount[]
}
/**
 * One contract's proof
 */
export interface ProvenAccount {
  account: Address
  /**
   * @maxItems 64
   */
  proof: `0x${string}`[]
  /**
   * @maxItems 64
   */
  slots: ProvenSlot[]
}
/**
 * One word's proof
 */
export interface ProvenSlot {
  slot: Hex32
  /**
   * @maxItems 64
   */
  proof: `0x${string}`[]
}

/**
 * Asks for a block's hash
 */
export interface BlockRequest {
  number: number
}

/**
 * The block's hash where it is there, and the latest block's number
 */
export interface BlockAnswer {
  hash?: Hex32
  head: number
}

/**
 * A hub's word that a payer may have a call paid on the hub's own lane to a provider, until then
 */
export interface LaneGrantBody {
  hub: Address
  /**
   * who agrees with the provider
   */
  payer: Address
  payee: Address
  /**
   * most that the call may cost
   */
  amount: Atomic
  /**
   * of the hub's vault to the payee
   */
  lane: Hex32
  vault: Hex32
  /**
   * lane number
   */
  number: number
  /**
   * the hub's
   */
  voucherKey: Address
  /**
   * the call is to be agreed and delivered by then
   */
  until: Time
}

/**
 * A grant with its signature
 */
export interface LaneGrant {
  body: LaneGrantBody
  signature: Signature
  /**
   * the one that the signature names
   */
  authorisation: NodeAuthorisation
}

/**
 * Asks a hub for one of its lanes to a payee; the same key again is the same route
 */
export interface RouteRequest {
  /**
   * names the route
   */
  key: string
  payee: Address
  amount: Atomic
  /**
   * time until the delivery
   */
  forMs: DurationMs
}

/**
 * The lane, once there is one; ask again while it is pending
 */
export interface RouteAnswer {
  state: 'pending' | 'ready'
  grant?: LaneGrant
}

/**
 * Asks the payee to claim its lanes on the chain now
 */
export interface SettleRequest {
  /**
   * lanes to claim
   *
   * @minItems 1
   * @maxItems 1024
   */
  lanes: Hex32[]
}

/**
 * What was claimed
 */
export interface SettleAnswer {
  /**
   * one entry a lane
   *
   * @maxItems 1024
   */
  transactions: LaneClaim[]
}
export interface LaneClaim {
  lane: Hex32
  /**
   * hash of the transaction
   */
  hash: Hex32
  /**
   * all that was ever claimed on this lane
   */
  claimed: Atomic
}

/**
 * Asks where a call stands
 */
export interface StatusRequest {
  agreement: Hash
  call: CallNumber
  /**
   * that pays the call: it says which of the provider's nodes knows it
   */
  lane: Hex32
}

/**
 * Where the call stands
 */
export type StatusAnswer = CallOutcome

/**
 * What the owner wants of an agent or a watcher
 */
export interface SteerRequest {
  /**
   * id of the agent or watcher
   */
  id: Id
  want: 'approve' | 'reject' | 'cancel' | 'stop'
  /**
   * number of the question that is answered
   */
  question?: number
  reason?: string
}

/**
 * Where it stands then
 */
export interface SteerAnswer {
  state: string
}

/**
 * The payer of a call asks a bundle for the receipts of what was bought for it
 */
export interface UpstreamRequest {
  agreement: Hash
  call: CallNumber
  /**
   * that pays the call: it says which of the provider's nodes knows it
   */
  lane: Hex32
  /**
   * number of the first receipt that is wanted
   */
  from: number
}

/**
 * Some of the receipts, in the order of the steps
 */
export interface UpstreamAnswer {
  /**
   * @maxItems 16
   */
  receipts: Receipt[]
  /**
   * how many there are
   */
  total: number
}

/**
 * A signed promise of the payer on a lane; the highest cumulative wins (payments: one vault, many lanes).
 */
export type Voucher = PlainVoucher | LockedVoucher | EscrowVoucher

/**
 * Payable at once
 */
export interface PlainVoucher {
  kind: 'plain'
  lane: Hex32
  /**
   * all that this lane pays so far
   */
  cumulative: Atomic
  /**
   * SHA-256(previous ref ‖ delivery hash ‖ amount)
   */
  ref: Hex32
  /**
   * EIP-712 by the vault's voucher key
   */
  signature: WalletSignature
}

/**
 * Payable beyond cumulative only with the preimage of lockHash, before lockExpiry
 */
export interface LockedVoucher {
  kind: 'locked'
  lane: Hex32
  /**
   * all that this lane pays so far
   */
  cumulative: Atomic
  lockAmount: Atomic
  lockHash: Hex32
  lockExpiry: Seconds
  /**
   * SHA-256(previous ref ‖ delivery hash ‖ amount)
   */
  ref: Hex32
  /**
   * EIP-712 by the vault's voucher key
   */
  signature: WalletSignature
}

/**
 * Payable beyond cumulative after challengeEnd, unless the arbiter ruled otherwise
 */
export interface EscrowVoucher {
  kind: 'escrow'
  lane: Hex32
  /**
   * all that this lane pays so far
   */
  cumulative: Atomic
  amount: Atomic
  arbiter: Address
  challengeEnd: Seconds
  expiry: Seconds
  /**
   * SHA-256(previous ref ‖ delivery hash ‖ amount)
   */
  ref: Hex32
  /**
   * EIP-712 by the vault's voucher key
   */
  signature: WalletSignature
}

/**
 * A watcher: looks at something again and again, by a paid call, and runs a pipeline when its condition holds. An agent without a model.
 */
export interface Watcher {
  /**
   * lower-case letters, digits and dashes
   */
  name: string
  look: WatcherLook
  /**
   * the condition: ${…} over output (this look's) and steps.last (the look's before, null at first)
   */
  when: PipelineExpression
  /**
   * edge (default): fires when the condition becomes true, not while it stays true; level: fires at each look at which it holds
   */
  trigger?: 'edge' | 'level'
  /**
   * time between looks, at least 1s; looks that were missed are not made up for. Either this or at
   */
  every?: PipelineDuration
  /**
   * the times of the looks as a cron expression: minute, hour, day, month, weekday, like 0 9 * * 1-5; those that were missed are not made up for
   */
  at?: string
  /**
   * the place whose clock at follows, as an IANA name like Europe/Berlin (default UTC)
   */
  timeZone?: string
  /**
   * least time between two runs (default 0s); a condition that becomes true meanwhile fires at the first look after it, if it still holds
   */
  cooldown?: PipelineDuration
  /**
   * what is run
   */
  pipeline: Pipeline
  /**
   * the pipeline's inputs, with ${…} over output and steps.last
   */
  inputs?: {
    [k: string]: unknown
  }
  /**
   * most that looks and runs may cost together
   */
  budget: Money
  /**
   * runs at most, after which it ends (default 1000)
   */
  runs?: number
  /**
   * time after which it ends (default 7d)
   */
  expires?: PipelineDuration
}
/**
 * the call that looks
 */
export interface WatcherLook {
  uses: CapabilityId
  /**
   * its input, as it is: ${…} stands for itself
   */
  with: {
    [k: string]: unknown
  }
  price: PipelinePrice
  /**
   * how long one look may take (default 30s)
   */
  deadline?: PipelineDuration
}

/** Every type above by its name, for `validate(name, value)`. */
export interface Documents {
  AcceptAnswer: AcceptAnswer
  AcceptRequest: AcceptRequest
  AccessCaveat: AccessCaveat
  AccessGrant: AccessGrant
  AccessGrantBody: AccessGrantBody
  AccessInvoice: AccessInvoice
  AccessInvoiceBody: AccessInvoiceBody
  AccessInvoiceLine: AccessInvoiceLine
  AccessRate: AccessRate
  AcknowledgeAnswer: AcknowledgeAnswer
  AcknowledgeRequest: AcknowledgeRequest
  Address: Address
  AgentPolicy: AgentPolicy
  AgentPolicyCapabilityList: AgentPolicyCapabilityList
  Agreement: Agreement
  Alive: Alive
  Asset: Asset
  Atomic: Atomic
  BalanceAnswer: BalanceAnswer
  BalanceRequest: BalanceRequest
  Bill: Bill
  BillEscrow: BillEscrow
  BillThrough: BillThrough
  BlobRef: BlobRef
  BlockAnswer: BlockAnswer
  BlockRequest: BlockRequest
  Bundle: Bundle
  BuyAnswer: BuyAnswer
  BuyRequest: BuyRequest
  CallCancelled: CallCancelled
  CallDelivered: CallDelivered
  CallFailed: CallFailed
  CallForQuotes: CallForQuotes
  CallForQuotesBody: CallForQuotesBody
  CallNumber: CallNumber
  CallOutcome: CallOutcome
  CallPart: CallPart
  CallPending: CallPending
  CallSealed: CallSealed
  CallUnknown: CallUnknown
  CancelAnswer: CancelAnswer
  CancelRequest: CancelRequest
  Capability: Capability
  CapabilityId: CapabilityId
  Card: Card
  CardBody: CardBody
  CaseAnswer: CaseAnswer
  CaseRequest: CaseRequest
  CaseState: CaseState
  ComplainAnswer: ComplainAnswer
  ComplainRequest: ComplainRequest
  Complaint: Complaint
  ComplaintBody: ComplaintBody
  ControlAnswer: ControlAnswer
  ControlRequest: ControlRequest
  Delivery: Delivery
  DeliveryBody: DeliveryBody
  DurationMs: DurationMs
  EpochCommit: EpochCommit
  EpochCommitBody: EpochCommitBody
  EpochEcho: EpochEcho
  EpochEchoBody: EpochEchoBody
  EpochFetch: EpochFetch
  EpochMessage: EpochMessage
  EpochProposal: EpochProposal
  EpochProposalBody: EpochProposalBody
  EpochReport: EpochReport
  EpochReportBody: EpochReportBody
  EpochVote: EpochVote
  EscrowTerms: EscrowTerms
  EscrowVoucher: EscrowVoucher
  Evidence: Evidence
  EvidenceAnswer: EvidenceAnswer
  EvidenceRequest: EvidenceRequest
  Failure: Failure
  Folded: Folded
  GuardAnswer: GuardAnswer
  GuardRequest: GuardRequest
  GuardianSet: GuardianSet
  Hash: Hash
  Hex32: Hex32
  Id: Id
  Invoice: Invoice
  InvoiceBody: InvoiceBody
  InvoiceRequest: InvoiceRequest
  InvokeAnswer: InvokeAnswer
  InvokeRequest: InvokeRequest
  JsonSchema: JsonSchema
  LaneGrant: LaneGrant
  LaneGrantBody: LaneGrantBody
  LatestAnswer: LatestAnswer
  LatestRequest: LatestRequest
  LockedVoucher: LockedVoucher
  MediaType: MediaType
  Meter: Meter
  Money: Money
  NodeAuthorisation: NodeAuthorisation
  NodeKey: NodeKey
  NodeSignature: NodeSignature
  OpenAccessKey: OpenAccessKey
  Parcel: Parcel
  PayAnswer: PayAnswer
  PayRequest: PayRequest
  Pipeline: Pipeline
  PipelineApprove: PipelineApprove
  PipelineBudget: PipelineBudget
  PipelineCase: PipelineCase
  PipelineCompensate: PipelineCompensate
  PipelineDuration: PipelineDuration
  PipelineExpression: PipelineExpression
  PipelineFallback: PipelineFallback
  PipelinePrice: PipelinePrice
  PipelineProviders: PipelineProviders
  PipelineRetry: PipelineRetry
  PipelineSla: PipelineSla
  PipelineStep: PipelineStep
  PipelineWait: PipelineWait
  PlainVoucher: PlainVoucher
  ProveAnswer: ProveAnswer
  ProveRequest: ProveRequest
  ProvenEntry: ProvenEntry
  Quote: Quote
  QuoteAnswer: QuoteAnswer
  QuoteRequest: QuoteRequest
  RecallAnswer: RecallAnswer
  RecallRequest: RecallRequest
  Receipt: Receipt
  RefundAnswer: RefundAnswer
  RefundRequest: RefundRequest
  Registry: Registry
  RegistryHeader: RegistryHeader
  RelayDeposit: RelayDeposit
  RelayMint: RelayMint
  RelayOrder: RelayOrder
  RelayRequest: RelayRequest
  RelayReserve: RelayReserve
  RelayStatus: RelayStatus
  RelayStatusRequest: RelayStatusRequest
  RelayVaultTerms: RelayVaultTerms
  RelayWrite: RelayWrite
  ReputationEntry: ReputationEntry
  ReputationFigures: ReputationFigures
  Role: Role
  RouteAnswer: RouteAnswer
  RouteRequest: RouteRequest
  SealedAccessKey: SealedAccessKey
  Seconds: Seconds
  Settle: Settle
  SettleAnswer: SettleAnswer
  SettleRequest: SettleRequest
  Signature: Signature
  Standing: Standing
  StatusAnswer: StatusAnswer
  StatusRequest: StatusRequest
  SteerAnswer: SteerAnswer
  SteerRequest: SteerRequest
  Terms: Terms
  Time: Time
  Unit: Unit
  Units: Units
  UpstreamAnswer: UpstreamAnswer
  UpstreamRequest: UpstreamRequest
  Voucher: Voucher
  WalletSignature: WalletSignature
  Watcher: Watcher
  WrongContent: WrongContent
}
