/**
 * Vault, payee and number of lanes, which a claim must name and which never change: asked of the chain once
 * for each lane and remembered. Used by `rail.ts`.
 */
import type { PublicClient } from 'viem'
import { AigenError } from '../../schemas/error.ts'
import { ROWS_MAX, type Claim } from '../ports/rail.ts'
import type { Hex } from '../ports/signer.ts'
import { onChain } from './client.ts'
import { vaultAbi } from './contracts/vault.gen.ts'
import { fromHex } from './hex.ts'
import type { LaneFacts } from './transaction.ts'

const LANES_MAX = 10_000
const ZERO_HASH = `0x${'00'.repeat(32)}`

const lower = (hex: string): Hex => hex.toLowerCase() as Hex

/** Asks for the facts of the claims' lanes; a lane that is not there has none. Errors `chain.unreachable`, `input.invalid`. */
export function laneFacts(client: PublicClient, contract: Hex): (claims: readonly Claim[]) => Promise<ReadonlyMap<Hex, LaneFacts>> {
  const known = new Map<Hex, LaneFacts>()
  return async (claims) => {
    if (claims.length > ROWS_MAX) throw new AigenError('input.invalid', `1 to ${ROWS_MAX} rows, not ${claims.length}.`)
    const ids = [...new Set(claims.map(({ voucher }) => lower(voucher.lane)))]
    for (const id of ids) fromHex(id, 32)
    const found = new Map<Hex, LaneFacts>()
    const missing = ids.filter((id) => {
      const facts = known.get(id)
      if (facts) found.set(id, facts)
      return !facts
    })
    if (missing.length === 0) return found
    const lanes = await onChain(() => client.readContract({ address: contract, abi: vaultAbi, functionName: 'lanesOf', args: [missing] }))
    for (const [at, { vaultId, payee, number }] of lanes.entries()) {
      if (vaultId === ZERO_HASH) continue
      const facts = { vault: vaultId, payee, number }
      if (known.size >= LANES_MAX) known.delete(known.keys().next().value!)
      known.set(missing[at]!, facts)
      found.set(missing[at]!, facts)
    }
    return found
  }
}
