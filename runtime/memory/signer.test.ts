/** The seeded wallet passes the signer's conformance suite. */
import { recoverAddress } from '../evm/native-signer.ts'
import { signerContract } from '../ports/signer.contract.ts'
import { memoryWallet } from './signer.ts'

signerContract('memory', { make: memoryWallet, recover: recoverAddress })
