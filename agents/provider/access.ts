/**
 * Access keys at the provider: issue, look at, revoke, invoice. Called by the provider's door for
 * its operator (`aigen key …`). What is issued is journaled before it is handed out.
 */
import { canonicalBytes } from '../../schemas/canonical.ts'
import type { AccessCaveat, AccessGrant, AccessGrantBody, AccessInvoice, AccessInvoiceLine, SealedAccessKey } from '../../schemas/documents.gen.ts'
import { AigenError } from '../../schemas/error.ts'
import { parseMoney } from '../../schemas/money.ts'
import { validate } from '../../schemas/validate.ts'
import { ACCESS_SEAL_INFO, issueKey } from '../../runtime/identity/access-key.ts'
import { sealTo } from '../../runtime/identity/hpke.ts'
import { fromText, toText } from '../../runtime/identity/text-bytes.ts'
import type { Node } from '../../runtime/node/node.ts'
import { accessKeyActor, type AccessKeyContext } from './access-key.machine.ts'
import type { ProviderDefinition } from './define.ts'
import type { KeyedCallContext } from './keyed-call.machine.ts'

const KEYS_MAX = 10_000

export interface IssueOptions {
  /** X25519 public key of the holder, base64url. */
  readonly holder: string
  /** For people: who it is for. */
  readonly label?: string
  /** First caveat of the key; `capabilities` in it default to all that is sold. */
  readonly limits: AccessCaveat
  /** HTTP addresses where it opens. */
  readonly doors: readonly string[]
}

/** A key as its issuer sees it. */
export interface KeyLine {
  readonly id: string
  readonly label: string
  readonly limits: readonly AccessCaveat[]
  readonly served: number
  /** Atomic. */
  readonly charged: string
  readonly underWay: number
  readonly issuedAt: number
  readonly revokedAt: number | null
}

export interface Access {
  /** A new key, sealed to its holder. Errors: `input.invalid`, `key.scope` for a capability not sold, `node.busy` above 10,000 keys. */
  issue(options: IssueOptions): Promise<SealedAccessKey>
  list(): KeyLine[]
  /** Error `key.revoked` for an id that was never issued. */
  show(id: string): KeyLine
  /** From the next request on nothing is served; repeating changes nothing. */
  revoke(id: string): Promise<void>
  /** Every call served, with its signed delivery. */
  invoice(id: string): Promise<AccessInvoice>
}

/** `root` (32 bytes) makes and checks this provider's keys; it never leaves it. */
export function openAccess(node: Node, definitions: readonly ProviderDefinition[], root: Uint8Array): Access {
  const { clock, random, rail, host, wire, participant } = node
  const contextOf = (id: string): AccessKeyContext => {
    const context = host.context<AccessKeyContext>(accessKeyActor(id))
    if (!context) throw new AigenError('key.revoked', id)
    return context
  }
  const lineOf = ({ grant: { body }, label, caveats, served, charged, open, revokedAt }: AccessKeyContext): KeyLine => ({
    id: body.id, label, limits: caveats, served, charged, underWay: Object.keys(open).length, issuedAt: body.issuedAt, revokedAt,
  })
  const keys = function* (): Iterable<AccessKeyContext> {
    for (const { snapshot } of host.list('access-key')) yield snapshot.context as AccessKeyContext
  }
  return {
    issue: async ({ holder, label = '', limits, doors }) => {
      const publicKey = fromText(holder, 32)
      if (!publicKey) throw new AigenError('input.invalid', 'the public key is not 32 bytes of base64url', { path: 'holder' })
      const wanted = limits.capabilities ?? definitions.map(({ capability }) => capability.id)
      const sold = wanted.map((id) => {
        const definition = definitions.find(({ capability }) => capability.id === id)
        if (!definition) throw new AigenError('key.scope', `${id} is not sold here`, { path: 'limits.capabilities' })
        return definition
      })
      if ([...keys()].length >= KEYS_MAX) throw new AigenError('node.busy', `${KEYS_MAX} access keys`)
      const id = `ak_${toText(random.bytes(12)).replaceAll(/[-_]/g, '0')}`
      const body: AccessGrantBody = {
        id, provider: participant, holder,
        rates: sold.map(({ capability: { id: capability, unit, per }, price }) => ({
          capability, unit, unitPrice: parseMoney(price.list, rail.terms.decimals).toString(), ...(per === undefined ? {} : { per }),
        })),
        asset: rail.terms.asset as AccessGrantBody['asset'], doors: [...doors], issuedAt: clock.now(), authorisation: node.authorisation,
      }
      const caveats = [validate('AccessCaveat', { ...limits, capabilities: wanted })]
      const grant: AccessGrant = validate('AccessGrant', { body, signature: wire.credentials.sign('access-grant', body) })
      const aad = canonicalBytes({ provider: participant, holder })
      const { enc, ciphertext } = await sealTo(publicKey, ACCESS_SEAL_INFO, aad, canonicalBytes({ key: issueKey(root, id, caveats), grant }))
      await host.start(accessKeyActor(id), { grant, label, caveats })
      return { version: 1, provider: participant, holder, enc: toText(enc), sealed: toText(ciphertext) }
    },
    list: () => [...keys()].map(lineOf),
    show: (id) => lineOf(contextOf(id)),
    revoke: async (id) => {
      contextOf(id)
      await host.send(accessKeyActor(id), { type: 'revoke' })
    },
    invoice: async (id) => {
      const { charged } = contextOf(id)
      const lines: AccessInvoiceLine[] = []
      for await (const { snapshot } of host.all('keyed-call')) {
        const { key, delivery, number, capability } = snapshot.context as KeyedCallContext
        if (key === id && delivery) lines.push({ call: number, capability: capability as AccessInvoiceLine['capability'], delivery })
      }
      const body = { id, provider: participant, asset: rail.terms.asset, lines: lines.toSorted((one, other) => one.call - other.call), total: charged, at: clock.now() } as AccessInvoice['body']
      return { body, signature: wire.credentials.sign('access-invoice', body) }
    },
  }
}
