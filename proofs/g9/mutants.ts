/** Changes of the target, written in SQL, and PostgreSQL's own answer whether a table is another one than before. */
import type { TableMapping } from '@sensei/core/plan'
import { quoteIdent, quoteLiteral } from '@sensei/core/sql'
import type { Client } from 'pg'
import type { Random } from './values.ts'

export interface Mutant {
  readonly table: string
  readonly operator: string
  readonly column: string | null
}

const TEXT = {
  'trailing space': `c || ' '`,
  case: 'case when c = upper(c) then lower(c) else upper(c) end',
  normalisation: 'case when c is nfd normalized then normalize(c, nfc) else normalize(c, nfd) end',
  'one character': `overlay(c placing 'q' from greatest(1, length(c)))`,
  truncation: 'left(c, -1)',
  empty: `''`,
}
const MOMENT = { microsecond: `c + interval '1 microsecond'`, second: `c - interval '1 second'` }
const INTEGER = { 'bit flip': 'c # 1::smallint', 'last digit': 'c - 1', sign: '-c' }

/** By type, `c` being the column. */
const OPERATORS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  bigint: INTEGER,
  integer: INTEGER,
  smallint: INTEGER,
  boolean: { 'bit flip': 'not c' },
  numeric: { 'last digit': 'c + 0.00000000000000001', sign: '-c', tenfold: 'c * 10' },
  'numeric(12,3)': { 'last digit': 'c + 0.001', sign: '-c', tenfold: 'c / 10' },
  'double precision': { 'bit flip': 'c * (1 + 2.220446049250313e-16::float8)', sign: '-c' },
  real: { 'bit flip': '(c * (1 + 1.2e-7::float8))::real', sign: '-c' },
  text: TEXT,
  'varchar(2000)': TEXT,
  'char(12)': TEXT,
  bytea: {
    'bit flip': 'set_bit(c, 3, 1 - get_bit(c, 3))',
    'trailing byte': `c || '\\x00'`,
    truncation: 'substring(c from 2)',
    empty: `'\\x'`,
  },
  date: { day: 'c + 1' },
  timestamp: MOMENT,
  timestamptz: MOMENT,
  time: MOMENT,
  json: {
    'trailing space': `(c::text || ' ')::json`,
    digit: `regexp_replace(c::text, '[0-9]', '7')::json`,
  },
  jsonb: {
    'new key': `c || '{"mutant": 1}'`,
    digit: `regexp_replace(c::text, '[0-9]', '7')::jsonb`,
  },
  uuid: {
    'bit flip': `overlay(c::text placing case right(c::text, 1) when '0' then '1' else '0' end from 36)::uuid`,
  },
}

export function allMutants(table: TableMapping): Mutant[] {
  const rows = ['drop', 'double'].map((operator) => ({
    table: table.target,
    operator,
    column: null,
  }))
  const cells = table.columns.flatMap(({ target, type }) =>
    ['null', 'swap', ...Object.keys(OPERATORS[type] ?? {})].map((operator) => ({
      table: table.target,
      operator,
      column: target,
    })),
  )
  return [...rows, ...cells]
}

/** Makes the change in a row of its own choice; false where PostgreSQL refuses it. */
export async function mutate(
  client: Client,
  table: TableMapping,
  mutant: Mutant,
  random: Random,
): Promise<boolean> {
  const row = `(select ctid from ${mutant.table} order by ctid offset ${Math.floor(random() * 30)} limit 1)`
  try {
    await client.query(statement(table, mutant, row))
    return true
  } catch {
    return false
  }
}

function statement(
  table: TableMapping,
  { table: name, operator, column }: Mutant,
  row: string,
): string {
  if (operator === 'drop') return `delete from ${name} where ctid = ${row}`
  if (operator === 'double') return `insert into ${name} select * from ${name} where ctid = ${row}`
  const cell = quoteIdent(column ?? '')
  if (operator === 'swap') {
    return `with pair as (select ctid, ${cell} as v, row_number() over () as n from (select * , ctid from ${name} where ctid >= ${row} order by ctid limit 2) x)
      update ${name} t set ${cell} = o.v from pair p, pair o where t.ctid = p.ctid and o.n = 3 - p.n`
  }
  const { type } = table.columns.find(({ target }) => target === column) as { type: string }
  if (operator === 'null') {
    const otherwise = /^(text|varchar|char|bytea)/.test(type) ? `''` : 'null'
    return `update ${name} set ${cell} = case when ${cell} is null then ${otherwise} end where ctid = ${row}`
  }
  const expression = (OPERATORS[type]?.[operator] ?? 'c').replace(/\bc\b/g, cell)
  return `update ${name} set ${cell} = ${expression} where ctid = ${row}`
}

export async function keepOriginals(
  client: Client,
  tables: readonly TableMapping[],
): Promise<void> {
  await client.query('create schema original')
  for (const { target } of tables)
    await client.query(`create table original.${target} as table ${target}`)
}

export async function restore(client: Client, tables: readonly string[]): Promise<void> {
  for (const name of tables)
    await client.query(`truncate ${name}; insert into ${name} select * from original.${name}`)
}

/** As multisets, by PostgreSQL's own equality; json, which has none, by its text. */
export async function isDifferent(client: Client, table: TableMapping): Promise<boolean> {
  const list = table.columns
    .map(({ target, type }) => quoteIdent(target) + (type === 'json' ? '::text' : ''))
    .join(', ')
  const [now, before] = [
    `select ${list} from ${table.target}`,
    `select ${list} from original.${table.target}`,
  ]
  const { rows } = await client.query<{ different: boolean }>(
    `select exists ((${now}) except all (${before})) or exists ((${before}) except all (${now})) as different, ${quoteLiteral(table.target)} as name`,
  )
  return rows[0]?.different === true
}
