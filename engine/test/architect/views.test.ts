import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Plan } from '@sensei/core/plan'
import { design } from '../../architect/design.ts'
import { type BothSides, bothSides, TABLE } from './sql/both-sides.ts'
import { anObject, aSurvey } from './surveys.ts'

const SEED = 4_711
let sides: BothSides
beforeAll(async () => {
  sides = await bothSides(SEED, 60)
})
afterAll(() => sides.close())

function planOf(sql: string): Plan {
  return design(aSurvey([TABLE], [anObject('view', 'v', `create view ${sql}`)]), {
    schema: 'public',
    append: false,
  })
}

/** Numbers up to the last digits, as the validator compares them; rows sorted unless the view orders them. */
function comparable(rows: readonly (readonly string[])[], ordered: boolean): readonly string[] {
  const lines = rows.map((row) =>
    row
      .map((cell) =>
        cell.startsWith('number') ? `number ${Number(Number(cell.slice(7)).toPrecision(9))}` : cell,
      )
      .join(' | '),
  )
  return ordered ? lines : lines.sort()
}

const PORTABLE = [
  'v as select * from t',
  'v as select i, s as "The S" from t where b order by k',
  'v (a, b) as select i + j, s || u from t where i is not null',
  'v as select distinct j from t',
  'v as select j, count(*) as n, sum(i) as total, avg(i) as mean, min(s) as low, max(u) as high from t group by j',
  'v as select j as grp, count(distinct i) from t group by grp having count(*) > 5 order by grp desc',
  'v as select j, i, sum(n) as money, avg(n), max(n), min(f) from t group by 1, 2 order by 1, 2',
  'v as select count(*), count(i), sum(i), avg(i), max(d), min(d) from t',
  'v as select count(*) from t where i > 100',
  'v as select sum(b), max(i) from t where b = 1',
  'v as select x.k, y.k as other from t x join t y on x.i = y.j and x.k < y.k',
  'v as select x.k, y.s from t as x left outer join t as y on y.k = x.i order by x.k',
  "v as select x.k from t x, t y where x.k = y.k and y.d >= '2024-01-31'",
  'v as select k, x.s from t x join t y using (k)',
  'v as select s, k from t order by s, k',
  'v as select s, k from t order by s desc, k limit 7 offset 3',
  'v as select s, count(*) from t group by s order by 2 desc, s limit 3',
  'v as select s from t order by s limit 3',
  'v as select c, k from t order by c, k desc',
  'v as select i, k from t order by i nulls last, k',
  "v as select case when i > 0 then 'plus' when i < 0 then 'minus' end as sign, k, b and i > 0 as both from t",
  "v as select lower(s) as l, length(s), substr(s, 1, 1), coalesce(s, 'none'), null as void, 'x' as lit, 1.5 as num from t",
  'v as select t.*, 1 as one from t',
  'v as select g, d, x from t',
  "v as select m, k from t where m >= '2024-01-31' and m <> '2024-01-31 10:20:30' order by m, k",
  'v as select j, min(m), max(m), count(distinct m) from t group by j',
  'v as select x.k, y.k as other from t x join t y on x.m < y.m and x.k < y.k',
  'v as select cast(n as integer) as whole, n * 2 as twice, n + i from t',
]
describe('carried views show in PostgreSQL what they show in SQLite', () => {
  test.each(PORTABLE)('%s', async (sql) => {
    const plan = planOf(sql)
    expect(plan.skipped).toEqual([])
    const [view] = plan.views
    const ordered = /order by/.test(sql)
    const target = await sides.postgresRows(view?.target_sql ?? '')
    expect(comparable(target, ordered), view?.target_sql).toEqual(
      comparable(sides.sqliteRows(view?.source_sql ?? ''), ordered),
    )
  })
})

test('columns get the names that SQLite gives them', () => {
  const view = planOf('v as select t.I, i + 1, count(*) n from t group by i, i + 1').views[0]
  expect(view?.target_sql).toMatch(/as "I", .* as "i \+ 1", .* as "n"/)
})

test.each([
  'v as select sum(f), count(f), total from (select 1)',
  'v as select i, s from t group by i',
  'v as select c, count(*) from t group by c',
  'v as select distinct s from t order by s',
  'v as select s from t limit 3',
  'v as select s, k from t order by s limit 3',
  'v as select s, count(*) from t group by s order by 2 desc limit 3',
  'v as select c from t order by c limit 3',
  'v as select k from t x join t y on true',
  'v as select i, i from t',
  'v as select group_concat(s) from t',
  'v as select count(*) over () from t',
  'v as select i from t natural join t u',
  'v as with q as (select 1) select * from q',
  'v as select i from t union all select j from t',
  'v as select i from t where i in (select j from t)',
  'v as select count(*) from t where sum(i) > 1',
  'v as values (1)',
])('not carried, with the reason: %s', (sql) => {
  const plan = planOf(sql)
  expect(plan.views).toEqual([])
  expect(plan.skipped[0]).toMatchObject({ kind: 'view', name: 'v', sql: `create view ${sql}` })
})
