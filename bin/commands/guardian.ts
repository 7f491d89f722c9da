/** `aigen guardian`: measures providers, closes epochs with the other guardians, serves reputation. */
import { openReputationDoor } from '../../agents/guardian/door.ts'
import { openGuardian } from '../../agents/guardian/guardian.ts'
import { STANDARD_BOOK } from '../../agents/guardian/standard-book.ts'
import { AigenError } from '../../schemas/error.ts'
import { writeDoorFile } from '../door-file.ts'
import type { Output } from '../output.ts'
import { standardCapabilities } from '../pipeline-file.ts'
import { runRole } from '../role.ts'

/** What a guardian's vault holds on the devnet: 10 test dollars, from the faucet. */
const DEPOSIT = 10_000_000n
/** Probes an epoch and what they cost at most: on one machine their work is also everybody's. */
const PROBES = 3
const SPEND = '0.03'

export interface GuardianCommandOptions {
  readonly data?: string
  readonly as?: string
  /** Port of the HTTP door; default a free one. */
  readonly port?: number
}

export function guardian(options: GuardianCommandOptions, output: Output): Promise<boolean> {
  const name = options.as ?? 'guardian'
  return runRole({
    data: options.data, name, output,
    open: async ({ home, ports, keys, telemetry, evaluate, onLost, alone, introduce }) => {
      const { guardians: set } = ports
      if (!set) throw new AigenError('usage.invalid', 'This network has no guardians from genesis.')
      // The door is told on the card, so it is opened first and answers once the node is there.
      const opened: { door?: Awaited<ReturnType<typeof openReputationDoor>> } = {}
      const role = await openGuardian({
        name, set, book: STANDARD_BOOK, probes: PROBES, spend: SPEND, ports, keys, telemetry, evaluate, onLost, deposit: DEPOSIT, faucet: true, standard: standardCapabilities(),
        open: async (node) => {
          opened.door = await openReputationDoor(node, set, options.port === undefined ? {} : { port: options.port })
          return [opened.door.url]
        },
      })
      const remove = await writeDoorFile(home, { url: opened.door!.url, pid: process.pid })
      introduce(`watches, probes and signs epochs; ${opened.door!.url}/reputation`)
      if (alone) {
        output.emit({ type: 'guardian', name, participant: keys.participant, door: opened.door!.url, epochMs: set.epochMs, guardians: set.participants.length, quorum: set.quorum })
        output.print(`${name} guards as ${keys.participant}; reputation at ${opened.door!.url}/reputation`)
      }
      return async () => {
        await remove()
        await opened.door?.close()
        await role.close()
      }
    },
  })
}
