import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { mapColumnNames } from '../../../architect/names.ts'
import { decideColumn } from '../../../architect/columns.ts'
import type { TableDraft } from '../../../architect/drafts.ts'
import { tableContext } from '../../../architect/scope.ts'
import { attempt } from '../../../architect/sql/refuse.ts'
import { translateExpression } from '../../../architect/sql/translate.ts'
import type { Context } from '../../../architect/sql/value.ts'
import { type BothSides, bothSides, TABLE } from './both-sides.ts'

const SEED = 20_261_123
const names = mapColumnNames(TABLE.columns.map((column) => column.name))
const columns = TABLE.columns.map((source) => ({
  source,
  target: names.get(source.name) ?? source.name,
  namedAfter: source.name,
  decision: decideColumn(source, { notNull: false, inKey: false, indexed: false }),
  override: null,
}))
const draft: TableDraft = {
  source: TABLE,
  target: 't',
  namedAfter: 't',
  columns,
  columnsByName: new Map(columns.map((column) => [column.source.name, column])),
}
const strict = tableContext(draft)
const loose: Context = { ...strict, strict: false }

let sides: BothSides
beforeAll(async () => {
  sides = await bothSides(SEED, 150)
})
afterAll(() => sides.close())

function translated(sql: string, context: Context): string | null {
  return attempt(() => translateExpression(sql, context)).value?.sql ?? null
}

const PORTABLE = [
  'i + j * 2 - 7',
  'i / j',
  'i % j',
  '-i / 2',
  'i / 0',
  'abs(i)',
  'i & j',
  'i | 1',
  '~j',
  'f * 2',
  'f + i',
  'f / j',
  'f / 0.0',
  'n + 1 > 2.5',
  'n * i = 3',
  'n * n',
  'n - f',
  'n / f',
  'n / 1.5',
  'n = f',
  '1.5 * i',
  'n >= 0',
  'n = 1.5',
  'n between -1 and 1.25',
  'f > 0.1',
  'i > 1.5',
  'i = j',
  'i == j',
  'i <> j',
  'i != j',
  'i is j',
  'i is not j',
  'i is null',
  'i isnull',
  'i notnull',
  'i not null',
  's is not null',
  'i is not distinct from j',
  's = u',
  's < u',
  's >= u',
  "s = 'a'",
  "s > 'B'",
  "s between 'a' and 'z'",
  "s in ('a', 'ä', 'Z')",
  "s not in ('a')",
  'i in (1, 2, null)',
  "c = 'AB'",
  "'aB' = c",
  'c = u',
  'u = c',
  "c > 'a'",
  "c in ('A', 'Ä')",
  "u in (c, 'a')",
  "'ab' in (c)",
  "coalesce(c, 'x') = 'AB'",
  's = u collate nocase',
  'c = (u collate binary)',
  'lower(s collate nocase) = u',
  "+c = 'ab'",
  "cast(c as text) = 'ab'",
  "case c when 'AB' then 1 else 0 end",
  "c between 'A' and 'b'",
  "c collate binary = 'a'",
  "s collate nocase = 'AB'",
  "s like 'a%'",
  "s like '%Ä'",
  "s like '_'",
  "s like 'A_'",
  "s like '\\'",
  "s like '\\%'",
  "s like '#%' escape '#'",
  "s not like 'a%'",
  's like u',
  "i like '1%'",
  'lower(s)',
  'upper(s)',
  'length(s)',
  'length(x)',
  'length(i)',
  'trim(s)',
  'ltrim(s)',
  'rtrim(s)',
  "trim(s, 'ab')",
  "replace(s, 'a', 'xyz')",
  "instr(s, 'b')",
  "instr(s, '')",
  'substr(s, 1)',
  'substr(s, 2, 1)',
  'substr(s, 1, 0)',
  "s || '-' || u",
  'i || s',
  's || null',
  "s || '' = u",
  'g || s',
  'coalesce(i, j)',
  "coalesce(s, 'none')",
  'ifnull(i, 0)',
  'nullif(i, j)',
  "nullif(s, 'a')",
  "iif(i > 0, 'p', 'n')",
  "case when i > 0 then 'p' when i < 0 then 'n' else 'z' end",
  "case i when 1 then 'one' when null then 'null' end",
  "case s when 'a' then i end",
  'b',
  'not b',
  'b = 1',
  'b <> 0',
  'b = 0',
  'b is 1',
  'b and i > 0',
  'b or i',
  'i and j',
  'not i',
  'b + 1',
  'case when b then 1 else 0 end',
  'b is true',
  'b is not true',
  'i is false',
  'coalesce(b, 0)',
  'b = (i > 0)',
  'b > 0',
  "d = '2024-01-31'",
  "d < '2024-02-29'",
  "d between '1999-01-01' and '2024-12-31'",
  "d in ('2024-01-31', '1999-12-31')",
  'd is null',
  'd = d',
  "g = 'ffffffff-ffff-4fff-bfff-ffffffffffff'",
  "g > 'a'",
  "g like 'F%'",
  'cast(i as text)',
  'cast(i as real)',
  'cast(n as integer)',
  'cast(s as text)',
  "x = x'61'",
  "x > x'00'",
  '(i)',
  '+i',
  '- -i',
  '((i + 1)) * (j)',
  'true',
  'false',
  '1 = 1',
  "'a' < 'B'",
  'null',
  'null = 1',
  "5 || 'a'",
  'x is null',
  't.i',
  '"i" + [j] + `j`',
  'i /* comment */ + j -- end\n',
]

describe('translated expressions give what SQLite gives', () => {
  test.each(PORTABLE)('%s', async (sql) => {
    const target = translated(sql, strict)
    expect(target, 'it must be translated').not.toBeNull()
    expect(await sides.inPostgres([target ?? '']), target ?? '').toEqual(sides.inSqlite([sql]))
  })
})

const REFUSED = [
  "s glob 'a*'",
  "replace(s, '', null)",
  "s regexp 'a'",
  's = 5',
  "i = '5'",
  's > 5',
  'i || f',
  'b || s',
  'min(i, j)',
  'max(i, j)',
  'round(f)',
  'random()',
  "strftime('%Y', d)",
  'typeof(i)',
  "date('now')",
  'current_timestamp',
  'current_date',
  's + 1',
  'd + 1',
  'd || s',
  "d = '2024-02-30'",
  "d = 'x'",
  "d > '2024'",
  '"no such column"',
  'nothere',
  'o.i',
  '(select 1)',
  'exists (select 1)',
  'i in (select 1)',
  's collate rtrim = u',
  'substr(s, -1)',
  'substr(s, 0)',
  'substr(s, i)',
  'i << 2',
  "s ->> '$.a'",
  'count(*)',
  'sum(i)',
  'hex(x)',
  'cast(s as integer)',
  'cast(i as numeric)',
  'n / i',
  'n / n',
  'n % 2',
  'f = i',
  '1e400',
  '9223372036854775808',
  'i and s',
  'not s',
  'case when i then 1 else s end',
  'coalesce(i, s)',
  '(i, j) = (1, 2)',
  'i; drop table t',
  'i)',
  '',
  'i i',
  "'unclosed",
  'raise(ignore)',
  "json_extract(s, '$')",
  '@x',
  ':p',
  '?',
]

test.each(REFUSED)('refused: %s', (sql) => {
  const { value, reason } = attempt(() => translateExpression(sql, strict))
  expect(value).toBeNull()
  expect(reason).not.toBe('')
})

test('what is translated depends on nothing but the row, so that PostgreSQL takes it in an index', async () => {
  for (const sql of PORTABLE.filter((each) => each !== 'null')) {
    await sides.inTransaction(`create index on t ((${translated(sql, strict) ?? ''}))`)
  }
})

/** Mostly of one kind, so that most are translated; now and then of any, so that the borders are met too. */
const grammar = fc.letrec<{ any: string; number: string; text: string; truth: string }>((tie) => {
  const two = (left: string, operators: readonly string[], right: string) =>
    fc
      .tuple(tie(left as 'any'), fc.constantFrom(...operators), tie(right as 'any'))
      .map((parts) => `(${parts.join(' ')})`)
  const call = (name: string, ...args: readonly string[]) =>
    fc.tuple(...args.map((arg) => tie(arg as 'any'))).map((parts) => `${name}(${parts.join(', ')})`)
  const choose = (kind: 'number' | 'text' | 'truth') =>
    fc
      .tuple(tie('truth'), tie(kind), tie(kind))
      .map(([when, then, other]) => `case when ${when} then ${then} else ${other} end`)
  const deep = { depthSize: 'xsmall', maxDepth: 4 } as const
  return {
    any: fc.oneof(deep, tie('truth'), tie('text'), tie('number')),
    number: fc.oneof(
      deep,
      fc.constantFrom('i', 'j', 'f', 'n', '0', '1', '-3', '1.5', 'null', 'b', 'k'),
      two('number', ['+', '-', '*', '/', '%', '&', '|'], 'number'),
      two('number', ['+', '-', '*'], 'any'),
      call('abs', 'number'),
      call('length', 'text'),
      call('instr', 'text', 'text'),
      call('coalesce', 'number', 'number'),
      call('nullif', 'number', 'number'),
      choose('number'),
      fc.tuple(tie('number')).map(([a]) => `cast(${a} as integer)`),
      fc.tuple(tie('number')).map(([a]) => `(- ${a})`),
    ),
    text: fc.oneof(
      deep,
      fc.constantFrom('s', 'u', 'c', 'g', "''", "'a'", "'AB'", "'ä'", 'null', 'd'),
      two('text', ['||'], 'text'),
      two('text', ['||'], 'number'),
      call('lower', 'text'),
      call('upper', 'text'),
      call('trim', 'text'),
      call('rtrim', 'text', 'text'),
      call('replace', 'text', 'text', 'text'),
      call('coalesce', 'text', 'text'),
      call('nullif', 'text', 'text'),
      choose('text'),
      fc.tuple(tie('text')).map(([a]) => `substr(${a}, 2, 1)`),
      fc.tuple(tie('number')).map(([a]) => `cast(${a} as text)`),
    ),
    truth: fc.oneof(
      deep,
      fc.constantFrom('b', 'true', 'i is null', "d >= '2024-01-31'", "c = 'ab'"),
      two('number', ['=', '<>', '<', '>=', 'is', 'is not'], 'number'),
      two(
        'text',
        ['=', '<>', '<', '>=', 'is', 'is not', 'like', 'not like', '= nocase'],
        'text',
      ).map((sql) => sql.replace(/ = nocase (.*)\)$/s, ' = $1 collate nocase)')),
      two('truth', ['and', 'or', '=', '<>'], 'truth'),
      two('any', ['=', '<', 'is'], 'any'),
      fc.tuple(tie('truth')).map(([a]) => `(not ${a})`),
      fc
        .tuple(tie('number'), tie('number'), tie('number'))
        .map(([a, b, c]) => `(${a} between ${b} and ${c})`),
      fc.tuple(tie('text'), tie('text'), tie('text')).map(([a, b, c]) => `(${a} in (${b}, ${c}))`),
      fc
        .tuple(tie('text'), tie('text'), tie('text'))
        .map(([a, b, c]) => `(${a} not between ${b} and ${c})`),
    ),
  }
})

describe.each([
  ['strict', strict],
  ['loose', loose],
] as const)('random expressions, %s', (_, context) => {
  test(`what is not refused is equal (seed ${SEED})`, { timeout: 120_000 }, async () => {
    const wanted = fc.sample(grammar.any, { seed: SEED, numRuns: 10_000 })
    const pairs = [...new Set(wanted)].flatMap((sql) => {
      const target = translated(sql, context)
      return target === null ? [] : [{ sql, target }]
    })
    expect(pairs.length).toBeGreaterThan(500)
    const wrong: string[] = []
    for (let at = 0; at < pairs.length; at += 50) {
      const batch = pairs.slice(at, at + 50)
      const [ours, theirs] = [
        sides.inSqlite(batch.map(({ sql }) => sql)),
        await sides.inPostgres(batch.map(({ target }) => target)),
      ]
      for (const [index, { sql, target }] of batch.entries()) {
        const line = ours.findIndex((values, row) => values[index] !== theirs[row]?.[index])
        if (line >= 0)
          wrong.push(`${sql} -> ${target}: ${ours[line]?.[index]} and ${theirs[line]?.[index]}`)
      }
    }
    expect(wrong).toEqual([])
  })
})
