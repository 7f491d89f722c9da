/** Tests of `merkle`: the trees are those of OpenZeppelin's `SimpleMerkleTree`, and no proof is good for another leaf or root. */
import { SimpleMerkleTree } from '@openzeppelin/merkle-tree'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Hex32 } from '../../schemas/documents.gen.ts'
import { leadsTo, merkleTree } from './merkle.ts'

const hex32 = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => `0x${Buffer.from(bytes).toString('hex')}` as Hex32)
const leaves = fc.uniqueArray(hex32, { minLength: 1, maxLength: 70 })

test('root and proofs are those of SimpleMerkleTree', () => {
  fc.assert(fc.property(leaves, (all) => {
    const theirs = SimpleMerkleTree.of(all, { sortLeaves: false })
    const ours = merkleTree(all)
    expect(ours.root).toBe(theirs.root)
    for (const [index, leaf] of all.entries()) {
      expect(ours.proof(index)).toEqual(theirs.getProof(index))
      expect(leadsTo(ours.root, leaf, ours.proof(index))).toBe(SimpleMerkleTree.verify(theirs.root, leaf, theirs.getProof(index)))
      expect(leadsTo(ours.root, leaf, ours.proof(index))).toBe(true)
    }
  }))
})

test('a proof is good for its leaf and its root only', () => {
  fc.assert(fc.property(leaves, hex32, (all, other) => {
    fc.pre(!all.includes(other))
    const tree = merkleTree(all)
    for (const [index, leaf] of all.entries()) {
      expect(leadsTo(tree.root, other, tree.proof(index))).toBe(false)
      expect(leadsTo(other, leaf, tree.proof(index))).toBe(false)
    }
  }))
})

test('no leaf, and what is no 32 bytes, throws', () => {
  expect(() => merkleTree([])).toThrow(/leaves/)
  expect(() => merkleTree(['0xab'])).toThrow(/32/)
  const tree = merkleTree([`0x${'aa'.repeat(32)}`])
  expect(() => leadsTo(tree.root, tree.root, ['0xab'])).toThrow(/32/)
})
