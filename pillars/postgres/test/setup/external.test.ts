/** A control plane on a server of somebody else, set up by a role that is no superuser. */
import { randomUUID } from 'node:crypto'
import { startPgBouncer } from '@sensei/contracts/pgbouncer'
import { type OwnServer, startPostgres } from '@sensei/contracts/servers'
import { type Client, type ConnectionSettings, connect } from '@sensei/postgres/door/connection'
import { Door } from '@sensei/postgres/door/door'
import { externalUrls, openExternal } from '@sensei/postgres/setup/external'
import { PostgresJournal } from '@sensei/postgres/record/journal'
import { readMigrations } from '@sensei/postgres/setup/migrate'
import { missingGrants, ROLES } from '@sensei/postgres/setup/roles'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { endpoints } from '../control-database.ts'

const urlsOf = (url: string, direct = url) => {
  const pooled = { name: 'DATABASE_URL', url }
  return { pooled, direct: direct === url ? pooled : { name: 'DATABASE_DIRECT_URL', url: direct } }
}

test('the roles are those that the migrations make', async () => {
  const made = new Set<string>()
  for (const { sql } of await readMigrations())
    for (const [, list = ''] of sql.matchAll(/foreach wanted in array array\[([^\]]+)\]/g))
      for (const [, name = ''] of list.matchAll(/'(sensei_\w+)'/g)) made.add(name)
  for (const { sql } of await readMigrations())
    for (const [, name = ''] of sql.matchAll(/rolname = '(sensei_\w+)'/g)) made.add(name)
  expect([...ROLES].toSorted()).toEqual([...made].toSorted())
})

test('the configuration is read from a variable or its file, and never from both', () => {
  expect(externalUrls({})).toBe(undefined)
  expect(externalUrls({ DATABASE_URL: '' })).toBe(undefined)
  const both = { DATABASE_URL: 'postgres://x', DATABASE_URL_FILE: '/x' }
  expect(() => externalUrls(both)).toThrow(/both set/)
  expect(() => externalUrls({ DATABASE_DIRECT_URL: 'postgres://x' })).toThrow(/DATABASE_URL is not/)
  expect(() => externalUrls({ DATABASE_URL_FILE: '/nowhere/url' })).toThrow(/cannot be read/)
})

test.each([
  ['mysql://x@y/z', 'URL_INVALID'],
  ['postgres://x@y/z?options=-c%20role%3Dpostgres', 'URL_INVALID'],
  ['postgres://x@y/z?sslmode=maybe', 'URL_INVALID'],
  ['postgres://x:%zz@y/z', 'URL_INVALID'],
  ['postgres://x@y/z?sslrootcert=/nowhere/ca.crt', 'FILE_NOT_FOUND'],
  ['postgres://secret:secret@127.0.0.1:1/z', 'CONTROL_UNREACHABLE'],
])('%s is refused, and no message repeats a password', async (url, code) => {
  const refused = openExternal(urlsOf(url))
  await expect(refused).rejects.toMatchObject({ code })
  await expect(refused).rejects.not.toThrow(/:secret@/)
})

describe.each([18, 15] as const)('an external control plane on PostgreSQL %i', (version) => {
  let own: OwnServer
  let superuser: Client
  let superSettings: ConnectionSettings

  beforeAll(async () => {
    own = await startPostgres({ version })
    const { host, port, user, password } = own
    superSettings = { host, port, user, password, database: 'postgres' }
    superuser = await connect(superSettings)
  })
  afterAll(async () => {
    await superuser.end()
    await own.remove()
  })

  /** A login with nothing but what `attributes` say, and a database that it does not own. */
  const poor = async (attributes = ''): Promise<{ url: string; on: Client; name: string }> => {
    const name = `poor_${randomUUID().slice(0, 8)}`
    await superuser.query(`create role ${name} login password 'poor' ${attributes}`)
    await superuser.query(`create database ${name} template template0`)
    const on = await connect({ ...superSettings, database: name })
    return { url: `postgres://${name}:poor@${own.host}:${own.port}/${name}`, on, name }
  }

  const grantsOf = async (url: string): Promise<readonly string[]> => {
    const { pathname, username } = new URL(url)
    const client = await connect({
      ...superSettings,
      user: username,
      password: 'poor',
      database: pathname.slice(1),
    })
    try {
      return (await missingGrants(client)).grants
    } finally {
      await client.end()
    }
  }

  const works = async (url: string, direct = url): Promise<void> => {
    const { control, orgId } = await openExternal(urlsOf(url, direct))
    const door = new Door(control)
    try {
      const journal = new PostgresJournal(door, orgId)
      const made = await journal.create({
        id: randomUUID(),
        ...endpoints,
        options: {},
        actor: 'test',
      })
      expect(made.version).toBe(1)
      const [seen] = await door.read(orgId, (tx) =>
        tx.query('select current_user as me, (select count(*)::int from migration) as rows'),
      )
      expect(seen).toEqual({ me: 'sensei_app', rows: 1 })
      expect(await door.read(randomUUID(), (tx) => tx.query('select from migration'))).toEqual([])
      expect((await openExternal(urlsOf(url, direct))).orgId).toBe(orgId)
    } finally {
      await door.close()
    }
  }

  // First of all here: the roles belong to the cluster, and the others make them.
  test('a role without any right runs with exactly the grants that are printed, and with none fewer', async () => {
    const { url, on } = await poor()
    const grants = await grantsOf(url)
    expect(grants).toHaveLength(2 * ROLES.length + 1)
    const creating = grants.filter((grant) => grant.startsWith('CREATE ROLE'))
    const needed = grants.filter((grant) => !grant.startsWith('CREATE ROLE'))
    for (const grant of creating) await on.query(grant)
    for (const fewer of needed) {
      for (const grant of needed) if (grant !== fewer) await on.query(grant)
      await expect(openExternal(urlsOf(url))).rejects.toMatchObject({
        code: 'CONTROL_PRIVILEGE_MISSING',
        message: expect.stringContaining(fewer),
        details: { grants: [fewer] },
      })
      for (const grant of needed) if (grant !== fewer) await on.query(revoked(grant))
    }
    for (const grant of needed) await on.query(grant)
    await works(url)
    await on.end()
  }, 60_000)

  test('a role that owns its database needs what its cluster’s roles need, and nothing for the schema', async () => {
    const { url, on, name } = await poor()
    await on.query(`alter database ${name} owner to ${name}`)
    const grants = await grantsOf(url)
    expect(grants).toEqual(ROLES.map((role) => `GRANT ${role} TO "${name}"`))
    for (const grant of grants) await on.query(grant)
    await works(url)
    await on.end()
  })

  test('a login that may do nothing but be the application works behind another that sets up', async () => {
    const { url, on, name } = await poor()
    const direct = new URL(url)
    direct.username = own.user
    direct.password = own.password
    const { control, direct: around } = await openExternal(urlsOf(url, direct.href))
    expect([control.user, control.role, around.user]).toEqual([name, 'sensei_app', own.user])
    const door = new Door(control)
    await expect(
      door.write(randomUUID(), (tx) => tx.query('delete from audit_log')),
    ).rejects.toMatchObject({ code: '42501' })
    await door.close()
    await on.end()
  })

  test('the transactions of a superuser’s URL are bound by row-level security, too', async () => {
    const { on, name } = await poor()
    await works(`postgres://${own.user}:${own.password}@${own.host}:${own.port}/${name}`)
    await on.end()
  })

  test('negative control: without the role, the same login sees every tenant', async () => {
    const { on, name } = await poor()
    const url = `postgres://${own.user}:${own.password}@${own.host}:${own.port}/${name}`
    await works(url)
    const { control } = await openExternal(urlsOf(url))
    const { role: _, ...unbound } = control
    const door = new Door(unbound)
    expect(await door.read(randomUUID(), (tx) => tx.query('select from migration'))).not.toEqual([])
    await door.close()
    await on.end()
  })

  test('many machines that start at once on an empty database agree on one', async () => {
    const { on, name } = await poor()
    const url = `postgres://${own.user}:${own.password}@${own.host}:${own.port}/${name}`
    const opened = await Promise.all(Array.from({ length: 4 }, () => openExternal(urlsOf(url))))
    expect(new Set(opened.map(({ orgId }) => orgId)).size).toBe(1)
    await on.end()
  })

  test('through PgBouncer alone it is refused, and with a direct URL beside it works', async () => {
    const { on, name } = await poor()
    const { host, port, user, password } = own
    const pooler = await startPgBouncer({
      server: { host, port },
      database: name,
      user,
      password,
      poolSize: 2,
    })
    try {
      const pooled = `postgres://${user}:${password}@${pooler.host}:${pooler.port}/${name}`
      await expect(openExternal(urlsOf(pooled))).rejects.toMatchObject({
        code: 'CONFIG_INVALID',
        message: expect.stringContaining('set DATABASE_DIRECT_URL') as string,
      })
      const direct = `postgres://${user}:${password}@${host}:${port}/${name}`
      await works(pooled, direct)
    } finally {
      await pooler.close()
      await on.end()
    }
  })

  test('two URLs of two databases are refused', async () => {
    const { on, name } = await poor()
    const url = `postgres://${own.user}:${own.password}@${own.host}:${own.port}`
    await expect(openExternal(urlsOf(`${url}/postgres`, `${url}/${name}`))).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
    })
    await on.end()
  })
})

test.each([18, 15] as const)(
  'on PostgreSQL %i a role with CREATEROLE makes the roles by itself',
  async (version) => {
    const own = await startPostgres({ version })
    const { host, port, user, password } = own
    const superuser = await connect({ host, port, user, password, database: 'postgres' })
    await superuser.query("create role maker login createrole password 'maker'")
    await superuser.query('create database made owner maker')
    await superuser.end()
    const url = `postgres://maker:maker@${host}:${port}/made`
    const { orgId } = await openExternal(urlsOf(url))
    expect((await openExternal(urlsOf(url))).orgId).toBe(orgId)
    await own.remove()
  },
  60_000,
)

function revoked(grant: string): string {
  return grant.startsWith('GRANT USAGE')
    ? grant.replace('GRANT', 'REVOKE').replace(' TO ', ' FROM ').replace(' WITH GRANT OPTION', '')
    : grant.replace('GRANT', 'REVOKE').replace(' TO ', ' FROM ')
}
