/** Columns that a foreign key ties to a column of integers and texts arrive as texts with it, and the key stands. */
import { freshDatabase, server } from '@sensei/contracts/servers'
import { Client } from 'pg'
import { expect, test } from 'vitest'
import { openHouse } from '../support/house.ts'
import { sourceFile } from '../support/sources.ts'

test.each([18, 15] as const)(
  'on PostgreSQL %i integers that refer to a mixed column are carried as texts, and certified with the foreign key',
  async (version) => {
    const house = await openHouse()
    const database = await freshDatabase(await server(version))
    const client = new Client({ connectionString: database.url })
    await client.connect()
    try {
      const source = sourceFile()
      source.run(`
        create table unit (author text not null, code integer_or_text not null, name text, primary key (author, code));
        create table axis (id integer primary key, author text, unit integer_or_text default 9001,
          foreign key (author, unit) references unit (author, code) on delete cascade);
        create table scale (author text, unit integer, factor real, foreign key (author, unit) references unit (author, code));
        insert into unit values ('EPSG', 9001, 'metre'), ('EPSG', -9223372036854775808, 'least'), ('EPSG', '0', 'zero'),
          ('ESRI', 9001, 'metre'), ('ESRI', 'FOOT_CLARKE', 'foot'), ('ESRI', '9x', 'odd');
        insert into axis (author, unit) values ('EPSG', 9001), ('EPSG', '-9223372036854775808'), ('ESRI', 9001), ('EPSG', 0), (null, 5), ('EPSG', null);
        insert into axis (author) values ('ESRI');
        insert into scale values ('EPSG', 9001, 1.5), ('ESRI', '9001', 2);`)
      const ends = { sourceUrl: source.url, targetUrl: database.url }
      const outcome = await house.conduct(ends, { options: { acceptLosses: ['mixed-to-text'] } })
      expect([outcome.error, outcome.verdict]).toEqual([null, 'equivalent_except_declared'])
      expect(outcome.plan?.skipped).toEqual([])
      const { rows } = await client.query(
        `select unit, unit::text = '9001' as same, count(*)::int as rows from axis group by unit order by unit nulls last`,
      )
      expect(rows).toEqual([
        { unit: '-9223372036854775808', same: false, rows: 1 },
        { unit: '0', same: false, rows: 1 },
        { unit: '5', same: false, rows: 1 },
        { unit: '9001', same: true, rows: 3 },
        { unit: null, same: null, rows: 1 },
      ])
      const keys = await client.query(
        `select count(*)::int as keys from pg_constraint where contype = 'f' and convalidated`,
      )
      expect(keys.rows).toEqual([{ keys: 2 }])
      const insert = client.query(`insert into axis (author) values ('EPSG') returning unit`)
      expect((await insert).rows).toEqual([{ unit: '9001' }])
      // The same plan, read back from a file, says the same.
      const again = await freshDatabase(await server(version))
      try {
        const edited = await house.conduct(
          { ...ends, targetUrl: again.url },
          { plan: outcome.plan, options: { acceptLosses: ['mixed-to-text'] } },
        )
        expect([edited.error, edited.planHash]).toEqual([null, outcome.planHash])
      } finally {
        await again.drop()
      }
    } finally {
      await client.end()
      await database.drop()
      await house.close()
    }
  },
  120_000,
)
