import { describe, expect, test } from 'vitest'
import { withLiterals, withoutWhere } from '../g10/strip.ts'
import { CONTROLS, run } from '../g10-tenants.ts'

const seed = 20_261_123

describe.each([18, 15] as const)('twin tenants on PostgreSQL %i', (version) => {
  test(`2,500 probes see and touch nothing of the twin (seed ${seed})`, async () => {
    const result = await run({ version, probes: 2_500, seed })
    expect(result.findings).toEqual([])
    expect(result.empty).toEqual([])
    expect(result.stripped).toBeGreaterThan(25)
    expect(result.foreign).toBeGreaterThan(400)
    expect(result.answered).toBeGreaterThan(result.random / 5)
  }, 180_000)
})

test.each(CONTROLS)(
  'negative control: $name is seen through',
  async ({ sabotage }) => {
    const { findings } = await run({ version: 18, probes: 1_000, seed, sabotage })
    expect(findings).not.toEqual([])
  },
  120_000,
)

test.each([
  ['select a from t where b = 1', 'select a from t '],
  ['select a from t where b = (select c from d where e) order by a', 'select a from t order by a'],
  [
    'with x as (delete from t where a returning b) select * from x where b',
    'with x as (delete from t returning b) select * from x ',
  ],
  ["update t set a = 'where' where b returning c", "update t set a = 'where' returning c"],
  ['select "where" from t where a for update', 'select "where" from t for update'],
])('%s loses every WHERE', (sql, stripped) => {
  expect(withoutWhere(sql).replaceAll(/\s+/g, ' ')).toBe(stripped)
})

test('a parameter becomes the literal that PostgreSQL reads as the same value', () => {
  const values = ["a'b", null, [`x"y`, 'z'], Buffer.from([1, 255]), 7]
  expect(withLiterals('$1 $2 $3 $4 $5 $1', values)).toBe(
    `'a''b' null '{"x\\"y","z"}' '\\x01ff' '7' 'a''b'`,
  )
})
