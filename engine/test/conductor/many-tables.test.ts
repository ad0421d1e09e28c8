import { randomUUID } from 'node:crypto'
import { type FreshDatabase, freshDatabase, server, startPostgres } from '@sensei/contracts/servers'
import { Client } from 'pg'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type House, openHouse } from '../support/house.ts'
import { type SourceFile, sourceFile } from '../support/sources.ts'
import { workers } from '../support/workers.ts'

/**
 * More are tried by hand, for example with SENSEI_TEST_TABLES=10000. At full size it was `sensei migrate` that carried and
 * verified 10,000 tables of two rows, twice, on two cores and against a server with default settings: in 210 s at a load of
 * 4 to 9, and in 595 s at one of 14 to 46 (about 200 s of CPU time, half of it PostgreSQL's). Its process grew to 723 MB,
 * a worker to 228 MB. The kills below were tried with 300 tables only.
 */
const TABLES = Number(process.env['SENSEI_TEST_TABLES'] ?? 150)
const LONG_MS = 900_000

let house: House
let source: SourceFile

beforeEach(async () => {
  house = await openHouse()
  source = sourceFile()
}, LONG_MS)

afterEach(() => house.close(), LONG_MS)

/** Each with a key, a sequence, an index and two rows; every third one refers to the one before it. */
function writeTables(count: number): void {
  const tables = Array.from({ length: count }, (_, at) => {
    const parent = at % 3 === 0 ? '' : ` references t${at - 1} (id)`
    return `create table t${at} (id integer primary key, name text, other integer${parent});
      create index t${at}_name on t${at} (name);
      insert into t${at} values (1, 'a', 1), (2, 'b${at}', null);`
  })
  source.run(`begin; ${tables.join('\n')} commit;`)
}

async function tablesIn(database: FreshDatabase): Promise<number> {
  const client = new Client({ connectionString: database.url })
  await client.connect()
  const { rows } = await client.query<{ n: number }>(
    `select count(*)::integer as n from pg_tables where schemaname = 'public'`,
  )
  await client.end()
  return rows[0]?.n ?? 0
}

test(
  `bad input 65: ${TABLES} small tables are carried and verified, each with its rows`,
  async () => {
    const database = await freshDatabase(await server(18))
    try {
      writeTables(TABLES)
      const begun = performance.now()
      const ends = { sourceUrl: source.url, targetUrl: database.url }
      const outcome = await house.conduct(ends)
      const seconds = (performance.now() - begun) / 1_000
      console.info(`${(TABLES / seconds).toFixed(1)} tables a second`)
      expect([outcome.verdict, outcome.error]).toEqual(['equivalent', null])
      expect(outcome.tables.every((table) => table.rowsTarget === 2)).toBe(true)
      expect(outcome.verification?.foreignKeys).toHaveLength(TABLES - Math.ceil(TABLES / 3))
      expect(await tablesIn(database)).toBe(TABLES)
    } finally {
      await database.drop()
    }
  },
  LONG_MS,
)

test(
  'bad input 65: a target that has room for fewer locks than there are tables is enough',
  async () => {
    // Room for 10 x (30 connections and some processes), while 400 tables have 1,600 relations.
    const settings = { max_locks_per_transaction: '10', max_connections: '30' }
    const small = await startPostgres({ version: 18, settings })
    const database = await freshDatabase(small)
    try {
      writeTables(400)
      const ends = { sourceUrl: source.url, targetUrl: database.url }
      const outcome = await house.conduct(ends)
      expect([outcome.verdict, outcome.error]).toEqual(['equivalent', null])
    } finally {
      await small.remove()
    }
  },
  LONG_MS,
)

test(
  'workers that are SIGKILLed while each has many tables in hand lose none and double none, and a resume goes on',
  async () => {
    const database = await freshDatabase(await server(18))
    try {
      writeTables(300)
      const id = randomUUID()
      const ends = { sourceUrl: source.url, targetUrl: database.url }
      const controller = new AbortController()
      let kills = 0
      const killer = setInterval(() => {
        const [victim] = workers()
        if (victim === undefined || kills >= 4) return
        kills += 1
        process.kill(victim, 'SIGKILL')
      }, 1_000)
      let receipts = 0
      const progress = {
        report: ({ phase }: { phase: string }): void => {
          if (phase === 'carry') receipts += 1
          if (receipts > 150) controller.abort()
        },
      }
      const stopped = await house.conduct(ends, { id, progress, signal: controller.signal })
      expect(stopped.state).toBe('paused')
      const outcome = await house.conduct(ends, { id, resume: true })
      clearInterval(killer)
      expect([outcome.verdict, outcome.error]).toEqual(['equivalent', null])
      expect(kills).toBeGreaterThan(0)
      const chunks = (await house.receipts(database.url, id)).filter((one) => one.kind === 'chunk')
      expect(chunks.map((one) => one.rowsWritten)).toEqual(Array.from({ length: 300 }, () => 2))
    } finally {
      await database.drop()
    }
  },
  LONG_MS,
)
