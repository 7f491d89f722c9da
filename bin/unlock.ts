/** How a participant's wallet is opened at this terminal: its passphrase, or the command that signs for it. */
import type { KeyOptions } from '../runtime/identity/keys.ts'
import { commandSigner } from '../runtime/node/command-signer.ts'
import { systemClock } from '../runtime/node/system-clock.ts'
import { askPassphrase } from './passphrase.ts'

export const unlock: Required<Pick<KeyOptions, 'passphrase' | 'signer'>> = {
  passphrase: () => askPassphrase(),
  signer: (outside) => commandSigner({ ...outside, clock: systemClock }),
}
