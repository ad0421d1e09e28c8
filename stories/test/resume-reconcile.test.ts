/**
 * Reconcile under random edits: a migration stops in its load, its private copy is lost, the source is edited, and the
 * result is the edited source, wholly. Keyed tables are patched by about as many rows as differ.
 */
import { randomUUID } from 'node:crypto'
import { rmSync } from 'node:fs'
import { type FreshDatabase, freshDatabase, server } from '@sensei/contracts/servers'
import { type Ends, type House, openHouse } from '@sensei/engine/test/support/house'
import { type SourceFile, sourceFile } from '@sensei/engine/test/support/sources'
import fc from 'fast-check'
import { Client } from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'

const LONG_MS = 600_000
const ROWS = 300

let house: House

beforeAll(async () => {
  house = await openHouse()
}, LONG_MS)

afterAll(() => house.close(), LONG_MS)

interface Edit {
  readonly kind: 'update' | 'delete' | 'insert' | 'rekey' | 'exchange' | 'loose'
  readonly at: number
  readonly other: number
}

const edit: fc.Arbitrary<Edit> = fc.record({
  kind: fc.constantFrom('update', 'delete', 'insert', 'rekey', 'exchange', 'loose'),
  at: fc.integer({ min: 1, max: ROWS }),
  other: fc.integer({ min: 1, max: ROWS }),
})

function sqlOf({ kind, at, other }: Edit): string {
  switch (kind) {
    case 'update':
      return `update item set note = 'note ${other}' where id = ${at}`
    case 'delete':
      return `delete from item where id = ${at}`
    case 'insert':
      return `insert or ignore into item values (${1_000 + at}, ${50_000 + other}, 'inserted')`
    case 'rekey':
      return `update or ignore item set id = ${2_000 + other} where id = ${at}`
    case 'exchange':
      return `update item set place = -1 - id where id in (${at}, ${other});
        update or ignore item set place = ${other} where id = ${at};
        update or ignore item set place = ${at} where id = ${other}`
    case 'loose':
      return `insert into loose values (${at}); delete from loose where rowid = ${other}`
  }
}

function write(source: SourceFile): void {
  source.run(`
    create table item (id integer primary key, place integer not null unique, note text);
    create table loose (n integer);
    with recursive n(i) as (select 1 union all select i + 1 from n where i < ${ROWS})
      insert into item select i, i, 'note ' || i from n;
    insert into loose select id from item;
  `)
}

/** Stops in the load, after `chunks` receipts. */
async function stopped(ends: Ends, chunks: number): Promise<string> {
  const id = randomUUID()
  const controller = new AbortController()
  let seen = 0
  const progress = {
    report: ({ phase }: { phase: string }) => {
      if (phase !== 'carry') return
      seen += 1
      if (seen === chunks) controller.abort()
    },
  }
  const options = { workers: 1, chunkRows: 25 }
  const outcome = await house.conduct(ends, { id, progress, options, signal: controller.signal })
  expect(outcome.state).toBe('paused')
  return id
}

async function lines(url: string, sql: string): Promise<string[]> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query<{ line: string }>(sql)).rows.map(({ line }) => line)
  } finally {
    await client.end()
  }
}

test(
  'whatever is edited after the snapshot is lost, the result is wholly of the new one',
  async () => {
    const address = await server(18)
    const seed = 20_261
    await fc.assert(
      fc.asyncProperty(
        fc.array(edit, { minLength: 1, maxLength: 12 }),
        fc.integer({ min: 2, max: 20 }),
        async (edits, chunks) => {
          const database: FreshDatabase = await freshDatabase(address)
          try {
            const source = sourceFile()
            write(source)
            const ends = { sourceUrl: source.url, targetUrl: database.url }
            const id = await stopped(ends, chunks)
            source.run(['begin', ...edits.map(sqlOf), 'commit'].join(';\n'))
            rmSync(`${house.session.privateFolder}/copies/${id}`, { recursive: true })
            const outcome = await house.conduct(ends, { id, resume: true })
            expect([outcome.verdict, outcome.error]).toEqual(['equivalent', null])
            const item = `select id || '|' || place || '|' || note as line from item`
            const loose = `select n || '' as line from loose`
            for (const sql of [item, loose]) {
              const expected = source.rows(sql).map((row) => String(row['line']))
              expect((await lines(database.url, sql)).toSorted()).toEqual(expected.toSorted())
            }
          } finally {
            await database.drop()
          }
        },
      ),
      { numRuns: 5, seed, verbose: 2 },
    )
  },
  LONG_MS,
)
