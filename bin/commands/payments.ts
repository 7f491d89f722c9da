/** `aigen payments`: a payment provider that decides about escrowed calls until it is stopped. */
import { openPayments } from '../../agents/payments/open.ts'
import { parseDuration } from '../../pipelines/duration.ts'
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
  /** Addresses of who is handed the vouchers. */
  readonly watchtower?: readonly string[]
}

/** What its vault holds on the devnet: 100 test dollars, from the faucet. */
const DEPOSIT = 100_000_000n

export async function payments({ data, as = 'safe-hands', fee = '0.001', challenge = '60s', watchtower = [] }: PaymentsOptions, output: Output): Promise<boolean> {
  parseMoney(fee)
  const challengeMs = parseDuration(challenge)
  const watchtowers = watchtower.map((address) => participantId(address))
  return runRole({
    data, name: as, output,
    open: async ({ ports, keys, telemetry, evaluate, onLost, stopping, alone, introduce }) => {
      const opened = await openPayments({ name: as, fee, challengeMs, ports, keys, telemetry, evaluate, onLost, watchtowers, deposit: DEPOSIT, faucet: true, standard: standardCapabilities() })
      introduce(`decides about escrowed calls for ${fee}, keeps credits`)
      if (alone) {
        output.emit({ type: 'payments', name: as, participant: keys.participant, arbiter: opened.arbiter, fee, challengeMs })
        output.print(`${as} decides about escrowed calls for ${fee} each, within ${challenge}, as ${keys.participant}`)
      }
      return () => opened.stop(stopping.aborted ? 1_000 : 0)
    },
  })
}
