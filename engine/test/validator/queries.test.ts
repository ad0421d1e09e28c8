import { CellBuffer } from '@sensei/core/canonical/cells'
import { SenseiError } from '@sensei/core/errors'
import type { QueryResult, Witness } from '@sensei/core/ports/witness'
import type { TableVerification } from '@sensei/core/verdict'
import { expect, test } from 'vitest'
import { compareQueries, compareQuery, compareView, isOrdered } from '../../validator/queries.ts'

test.each([
  ['select 1 order by 1', true],
  ['select * from (select 1 order by 1) x', false],
  ["select 'order by' as x", false],
  ['select 1 -- order by', false],
  ['select 1 /* order by */', false],
  ['select "order by" from t', false],
  ['select row_number() over (order by a) from t', false],
  ['select a from t\nORDER\n BY a limit 3', true],
])('%s', (sql, ordered) => {
  expect(isOrdered(sql)).toBe(ordered)
})

type Value = null | string | number | bigint

/** A witness with one answer: numbers as floats, bigints as exact numbers. */
function answering(rows: readonly (readonly Value[])[] | SenseiError, cut = false): Witness {
  const query = async (): Promise<QueryResult> => {
    if (rows instanceof SenseiError) throw rows
    return { columns: (rows[0] ?? []).map(String), rows: rows.map(encode), cut }
  }
  return { query } as unknown as Witness
}

function encode(row: readonly Value[]): Uint8Array {
  const out = new CellBuffer(64)
  for (const value of row) {
    const bits = Buffer.alloc(8)
    if (value === null) out.null()
    else if (typeof value === 'bigint') out.ascii(0x64, String(value))
    else if (typeof value === 'number') {
      bits.writeDoubleBE(value)
      out.ascii(0x66, bits.toString('hex'))
    } else out.text(0x74, value)
  }
  return Uint8Array.from(out.written())
}

async function equal(
  left: readonly (readonly Value[])[],
  right: readonly (readonly Value[])[],
  sql = 'select',
): Promise<boolean | null> {
  return (
    await compareQuery(answering(left), answering(right), { name: 'q', source: sql, target: sql })
  ).equal
}

test('rows are a multiset, unless the query orders', async () => {
  expect(await equal([['a'], ['b'], ['b']], [['b'], ['a'], ['b']])).toBe(true)
  expect(await equal([['a'], ['b'], ['b']], [['a'], ['a'], ['b']])).toBe(false)
  expect(await equal([['a'], ['b']], [['b'], ['a']], 'select x order by x')).toBe(false)
  expect(await equal([['a']], [['a'], ['a']])).toBe(false)
})

test('NULL is no empty text, a text no number, and spaces count', async () => {
  expect(await equal([[null]], [['']])).toBe(false)
  expect(await equal([['1']], [[1n]])).toBe(false)
  expect(await equal([['a']], [['a ']])).toBe(false)
  expect(await equal([[null, 'a']], [[null, 'a']])).toBe(true)
})

test('numbers are compared by value: exactly, or by the size of their column where one is a float', async () => {
  expect(await equal([[3n]], [[3]])).toBe(true)
  expect(await equal([[2n ** 60n]], [[2n ** 60n + 1n]])).toBe(false)
  expect(await equal([[0.1 + 0.2], [5]], [[5], [0.3]])).toBe(true)
  expect(await equal([[1000], [2.8e-17]], [[0n], [1000]])).toBe(true)
  expect(await equal([[0.3]], [[0.300001]])).toBe(false)
})

test('what gave no answer, or only a part of one, is undecided', async () => {
  const failing = answering(new SenseiError('TARGET_REFUSED', 'no such function'))
  const query = { name: 'q', source: 'select', target: 'select' }
  expect(await compareQuery(failing, answering([['a']]), query)).toMatchObject({
    equal: null,
    reason: 'no such function',
  })
  expect(await compareQuery(answering([['a']]), failing, query)).toMatchObject({ equal: null })
  expect(await compareQuery(answering([['a']], true), answering([['a']]), query)).toMatchObject({
    equal: null,
  })
})

test('a view with too many rows is counted: equally many decide nothing, others are a difference', async () => {
  const answers = (rows: number): Witness =>
    ({
      query: async (sql: string): Promise<QueryResult> =>
        sql === 'count'
          ? { columns: ['n'], rows: [encode([BigInt(rows)])], cut: false }
          : { columns: ['a'], rows: [encode(['a'])], cut: true },
    }) as unknown as Witness
  const counted = { source: 'count', target: 'count' }
  const view = { name: 'v', source: 'select', target: 'select', counted }
  expect(await compareView(answers(7), answers(7), view)).toBeNull()
  expect(await compareView(answers(7), answers(8), view)).toMatchObject({ equal: false })
})

test('a query that gives other rows once rows were rejected is undecided; without rejects it is a difference', async () => {
  const table = (target: string, rowsRejected: number): TableVerification =>
    ({ target, rowsRejected }) as unknown as TableVerification
  const query = { name: 'q', source: 'select', target: 'select' }
  const one = answering([['a']])
  const two = answering([['a'], ['b']])
  const compared = (target: Witness, rejected: number) =>
    compareQueries({ source: two, target }, [query], [table('t', 0), table('u', rejected)])
  expect(await compared(one, 0)).toMatchObject([{ equal: false, reason: null }])
  expect(await compared(one, 3)).toMatchObject([
    { equal: null, reason: expect.stringContaining('may read u,') as string, rowsTarget: 1 },
  ])
  expect(await compared(two, 3)).toMatchObject([{ equal: true, reason: null }])
})
