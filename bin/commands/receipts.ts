/**
 * `aigen receipts verify FILE`: checks receipts without a network (I3): both signatures of the
 * agreement, the delivery, its price, and the voucher that pays it.
 */
import { readFileSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { railSigning } from '../../runtime/evm/rail-signing.ts'
import { verifyReceipt } from '../../runtime/payments/receipt.ts'
import type { Receipt } from '../../schemas/documents.gen.ts'
import { decodeJson } from '../../schemas/decode.ts'
import { AigenError, asError, type ErrorBody } from '../../schemas/error.ts'
import { formatMoney, parseAsset } from '../../schemas/money.ts'
import { validate } from '../../schemas/validate.ts'
import type { Output } from '../output.ts'

const BYTES_MAX = 64 * 1024 * 1024

export function verify(file: string, output: Output): Promise<boolean> {
  const values = readReceipts(file)
  let good = 0
  for (const [index, value] of values.entries()) {
    let error: ErrorBody | undefined
    let receipt: Receipt | undefined
    try {
      receipt = validate('Receipt', value)
      const { asset, vault } = receipt.agreement.terms
      const { chainId, token } = parseAsset(asset)
      verifyReceipt(receipt, railSigning({ chainId, contract: vault, token }))
      good++
    } catch (thrown) {
      error = asError(thrown).toJSON()
    }
    const id = receipt?.id ?? `number ${index + 1}`
    const terms = receipt?.agreement.terms
    const says = receipt && terms ? { capability: terms.capability, provider: terms.provider, payer: terms.payer, units: receipt.delivery.body.units, amount: formatMoney(BigInt(receipt.delivery.body.amount)), inputHash: receipt.delivery.body.inputHash, outputHash: receipt.delivery.body.outputHash } : {}
    output.emit({ type: 'receipt', id, ok: error === undefined, ...says, ...(error ? { error } : {}) })
    const { ink } = output
    output.print(error ? `${ink.red('false')} ${id}: ${error.message}${error.path ? ` (${error.path})` : ''}` : `${ink.green('good')} ${id}: ${says.amount} for ${says.capability} by ${says.provider}`)
  }
  output.print(`${good} of ${values.length} receipts hold`)
  return Promise.resolve(good === values.length && values.length > 0)
}

/** A receipt, a list of them, or one a line. */
function readReceipts(file: string): unknown[] {
  const path = resolve(file)
  const stat = statSync(path, { throwIfNoEntry: false })
  if (!stat?.isFile()) throw new AigenError('usage.invalid', `There is no file ${file}.`)
  if (stat.size > BYTES_MAX) throw new AigenError('input.too-large', `${file} has ${stat.size} bytes, ${BYTES_MAX} are allowed.`)
  const bytes = readFileSync(path)
  const limits = { bytesMax: BYTES_MAX }
  try {
    const value = decodeJson(bytes, limits)
    return Array.isArray(value) ? value : [value]
  } catch (error) {
    const lines = bytes.toString('utf8').split('\n').filter((line) => line.trim() !== '')
    if (lines.length < 2) throw error
    return lines.map((line) => decodeJson(Buffer.from(line), limits))
  }
}
