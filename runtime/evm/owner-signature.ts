/**
 * The owner's signature, whoever gives it: a key in this process, or a device whose word is checked
 * before anything leaves (port `signer.ts`, I8). Used by the rails and by `runtime/identity`.
 */
import { AigenError, asError } from '../../schemas/error.ts'
import type { Hex, OwnerSigner, SigningRequest } from '../ports/signer.ts'
import { recoverAddress } from './native-signer.ts'

/** 65 bytes by `signer` over `digest`. Errors: its own; `signer.wrong` for what does not recover its address. */
export async function ownerSignature(signer: OwnerSigner, digest: Uint8Array, request: SigningRequest, signal?: AbortSignal): Promise<Hex> {
  const signature = await signer.sign(digest, request, signal)
  const by = signedBy(digest, signature)
  if (by !== signer.address.toLowerCase()) throw new AigenError('signer.wrong', `It is of ${by}, not of ${signer.address.toLowerCase()}.`)
  return signature
}

function signedBy(digest: Uint8Array, signature: Hex): string {
  try {
    return recoverAddress(digest, signature)
  } catch (cause) {
    throw new AigenError('signer.wrong', asError(cause).message, { cause })
  }
}
