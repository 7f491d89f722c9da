/**
 * The Merkle trees of registries and of deliveries signed together: OpenZeppelin's, which Solidity
 * verifies too. Its inner functions, on leaves as they are: what it exports encodes each leaf by the ABI
 * first, which changes nothing about 32 bytes and takes ten times as long as the tree.
 */
import { createRequire } from 'node:module'
import type * as Core from '@openzeppelin/merkle-tree/dist/core.js'
import type { Hex32 } from '../../schemas/documents.gen.ts'

/** The node above two others. */
export type PairOf = (one: string, other: string) => Hex32

export interface MerkleTree {
  readonly root: Hex32
  /** The way from leaf `index`, in the order given, to the root. */
  proof(index: number): Hex32[]
}

let loaded: typeof Core | undefined

/** Loaded when first needed: it takes longer to load than a node to open, and most commands never check a root. */
function core(): typeof Core {
  loaded ??= createRequire(import.meta.url)('@openzeppelin/merkle-tree/dist/core.js') as typeof Core
  return loaded
}

/**
 * The tree of at least one leaf, in their order; `pairOf` defaults to Keccak-256 of both, the lower first. Throws on what is no 32 bytes.
 *
 * @example merkleTree([leaf]).root // leaf
 */
export function merkleTree(leaves: readonly Hex32[], pairOf?: PairOf): MerkleTree {
  const { makeMerkleTree, getProof } = core()
  const tree = makeMerkleTree([...leaves], pairOf as never)
  return { root: tree[0] as Hex32, proof: (index) => getProof(tree, tree.length - 1 - index) as Hex32[] }
}

/** Whether `proof` leads from the leaf to the root. Throws on what is no 32 bytes. */
export function leadsTo(root: Hex32, leaf: Hex32, proof: readonly Hex32[], pairOf?: PairOf): boolean {
  return core().processProof(leaf, [...proof], pairOf as never) === root
}
