import { freshDatabase, server } from '@sensei/contracts/servers'
import { Client } from 'pg'
import { expect, test } from 'vitest'
import { storedOutcome } from '../../conductor/outcome.ts'
import { openHouse } from '../support/house.ts'
import { sourceFile } from '../support/sources.ts'

test.each([
  [true, 'different'],
  [false, 'not_validated'],
] as const)(
  'a view that PostgreSQL refuses is told, validate %s: %s',
  async (validate, verdict) => {
    const house = await openHouse()
    const database = await freshDatabase(await server(18))
    const client = new Client({ connectionString: database.url })
    await client.connect()
    try {
      await client.query(`
      create function no_views() returns event_trigger language plpgsql
        as 'begin raise exception ''no views here''; end';
      create event trigger no_views on ddl_command_start when tag in ('CREATE VIEW')
        execute function no_views()`)
      const source = sourceFile()
      source.run(
        'create table t (id integer primary key); insert into t values (1); create view v as select id from t',
      )
      const ends = { sourceUrl: source.url, targetUrl: database.url }
      const outcome = await house.conduct(ends, { options: { validate } })
      expect([outcome.error, outcome.verdict]).toEqual([null, verdict])
      expect(outcome.viewsRefused).toEqual([
        { name: 'v', reason: 'PostgreSQL refused it: P0001: no views here' },
      ])
      // Whoever asks later is told the same, also where nothing was validated.
      const stored = await storedOutcome(house.session.journal, outcome.migrationId)
      expect(stored.viewsRefused).toEqual(outcome.viewsRefused)
      expect(outcome.verification?.structure ?? []).toEqual(
        validate ? [{ object: 'v', kind: 'view', problem: 'is missing' }] : [],
      )
    } finally {
      await client.end()
      await database.drop()
      await house.close()
    }
  },
  120_000,
)
