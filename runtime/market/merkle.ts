/**
 * The Merkle trees of registries and of deliveries signed together: OpenZeppelin's, which Solidity
 * verifies too.
 */
import { createRequire } from 'node:module'
import type { SimpleMerkleTree } from '@openzeppelin/merkle-tree'

let loaded: typeof SimpleMerkleTree | undefined

/** Loaded when first needed: it takes longer to load than a node to open, and most commands never check a root. */
export function merkle(): typeof SimpleMerkleTree {
  loaded ??= (createRequire(import.meta.url)('@openzeppelin/merkle-tree') as { SimpleMerkleTree: typeof SimpleMerkleTree }).SimpleMerkleTree
  return loaded
}
