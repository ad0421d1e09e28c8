import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { openControl, openControlPlane } from '@sensei/apps/pillars'
import { runFolder } from '@sensei/contracts/run-folder'
import { freshDatabase, server } from '@sensei/contracts/servers'
import { Client } from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ReportName, report } from '../../commands/reports.ts'
import { type SearchFlags, searchAudit, searchLogs } from '../../commands/search.ts'
import type { Io } from '../../io.ts'

const folder = mkdtempSync(join(runFolder(), 'search-'))
const migrationId = randomUUID()
let env: Record<string, string>
let drop: () => Promise<void>

interface Told {
  readonly exit: number
  readonly out: string
  readonly said: string
}

async function heard(run: (io: Io) => Promise<number>, color = false): Promise<Told> {
  const out: string[] = []
  const said: string[] = []
  const io = {
    env,
    color,
    out: (text: string) => out.push(text),
    say: (text: string) => said.push(text),
  }
  const exit = await run(io as unknown as Io)
  return { exit, out: out.join('\n'), said: said.join('\n') }
}

const flags: SearchFlags = { sort: 'newest', limit: 50, output: 'text' }

beforeAll(async () => {
  const database = await freshDatabase(await server(18))
  env = { DATABASE_URL: database.url, SENSEI_DATA_DIR: folder }
  drop = database.drop
  const plane = await openControlPlane(env)
  const control = await openControl(plane)
  await control.journal.create({
    id: migrationId,
    source: { engine: 'sqlite', url: 'sqlite:/data/shop.db' },
    target: { engine: 'postgres', url: 'postgres://a@b/c' },
    options: {},
    actor: 'user:ada',
  })
  const step = { migrationId, actor: 'user:ada' }
  await control.journal.transition({
    ...step,
    expectedVersion: 1,
    event: 'planning_started',
    payload: {},
  })
  await control.journal.transition({
    ...step,
    expectedVersion: 2,
    event: 'failed',
    payload: { code: 'SOURCE_CORRUPT', message: 'page 7 is torn' },
  })
  await control.close()
  await plane.close()
  const client = new Client({ connectionString: env['DATABASE_URL'] as string })
  await client.connect()
  await client.query(
    `insert into log_entry (org_id, at, id, level, component, message, fields)
     select id, now(), gen_random_uuid(), 50, 'worker', E'lease lost \\x1b[31mfor good', '{}' from organization`,
  )
  await client.end()
}, 60_000)
afterAll(async () => {
  await drop()
  rmSync(folder, { recursive: true, force: true })
})

test('logs search prints a line for each entry, with its control characters as escapes', async () => {
  const { exit, out } = await heard((io) => searchLogs('lost', { ...flags, level: 'error' }, io))
  expect(exit).toBe(0)
  expect(out).toMatch(
    /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ {2}error {2}worker: lease lost \\x1b\[31mfor good$/,
  )
  const colored = await heard((io) => searchLogs('lost', flags, io), true)
  expect(colored.out).toContain('\u001b[1;33m')
  expect((await heard((io) => searchLogs('nowhere', flags, io))).said).toBe('Nothing was found.')
})

test('audit search finds what an actor did, page by page', async () => {
  const first = await heard((io) =>
    searchAudit('', { ...flags, output: 'json', limit: 2, actor: 'user:ada' }, io),
  )
  const page = JSON.parse(first.out) as { entries: Record<string, unknown>[]; next_cursor: string }
  expect(page.entries.map(({ action }) => action)).toEqual([
    'migration.failed',
    'migration.planning_started',
  ])
  const cursor = page.next_cursor
  const second = await heard((io) =>
    searchAudit('', { ...flags, output: 'json', limit: 2, actor: 'user:ada', cursor }, io),
  )
  expect(JSON.parse(second.out)).toMatchObject({
    schema_version: 1,
    entries: [{ action: 'migration.created', migration_id: migrationId }],
    next_cursor: null,
  })
  expect((await heard((io) => searchAudit('torn', flags, io))).out).toContain('page 7 is torn')
  await expect(heard((io) => searchAudit('torn', { ...flags, cursor }, io))).rejects.toMatchObject({
    code: 'REQUEST_INVALID',
  })
})

test('every report prints a table, or one object of JSON', async () => {
  const rows = async (name: ReportName) => {
    const { out } = await heard((io) => report(name, { output: 'json' }, io))
    return (JSON.parse(out) as { rows: object[] }).rows
  }
  expect(await rows('throughput')).toEqual([])
  expect(await rows('failures')).toMatchObject([
    { code: 'SOURCE_CORRUPT', phase: 'planning', failures: 1, latest_message: 'page 7 is torn' },
  ])
  expect(await rows('phases')).toMatchObject([{ source: 'sqlite' }, { source: 'sqlite' }])
  expect(await rows('rows')).toMatchObject([{ organization: 'default', rows_read: 0 }])
  const { out } = await heard((io) => report('failures', { output: 'text' }, io))
  expect(out.split('\n')[0]).toMatch(
    /^code +phase +failures +migrations +unresolved +latest at +latest message$/,
  )
  await expect(
    heard((io) => report('rows', { output: 'text', since: 'x' }, io)),
  ).rejects.toMatchObject({
    code: 'REQUEST_INVALID',
  })
})
