import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { leafHash, merkleRoot } from '../merkle.ts'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

// The leaves and roots that the reference implementation of Certificate Transparency is tested with.
const CT_LEAVES = [
  '',
  '00',
  '10',
  '2021',
  '3031',
  '40414243',
  '5051525354555657',
  '606162636465666768696a6b6c6d6e6f',
].map((leaf) => Buffer.from(leaf, 'hex'))

const CT_ROOTS = [
  'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
]

/** RFC 6962 section 2.1 as it is written: by recursion over the list. */
function rootByDefinition(leaves: readonly Uint8Array[]): Buffer {
  const sha = (...parts: Uint8Array[]): Buffer =>
    createHash('sha256').update(Buffer.concat(parts)).digest()
  if (leaves.length === 0) return sha()
  if (leaves.length === 1) return sha(Buffer.of(0), leaves[0] as Uint8Array)
  let k = 1
  while (2 * k < leaves.length) k *= 2
  return sha(Buffer.of(1), rootByDefinition(leaves.slice(0, k)), rootByDefinition(leaves.slice(k)))
}

const leavesOf = (count: number): Buffer[] =>
  Array.from({ length: count }, (_, index) => Buffer.from(`leaf ${index}`))

describe('the root', () => {
  test.each(CT_ROOTS.map((root, count) => ({ count, root })))(
    'of the first $count leaves of Certificate Transparency is the published one',
    ({ count, root }) => {
      expect(hex(merkleRoot(CT_LEAVES.slice(0, count)))).toBe(root)
    },
  )

  test('follows the recursion of RFC 6962 for every size up to 130', () => {
    for (let count = 0; count <= 130; count += 1) {
      const leaves = leavesOf(count)
      expect(hex(merkleRoot(leaves)), `${count} leaves`).toBe(hex(rootByDefinition(leaves)))
    }
  })

  test('changes with any leaf, with their order and with their number', () => {
    const leaves = leavesOf(9)
    const roots = new Set([hex(merkleRoot(leaves))])
    for (const index of leaves.keys()) {
      roots.add(hex(merkleRoot(leaves.toSpliced(index, 1))))
      roots.add(hex(merkleRoot(leaves.toSpliced(index, 1, Buffer.from('other')))))
    }
    roots.add(hex(merkleRoot(leaves.toReversed())))
    roots.add(hex(merkleRoot([...leaves, leaves[8] as Buffer])))
    expect(roots.size).toBe(1 + 2 * 9 + 2)
  })

  test('keeps leaves and nodes apart: two leaf hashes in one leaf are not their parent', () => {
    const [left, right] = leavesOf(2) as [Buffer, Buffer]
    const forged = Buffer.concat([leafHash(left), leafHash(right)])
    expect(hex(merkleRoot([forged]))).not.toBe(hex(merkleRoot([left, right])))
  })
})
