/* Made by schemas/generate.js from the *.schema.json files: run `npm run schemas`, do not edit. */
import schemaAccessKey from './access-key.schema.json' with { type: 'json' }
import schemaAgentPolicy from './agent-policy.schema.json' with { type: 'json' }
import schemaAgreement from './agreement.schema.json' with { type: 'json' }
import schemaAlive from './alive.schema.json' with { type: 'json' }
import schemaBill from './bill.schema.json' with { type: 'json' }
import schemaBundle from './bundle.schema.json' with { type: 'json' }
import schemaCallForQuotes from './call-for-quotes.schema.json' with { type: 'json' }
import schemaCapability from './capability.schema.json' with { type: 'json' }
import schemaCard from './card.schema.json' with { type: 'json' }
import schemaDelivery from './delivery.schema.json' with { type: 'json' }
import schemaEpoch from './epoch.schema.json' with { type: 'json' }
import schemaEvidence from './evidence.schema.json' with { type: 'json' }
import schemaNodeAuthorisation from './node-authorisation.schema.json' with { type: 'json' }
import schemaParts from './parts.schema.json' with { type: 'json' }
import schemaPipeline from './pipeline.schema.json' with { type: 'json' }
import schemaQuote from './quote.schema.json' with { type: 'json' }
import schemaReceipt from './receipt.schema.json' with { type: 'json' }
import schemaReputation from './reputation.schema.json' with { type: 'json' }
import schemaSignature from './signature.schema.json' with { type: 'json' }
import schemaTerms from './terms.schema.json' with { type: 'json' }
import schemaVerbsAccept from './verbs/accept.schema.json' with { type: 'json' }
import schemaVerbsAcknowledge from './verbs/acknowledge.schema.json' with { type: 'json' }
import schemaVerbsBalance from './verbs/balance.schema.json' with { type: 'json' }
import schemaVerbsBuy from './verbs/buy.schema.json' with { type: 'json' }
import schemaVerbsCancel from './verbs/cancel.schema.json' with { type: 'json' }
import schemaVerbsCase from './verbs/case.schema.json' with { type: 'json' }
import schemaVerbsComplain from './verbs/complain.schema.json' with { type: 'json' }
import schemaVerbsControl from './verbs/control.schema.json' with { type: 'json' }
import schemaVerbsEvidence from './verbs/evidence.schema.json' with { type: 'json' }
import schemaVerbsGuard from './verbs/guard.schema.json' with { type: 'json' }
import schemaVerbsInvoice from './verbs/invoice.schema.json' with { type: 'json' }
import schemaVerbsInvoke from './verbs/invoke.schema.json' with { type: 'json' }
import schemaVerbsLatest from './verbs/latest.schema.json' with { type: 'json' }
import schemaVerbsOutcome from './verbs/outcome.schema.json' with { type: 'json' }
import schemaVerbsPay from './verbs/pay.schema.json' with { type: 'json' }
import schemaVerbsQuote from './verbs/quote.schema.json' with { type: 'json' }
import schemaVerbsRecall from './verbs/recall.schema.json' with { type: 'json' }
import schemaVerbsRefund from './verbs/refund.schema.json' with { type: 'json' }
import schemaVerbsRelay from './verbs/relay.schema.json' with { type: 'json' }
import schemaVerbsRoute from './verbs/route.schema.json' with { type: 'json' }
import schemaVerbsSettle from './verbs/settle.schema.json' with { type: 'json' }
import schemaVerbsStatus from './verbs/status.schema.json' with { type: 'json' }
import schemaVerbsSteer from './verbs/steer.schema.json' with { type: 'json' }
import schemaVerbsUpstream from './verbs/upstream.schema.json' with { type: 'json' }
import schemaVoucher from './voucher.schema.json' with { type: 'json' }
import schemaWatcher from './watcher.schema.json' with { type: 'json' }

/** Every schema file, in no order that matters. */
export const SCHEMAS: readonly object[] = [schemaAccessKey, schemaAgentPolicy, schemaAgreement, schemaAlive, schemaBill,
  schemaBundle, schemaCallForQuotes, schemaCapability, schemaCard, schemaDelivery, schemaEpoch, schemaEvidence,
  schemaNodeAuthorisation, schemaParts, schemaPipeline, schemaQuote, schemaReceipt, schemaReputation, schemaSignature, schemaTerms,
  schemaVerbsAccept, schemaVerbsAcknowledge, schemaVerbsBalance, schemaVerbsBuy, schemaVerbsCancel, schemaVerbsCase,
  schemaVerbsComplain, schemaVerbsControl, schemaVerbsEvidence, schemaVerbsGuard, schemaVerbsInvoice, schemaVerbsInvoke,
  schemaVerbsLatest, schemaVerbsOutcome, schemaVerbsPay, schemaVerbsQuote, schemaVerbsRecall, schemaVerbsRefund, schemaVerbsRelay,
  schemaVerbsRoute, schemaVerbsSettle, schemaVerbsStatus, schemaVerbsSteer, schemaVerbsUpstream, schemaVoucher, schemaWatcher]

/** Name of a type → where its schema stands. */
export const REFS = {
  AcceptAnswer: 'https://aigen.dev/schemas/verbs/accept/v1.json#/$defs/answer',
  AcceptRequest: 'https://aigen.dev/schemas/verbs/accept/v1.json#/$defs/request',
  AccessCaveat: 'https://aigen.dev/schemas/access-key/v1.json#/$defs/caveat',
  AccessGrant: 'https://aigen.dev/schemas/access-key/v1.json#/$defs/grant',
  AccessGrantBody: 'https://aigen.dev/schemas/access-key/v1.json#/$defs/grantBody',
  AccessInvoice: 'https://aigen.dev/schemas/access-key/v1.json#/$defs/invoice',
  AccessInvoiceBody: 'https://aigen.dev/schemas/access-key/v1.json#/$defs/invoiceBody',
  AccessInvoiceLine: 'https://aigen.dev/schemas/access-key/v1.json#/$defs/line',
  AccessRate: 'https://aigen.dev/schemas/access-key/v1.json#/$defs/rate',
  AcknowledgeAnswer: 'https://aigen.dev/schemas/verbs/acknowledge/v1.json#/$defs/answer',
  AcknowledgeRequest: 'https://aigen.dev/schemas/verbs/acknowledge/v1.json#/$defs/request',
  Address: 'https://aigen.dev/schemas/parts/v1.json#/$defs/address',
  AgentPolicy: 'https://aigen.dev/schemas/agent-policy/v1.json',
  AgentPolicyCapabilityList: 'https://aigen.dev/schemas/agent-policy/v1.json#/$defs/capabilityList',
  Agreement: 'https://aigen.dev/schemas/agreement/v1.json',
  Alive: 'https://aigen.dev/schemas/alive/v1.json',
  Asset: 'https://aigen.dev/schemas/parts/v1.json#/$defs/asset',
  Atomic: 'https://aigen.dev/schemas/parts/v1.json#/$defs/atomic',
  BalanceAnswer: 'https://aigen.dev/schemas/verbs/balance/v1.json#/$defs/answer',
  BalanceRequest: 'https://aigen.dev/schemas/verbs/balance/v1.json#/$defs/request',
  Bill: 'https://aigen.dev/schemas/bill/v1.json',
  BillEscrow: 'https://aigen.dev/schemas/bill/v1.json#/$defs/escrow',
  BillThrough: 'https://aigen.dev/schemas/bill/v1.json#/$defs/through',
  BlobRef: 'https://aigen.dev/schemas/parts/v1.json#/$defs/blobRef',
  BlockAnswer: 'https://aigen.dev/schemas/verbs/relay/v1.json#/$defs/block',
  BlockRequest: 'https://aigen.dev/schemas/verbs/relay/v1.json#/$defs/blockRequest',
  Bundle: 'https://aigen.dev/schemas/bundle/v1.json',
  BuyAnswer: 'https://aigen.dev/schemas/verbs/buy/v1.json#/$defs/answer',
  BuyRequest: 'https://aigen.dev/schemas/verbs/buy/v1.json#/$defs/request',
  CallCancelled: 'https://aigen.dev/schemas/verbs/outcome/v1.json#/$defs/cancelled',
  CallDelivered: 'https://aigen.dev/schemas/verbs/outcome/v1.json#/$defs/delivered',
  CallFailed: 'https://aigen.dev/schemas/verbs/outcome/v1.json#/$defs/failed',
  CallForQuotes: 'https://aigen.dev/schemas/call-for-quotes/v1.json',
  CallForQuotesBody: 'https://aigen.dev/schemas/call-for-quotes/v1.json#/$defs/body',
  CallNumber: 'https://aigen.dev/schemas/parts/v1.json#/$defs/callNumber',
  CallOutcome: 'https://aigen.dev/schemas/verbs/outcome/v1.json',
  CallPart: 'https://aigen.dev/schemas/verbs/outcome/v1.json#/$defs/part',
  CallPending: 'https://aigen.dev/schemas/verbs/outcome/v1.json#/$defs/pending',
  CallSealed: 'https://aigen.dev/schemas/verbs/outcome/v1.json#/$defs/sealed',
  CallUnknown: 'https://aigen.dev/schemas/verbs/outcome/v1.json#/$defs/unknown',
  CancelAnswer: 'https://aigen.dev/schemas/verbs/cancel/v1.json#/$defs/answer',
  CancelRequest: 'https://aigen.dev/schemas/verbs/cancel/v1.json#/$defs/request',
  Capability: 'https://aigen.dev/schemas/capability/v1.json',
  CapabilityId: 'https://aigen.dev/schemas/parts/v1.json#/$defs/capabilityId',
  Card: 'https://aigen.dev/schemas/card/v1.json',
  CardBody: 'https://aigen.dev/schemas/card/v1.json#/$defs/body',
  CaseAnswer: 'https://aigen.dev/schemas/verbs/case/v1.json#/$defs/answer',
  CaseRequest: 'https://aigen.dev/schemas/verbs/case/v1.json#/$defs/request',
  CaseState: 'https://aigen.dev/schemas/verbs/case/v1.json#/$defs/state',
  ComplainAnswer: 'https://aigen.dev/schemas/verbs/complain/v1.json#/$defs/answer',
  ComplainRequest: 'https://aigen.dev/schemas/verbs/complain/v1.json#/$defs/request',
  Complaint: 'https://aigen.dev/schemas/evidence/v1.json#/$defs/complaint',
  ComplaintBody: 'https://aigen.dev/schemas/evidence/v1.json#/$defs/complaintBody',
  ControlAnswer: 'https://aigen.dev/schemas/verbs/control/v1.json#/$defs/answer',
  ControlRequest: 'https://aigen.dev/schemas/verbs/control/v1.json#/$defs/request',
  Delivery: 'https://aigen.dev/schemas/delivery/v1.json',
  DeliveryBody: 'https://aigen.dev/schemas/delivery/v1.json#/$defs/body',
  DurationMs: 'https://aigen.dev/schemas/parts/v1.json#/$defs/durationMs',
  EpochCommit: 'https://aigen.dev/schemas/epoch/v1.json#/$defs/commit',
  EpochCommitBody: 'https://aigen.dev/schemas/epoch/v1.json#/$defs/commitBody',
  EpochEcho: 'https://aigen.dev/schemas/epoch/v1.json#/$defs/echo',
  EpochEchoBody: 'https://aigen.dev/schemas/epoch/v1.json#/$defs/echoBody',
  EpochFetch: 'https://aigen.dev/schemas/epoch/v1.json#/$defs/fetch',
  EpochMessage: 'https://aigen.dev/schemas/epoch/v1.json',
  EpochProposal: 'https://aigen.dev/schemas/epoch/v1.json#/$defs/proposal',
  EpochProposalBody: 'https://aigen.dev/schemas/epoch/v1.json#/$defs/proposalBody',
  EpochReport: 'https://aigen.dev/schemas/epoch/v1.json#/$defs/report',
  EpochReportBody: 'https://aigen.dev/schemas/epoch/v1.json#/$defs/reportBody',
  EpochVote: 'https://aigen.dev/schemas/epoch/v1.json#/$defs/vote',
  EscrowTerms: 'https://aigen.dev/schemas/parts/v1.json#/$defs/escrowTerms',
  EscrowVoucher: 'https://aigen.dev/schemas/voucher/v1.json#/$defs/escrowVoucher',
  Evidence: 'https://aigen.dev/schemas/evidence/v1.json',
  EvidenceAnswer: 'https://aigen.dev/schemas/verbs/evidence/v1.json#/$defs/answer',
  EvidenceRequest: 'https://aigen.dev/schemas/verbs/evidence/v1.json#/$defs/request',
  Failure: 'https://aigen.dev/schemas/parts/v1.json#/$defs/failure',
  Folded: 'https://aigen.dev/schemas/parts/v1.json#/$defs/folded',
  GuardAnswer: 'https://aigen.dev/schemas/verbs/guard/v1.json#/$defs/answer',
  GuardRequest: 'https://aigen.dev/schemas/verbs/guard/v1.json#/$defs/request',
  GuardianSet: 'https://aigen.dev/schemas/reputation/v1.json#/$defs/guardianSet',
  Hash: 'https://aigen.dev/schemas/parts/v1.json#/$defs/hash',
  Hex32: 'https://aigen.dev/schemas/parts/v1.json#/$defs/hex32',
  Id: 'https://aigen.dev/schemas/parts/v1.json#/$defs/id',
  Invoice: 'https://aigen.dev/schemas/verbs/invoice/v1.json#/$defs/invoice',
  InvoiceBody: 'https://aigen.dev/schemas/verbs/invoice/v1.json#/$defs/body',
  InvoiceRequest: 'https://aigen.dev/schemas/verbs/invoice/v1.json#/$defs/request',
  InvokeAnswer: 'https://aigen.dev/schemas/verbs/invoke/v1.json#/$defs/answer',
  InvokeRequest: 'https://aigen.dev/schemas/verbs/invoke/v1.json#/$defs/request',
  JsonSchema: 'https://aigen.dev/schemas/parts/v1.json#/$defs/jsonSchema',
  LaneGrant: 'https://aigen.dev/schemas/verbs/route/v1.json#/$defs/grant',
  LaneGrantBody: 'https://aigen.dev/schemas/verbs/route/v1.json#/$defs/grantBody',
  LatestAnswer: 'https://aigen.dev/schemas/verbs/latest/v1.json#/$defs/answer',
  LatestRequest: 'https://aigen.dev/schemas/verbs/latest/v1.json#/$defs/request',
  LockedVoucher: 'https://aigen.dev/schemas/voucher/v1.json#/$defs/lockedVoucher',
  MediaType: 'https://aigen.dev/schemas/parts/v1.json#/$defs/mediaType',
  Meter: 'https://aigen.dev/schemas/parts/v1.json#/$defs/meter',
  Money: 'https://aigen.dev/schemas/parts/v1.json#/$defs/money',
  NodeAuthorisation: 'https://aigen.dev/schemas/node-authorisation/v1.json',
  NodeKey: 'https://aigen.dev/schemas/parts/v1.json#/$defs/nodeKey',
  NodeSignature: 'https://aigen.dev/schemas/parts/v1.json#/$defs/nodeSignature',
  OpenAccessKey: 'https://aigen.dev/schemas/access-key/v1.json#/$defs/opened',
  Parcel: 'https://aigen.dev/schemas/parts/v1.json#/$defs/parcel',
  PayAnswer: 'https://aigen.dev/schemas/verbs/pay/v1.json#/$defs/answer',
  PayRequest: 'https://aigen.dev/schemas/verbs/pay/v1.json#/$defs/request',
  Pipeline: 'https://aigen.dev/schemas/pipeline/v1.json',
  PipelineApprove: 'https://aigen.dev/schemas/pipeline/v1.json#/$defs/approve',
  PipelineBudget: 'https://aigen.dev/schemas/pipeline/v1.json#/$defs/budget',
  PipelineCase: 'https://aigen.dev/schemas/pipeline/v1.json#/$defs/case',
  PipelineCompensate: 'https://aigen.dev/schemas/pipeline/v1.json#/$defs/compensate',
  PipelineDuration: 'https://aigen.dev/schemas/pipeline/v1.json#/$defs/duration',
  PipelineExpression: 'https://aigen.dev/schemas/pipeline/v1.json#/$defs/expression',
  PipelineFallback: 'https://aigen.dev/schemas/pipeline/v1.json#/$defs/fallback',
  PipelinePrice: 'https://aigen.dev/schemas/pipeline/v1.json#/$defs/price',
  PipelineProviders: 'https://aigen.dev/schemas/pipeline/v1.json#/$defs/providers',
  PipelineRetry: 'https://aigen.dev/schemas/pipeline/v1.json#/$defs/retry',
  PipelineSla: 'https://aigen.dev/schemas/pipeline/v1.json#/$defs/sla',
  PipelineStep: 'https://aigen.dev/schemas/pipeline/v1.json#/$defs/step',
  PipelineWait: 'https://aigen.dev/schemas/pipeline/v1.json#/$defs/wait',
  PlainVoucher: 'https://aigen.dev/schemas/voucher/v1.json#/$defs/plainVoucher',
  ProveAnswer: 'https://aigen.dev/schemas/verbs/relay/v1.json#/$defs/proof',
  ProveRequest: 'https://aigen.dev/schemas/verbs/relay/v1.json#/$defs/proveRequest',
  ProvenEntry: 'https://aigen.dev/schemas/reputation/v1.json#/$defs/proven',
  Quote: 'https://aigen.dev/schemas/quote/v1.json',
  QuoteAnswer: 'https://aigen.dev/schemas/verbs/quote/v1.json#/$defs/answer',
  QuoteRequest: 'https://aigen.dev/schemas/verbs/quote/v1.json#/$defs/request',
  RecallAnswer: 'https://aigen.dev/schemas/verbs/recall/v1.json#/$defs/answer',
  RecallRequest: 'https://aigen.dev/schemas/verbs/recall/v1.json#/$defs/request',
  Receipt: 'https://aigen.dev/schemas/receipt/v1.json',
  RefundAnswer: 'https://aigen.dev/schemas/verbs/refund/v1.json#/$defs/answer',
  RefundRequest: 'https://aigen.dev/schemas/verbs/refund/v1.json#/$defs/request',
  Registry: 'https://aigen.dev/schemas/reputation/v1.json',
  RegistryHeader: 'https://aigen.dev/schemas/reputation/v1.json#/$defs/header',
  RelayDeposit: 'https://aigen.dev/schemas/verbs/relay/v1.json#/$defs/deposit',
  RelayMint: 'https://aigen.dev/schemas/verbs/relay/v1.json#/$defs/mint',
  RelayOrder: 'https://aigen.dev/schemas/verbs/relay/v1.json#/$defs/order',
  RelayRequest: 'https://aigen.dev/schemas/verbs/relay/v1.json#/$defs/request',
  RelayReserve: 'https://aigen.dev/schemas/verbs/relay/v1.json#/$defs/reserve',
  RelayStatus: 'https://aigen.dev/schemas/verbs/relay/v1.json#/$defs/status',
  RelayStatusRequest: 'https://aigen.dev/schemas/verbs/relay/v1.json#/$defs/statusRequest',
  RelayVaultTerms: 'https://aigen.dev/schemas/verbs/relay/v1.json#/$defs/vaultTerms',
  RelayWrite: 'https://aigen.dev/schemas/verbs/relay/v1.json#/$defs/write',
  ReputationEntry: 'https://aigen.dev/schemas/reputation/v1.json#/$defs/entry',
  ReputationFigures: 'https://aigen.dev/schemas/reputation/v1.json#/$defs/figures',
  Role: 'https://aigen.dev/schemas/parts/v1.json#/$defs/role',
  RouteAnswer: 'https://aigen.dev/schemas/verbs/route/v1.json#/$defs/answer',
  RouteRequest: 'https://aigen.dev/schemas/verbs/route/v1.json#/$defs/request',
  SealedAccessKey: 'https://aigen.dev/schemas/access-key/v1.json#/$defs/sealed',
  Seconds: 'https://aigen.dev/schemas/parts/v1.json#/$defs/seconds',
  Settle: 'https://aigen.dev/schemas/parts/v1.json#/$defs/settle',
  SettleAnswer: 'https://aigen.dev/schemas/verbs/settle/v1.json#/$defs/answer',
  SettleRequest: 'https://aigen.dev/schemas/verbs/settle/v1.json#/$defs/request',
  Signature: 'https://aigen.dev/schemas/signature/v1.json',
  Standing: 'https://aigen.dev/schemas/parts/v1.json#/$defs/standing',
  StatusAnswer: 'https://aigen.dev/schemas/verbs/status/v1.json#/$defs/answer',
  StatusRequest: 'https://aigen.dev/schemas/verbs/status/v1.json#/$defs/request',
  SteerAnswer: 'https://aigen.dev/schemas/verbs/steer/v1.json#/$defs/answer',
  SteerRequest: 'https://aigen.dev/schemas/verbs/steer/v1.json#/$defs/request',
  Terms: 'https://aigen.dev/schemas/terms/v1.json',
  Time: 'https://aigen.dev/schemas/parts/v1.json#/$defs/time',
  Unit: 'https://aigen.dev/schemas/parts/v1.json#/$defs/unit',
  Units: 'https://aigen.dev/schemas/parts/v1.json#/$defs/units',
  UpstreamAnswer: 'https://aigen.dev/schemas/verbs/upstream/v1.json#/$defs/answer',
  UpstreamRequest: 'https://aigen.dev/schemas/verbs/upstream/v1.json#/$defs/request',
  Voucher: 'https://aigen.dev/schemas/voucher/v1.json',
  WalletSignature: 'https://aigen.dev/schemas/parts/v1.json#/$defs/walletSignature',
  Watcher: 'https://aigen.dev/schemas/watcher/v1.json',
  WrongContent: 'https://aigen.dev/schemas/evidence/v1.json#/$defs/wrongContent',
} as const
