/**
 * Wallets made from a seed text: the same seed is the same key, for tests and simulation only
 * (D10). They sign natively, since what they sign must verify on a real chain too. Passes
 * `signer.contract.ts`.
 */
import { createHash } from 'node:crypto'
import { generateWalletKey, nativeSigner } from '../evm/native-signer.ts'
import type { Random } from '../ports/random.ts'
import type { WalletSigner } from '../ports/signer.ts'

/** The wallet of a seed text, for example `memoryWallet('provider 3')`; never for money of worth. */
export function memoryWallet(seed: string): WalletSigner {
  let drawn = 0
  const random: Random = {
    bytes: () => createHash('sha256').update(`aigen test wallet\n${seed}\n${drawn += 1}`).digest(),
    fraction: () => 0,
  }
  return nativeSigner(generateWalletKey(random))
}
