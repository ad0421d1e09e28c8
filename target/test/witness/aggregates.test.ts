/** What PostgreSQL is asked for at once must be what it says when every value becomes a numeric, or a text, first. */
import { freshDatabase, servers } from '@sensei/contracts/servers'
import type { TableMapping } from '@sensei/core/plan'
import { Client } from 'pg'
import { expect, test } from 'vitest'
import { parseTargetUrl } from '../../settings.ts'
import { openTargetWitness } from '../../witness/witness.ts'

const COLUMNS = [
  ['i2', 'int2', 'integer', [-32768, -32768, 32767, null]],
  ['i4', 'int4', 'integer', [-2147483648, -2147483648, -2147483648, null]],
  ['i8', 'int8', 'integer', ['9223372036854775807', '9223372036854775807', '-1', null]],
  ['d8', 'whole', 'integer', ['-9223372036854775808', '-9223372036854775808', null, '3']],
  ['n', 'numeric(30,4)', 'integer', ['12.0000', '-99999999999999999999', '0', null]],
  ['b', 'boolean', 'boolean', [true, false, true, null]],
  ['t', 'text', 'text', ['Łódź', '', 'a', null]],
  ['v', 'varchar(9)', 'text', ['東京', ' ', 'a  ', null]],
  ['j', 'json', 'json', ['{"a": "ß"}', '[1 ,2]', '{}', null]],
  ['x', 'bytea', 'bytes', ['\\x00ff', '\\x', '\\x01', null]],
] as const

const table = {
  target: 't',
  key: null,
  columns: COLUMNS.map(([name, type, conversion]) => ({
    source: name,
    target: name,
    type: type === 'whole' ? 'bigint' : type,
    conversion,
    unfit: 'reject',
    generated: null,
  })),
} as unknown as TableMapping

test.each(['pg18', 'pg15'] as const)(
  '%s adds and compares every type exactly',
  async (server) => {
    const database = await freshDatabase((await servers())[server])
    const client = new Client({ connectionString: database.url })
    await client.connect()
    await client.query('create domain whole as int8')
    await client.query(
      `create table t (${COLUMNS.map(([name, type]) => `${name} ${type}`).join()})`,
    )
    const slow = async (sql: string): Promise<string | null> => {
      const { rows } = await client.query<{ v: string | null }>(`select (${sql})::text as v from t`)
      return rows[0]?.v ?? null
    }
    // Empty at first: then most aggregates are NULL.
    for (const row of [-1, 0, 1, 2, 3]) {
      if (row >= 0) {
        const values = COLUMNS.map(([, , , all]) => all[row])
        await client.query(
          `insert into t values (${values.map((_, at) => `$${at + 1}`).join()})`,
          values,
        )
      }
      const witness = await openTargetWitness(parseTargetUrl(database.url), { schema: 'public' })
      const found = await witness.aggregates(table)
      await witness.close()
      expect(found.length).toBe(31)
      for (const { column, name, value } of found) {
        const sql =
          name === 'rows'
            ? 'count(*)'
            : name === 'not null'
              ? `count(${column})`
              : name === 'true'
                ? `count(*) filter (where ${column}::text = 'true')`
                : name === 'bytes'
                  ? `sum(octet_length(${column}${column === 'x' ? '' : '::text'}))`
                  : `trim_scale(${name}(${column}::numeric))`
        expect([column, name, value]).toEqual([column, name, await slow(sql)])
      }
    }
    await client.end()
    await database.drop()
  },
  60_000,
)
