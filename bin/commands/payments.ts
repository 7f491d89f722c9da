/** `aigen payments`: a payment provider until it is stopped: decides about escrowed calls, pays on as a hub, keeps credits. */
import { FEE_PERCENT } from '../../agents/payments/credit.ts'
import { HUB_FEE } from '../../agents/payments/hub.ts'
import type { Accepted } from '../../agents/payments/invoice.ts'
import { openPayments } from '../../agents/payments/open.ts'
import { parseDuration } from '../../pipelines/duration.ts'
import { AigenError } from '../../schemas/error.ts'
import { participantId } from '../../schemas/id.ts'
import { parseMoney } from '../../schemas/money.ts'
import type { Output } from '../output.ts'
import { standardCapabilities } from '../pipeline-file.ts'
import { runRole } from '../role.ts'

export interface PaymentsOptions {
  readonly data?: string
  readonly as?: string
  readonly fee?: string
  readonly challenge?: string
  /** What the hub takes for one dollar that it pays on. */
  readonly hubFee?: string
  /** Fee on what is bought on credit, in percent. */
  readonly creditFee?: string
  /** `EUR=0.92@IBAN`: what credit is sold for besides the network's dollar, at which rate, paid to where. */
  readonly accept?: readonly string[]
  readonly rateFor?: string
  /** Addresses of who says that an invoice was paid. */
  readonly operator?: readonly string[]
  /** Addresses of who is handed the vouchers. */
  readonly watchtower?: readonly string[]
}

/** What its vault holds on the devnet: 100 test dollars, from the faucet. */
const DEPOSIT = 100_000_000n

export async function payments({ data, as = 'safe-hands', fee = '0.001', challenge = '60s', hubFee = HUB_FEE, creditFee = String(FEE_PERCENT), accept = [], rateFor = '1d', operator = [], watchtower = [] }: PaymentsOptions, output: Output): Promise<boolean> {
  parseMoney(fee)
  parseMoney(hubFee)
  const percent = Number(creditFee)
  if (!Number.isInteger(percent) || percent < 0 || percent > 100) throw new AigenError('usage.invalid', `--credit-fee ${creditFee} is no whole percentage.`)
  const until = Date.now() + parseDuration(rateFor)
  const accepted = accept.map((one) => acceptedOf(one, until))
  const operators = operator.map((address) => participantId(address))
  const challengeMs = parseDuration(challenge)
  const watchtowers = watchtower.map((address) => participantId(address))
  return runRole({
    data, name: as, output,
    open: async ({ ports, keys, telemetry, evaluate, onLost, stopping, alone, introduce }) => {
      const opened = await openPayments({ name: as, fee, challengeMs, hubFee, creditFee: percent, accepted, operators, ports, keys, telemetry, evaluate, onLost, watchtowers, deposit: DEPOSIT, faucet: true, standard: standardCapabilities() })
      introduce(`decides about escrowed calls for ${fee}, pays on as a hub for ${hubFee} of a dollar, keeps credits`)
      if (alone) {
        output.emit({ type: 'payments', name: as, participant: keys.participant, arbiter: opened.arbiter, fee, challengeMs, hubFee, creditFee: percent, accepted: accepted.map(({ asset, rate }) => ({ asset, rate })) })
        output.print(`${as} decides about escrowed calls for ${fee} each, within ${challenge}, as ${keys.participant}`)
      }
      return () => opened.stop(stopping.aborted ? 1_000 : 0)
    },
  })
}

/** @example acceptedOf('EUR=0.92@DE02 1203', 1) // { asset: 'EUR', rate: '0.92', payTo: 'DE02 1203', until: 1 } */
function acceptedOf(text: string, until: number): Accepted {
  const [, asset, rate, payTo] = /^([^=]+)=([0-9.]+)@(.+)$/.exec(text) ?? []
  if (asset === undefined || rate === undefined || payTo === undefined) throw new AigenError('usage.invalid', `--accept ${text}: like EUR=0.92@ACCOUNT.`)
  parseMoney(rate)
  return { asset, rate, payTo, until }
}
