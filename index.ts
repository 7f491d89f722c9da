/**
 * What programs import from 'aigen': offering a service, and the documents, money and errors that
 * go with it. The only barrel of the package.
 */
export { type BlobRef, defineProvider, type HandlerContext, type HandlerResult, type ProviderDefinition, type ProviderPrice } from './agents/provider/define.ts'
export type { Bill, Capability, Card, Receipt } from './schemas/documents.gen.ts'
export { AigenError, type ErrorBody, type ErrorCode, ERRORS, type Issue } from './schemas/error.ts'
export { formatMoney, parseMoney } from './schemas/money.ts'
export { issuesOf, validate } from './schemas/validate.ts'
