/**
 * The Merkle tree of RFC 6962 (Certificate Transparency) over SHA-256.
 *
 * A leaf is hashed behind a zero byte and an inner node behind a one byte, so that no leaf can be
 * passed off as a node. The tree over n leaves splits at the largest power of two below n; the
 * root of no leaves is the hash of nothing.
 */
import { hash } from 'node:crypto'

const LEAF_PREFIX = 0x00
const NODE_PREFIX = 0x01
const HASH_BYTES = 32

export function leafHash(data: Uint8Array): Uint8Array {
  const input = Buffer.allocUnsafe(data.length + 1)
  input[0] = LEAF_PREFIX
  input.set(data, 1)
  return hash('sha256', input, 'buffer')
}

function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  const input = Buffer.allocUnsafe(1 + 2 * HASH_BYTES)
  input[0] = NODE_PREFIX
  input.set(left, 1)
  input.set(right, 1 + HASH_BYTES)
  return hash('sha256', input, 'buffer')
}

/** The root over the leaves in their order, in one pass and with memory for one path only. */
export function merkleRoot(leaves: Iterable<Uint8Array>): Uint8Array {
  // Complete subtrees, their sizes falling from left to right like the bits of the leaf count.
  const subtrees: Uint8Array[] = []
  let count = 0
  for (const leaf of leaves) {
    let node = leafHash(leaf)
    for (let rest = count; rest % 2 === 1; rest = (rest - 1) / 2) {
      node = nodeHash(subtrees.pop() as Uint8Array, node)
    }
    subtrees.push(node)
    count += 1
  }
  return subtrees.length === 0
    ? hash('sha256', '', 'buffer')
    : subtrees.reduceRight((right, left) => nodeHash(left, right))
}
