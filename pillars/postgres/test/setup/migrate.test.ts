import { freshDatabase, server } from '@sensei/contracts/servers'
import { type Client, type ConnectionSettings, connect } from '@sensei/postgres/door/connection'
import { migrate, readMigrations } from '@sensei/postgres/setup/migrate'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

describe.each([18, 15] as const)('the migration runner on PostgreSQL %i', (version) => {
  let admin: ConnectionSettings
  let client: Client
  let drop: () => Promise<void>

  beforeEach(async () => {
    const address = await server(version)
    const fresh = await freshDatabase(address)
    const { host, port, user, password } = address
    admin = { host, port, user, password, database: fresh.name }
    client = await connect(admin)
    drop = fresh.drop
  })
  afterEach(async () => {
    await client.end()
    await drop()
  })

  test('applies every file once, in order, and records its checksum', async () => {
    const files = await readMigrations()
    expect(await migrate(client)).toEqual(files.map((file) => file.name))
    expect(await migrate(client)).toEqual([])
    const { rows } = await client.query(
      `select migration_name, checksum, finished_at is not null as finished, applied_steps_count
       from _prisma_migrations order by migration_name`,
    )
    expect(rows).toEqual(
      files.map((file) => ({
        migration_name: file.name,
        checksum: file.checksum,
        finished: true,
        applied_steps_count: 1,
      })),
    )
  })

  test('two processes that migrate at once apply each file once', async () => {
    const second = await connect(admin)
    const applied = await Promise.all([migrate(client), migrate(second)])
    await second.end()
    expect(applied.flat()).toHaveLength((await readMigrations()).length)
  })

  test('an edited file is refused', async () => {
    await migrate(client)
    const edited = (await readMigrations()).map((file, index) =>
      index === 1 ? { ...file, checksum: 'f'.repeat(64) } : file,
    )
    await expect(migrate(client, { files: edited })).rejects.toMatchObject({
      code: 'CONTROL_VERSION',
      message: expect.stringContaining('edited'),
    })
  })

  test('a database of a newer version is refused', async () => {
    await migrate(client)
    const older = (await readMigrations()).slice(0, -1)
    await expect(migrate(client, { files: older })).rejects.toMatchObject({
      code: 'CONTROL_VERSION',
    })
  })

  const next = (sql: string) => ({ name: '9999_next', checksum: 'x', sql })

  test('a migration that is blocked tries again, and says in the end who is in the way', async () => {
    await migrate(client)
    const files = [...(await readMigrations()), next('alter table task add column later text')]
    const holder = await connect(admin, 'somebody')
    await holder.query('begin; lock table task in access share mode')
    const how = { settings: admin, lockTimeoutMs: 100, files }
    await expect(migrate(client, { ...how, triesMax: 3 })).rejects.toMatchObject({
      code: 'CONTROL_BUSY',
      message: expect.stringMatching(
        /9999_next .* pid \d+ \(role postgres, application somebody, idle in/,
      ),
    })
    const waiting = migrate(client, { ...how, triesMax: 6 })
    await new Promise((resolve) => setTimeout(resolve, 500))
    await holder.query('commit')
    expect(await waiting).toEqual(['9999_next'])
    await holder.end()
  })

  test('whoever uses a table is kept waiting for no longer than the lock timeout', async () => {
    await migrate(client)
    const files = [...(await readMigrations()), next('alter table task add column later text')]
    const [holder, reader] = [await connect(admin), await connect(admin)]
    await holder.query('begin; lock table task in access share mode')
    const migrating = migrate(client, { settings: admin, lockTimeoutMs: 100, files, triesMax: 4 })
    const outcome = migrating.then(
      () => 'done',
      (error: { code: string }) => error.code,
    )
    let longestMs = 0
    const ended = outcome.then(() => true)
    while (!(await Promise.race([ended, new Promise<false>((go) => setTimeout(go, 20, false))]))) {
      const began = performance.now()
      await reader.query('select from task')
      longestMs = Math.max(longestMs, performance.now() - began)
    }
    expect(await outcome).toBe('CONTROL_BUSY')
    expect(longestMs).toBeLessThan(2_000)
    await Promise.all([holder.end(), reader.end()])
  })

  test('negative control: without the timeout a reader waits as long as the migration does', async () => {
    await migrate(client)
    const [holder, reader] = [await connect(admin), await connect(admin)]
    await holder.query('begin; lock table task in access share mode')
    const altering = client.query('alter table task add column later text')
    await new Promise((resolve) => setTimeout(resolve, 100))
    await reader.query("set statement_timeout = '1s'")
    await expect(reader.query('select from task')).rejects.toMatchObject({ code: '57014' })
    await holder.query('commit')
    await altering
    await Promise.all([holder.end(), reader.end()])
  })

  test('a migration that fails leaves nothing of itself', async () => {
    const broken = { name: '0001_broken', checksum: 'x', sql: 'create table half (); select 1 / 0' }
    await expect(migrate(client, { files: [broken] })).rejects.toMatchObject({
      code: 'CONTROL_VERSION',
    })
    const { rows } = await client.query("select to_regclass('half') as half")
    expect(rows).toEqual([{ half: null }])
    const history = await client.query("select to_regclass('_prisma_migrations') as history")
    expect(history.rows).toEqual([{ history: null }])
  })
})
