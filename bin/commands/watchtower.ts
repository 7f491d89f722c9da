/** `aigen watchtower`: claims for payees that are away when a payer leaves, until it is stopped. */
import { openWatchtower } from '../../agents/payments/watchtower.ts'
import type { Output } from '../output.ts'
import { runRole } from '../role.ts'

export interface WatchtowerOptions {
  readonly data?: string
  readonly as?: string
}

export async function watchtower({ data, as = 'watchtower' }: WatchtowerOptions, output: Output): Promise<boolean> {
  return runRole({
    data, name: as, output,
    open: async ({ ports, keys, telemetry, onLost, alone, introduce }) => {
      const { stop } = await openWatchtower({ ports, keys, telemetry, onLost, name: as })
      introduce('claims for payees that are away, free of charge')
      if (alone) {
        output.emit({ type: 'watchtower', name: as, participant: keys.participant })
        output.print(`${as} claims for payees that are away, as ${keys.participant}: aigen provide … --watchtower ${keys.participant}`)
      }
      return stop
    },
  })
}
