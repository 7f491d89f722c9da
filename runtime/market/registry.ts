/**
 * The registry of an epoch and its proofs (D9): the Merkle tree of its entries, and whether a quorum
 * of the guardians signed its root. Pure, needs no node and no network: full nodes check whole
 * registries with it, light nodes, programs and `aigen reputation verify` single entries (I8).
 */
import { createHash } from 'node:crypto'
import { canonicalText } from '../../schemas/canonical.ts'
import type { GuardianSet, Hex32, NodeAuthorisation, ProvenEntry, Registry, RegistryHeader, ReputationEntry, Signature } from '../../schemas/documents.gen.ts'
import { AigenError } from '../../schemas/error.ts'
import { validate } from '../../schemas/validate.ts'
import { createAuthorisations } from '../identity/authorisation.ts'
import { createVerifier } from '../identity/signed.ts'
import { leadsTo, merkleTree, type MerkleTree } from './merkle.ts'

/** Root of a registry without entries. */
const NO_ENTRIES: Hex32 = `0x${'0'.repeat(64)}`

/** Where an epoch's registry is kept. */
export function reputationSubject(epoch: number | '*'): string {
  return `aigen.v1.reputation.${epoch}`
}

/** The epoch that `at` (ms since the epoch) belongs to. */
export function epochAt(set: Pick<GuardianSet, 'epochMs'>, at: number): number {
  return Math.floor(at / set.epochMs)
}

/** Provider and capability as one key; entries are in its order. */
export function entryKey({ provider, capability }: Pick<ReputationEntry, 'provider' | 'capability'>): string {
  return `${provider} ${capability}`
}

/** Root of the entries' tree, and the proof of each; the order of the entries counts. */
export function treeOf(entries: readonly ReputationEntry[]): MerkleTree {
  if (entries.length === 0) return { root: NO_ENTRIES, proof: () => [] }
  return merkleTree(entries.map(leafOf))
}

/** Entries of `provider` with what proves them. */
export function proveEntries(registry: Registry, provider: string): ProvenEntry[] {
  const { header, entries, signatures, authorisations } = registry
  const tree = treeOf(entries)
  return entries.flatMap((entry, index) => (entry.provider === provider ? [{ entry, proof: tree.proof(index), header, signatures, authorisations }] : []))
}

/**
 * The registry in `value`, when a quorum of `set` signed it and it is whole.
 *
 * - `input.invalid`: it has another form, or its entries are not those of its header.
 * - `auth.*`: a signature or authorisation does not hold, or is by no guardian.
 * - `reputation.quorum`: too few guardians signed.
 *
 * @example const { entries } = verifyRegistry(await (await fetch(`${door}/reputation`)).json(), guardians)
 */
export function verifyRegistry(value: unknown, set: GuardianSet): Registry {
  const registry = validate('Registry', value)
  const { header, entries } = registry
  if (entries.length !== header.entries || treeOf(entries).root !== header.root) throw new AigenError('auth.forged', 'the entries are not those of the root', { path: 'entries' })
  for (let index = 1; index < entries.length; index++) {
    if (entryKey(entries[index - 1]!) >= entryKey(entries[index]!)) throw new AigenError('input.invalid', 'the entries are not in order', { path: `entries[${index}]` })
  }
  checkHeader(header, registry.signatures, registry.authorisations, set)
  return registry
}

/**
 * The entry in `value`, proven by its path to a root that a quorum of `set` signed. The same errors
 * as `verifyRegistry`; `auth.forged` when the proof leads elsewhere.
 */
export function verifyEntry(value: unknown, set: GuardianSet): ReputationEntry {
  const { entry, proof, header, signatures, authorisations } = validate('ProvenEntry', value)
  if (header.entries === 0 || !leadsTo(header.root, leafOf(entry), proof)) throw new AigenError('auth.forged', 'the proof does not lead from the entry to the root', { path: 'proof' })
  checkHeader(header, signatures, authorisations, set)
  return entry
}

/** Who of `set` signed the header, each once. Errors `auth.*`, `reputation.quorum`, `input.invalid`. */
function checkHeader(header: RegistryHeader, signatures: readonly Signature[], authorisations: readonly NodeAuthorisation[], set: GuardianSet): void {
  if (header.from !== header.epoch * set.epochMs || header.to !== header.from + set.epochMs) throw new AigenError('input.invalid', 'the times are not those of the epoch', { path: 'header.from' })
  const known = createAuthorisations()
  for (const one of authorisations) known.admit(one)
  const verifier = createVerifier(known)
  const signers = new Set<string>()
  for (const signature of signatures) {
    if (!set.participants.includes(signature.by)) throw new AigenError('auth.unauthorised', `${signature.by} is no guardian of this epoch`, { path: 'signatures' })
    verifier.verify('registry', header, signature, header.to)
    signers.add(signature.by)
  }
  if (signers.size < set.quorum) throw new AigenError('reputation.quorum', `${signers.size} of ${set.quorum}`)
  const authors = new Set(header.reports.map(({ guardian }) => guardian))
  if (authors.size !== header.reports.length || authors.size < set.quorum || header.reports.some(({ guardian }) => !set.participants.includes(guardian))) {
    throw new AigenError('reputation.quorum', 'the reports are not by a quorum of guardians', { path: 'header.reports' })
  }
}

/** A leaf is a SHA-256 hash over a tagged text, so no inner node (Keccak of two) stands for an entry. */
function leafOf(entry: ReputationEntry): Hex32 {
  return `0x${createHash('sha256').update(`aigen/v1/reputation-entry\n${canonicalText(entry)}`).digest('hex')}`
}
