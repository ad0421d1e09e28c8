import { randomUUID } from 'node:crypto'
import { freshDatabase, server } from '@sensei/contracts/servers'
import type { LoggedEvent } from '@sensei/core/ports/event-log'
import { connect } from '@sensei/postgres/door/connection'
import { ConsumerGroups } from '@sensei/postgres/outbox/consumer-groups'
import { firstTime } from '@sensei/postgres/outbox/inbox'
import { migrate, readMigrations } from '@sensei/postgres/setup/migrate'
import { OutboxReader } from '@sensei/postgres/outbox/outbox'
import { provisionService, ServiceDoor } from '@sensei/postgres/door/services'
import { openStatements, type Statements } from '@sensei/postgres/door/statements'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { endpoints, type TestControl, testControl } from '../control-database.ts'

const DENIED = { code: '42501' }
const LEASE_MS = 60_000

describe.each([18, 15] as const)('the outbox on PostgreSQL %i', (version) => {
  let plane: TestControl
  let login: { user: string; password: string }
  let statements: Statements
  let groups: ConsumerGroups
  let door: ServiceDoor

  beforeAll(async () => {
    plane = await testControl(await server(version))
    login = { user: `consumer_${plane.admin.database}`, password: 'test' }
    const settings = await provisionService(plane.admin, 'consumer', login)
    statements = openStatements(settings)
    groups = new ConsumerGroups(statements)
    door = new ServiceDoor(settings, 'consumer')
  })
  afterAll(async () => {
    await door.close()
    await statements.close()
    await plane.close()
    const last = await connect({ ...plane.admin, database: 'postgres' })
    await last.query(`drop role ${login.user}`)
    await last.end()
  })

  const member = (group: string) => ({ group, member: randomUUID() })
  const create = async (): Promise<string> => {
    const id = randomUUID()
    await plane.journal.create({ id, ...endpoints, options: {}, actor: 'test' })
    return id
  }

  async function everything(): Promise<readonly LoggedEvent[]> {
    const reader = new OutboxReader(statements)
    const heads = await reader.heads()
    const cursors = heads.map((_, partition) => ({
      partition,
      position: 0,
      generation: 1,
      replayUntil: 0,
      replayOnly: null,
      history: null,
    }))
    const pages = await Promise.all(
      cursors.map((cursor) => reader.page(cursor, heads[cursor.partition] ?? 0, 1_000)),
    )
    return pages.flatMap((page) => page.events)
  }

  describe('a lease', () => {
    /** Two members of one group: the first was away for longer than its lease, and the second has its partition. */
    async function succeeded(as: ConsumerGroups) {
      const group = `paused-${randomUUID().slice(0, 8)}`
      const [paused, successor] = [member(group), member(group)]
      await as.ensure(group, 'earliest')
      const [lease] = await as.claim(paused, 0, 1)
      const [taken] = await as.claim(successor, LEASE_MS, 1)
      if (lease === undefined || taken === undefined) throw new TypeError('nothing to claim')
      expect(taken.cursor.partition).toBe(lease.cursor.partition)
      expect(taken.epoch).toBe(lease.epoch + 1)
      expect(await as.move(successor, taken.epoch, { ...taken.cursor, position: 9 })).toBe(true)
      const late = await as.move(paused, lease.epoch, { ...lease.cursor, position: 3 })
      const [now] = (await as.lag(group)).filter((one) => one.partition === lease.cursor.partition)
      return { late, position: now?.position }
    }

    test('a cursor does not move for whoever was paused, once a successor has it', async () => {
      expect(await succeeded(groups)).toEqual({ late: false, position: 9 })
    })

    test('negative control: without owner and epoch it goes back', async () => {
      const careless: Pick<Statements, 'query'> = {
        query: (text, values) =>
          statements.query(
            text.replace(
              'c.owner = $2 and c.partition = $3 and c.epoch = $4',
              () => '($2::uuid is not null and $4::bigint is not null) and c.partition = $3',
            ),
            values,
          ),
      }
      expect(await succeeded(new ConsumerGroups(careless))).toEqual({ late: true, position: 3 })
    })

    test('twelve partitions are shared evenly among five, and a lease that runs is not taken', async () => {
      const five = Array.from({ length: 5 }, () => member('five'))
      await groups.ensure('five', 'earliest')
      for (const one of five) await groups.alive(one, LEASE_MS)
      const shares = []
      for (const one of five) {
        const share = await groups.alive(one, LEASE_MS)
        shares.push((await groups.claim(one, LEASE_MS, share)).length)
      }
      expect(shares.toSorted((a, b) => a - b)).toEqual([2, 2, 2, 3, 3])
      expect(await groups.claim(member('five'), LEASE_MS, 12)).toEqual([])
    })
  })

  describe('the inbox', () => {
    let events: readonly LoggedEvent[]
    beforeEach(async () => {
      for (let made = 0; made < 3; made++) await create()
      events = (await everything()).slice(-3)
    })

    const effect = (consumer: string, given = events) =>
      door.write(async (tx) => (await firstTime(tx, consumer, given)).length)

    test('an event has its first time once for each consumer, and once more in a new generation', async () => {
      expect(await effect('mail')).toBe(3)
      expect(await effect('mail')).toBe(0)
      expect(await effect('other')).toBe(3)
      expect(
        await effect(
          'mail',
          events.map((one) => ({ ...one, generation: 2 })),
        ),
      ).toBe(3)
    })

    test('an effect that rolled back has its first time still to come', async () => {
      const failing = door.write(async (tx) => {
        await firstTime(tx, 'failing', events)
        await tx.query('select 1 / 0')
      })
      await expect(failing).rejects.toMatchObject({ code: '22012' })
      expect(await effect('failing')).toBe(3)
    })

    test('of two consumers with the same events one waits, and then has none', async () => {
      const [one, two] = await Promise.all([effect('race'), effect('race', events.toReversed())])
      expect([one, two].toSorted((a, b) => a - b)).toEqual([0, 3])
    })
  })

  test('events of every organization are read, and only by the services', async () => {
    await create()
    expect((await everything()).length).toBeGreaterThan(0)
    for (const table of ['consumer_cursor', 'consumer_member', 'outbox_range', 'outbox_range_0']) {
      const reading = plane.door.read(plane.orgId, (tx) => tx.query(`select from ${table}`))
      await expect(reading, table).rejects.toMatchObject(DENIED)
    }
    await expect(statements.query('select from outbox_range_0')).rejects.toMatchObject(DENIED)
    await expect(statements.query('select options from migration')).rejects.toMatchObject(DENIED)
    await expect(statements.query('select make_outbox_ranges(1)')).rejects.toMatchObject(DENIED)
    const none = await plane.door.read('', (tx) => tx.query('select from outbox'))
    expect(none).toEqual([])
  })

  test('whoever commits in the second half of a range makes the next one', async () => {
    const id = await create()
    await plane.client.query(
      'update outbox_partition set last_position = 600000 where partition = partition_of($1)',
      [id],
    )
    const step = { migrationId: id, expectedVersion: 1, payload: {}, actor: 'test' } as const
    await plane.journal.transition({ ...step, event: 'planning_started' })
    const { rows } = await plane.client.query('select number from outbox_range order by number')
    expect(rows).toEqual([{ number: '0' }, { number: '1' }])
    const { rows: bounds } = await plane.client.query(
      "select pg_get_expr(relpartbound, oid) as bound from pg_class where relname = 'outbox_range_1'",
    )
    expect(bounds[0]?.bound).toBe("FOR VALUES FROM ('1000001') TO ('2000001')")
  })
})

describe.each([18, 15] as const)('an outbox with events on PostgreSQL %i', (version) => {
  let drop: () => Promise<void>
  afterEach(() => drop())

  test('is cut into ranges in place: positions stay, and go on without a hole', async () => {
    const address = await server(version)
    const fresh = await freshDatabase(address)
    drop = fresh.drop
    const { host, port, user, password } = address
    const client = await connect({ host, port, user, password, database: fresh.name })
    try {
      const files = await readMigrations()
      await migrate(client, { files: files.filter(({ name }) => name < '0010') })
      const organization = `insert into organization (slug, name) values ('one', 'One') returning id`
      const { rows } = await client.query<{ id: string }>(organization)
      const orgId = rows[0]?.id ?? ''
      const add = async (): Promise<void> => {
        await client.query('begin')
        await client.query("select set_config('app.org_id', $1, true)", [orgId])
        await client.query(
          `with c as (insert into connection (org_id, engine, url)
             values ($1, 'sqlite', 'sqlite:/' || gen_random_uuid()) returning id)
           select create_migration(gen_random_uuid(), c.id, c.id, '{}', gen_random_uuid(), '{}', 'test') from c`,
          [orgId],
        )
        await client.query('commit')
      }
      for (let made = 0; made < 40; made++) await add()
      const places = 'select partition, position, event_id from outbox order by 1, 2'
      const before = await client.query(places)
      await migrate(client, { files })
      expect((await client.query(places)).rows).toEqual(before.rows)
      for (let made = 0; made < 40; made++) await add()
      const holes = await client.query(`select from (
        select position - lag(position, 1, 0::bigint) over (partition by partition order by position) as step
        from outbox) s where step <> 1`)
      expect(holes.rowCount).toBe(0)
      expect((await client.query(places)).rowCount).toBe(80)
    } finally {
      await client.end()
    }
  })
})
