/**
 * Cards: a participant's signed self-description, kept on `aigen.v1.card.<participant>`. Made by
 * every node that offers something; checked by the directory (I8).
 */
import type { Card, CardBody } from '../../schemas/documents.gen.ts'
import { AigenError } from '../../schemas/error.ts'
import { validate } from '../../schemas/validate.ts'
import type { Credentials } from '../identity/credentials.ts'
import { checkFresh, type Verifier } from '../identity/signed.ts'

export function cardSubject(participant: string): string {
  return `aigen.v1.card.${participant}`
}

export function aliveSubject(participant: string): string {
  return `aigen.v1.alive.${participant}`
}

export function signCard(body: CardBody, credentials: Pick<Credentials, 'sign'>): Card {
  return { body, signature: credentials.sign('card', body) }
}

/**
 * The card in `value`, checked as of `at`: its shape, its authorisations, its signature, its times,
 * and that it lies on its own participant's subject. Errors `input.*`, `auth.*`.
 */
export function admitCard(value: unknown, participant: string, verifier: Verifier, at: number): Card {
  const card = validate('Card', value)
  const { body, signature } = card
  if (body.participant !== participant) throw new AigenError('auth.unauthorised', 'the card lies on the subject of another participant', { path: 'body.participant' })
  if (signature.by !== body.participant) throw new AigenError('auth.unauthorised', 'the card is signed by another than its participant', { path: 'signature.by' })
  for (const authorisation of body.authorisations) {
    if (authorisation.wallet !== body.participant) throw new AigenError('auth.unauthorised', 'the card holds an authorisation by another wallet', { path: 'body.authorisations' })
    verifier.authorisations.admit(authorisation)
  }
  checkFresh(body, at)
  verifier.verify('card', body, signature, at)
  return card
}
