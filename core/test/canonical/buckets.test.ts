import { hash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { type BucketTable, bucketBits, keyHash } from '../../canonical/buckets.ts'
import { CellBuffer, cellsEnd, parseRow, showCell } from '../../canonical/cells.ts'
import { RowSums, rowHash } from '../../canonical/row-sums.ts'
import { canonicalType, tagOf } from '../../canonical/types.ts'

interface Vectors {
  keys: { key: string; hash: number }[]
  bits: { rows: number; bits: number }[]
  rows: { row: string; hash: string }[]
  tables: {
    name: string
    rows: string[]
    columns: number
    key_columns: number
    bits: number
    leaf_0: string
    root: string
  }[]
}

// Made by another implementation, in another language.
const vectors = JSON.parse(
  readFileSync(new URL('../../../docs/canonical-vectors.json', import.meta.url), 'utf8'),
) as Vectors

const hex = (text: string) => Buffer.from(text, 'hex')

test('the key hash is the one that the vectors say', () => {
  for (const { key, hash } of vectors.keys) expect(keyHash(hex(key), 0, key.length / 2)).toBe(hash)
})

test('the number of buckets follows from the number of rows', () => {
  for (const { rows, bits } of vectors.bits) expect(bucketBits(rows), `${rows} rows`).toBe(bits)
})

test('the row hash is the one that the vectors say', () => {
  for (const { row, hash } of vectors.rows) expect(rowHash(hex(row)).toString('hex')).toBe(hash)
})

describe.each(vectors.tables)('$name', ({ rows, columns, key_columns, bits, leaf_0, root }) => {
  const shape = { columns, keyColumns: key_columns }

  function filled(from: number, to: number): BucketTable {
    const sums = new RowSums(bits)
    sums.add(hex(rows.slice(from, to).join('')), shape)
    return sums.finish()
  }

  test('has its root and first leaf', () => {
    const table = filled(0, rows.length)
    expect(table.rows).toBe(rows.length)
    expect(table.leaf(0).toString('hex')).toBe(leaf_0)
    expect(table.root()).toBe(root)
  })

  test('is the sum of its halves, and rows can be taken out again', () => {
    const half = rows.length >> 1
    const table = filled(0, half)
    table.merge(filled(half, rows.length))
    expect(table.root()).toBe(root)
    for (const row of rows.slice(half)) {
      const keyEnd = key_columns === 0 ? row.length / 2 : cellsEnd(hex(row), 0, key_columns)
      table.subtract(
        keyHash(hex(row), 0, keyEnd) & (2 ** bits - 1),
        hash('blake2b512', hex(row), 'buffer'),
      )
    }
    expect(table.differing(filled(0, half))).toEqual([])
    expect(table.root()).toBe(filled(0, half).root())
  })
})

test('one row more or less is seen in exactly its bucket', () => {
  const row = (n: number) => {
    const cells = new CellBuffer(64)
    cells.ascii(0x69, String(n))
    return Buffer.from(cells.written())
  }
  const shape = { columns: 1, keyColumns: 1 }
  const [one, two] = [new RowSums(4), new RowSums(4)]
  for (let n = 0; n < 100; n += 1) one.add(row(n), shape)
  for (let n = 0; n < 100; n += 1) if (n !== 77) two.add(row(n), shape)
  expect(one.finish().differing(two.finish())).toEqual([keyHash(row(77), 0, row(77).length) & 15])
})

test('a written row is read again', () => {
  const cells = new CellBuffer(4)
  cells.null()
  cells.text(0x74, '')
  cells.text(0x74, 'n:é'.repeat(50))
  cells.cell(0x78, Buffer.from([0, 255]))
  expect(
    parseRow(cells.written()).map(
      (cell) => cell && [cell.tag, Buffer.from(cell.payload).toString('hex')],
    ),
  ).toEqual([null, ['t', ''], ['t', Buffer.from('n:é'.repeat(50)).toString('hex')], ['x', '00ff']])
  expect(parseRow(cells.written()).map((cell) => showCell(cell, 10))).toEqual([
    null,
    '',
    'n:én:én:én… (200 bytes)',
    '\\x00ff',
  ])
  expect(() => parseRow(Buffer.from('t5:abc'))).toThrow('no canonical row')
  expect(() => parseRow(Buffer.from('tx:abc'))).toThrow('no canonical row')
})

test('a type has its tag however it is spelled', () => {
  const spelled = (type: string) => {
    const known = canonicalType(type)
    return known && [known.tag, known.name, known.size, known.scale]
  }
  expect(spelled('timestamp(3) with time zone')).toEqual(['z', 'timestamptz', 3, null])
  expect(spelled('timestamptz')).toEqual(['z', 'timestamptz', null, null])
  expect(spelled('numeric(10, 2)')).toEqual(['d', 'numeric', 10, 2])
  expect(spelled('NUMERIC(5)')).toEqual(['d', 'numeric', 5, 0])
  expect(spelled('character varying(7)')).toEqual(['t', 'varchar', 7, null])
  expect(spelled('char')).toEqual(['t', 'bpchar', 1, null])
  expect(spelled('"char"')).toEqual(['t', 'char', null, null])
  expect(spelled('integer[]')).toBeNull()
  expect(spelled('inet')).toBeNull()
  expect(spelled('constructor')).toBeNull()
})

test.each(['constructor', 'toString', '__proto__', 'citext'])(
  'a type of a user that is named %s has the tag of every unknown type',
  (name) => {
    expect(tagOf(name, false)).toBe('p')
    expect(tagOf(name, true)).toBe('t')
  },
)
