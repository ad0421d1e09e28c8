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

export interface InclusionProof {
  /** Place of the leaf, counted from zero. */
  index: number
  /** Number of leaves in the tree. */
  size: number
  /** The sibling hashes on the way from the leaf to the root. */
  path: Uint8Array[]
}

export function leafHash(data: Uint8Array): Uint8Array {
  const input = Buffer.allocUnsafe(data.length + 1)
  input[0] = LEAF_PREFIX
  input.set(data, 1)
  return hash('sha256', input, 'buffer')
}

export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
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

/** The proof that the leaf at `index` is part of the tree over `leaves`. */
export function inclusionProof(leaves: readonly Uint8Array[], index: number): InclusionProof {
  if (!Number.isInteger(index) || index < 0 || index >= leaves.length) {
    throw new RangeError(`no leaf ${index} in a tree of ${leaves.length}`)
  }
  const path: Uint8Array[] = []
  let from = 0
  let to = leaves.length
  while (to - from > 1) {
    const middle = from + splitPoint(to - from)
    if (index < middle) {
      path.push(merkleRoot(leaves.slice(middle, to)))
      to = middle
    } else {
      path.push(merkleRoot(leaves.slice(from, middle)))
      from = middle
    }
  }
  return { index, size: leaves.length, path: path.reverse() }
}

/** True only if the proof leads from exactly this leaf, at its place, to exactly this root. */
export function provesInclusion(
  leaf: Uint8Array,
  { index, size, path }: InclusionProof,
  root: Uint8Array,
): boolean {
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(size) || index < 0 || index >= size) {
    return false
  }
  let node = leafHash(leaf)
  let place = index
  let last = size - 1
  for (const sibling of path) {
    // At the root already: the path is longer than the tree is high.
    if (last === 0 || sibling.length !== HASH_BYTES) return false
    if (place % 2 === 1) {
      node = nodeHash(sibling, node)
    } else {
      // The right edge of the tree has no sibling on the levels where it stands alone.
      while (place === last && place % 2 === 0 && last !== 0) {
        place /= 2
        last /= 2
      }
      node = place % 2 === 1 ? nodeHash(sibling, node) : nodeHash(node, sibling)
    }
    place = Math.floor(place / 2)
    last = Math.floor(last / 2)
  }
  return last === 0 && Buffer.compare(node, root) === 0
}

function splitPoint(size: number): number {
  let half = 1
  while (half * 2 < size) half *= 2
  return half
}
