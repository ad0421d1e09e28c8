/**
 * Servers that are killed, restarted, full, out of disk or read-only. The oracle is SQL on the server itself: a migration
 * without exactly one event and one audit row would be half a command.
 */
import { spawnSync } from 'node:child_process'
import { randomBytes, randomUUID } from 'node:crypto'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { serverUser } from '@sensei/contracts/postgres-binaries'
import { runFolder } from '@sensei/contracts/run-folder'
import { type OwnServer, startPostgres } from '@sensei/contracts/servers'
import { type Client, type ConnectionSettings, connect } from '@sensei/postgres/door/connection'
import { Door } from '@sensei/postgres/door/door'
import { PostgresJournal } from '@sensei/postgres/record/journal'
import { provision } from '@sensei/postgres/setup/provision'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { endpoints } from '../control-database.ts'

const BACK_MS_MAX = 10_000

describe.each([18, 15] as const)('trouble with PostgreSQL %i', (version) => {
  let own: OwnServer
  let admin: ConnectionSettings
  let control: ConnectionSettings
  let orgId: string

  beforeAll(async () => {
    own = await startPostgres({ version, settings: { max_connections: '16' } })
    const { host, port, user, password } = own
    admin = { host, port, user, password, database: 'postgres' }
    ;({ control, orgId } = await provision(admin, { user: 'app', password: 'app' }))
  })
  afterAll(() => own.remove())

  const onServer = async <T>(work: (client: Client) => Promise<T>): Promise<T> => {
    const client = await connect(admin)
    try {
      return await work(client)
    } finally {
      await client.end()
    }
  }

  const migrations = () =>
    onServer(async (client) => {
      const { rows } = await client.query<{ whole: number; halves: number }>(
        `select count(*)::int as whole, (count(*) filter (where
            (select count(*) from migration_event e where e.migration_id = m.id) <> m.version or
            (select count(*) from audit_log a where a.migration_id = m.id) <> m.version))::int as halves
         from migration m`,
      )
      expect(rows[0]?.halves).toBe(0)
      return rows[0]?.whole ?? 0
    })

  const create = (door: Door, id: string = randomUUID()) =>
    new PostgresJournal(door, orgId).create({ id, ...endpoints, options: {}, actor: 'test' })

  test('killed and started again: every call ends in its effect, once, and within 10 s of its return', async () => {
    const doors = [0, 1, 2].map(() => new Door(control, { connectionsMax: 2 }))
    const ids: string[] = []
    let going = true
    let lastDone = 0
    const writers = doors.map(async (door) => {
      while (going) {
        const id = randomUUID()
        await create(door, id)
        ids.push(id)
        lastDone = performance.now()
      }
    })
    const before = await migrations()
    for (const stop of ['kill9', 'stop'] as const) {
      await sleep(400)
      await own[stop]()
      const written = ids.length
      await sleep(700)
      await own.start()
      const back = performance.now()
      await expect.poll(() => ids.length, { timeout: BACK_MS_MAX }).toBeGreaterThan(written)
      expect(lastDone - back).toBeLessThan(BACK_MS_MAX)
    }
    going = false
    await Promise.all(writers)
    expect(await migrations()).toBe(before + ids.length)
    await Promise.all(doors.map((door) => door.close()))
  }, 90_000)

  test('negative control: a connection that is kept does not come back', async () => {
    const kept = await connect(control)
    await own.kill9()
    await own.start()
    await expect(kept.query('select 1')).rejects.toThrow()
    await expect(kept.query('select 1')).rejects.toThrow()
    await kept.end().catch(() => undefined)
  }, 60_000)

  test('out of connections: CONTROL_BUSY, and served when there are some again', async () => {
    const others: Client[] = []
    const role = { ...control }
    for (;;) {
      const client = await connect(role).catch((error: { code?: string }) => error.code)
      if (typeof client !== 'object') {
        expect(client).toBe('53300')
        break
      }
      others.push(client)
    }
    const hasty = new Door(control, { patienceMs: 300 })
    const patient = new Door(control)
    await expect(create(hasty)).rejects.toMatchObject({ code: 'CONTROL_BUSY', retryable: true })
    const waiting = create(patient)
    await Promise.all(others.map((client) => client.end()))
    expect((await waiting).version).toBe(1)
    expect((await create(hasty)).version).toBe(1)
    await Promise.all([hasty.close(), patient.close()])
    await migrations()
  }, 60_000)

  test('a full pool of this process is CONTROL_BUSY, too, and no wait without end', async () => {
    const door = new Door(control, { connectionsMax: 1, patienceMs: 300 })
    const long = door.read(orgId, (tx) => tx.query('select pg_sleep(2)'))
    await sleep(100)
    await expect(door.read(orgId, (tx) => tx.query('select 1'))).rejects.toMatchObject({
      code: 'CONTROL_BUSY',
    })
    await long
    expect(await door.read(orgId, (tx) => tx.query('select 1 as one'))).toEqual([{ one: 1 }])
    await door.close()
  })

  test('read-only after a failover: reads go on, writes are CONTROL_READ_ONLY until it is promoted', async () => {
    const door = new Door(control, { patienceMs: 500 })
    const { id } = await create(door)
    const before = await migrations()
    await own.stop()
    writeFileSync(path.join(own.dataFolder, 'standby.signal'), '')
    await own.start()
    expect((await new PostgresJournal(door, orgId).get(id)).version).toBe(1)
    await expect(create(door)).rejects.toMatchObject({ code: 'CONTROL_READ_ONLY', retryable: true })
    const patient = new Door(control)
    const waiting = create(patient)
    await sleep(300)
    await onServer((client) => client.query('select pg_promote()'))
    const promoted = performance.now()
    expect((await waiting).version).toBe(1)
    expect(performance.now() - promoted).toBeLessThan(BACK_MS_MAX)
    expect(await migrations()).toBe(before + 1)
    await Promise.all([door.close(), patient.close()])
  }, 60_000)

  test('read-only by a setting is CONTROL_READ_ONLY, and over when the setting is', async () => {
    const door = new Door(control, { patienceMs: 300 })
    const set = (to: string) =>
      onServer((client) =>
        client.query(
          `set transaction read write; alter role app set default_transaction_read_only = ${to}`,
        ),
      )
    await set('on')
    await expect(create(door)).rejects.toMatchObject({ code: 'CONTROL_READ_ONLY' })
    await set('off')
    expect((await create(door)).version).toBe(1)
    await door.close()
  })

  test('a read that tries to write is a fault of ours, not of the server', async () => {
    const door = new Door(control)
    const wrong = door.read(orgId, (tx) => tx.query('create temporary table t ()'))
    await expect(wrong).rejects.toMatchObject({ code: expect.not.stringContaining('CONTROL') })
    const written = door.read(orgId, (tx) =>
      tx.query("insert into connection (org_id, engine, url) values ($1, 'x', 'y')", [orgId]),
    )
    await expect(written).rejects.toMatchObject({ code: 'INTERNAL' })
    await door.close()
  })

  describe.runIf(process.getuid?.() === 0)('on a small disk', () => {
    let folder: string
    beforeAll(async () => {
      folder = mkdtempSync(path.join(runFolder(), 'tmpfs-'))
      chmodSync(folder, 0o755)
      const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', folder])
      expect(mounted.status, String(mounted.stderr)).toBe(0)
      const space = path.join(folder, 'space')
      mkdirSync(space, { mode: 0o700 })
      const user = serverUser()
      if (user) chownSync(space, user.uid, user.gid)
      await onServer(async (client) => {
        await client.query(`create tablespace small location '${space}'`)
        for (const table of ['plan', 'audit_log'])
          await client.query(`alter table ${table} set tablespace small`)
      })
    })
    afterAll(async () => {
      await own.stop()
      spawnSync('umount', [folder])
      rmSync(folder, { recursive: true, force: true })
    })

    const noise = (megabytes: number) => randomBytes(megabytes * 768 * 1024).toString('base64')

    const write = (door: Door, id: string, body: string) =>
      door.write(orgId, async (tx) => {
        await tx.query(
          `insert into connection (org_id, id, engine, url) values ($1, $2, 'sqlite', $3)`,
          [orgId, id, `sqlite:${id}`],
        )
        const [migration] = await tx.query<{ id: string }>('select id from migration limit 1')
        await tx.query(
          `insert into plan (org_id, id, migration_id, version, hash, body) values ($1, $2, $3, $4, 'h', to_jsonb($5::text))`,
          [orgId, id, migration?.id, Math.floor(Math.random() * 1e9) + 1, body],
        )
      })
    const kept = (table: string, ids: readonly string[]) =>
      onServer(
        async (client) =>
          (await client.query(`select from ${table} where id = any ($1)`, [ids])).rowCount,
      )

    test('out of disk: CONTROL_DISK_FULL at once, nothing half-done, and served when there is room', async () => {
      const door = new Door(control)
      const filler = path.join(folder, 'filler')
      writeFileSync(filler, Buffer.alloc(20 * 1024 * 1024))
      const ids = Array.from({ length: 8 }, () => randomUUID())
      const body = noise(2)
      const began = performance.now()
      const outcomes = await Promise.allSettled(ids.map((id) => write(door, id, body)))
      const refused = outcomes.filter((outcome) => outcome.status === 'rejected')
      expect(refused.length).toBeGreaterThan(0)
      for (const { reason } of refused)
        expect(reason).toMatchObject({ code: 'CONTROL_DISK_FULL', exitCode: 5 })
      expect(performance.now() - began).toBeLessThan(20_000)
      const done = ids.length - refused.length
      expect([await kept('connection', ids), await kept('plan', ids)]).toEqual([done, done])
      await migrations()
      rmSync(filler)
      const again = ids.filter((_, at) => outcomes[at]?.status === 'rejected').slice(0, 2)
      for (const id of again) await write(door, id, body)
      expect(await kept('plan', again)).toBe(again.length)
      await door.close()
    }, 60_000)

    test('negative control: without the transaction a full disk leaves half of a command', async () => {
      const filler = path.join(folder, 'filler')
      spawnSync('dd', ['if=/dev/zero', `of=${filler}`, 'bs=1M', 'count=64'])
      const id = randomUUID()
      await onServer(async (client) => {
        await client.query(
          `insert into connection (org_id, id, engine, url) values ($1, $2, 'sqlite', $3)`,
          [orgId, id, `sqlite:${id}`],
        )
        const plan = client.query(
          `insert into plan (org_id, id, migration_id, version, hash, body)
           select $1, $2, id, 999999999, 'h', to_jsonb($3::text) from migration limit 1`,
          [orgId, id, noise(2)],
        )
        await expect(plan).rejects.toMatchObject({ code: '53100' })
      })
      expect([await kept('connection', [id]), await kept('plan', [id])]).toEqual([1, 0])
      rmSync(filler)
    })
  })
})
