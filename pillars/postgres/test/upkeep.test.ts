import { randomBytes, randomUUID } from 'node:crypto'
import { server, startPostgres } from '@sensei/contracts/servers'
import { connect } from '@sensei/postgres/door/connection'
import { provision } from '@sensei/postgres/setup/provision'
import { provisionService, ServiceDoor } from '@sensei/postgres/door/services'
import { runUpkeep, Upkeep } from '@sensei/postgres/upkeep'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { endpoints, type TestControl, testControl } from './control-database.ts'

describe.each([18, 15] as const)('upkeep on PostgreSQL %i', (version) => {
  let plane: TestControl
  let door: ServiceDoor
  let over: string
  let running: string

  beforeAll(async () => {
    plane = await testControl(await server(version))
    const login = { user: `upkeep_${plane.admin.database}`, password: 'upkeep' }
    door = new ServiceDoor(await provisionService(plane.admin, 'upkeep', login), 'upkeep')
    ;[over, running] = await Promise.all([born(), born()])
    await plane.client.query('alter table migration disable trigger lifecycle_only')
    await plane.client.query(`update migration set status = 'completed' where id = $1`, [over])
    await plane.client.query('alter table migration enable trigger lifecycle_only')
    await plane.client.query(`insert into app_user (id, email) values (gen_random_uuid(), 'a@b.c')`)
    await plane.client.query(
      `insert into membership (org_id, user_id, role, name) select $1, id, 'viewer', 'A' from app_user`,
      [plane.orgId],
    )
  })
  afterAll(async () => {
    await door.close()
    await plane.client.query(`drop role upkeep_${plane.admin.database}`).catch(() => undefined)
    await plane.close()
  })

  const born = async (): Promise<string> => {
    const id = randomUUID()
    await plane.journal.create({ id, ...endpoints, options: {}, actor: 'test' })
    return id
  }

  beforeEach(async () => {
    await plane.client.query('truncate session, idempotency, inbox, task, agent_execution')
    await plane.client.query('update retention set ran_at = null, removed = 0')
    await fill()
  })

  /** One row that is over and one that is not, in each table that has a job. */
  const fill = async (): Promise<void> => {
    const { orgId, client } = plane
    for (const age of ['200 days', '-1 day']) {
      await client.query(
        `insert into session (org_id, id, user_id, hash, idle_expires_at, expires_at)
         select $1, gen_random_uuid(), id, $2, now() - $3::interval, now() - $3::interval from app_user`,
        [orgId, randomBytes(32), age],
      )
      await client.query(
        `insert into idempotency (org_id, route, key, request_hash, response, expires_at)
         values ($1, 'r', $2, $3, '{}', now() - $4::interval)`,
        [orgId, age, randomBytes(32), age],
      )
      await client.query(
        `insert into inbox (org_id, consumer, generation, event_id, processed_at)
         values ($1, 'c', 1, gen_random_uuid(), now() - $2::interval)`,
        [orgId, age],
      )
    }
    for (const [migration, state] of [
      [over, 'done'],
      [over, 'ready'],
      [running, 'done'],
    ])
      await client.query(
        `insert into task (org_id, id, migration_id, role, kind, sequence, payload, state, attempts_max, created_at)
         values ($1, gen_random_uuid(), $2, 'worker', 'chunk', 1, '{}', $3, 3, now() - interval '200 days')`,
        [orgId, migration, state],
      )
    for (const outcome of ['working', 'done'])
      await client.query(
        `insert into agent_execution (org_id, id, migration_id, role, owner, state, outcome, updated_at)
         values ($1, gen_random_uuid(), $2, 'worker', 'me', '{}', $3, now() - interval '200 days')`,
        [orgId, over, outcome],
      )
  }

  const count = async (table: string): Promise<number> => {
    const { rows } = await plane.client.query(`select count(*)::int as rows from ${table}`)
    return rows[0]?.rows as number
  }

  const counts = async (tables: readonly string[]): Promise<number[]> => {
    const rows: number[] = []
    for (const table of tables) rows.push(await count(table))
    return rows
  }

  const due = () => plane.client.query('update retention set ran_at = null')

  test('removes what is over, and nothing else; events and audit rows stay', async () => {
    const history = ['migration_event', 'audit_log', 'audit_position', 'outbox', 'migration']
    const before = await counts(history)
    const report = await runUpkeep(door)
    expect(report).toMatchObject({
      session: 1,
      idempotency: 1,
      inbox: 1,
      task: 1,
      agent_execution: 1,
      webhook_delivery: 0,
      outbox: 0,
    })
    expect([await count('session'), await count('idempotency'), await count('inbox')]).toEqual([
      1, 1, 1,
    ])
    expect([await count('task'), await count('agent_execution')]).toEqual([2, 1])
    expect(await counts(history)).toEqual(before)
    const kept = await plane.client.query(
      'select what, removed::int, ran_at from retention order by what',
    )
    for (const { what, removed, ran_at } of kept.rows) {
      expect(removed).toBe(report[what])
      expect(ran_at).not.toBe(null)
    }
  })

  test('what was done is not due again before its time', async () => {
    expect((await runUpkeep(door))['session']).toBe(1)
    await plane.client.query('truncate idempotency')
    await fill()
    expect(new Set(Object.values(await runUpkeep(door)))).toEqual(new Set([null]))
    await due()
    expect((await runUpkeep(door))['session']).toBe(1)
  })

  test('of many that run at once one does each job', async () => {
    const reports = await Promise.all([1, 2, 3, 4].map(() => runUpkeep(door)))
    const did = reports.filter((report) => report['inbox'] !== null)
    expect(did).toHaveLength(1)
    expect(did[0]?.['inbox']).toBe(1)
  })

  test('another retention is a row that is changed', async () => {
    await plane.client.query(`update retention set keep = '300 days' where what = 'inbox'`)
    expect((await runUpkeep(door))['inbox']).toBe(0)
    await plane.client.query(
      `update retention set keep = '7 days', ran_at = null where what = 'inbox'`,
    )
    expect((await runUpkeep(door))['inbox']).toBe(1)
  })

  test.each([
    'migration_event',
    'audit_log',
    'audit_position',
    'plan',
    'certificate',
    'membership',
  ])('its role may delete nothing of %s', async (table) => {
    await expect(door.write((tx) => tx.query(`delete from ${table}`))).rejects.toMatchObject({
      code: '42501',
    })
  })

  test('nor anything that is not over, in the tables that it may', async () => {
    for (const table of ['task', 'session', 'idempotency', 'inbox', 'agent_execution'])
      await door.write((tx) => tx.query(`delete from ${table}`))
    expect(await counts(['task', 'session', 'inbox'])).toEqual([2, 1, 1])
  })

  test('a job can be no function but an upkeep', async () => {
    const wrong = `insert into retention (what, job, keep, about) values ('x', 'transition', '1 day', 'x')`
    await expect(plane.client.query(wrong)).rejects.toMatchObject({ code: '23514' })
  })

  test('one job that fails leaves the others alone', async () => {
    await due()
    await plane.client.query(
      `insert into retention (what, job, keep, about) values ('broken', 'upkeep_broken', '1 day', 'x')`,
    )
    const failed: string[] = []
    const report = await runUpkeep(door, (what) => failed.push(what))
    expect(failed).toEqual(['broken'])
    expect(report['task']).not.toBe(null)
    await plane.client.query(`delete from retention where what = 'broken'`)
  })

  test('the scheduler goes on by itself, stops for good, and may be stopped twice', async () => {
    const upkeep = new Upkeep(door, { everyMs: 50 })
    await upkeep.stop()
    upkeep.start()
    await expect.poll(() => count('session'), { timeout: 10_000 }).toBe(1)
    await due()
    await expect
      .poll(
        async () =>
          (await plane.client.query('select from retention where ran_at is null')).rowCount,
      )
      .toBe(0)
    await upkeep.stop()
    await upkeep.stop()
    await due()
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect(
      (await plane.client.query('select from retention where ran_at is null')).rowCount,
    ).toBeGreaterThan(0)
  })
})

test("with Debian's pg_cron the server does it, and the scheduler leaves it to it", async () => {
  const own = await startPostgres({
    version: 15,
    settings: {
      shared_preload_libraries: 'pg_cron',
      'cron.database_name': 'postgres',
      'cron.use_background_workers': 'on',
      max_worker_processes: '24',
    },
  })
  const { host, port, user, password } = own
  const admin = { host, port, user, password, database: 'postgres' }
  const client = await connect(admin)
  await client.query('create extension pg_cron')
  await provision(admin, { user: 'app', password: 'app' })
  await provision(admin, { user: 'app', password: 'app' })
  const { rows } = await client.query(
    'select jobid, jobname, command from cron.job order by jobname',
  )
  expect(rows).toContainEqual(
    expect.objectContaining({
      jobname: 'sensei-upkeep inbox',
      command: "select run_upkeep('inbox')",
    }),
  )
  expect(rows).toHaveLength((await client.query('select from retention')).rowCount ?? 0)

  const login = { user: 'upkeep', password: 'upkeep' }
  const door = new ServiceDoor(await provisionService(admin, 'upkeep', login), 'upkeep')
  await client.query(`update retention set ran_at = now() - interval '70 minutes'`)
  expect(new Set(Object.values(await runUpkeep(door)))).toEqual(new Set([null]))
  await client.query(`update retention set ran_at = now() - interval '2 hours' where what = 'task'`)
  expect(await runUpkeep(door)).toMatchObject({ task: 0, inbox: null })

  await client.query(`select cron.alter_job(jobid, schedule := '* * * * *') from cron.job`)
  await expect
    .poll(
      async () =>
        (await client.query(`select from retention where ran_at < now() - interval '1 hour'`))
          .rowCount,
      { timeout: 100_000, interval: 500 },
    )
    .toBe(0)
  await door.close()
  await client.end()
  await own.remove()
}, 180_000)
