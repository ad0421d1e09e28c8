/** What is wrong with a control database or missing from it, each with what mends it. Changes nothing. */
import { statfs } from 'node:fs/promises'
import { drift } from './catalogue.ts'
import { lintCatalogue } from './catalogue-lint.ts'
import { type Client, type ConnectionSettings, connect } from '../door/connection.ts'
import { readHistory, readMigrations } from './migrate.ts'
import { missingGrants } from './roles.ts'

export interface Finding {
  readonly name: string
  readonly ok: boolean
  readonly detail: string
  /** Commands and statements that mend it, each to be run as it stands. */
  readonly remedies: readonly string[]
  /** Nothing can be set up before this is mended. */
  readonly blocks?: boolean
}

const OLDEST = 15
const NEWEST = 18
const FREE_BYTES_MIN = 1024 ** 3
const CLOCK_SECONDS_MAX = 5
const SHOWN_MAX = 5

/** Before anything was set up: may this role do it, and is this a server for it? */
export async function examineServer(settings: ConnectionSettings): Promise<readonly Finding[]> {
  return onServer(settings, async (client) => [
    await version(client),
    await rights(client),
    await tls(client, settings),
    await clock(client),
  ])
}

/** Of a control plane that is set up. `settings` may read its history. */
export async function examineDatabase(settings: ConnectionSettings): Promise<readonly Finding[]> {
  return onServer(settings, async (client) => [
    await migrations(client),
    await model(client),
    await tenants(client),
    ...(await extensions(client)),
    await upkeep(client),
    await disk(client, settings.host),
  ])
}

async function onServer<T>(
  settings: ConnectionSettings,
  look: (client: Client) => Promise<T>,
): Promise<T> {
  const client = await connect(settings, 'sensei-doctor')
  try {
    return await look(client)
  } finally {
    await client.end()
  }
}

const well = (name: string, detail: string): Finding => ({ name, ok: true, detail, remedies: [] })

async function version(client: Client): Promise<Finding> {
  const name = 'control plane version'
  const [row] = await ask<{ version: string; major: number }>(
    client,
    `select current_setting('server_version') as version,
       current_setting('server_version_num')::int / 10000 as major`,
  )
  const { version: full = '', major = 0 } = row ?? {}
  if (major >= OLDEST && major <= NEWEST) return well(name, `PostgreSQL ${full}`)
  return {
    name,
    ok: false,
    detail: `PostgreSQL ${full}; Sensei is tested with ${OLDEST} to ${NEWEST}`,
    remedies: [
      major < OLDEST
        ? 'upgrade the server (pg_upgrade), or name another with DATABASE_URL'
        : 'update Sensei',
    ],
    blocks: major < OLDEST,
  }
}

async function rights(client: Client): Promise<Finding> {
  const name = 'control plane grants'
  const { role, grants } = await missingGrants(client)
  if (grants.length === 0) return well(name, `role ${role} has what it needs`)
  const detail = `role ${role} cannot set up the control database; an administrator has to run, in this database`
  return { name, ok: false, detail, remedies: grants.map((grant) => `${grant};`), blocks: true }
}

async function tls(client: Client, settings: ConnectionSettings): Promise<Finding> {
  const name = 'control plane TLS'
  const [row] = await ask<{ version: string | null; cipher: string | null }>(
    client,
    'select version, cipher from pg_stat_ssl where pid = pg_backend_pid()',
  )
  const loopback = ['127.0.0.1', '::1', 'localhost'].includes(settings.host)
  if (!row?.version) {
    if (loopback) return well(name, 'none, on this machine')
    return {
      name,
      ok: false,
      detail: 'the connection crosses the network in clear',
      remedies: ['switch TLS on at the server, and add ?sslmode=verify-full to the URL'],
    }
  }
  const verified = settings.tls?.verify === 'authority and name'
  if (verified || loopback) return well(name, `${row.version} ${row.cipher ?? ''}`.trim())
  return {
    name,
    ok: false,
    detail: `${row.version}, but nobody checks who answers`,
    remedies: ['add ?sslmode=verify-full (and &sslrootcert=FILE) to the URL'],
  }
}

/** Nothing depends on it but what people read. */
async function clock(client: Client): Promise<Finding> {
  const name = 'clock'
  const before = Date.now()
  const [row] = await ask<{ now: string }>(
    client,
    'select extract(epoch from clock_timestamp())::text as now',
  )
  const here = (before + Date.now()) / 2_000
  const apart = Math.abs(Number(row?.now) - here)
  const slack = (Date.now() - before) / 2_000
  const detail = `${apart.toFixed(1)} s apart from the control plane's`
  if (apart - slack <= CLOCK_SECONDS_MAX) return well(name, detail)
  return { name, ok: false, detail, remedies: ['timedatectl set-ntp true'] }
}

async function tenants(client: Client): Promise<Finding> {
  const name = 'control plane tenants'
  const holes = await lintCatalogue(client)
  if (holes.length === 0) return well(name, 'no table, grant or function opens one to another')
  const shown = holes.slice(0, SHOWN_MAX).map(({ object, hole }) => `${object}: ${hole}`)
  const more = holes.length > SHOWN_MAX ? `, and ${holes.length - SHOWN_MAX} more` : ''
  return {
    name,
    ok: false,
    detail: shown.join('; ') + more,
    remedies: ['take back what was changed by hand; Sensei’s own migrations open none of these'],
  }
}

async function migrations(client: Client): Promise<Finding> {
  const name = 'control plane migrations'
  const files = await readMigrations()
  const { due, edited, unknown } = await readHistory(client, files)
  if (due.length + edited.length + unknown.length === 0)
    return well(name, `all ${files.length} are applied, with the checksums of this Sensei`)
  const parts = [
    due.length > 0 && `not applied: ${due.map((file) => file.name).join(', ')}`,
    edited.length > 0 && `other than this Sensei's: ${edited.join(', ')}`,
    unknown.length > 0 && `unknown to this Sensei: ${unknown.join(', ')}`,
  ]
  const remedies = [
    ...(due.length > 0 ? ['sensei migrations list'] : []),
    ...(edited.length + unknown.length > 0
      ? ['update Sensei here to the version that made them']
      : []),
  ]
  return { name, ok: false, detail: parts.filter(Boolean).join('; '), remedies }
}

async function model(client: Client): Promise<Finding> {
  const name = 'control plane model'
  const found = await drift(client)
  if (found === null) return well(name, 'nothing to compare with')
  const { missing, added } = found
  if (missing.length + added.length === 0) return well(name, 'as the migrations made it')
  const lines = [...missing.map((line) => `- ${line}`), ...added.map((line) => `+ ${line}`)]
  const more = lines.length > SHOWN_MAX ? `; and ${lines.length - SHOWN_MAX} more` : ''
  return {
    name,
    ok: false,
    detail: `changed by hand since the last migration: ${lines.slice(0, SHOWN_MAX).join('; ')}${more}`,
    remedies: [
      'undo what was changed (- is gone, + is new), or restore the database from a backup',
    ],
  }
}

/** None is needed: each makes something better. */
const EXTENSIONS = [
  {
    extension: 'pg_trgm',
    with: 'mappings are suggested by similar names',
    without: 'mappings are suggested by equal beginnings of names only',
  },
  {
    extension: 'pg_cron',
    with: 'upkeep runs in the server',
    without: 'upkeep runs in the processes of Sensei',
  },
] as const

async function extensions(client: Client): Promise<Finding[]> {
  const rows = await ask<{ name: string; installed: boolean }>(
    client,
    'select name, installed_version is not null as installed from pg_available_extensions',
  )
  return EXTENSIONS.map(({ extension, with: helped, without }) => {
    const row = rows.find(({ name }) => name === extension)
    const name = `extension ${extension}`
    if (row?.installed) return well(name, `installed: ${helped}`)
    if (row === undefined) return well(name, `the server does not have it: ${without}`)
    return well(name, `not installed: ${without} (CREATE EXTENSION ${extension};)`)
  })
}

async function upkeep(client: Client): Promise<Finding> {
  const name = 'upkeep'
  await client.query('begin')
  await client.query('set local role sensei_owner')
  const [row] = await ask<{ late: string[] | null; last: Date | null }>(
    client,
    `select array_agg(what order by what) filter (where ran_at < clock_timestamp() - every - interval '1 day') as late,
       max(ran_at) as last from retention`,
  )
  await client.query('commit')
  if (row?.late) {
    return {
      name,
      ok: false,
      detail: `not done for more than a day: ${row.late.join(', ')}`,
      remedies: ['keep a sensei serve running, or install pg_cron'],
    }
  }
  const last = row?.last?.toISOString()
  return well(name, last === undefined ? 'nothing was due yet' : `last at ${last}`)
}

/** SQL does not know the disk: only a server on this machine shows it, to those who may see where its data lies. */
async function disk(client: Client, host: string): Promise<Finding> {
  const name = 'control plane disk'
  const [row] = await ask<{ size: string; folder: string | null }>(
    client,
    `select pg_size_pretty(pg_database_size(current_database())) as size,
       (select setting from pg_settings where name = 'data_directory') as folder`,
  )
  const size = `the database has ${row?.size}`
  const local = ['localhost', '127.0.0.1', '::1'].includes(host)
  const shown = local && row?.folder ? await statfs(row.folder).catch(() => null) : null
  if (shown === null) return well(name, `${size}; its server's free disk is not visible from here`)
  const free = shown.bavail * shown.bsize
  const detail = `${size}, its disk ${(free / 1024 ** 3).toFixed(1)} GiB free`
  if (free >= FREE_BYTES_MIN) return well(name, detail)
  return { name, ok: false, detail, remedies: ["free some space on the control plane's disk"] }
}

async function ask<R extends object>(client: Client, sql: string): Promise<R[]> {
  return (await client.query<R>(sql)).rows
}
