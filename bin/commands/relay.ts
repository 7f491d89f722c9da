/** `aigen relay`: a full node that relays for light ones until it is stopped. */
import { openRelay } from '../../agents/payments/relay.ts'
import type { Output } from '../output.ts'
import { runRole } from '../role.ts'

export interface RelayOptions {
  readonly data?: string
  readonly as?: string
}

export async function relay({ data, as = 'relay' }: RelayOptions, output: Output): Promise<boolean> {
  return runRole({
    data, name: as, output,
    open: async ({ ports, keys, telemetry, onLost, alone, introduce }) => {
      const { stop } = await openRelay({ ports, keys, telemetry, onLost, name: as })
      introduce('carries light nodes\' orders and proves the chain to them, free of charge')
      if (alone) {
        output.emit({ type: 'relay', name: as, participant: keys.participant, fee: '0' })
        output.print(`${as} relays for light nodes, free of charge, as ${keys.participant}`)
      }
      return stop
    },
  })
}
