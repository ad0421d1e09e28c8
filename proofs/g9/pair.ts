/** A pair of databases with equal content, filled by this proof itself: neither reader nor loader of the product is used. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { ColumnMapping, Plan, TableMapping } from '@sensei/core/plan'
import type { Snapshot } from '@sensei/core/snapshot'
import { quoteIdent } from '@sensei/core/sql'
import type { Client } from 'pg'
import { type Kind, KINDS, type Random, type Value } from './values.ts'

export interface Pair {
  readonly plan: Plan
  readonly snapshot: Snapshot
  readonly folder: string
  remove(): void
}

export interface Shape {
  readonly tables: number
  readonly rows: number
}

export async function makePair(client: Client, random: Random, shape: Shape): Promise<Pair> {
  const folder = mkdtempSync(path.join(tmpdir(), 'sensei-g9-'))
  const location = path.join(folder, 'source.db')
  const database = new DatabaseSync(location)
  database.exec('begin')
  const tables: TableMapping[] = []
  for (let number = 0; number < shape.tables; number += 1) {
    tables.push(await makeTable(client, database, { number, random, rows: shape.rows }))
  }
  database.exec('commit')
  database.close()
  return {
    folder,
    plan: planOf(tables),
    snapshot: {
      kind: 'private copy',
      name: path.basename(folder),
      sha256: null,
      takenAt: new Date(0).toISOString(),
      location,
      notes: [],
    },
    remove: () => rmSync(folder, { recursive: true }),
  }
}

interface TableRequest {
  readonly number: number
  readonly random: Random
  readonly rows: number
}

/** Every third table has no key, every third one of text and number; together they have every kind of column. */
async function makeTable(
  client: Client,
  database: DatabaseSync,
  { number, random, rows }: TableRequest,
): Promise<TableMapping> {
  const name = `t${number}`
  const kinds = Array.from(
    { length: 8 },
    (_, place) => KINDS[(number * 8 + place) % KINDS.length] as Kind,
  )
  const columns = kinds.map((kind, place) => columnOf(`c${place}`, kind))
  const id = columnOf('id', KINDS[0] as Kind)
  const tag = columnOf('tag', KINDS.find(({ type }) => type === 'text') as Kind)
  const key = [['id'], null, ['tag', 'id']][number % 3] ?? null
  const all = [...columns.slice(0, 4), tag, id, ...columns.slice(4)]
  const list = all.map(({ target }) => quoteIdent(target)).join(', ')
  // No declared types: SQLite must store each value as it comes.
  database.exec(`create table ${name} (${list})`)
  await client.query(
    `create table ${name} (${all.map(({ target, type }) => `${quoteIdent(target)} ${type}`).join(', ')})`,
  )
  const marks = all.map(() => '?').join(', ')
  const insert = database.prepare(`insert into ${name} values (${marks})`)
  for (let row = 0; row < rows; row += 1) {
    const values = all.map(({ target }): Value => {
      if (target === 'id') return { stored: BigInt(row), expected: String(row) }
      if (target === 'tag') return { stored: `key ${row % 7} é`, expected: `key ${row % 7} é` }
      const kind = kinds[Number(target.slice(1))] as Kind
      return random() < 0.1 ? { stored: null, expected: null } : kind.make(random)
    })
    insert.run(...values.map(({ stored }) => stored))
    const parameters = values.map((_, place) => `$${place + 1}`).join(', ')
    await client.query(
      `insert into ${name} values (${parameters})`,
      values.map(({ expected }) => expected),
    )
  }
  return tableOf(name, all, key, rows)
}

function columnOf(name: string, kind: Kind): ColumnMapping {
  return {
    source: name,
    target: name,
    type: kind.type,
    conversion: kind.conversion,
    fidelity: 'exact',
    ...(kind.formats === undefined ? {} : { formats: kind.formats }),
    unfit: 'reject',
    nullable: true,
    default: null,
    identity: null,
    generated: null,
  }
}

function tableOf(
  name: string,
  columns: readonly ColumnMapping[],
  key: readonly string[] | null,
  rows: number,
): TableMapping {
  const nothing = {
    primary_key: null,
    uniques: [],
    indexes: [],
    foreign_keys: [],
    checks: [],
    hostile: true,
  }
  return {
    source: name,
    target: name,
    rows,
    bytes: rows * 400,
    bytes_max: 4000,
    columns,
    key,
    ...nothing,
  }
}

function planOf(tables: readonly TableMapping[]): Plan {
  return {
    plan_version: 1,
    source: { engine: 'sqlite', url: 'sqlite:proof', schema_fingerprint: '' },
    target: { schema: 'public' },
    append: false,
    tables,
    views: [],
    skipped: [],
    converted: [],
    losses: [],
    findings: [],
  }
}
