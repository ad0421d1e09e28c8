/** Resuming in one process: what another left behind is made up by hand, or by an end at a chosen place. */
import { randomUUID } from 'node:crypto'
import { rmSync } from 'node:fs'
import { type FreshDatabase, freshDatabase, server } from '@sensei/contracts/servers'
import type { OpenCast } from '@sensei/apps/session'
import type { Progress } from '@sensei/core/ports/progress'
import { Client } from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Outcome } from '../../request.ts'
import { type Ends, type House, openHouse } from '../support/house.ts'
import { type SourceFile, sourceFile, writeSmallShop } from '../support/sources.ts'

const LONG_MS = 180_000

let house: House
let database: FreshDatabase
let source: SourceFile
let ends: Ends

beforeAll(async () => {
  house = await openHouse()
}, LONG_MS)

afterAll(() => house.close(), LONG_MS)

beforeEach(async () => {
  database = await freshDatabase(await server(18))
  source = sourceFile()
  ends = { sourceUrl: source.url, targetUrl: database.url }
}, LONG_MS)

afterEach(() => database.drop(), LONG_MS)

async function sql<R>(text: string): Promise<R[]> {
  const client = new Client({ connectionString: database.url })
  await client.connect()
  try {
    return (await client.query(text)).rows as R[]
  } finally {
    await client.end()
  }
}

/** Aborts once so many rows of any tables were carried. */
function interruptAt(rows: number): { progress: Progress; signal: AbortSignal } {
  const controller = new AbortController()
  const done = new Map<string, number>()
  const progress: Progress = {
    report: ({ phase, table, done: count }) => {
      if (phase !== 'carry' || table === null) return
      done.set(table, count)
      if ([...done.values()].reduce((sum, one) => sum + one, 0) >= rows) controller.abort()
    },
  }
  return { progress, signal: controller.signal }
}

const roots = (outcome: Outcome) => outcome.tables.map(({ target, digest }) => [target, digest])

/** Loads some chunks and stops; returns the migration's id. */
async function halfLoaded(rows = 1_200): Promise<string> {
  const id = randomUUID()
  const stopped = await house.conduct(ends, { id, ...interruptAt(rows), options: { workers: 1 } })
  expect([stopped.state, stopped.error?.code]).toEqual(['paused', 'INTERRUPTED'])
  return id
}

function loseSnapshot(id: string): void {
  rmSync(`${house.session.privateFolder}/copies/${id}`, { recursive: true })
}

describe('a migration', () => {
  test(
    'that is interrupted stops at a chunk boundary, is paused, keeps its copy and finishes when resumed',
    async () => {
      // So many chunks that a worker, who carries ever more of them at once, cannot end before it is dismissed.
      writeSmallShop(source, 5_000)
      const id = await halfLoaded()
      const before = (await house.receipts(ends.targetUrl, id)).filter(
        (one) => one.kind === 'chunk',
      )
      expect(before.length).toBeGreaterThan(2)
      expect(house.copies(id)).toHaveLength(1)
      const outcome = await house.conduct(ends, { id, resume: true })
      expect([outcome.state, outcome.verdict]).toEqual(['completed', 'equivalent'])
      expect(house.copies(id)).toEqual([])
      const after = (await house.receipts(ends.targetUrl, id)).filter((one) => one.kind === 'chunk')
      expect(after.length).toBeGreaterThan(before.length)
      // Finished chunks were not carried again: their ledger rows still carry the first epoch.
      expect(after.filter((one) => one.epoch === 1).map((one) => one.step)).toEqual(
        before.map((one) => one.step),
      )
      const again = await house.conduct(ends, { id, resume: true })
      expect(roots(again)).toEqual(roots(outcome))
      expect(again.certificate).toBe(outcome.certificate)
    },
    LONG_MS,
  )

  test(
    'without validation lets its private copy go',
    async () => {
      writeSmallShop(source, 50)
      const outcome = await house.conduct(ends, { options: { validate: false } })
      expect([outcome.state, outcome.verdict]).toEqual(['completed', 'not_validated'])
      expect(house.copies(outcome.migrationId)).toEqual([])
    },
    LONG_MS,
  )

  test(
    'that nobody approves keeps no copy, and is planned anew when it is resumed',
    async () => {
      writeSmallShop(source, 50)
      const refused = await house.conduct(ends, { approve: () => Promise.resolve(false) })
      expect([refused.state, refused.error?.code]).toEqual(['plan_ready', 'PLAN_NEEDS_APPROVAL'])
      const id = refused.migrationId
      expect(house.copies(id)).toEqual([])
      source.run('alter table customer add column born text')
      const outcome = await house.conduct(ends, { id, resume: true })
      expect(outcome.verdict).toBe('equivalent')
      const columns = await sql(
        `select from information_schema.columns where table_name = 'customer' and column_name = 'born'`,
      )
      expect(columns).toHaveLength(1)
    },
    LONG_MS,
  )

  test(
    'whose tables were emptied by a process that died before it forgot their tasks loses no row',
    async () => {
      writeSmallShop(source)
      const id = await halfLoaded()
      const [loaded] = (await house.receipts(ends.targetUrl, id)).filter(
        (one) => one.kind === 'chunk',
      )
      const table = loaded?.table as string
      await sql(`truncate "${table}"`)
      await sql(`delete from sensei.ledger where table_name = '${table}' and kind <> 'table'`)
      const outcome = await house.conduct(ends, { id, resume: true })
      expect([outcome.verdict, outcome.error]).toEqual(['equivalent', null])
    },
    LONG_MS,
  )
})

describe('one table that fails', () => {
  test(
    'does not keep the others from finishing, and a retry takes what was mended',
    async () => {
      writeSmallShop(source, 200)
      const id = randomUUID()
      const failed = await house.conduct(ends, { id, watch: refuseSeats })
      expect([failed.state, failed.error?.code]).toEqual(['failed', 'TABLE_FAILED'])
      expect(failed.tables.filter((table) => table.failure !== null)).toMatchObject([
        { source: 'seat', failure: { code: 'CONSTRAINT_REFUSED' } },
      ])
      expect(house.copies(id)).toHaveLength(1)
      const counts = await sql<{ n: string }>('select count(*) as n from customer')
      expect(counts).toEqual([{ n: '200' }])
      const outcome = await house.conduct(ends, { id, retry: true })
      expect([outcome.verdict, outcome.error]).toEqual(['equivalent', null])
    },
    LONG_MS,
  )
})

/** The target refuses one index, once: what a person would mend in between. */
function refuseSeats(cast: OpenCast): void {
  const { builder } = cast.target
  const finishTables = builder.finishTables.bind(builder)
  builder.finishTables = async (run, plan, tables, part) => {
    const others = tables.filter((table) => table.source !== 'seat')
    const outcome = await finishTables(run, plan, others, part)
    if (others.length === tables.length || part !== 'indexes') return outcome
    const refusal = {
      table: 'seat',
      constraint: 'seat_place',
      code: '23505',
      message: 'twice',
      rows: 1,
      examples: [],
    }
    return { receipts: outcome.receipts, refused: [refusal] }
  }
}

describe('a lost snapshot', () => {
  test(
    'is replaced: keyed tables are patched by exactly the rows that differ, others are loaded whole',
    async () => {
      writeSmallShop(source)
      const id = await halfLoaded(3_500)
      source.run(`
      update customer set name = 'changed' where id in (5, 500, 999);
      delete from purchase where customer_id = 17;
      delete from customer where id = 17;
      insert into customer (id, name, email) values (100001, 'new', 'new@example.org');
      update code set note = 'changed' where code = (select min(code) from code);
    `)
      source.run(`insert into log values ('now', 'added', 1)`)
      loseSnapshot(id)
      const outcome = await house.conduct(ends, { id, resume: true })
      expect([outcome.verdict, outcome.error]).toEqual(['equivalent', null])
      const receipts = await house.receipts(ends.targetUrl, id)
      const patched = receipts.filter((one) => one.step.startsWith('reconcile '))
      const rows = patched.reduce((sum, one) => sum + one.rowsWritten, 0)
      expect(rows).toBeLessThanOrEqual(5)
      const names = receipts.filter((one) => one.table === 'log' && one.kind === 'chunk')
      expect(new Set(names.map((one) => one.snapshot))).toEqual(new Set([outcome.snapshot?.name]))
      const events = await house.session.journal.events(id)
      expect(events.map((one) => one.type)).toContain('migration.snapshot_replaced')
    },
    LONG_MS,
  )

  test(
    'of a source whose schema changed refuses with SOURCE_SCHEMA_CHANGED, and goes on once it is changed back',
    async () => {
      writeSmallShop(source)
      const id = await halfLoaded()
      source.run('alter table customer add column born text')
      loseSnapshot(id)
      const refused = await house.conduct(ends, { id, resume: true })
      expect([refused.state, refused.error?.code]).toEqual(['failed', 'SOURCE_SCHEMA_CHANGED'])
      source.run('alter table customer drop column born')
      const outcome = await house.conduct(ends, { id, resume: true })
      expect([outcome.verdict, outcome.error]).toEqual(['equivalent', null])
    },
    LONG_MS,
  )

  test(
    'rows that exchanged unique values are carried right',
    async () => {
      writeSmallShop(source)
      const id = await halfLoaded(4_200)
      source.run(`
      update seat set place = -place where id in (3, 4);
      update seat set place = case id when 3 then 100004 else 100003 end where id in (3, 4);
      update customer set email = null where id in (1, 2);
      update customer set email = 'mail2@example.org' where id = 1;
      update customer set email = 'mail1@example.org' where id = 2;
    `)
      loseSnapshot(id)
      const outcome = await house.conduct(ends, { id, resume: true })
      expect([outcome.verdict, outcome.error]).toEqual(['equivalent', null])
    },
    LONG_MS,
  )

  test(
    'found at the validation brings the load back to a new one: identities, moved unique values, foreign keys',
    async () => {
      writeSmallShop(source, 1_300)
      const id = randomUUID()
      const controller = new AbortController()
      const stopped = await house.conduct(ends, {
        id,
        signal: controller.signal,
        watch: (cast) => {
          const { journal } = cast
          const transition = journal.transition.bind(journal)
          journal.transition = async (step) => {
            if (step.event === 'validation_started') queueMicrotask(() => controller.abort())
            return transition(step)
          }
        },
      })
      expect([stopped.state, stopped.error?.code]).toEqual(['validating', 'INTERRUPTED'])
      // Every unique value moves on by one row: no patch of some of them alone can be right.
      source.run(`
      insert into customer (id, name) values (5000, 'late');
      update customer set email = 'x' || email;
      update customer set email = 'mail' || (id % 1300 + 1) || '@example.org' where id <= 1300;
    `)
      loseSnapshot(id)
      const outcome = await house.conduct(ends, { id, resume: true })
      expect([outcome.verdict, outcome.error]).toEqual(['equivalent', null])
      const [next] = await sql<{ id: string }>(
        `insert into customer (name) values ('x') returning id`,
      )
      expect(Number(next?.id)).toBe(5001)
    },
    LONG_MS,
  )
})
