import { expect, test } from 'vitest'
import { queryPair } from '../files.ts'

test('one text serves both sides', () => {
  expect(queryPair('a.sql', ' select 1 \n')).toEqual({
    name: 'a.sql',
    source: 'select 1',
    target: 'select 1',
  })
})

test('two texts stand under the lines -- source and -- target', () => {
  const text = '-- source\nselect sum(a) from t\n-- target\nselect sum(a)::bigint from t\n'
  expect(queryPair('b.sql', text)).toEqual({
    name: 'b.sql',
    source: 'select sum(a) from t',
    target: 'select sum(a)::bigint from t',
  })
})

test('a side without a query is refused by its name', () => {
  expect(() => queryPair('c.sql', '-- source\nselect 1\n-- target\n')).toThrow(
    /no query for the target/,
  )
  expect(() => queryPair('d.sql', '  \n')).toThrow(/no query for the source/)
})
