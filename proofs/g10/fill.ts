/**
 * A row for an organization in every table where the pillar's own code has left none (those of webhooks and consumers, and
 * of whatever is added later): references from the parent's rows, a text that says whose it is, something for the rest.
 */
import { randomUUID } from 'node:crypto'
import type { Client } from '@sensei/postgres/door/connection'

interface Wanted {
  readonly name: string
  readonly type: string
  readonly required: boolean
}

interface Reference {
  readonly parent: string
  readonly columns: readonly string[]
  readonly keys: readonly string[]
}

const PASSES = 3

/** The names of those that stayed empty. */
export async function fill(admin: Client, orgId: string, mark: string): Promise<readonly string[]> {
  let empty = await emptyTables(admin, orgId)
  for (let pass = 0; pass < PASSES && empty.length > 0; pass++) {
    for (const table of empty) await tryRow(admin, table, orgId, mark)
    empty = await emptyTables(admin, orgId)
  }
  return empty
}

async function emptyTables(admin: Client, orgId: string): Promise<string[]> {
  const { rows } = await admin.query<{ name: string }>(
    `select c.oid::regclass::text as name from pg_class c join pg_attribute a on a.attrelid = c.oid and attname = 'org_id'
     where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relispartition order by 1`,
  )
  const empty: string[] = []
  for (const { name } of rows) {
    const found = await admin.query(`select from ${name} where org_id = $1 limit 1`, [orgId])
    if (found.rowCount === 0) empty.push(name)
  }
  return empty
}

async function tryRow(admin: Client, table: string, orgId: string, mark: string): Promise<void> {
  const row = new Map<string, unknown>([['org_id', orgId]])
  for (const { parent, columns, keys } of await referencesOf(admin, table)) {
    const own = keys.indexOf('org_id')
    const condition = own < 0 ? '' : ` where org_id = '${orgId}'`
    const { rows } = await admin.query(`select * from ${parent}${condition} limit 1`)
    for (const [at, column] of columns.entries())
      if (column !== 'org_id') row.set(column, rows[0]?.[keys[at] ?? ''])
  }
  for (const { name, type, required } of await columnsOf(admin, table))
    if (required && !row.has(name)) row.set(name, something(name, type, mark))
  const names = [...row.keys()]
  const places = names.map((_, at) => `$${at + 1}`)
  await admin
    .query(`insert into ${table} (${names.join(', ')}) values (${places.join(', ')})`, [
      ...row.values(),
    ])
    .catch(() => undefined)
}

function something(name: string, type: string, mark: string): unknown {
  if (name === 'url') return `https://${mark}.example`
  if (type === 'uuid') return randomUUID()
  if (type === 'text[]') return [mark]
  if (type.startsWith('json')) return JSON.stringify({ mark })
  if (type === 'bytea') return Buffer.from(mark.padEnd(32, '.')).subarray(0, 32)
  if (type.startsWith('timestamp') || type === 'date') return new Date()
  if (type === 'boolean') return true
  return /int|numeric|double/.test(type) ? 10 : mark
}

async function columnsOf(admin: Client, table: string): Promise<readonly Wanted[]> {
  const { rows } = await admin.query<Wanted>(
    `select attname as name, format_type(atttypid, null) as type, attnotnull and not atthasdef as required
     from pg_attribute where attrelid = $1::regclass and attnum > 0 and not attisdropped and attgenerated = ''`,
    [table],
  )
  return rows
}

async function referencesOf(admin: Client, table: string): Promise<readonly Reference[]> {
  const { rows } = await admin.query<Reference>(
    `select confrelid::regclass::text as parent,
       (select json_agg(attname order by at) from unnest(conkey) with ordinality k (n, at)
        join pg_attribute on attrelid = conrelid and attnum = n) as columns,
       (select json_agg(attname order by at) from unnest(confkey) with ordinality k (n, at)
        join pg_attribute on attrelid = confrelid and attnum = n) as keys
     from pg_constraint where contype = 'f' and conrelid = $1::regclass`,
    [table],
  )
  return rows
}
