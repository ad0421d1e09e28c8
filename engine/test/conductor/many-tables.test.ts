import { freshDatabase, server } from '@sensei/contracts/servers'
import { Client } from 'pg'
import { expect, test } from 'vitest'
import { openHouse } from '../support/house.ts'
import { sourceFile } from '../support/sources.ts'

/** 10,000 are tried by hand with SENSEI_TEST_TABLES=10000; time and memory grow with their number and no faster. */
const TABLES = Number(process.env['SENSEI_TEST_TABLES'] ?? 150)

test(`bad input 65: ${TABLES} small tables are carried, each with its rows`, async () => {
  const house = await openHouse()
  const database = await freshDatabase(await server(18))
  try {
    const source = sourceFile()
    const tables = Array.from({ length: TABLES }, (_, at) => {
      return `create table t${at} (id integer primary key, name text); insert into t${at} values (1, 'a'), (2, 'b${at}');`
    })
    source.run(`begin; ${tables.join('\n')} commit;`)
    const begun = performance.now()
    const ends = { sourceUrl: source.url, targetUrl: database.url }
    const outcome = await house.conduct(ends, { options: { validate: false } })
    const seconds = (performance.now() - begun) / 1_000
    expect([outcome.state, outcome.error]).toEqual(['completed', null])
    expect(outcome.tables.every((table) => table.rowsTarget === 2)).toBe(true)
    const client = new Client({ connectionString: database.url })
    await client.connect()
    const { rows } = await client.query(
      `select count(*)::integer as n from pg_tables where schemaname = 'public'`,
    )
    await client.end()
    expect(rows).toEqual([{ n: TABLES }])
    console.info(`${(TABLES / seconds).toFixed(1)} tables a second`)
    expect(process.memoryUsage().rss).toBeLessThan(1_000_000_000)
  } finally {
    await database.drop()
    await house.close()
  }
}, 900_000)
