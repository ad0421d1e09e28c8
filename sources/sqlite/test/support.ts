/** Real SQLite files for the tests, and the way from a reader into a real PostgreSQL. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { pipeline } from 'node:stream/promises'
import type { ColumnMapping, TableMapping } from '@sensei/core/plan'
import type { ChunkLimits, SourceReader, UnfitRow } from '@sensei/core/ports/source'
import type { Snapshot } from '@sensei/core/snapshot'
import type { Survey } from '@sensei/core/survey'
import { Client } from 'pg'
import { from as copyFrom } from 'pg-copy-streams'
import { openSqliteSource } from '../source.ts'

export interface Folder {
  readonly path: string
  file(name: string): string
  remove(): void
}

export function temporaryFolder(): Folder {
  const path = mkdtempSync(join(tmpdir(), 'sensei-sqlite-'))
  return {
    path,
    file: (name) => join(path, name),
    remove: () => rmSync(path, { recursive: true, force: true }),
  }
}

let files = 0

/** A database file made by the callback; the path. */
export function makeDatabase(
  folder: Folder,
  build: string | ((database: DatabaseSync) => void),
): string {
  files += 1
  const path = folder.file(`source-${files}.db`)
  const database = new DatabaseSync(path)
  try {
    if (typeof build === 'string') database.exec(build)
    else build(database)
  } finally {
    database.close()
  }
  return path
}

export const calm = { signal: new AbortController().signal, onProgress: () => undefined }

export async function snapshotOf(folder: Folder, path: string): Promise<Snapshot> {
  const source = await openSqliteSource(`sqlite:${path}`)
  const snapshot = await source.takeSnapshot(folder.file('copies'), calm)
  return { ...snapshot, notes: await source.checkSnapshot(snapshot, calm.signal) }
}

export async function surveyOf(
  folder: Folder,
  path: string,
  options: { include?: string[]; exclude?: string[] } = {},
): Promise<Survey> {
  const source = await openSqliteSource(`sqlite:${path}`)
  const surveyor = await source.openSurveyor(await source.takeSnapshot(folder.file('copies'), calm))
  try {
    return await surveyor.survey({ include: [], exclude: [], ...calm, ...options })
  } finally {
    await surveyor.close()
  }
}

export function column(
  source: string,
  type: string,
  conversion: ColumnMapping['conversion'],
  more: Partial<ColumnMapping> = {},
): ColumnMapping {
  return {
    source,
    target: source,
    type,
    conversion,
    fidelity: 'exact',
    unfit: 'reject',
    nullable: true,
    default: null,
    identity: null,
    generated: null,
    ...more,
  }
}

export function mapping(
  source: string,
  columns: readonly ColumnMapping[],
  more: Partial<TableMapping> = {},
): TableMapping {
  return {
    source,
    target: source,
    rows: 100,
    bytes: 10_000,
    bytes_max: 1_000,
    columns,
    key: null,
    primary_key: null,
    uniques: [],
    indexes: [],
    foreign_keys: [],
    checks: [],
    hostile: false,
    ...more,
  }
}

export const CHUNK: ChunkLimits = { rowsMax: 65_536, bytesMax: 64 * 1024 * 1024 }

export interface Loaded {
  readonly rows: number
  readonly chunks: number
  readonly unfit: readonly (UnfitRow & { readonly chunk: number; readonly key: string })[]
}

/** Reads all chunks and copies them into `table`, which the target must already have. */
export async function load(
  reader: SourceReader,
  table: TableMapping,
  client: Client,
  limits: ChunkLimits = CHUNK,
): Promise<Loaded> {
  const unfit: (UnfitRow & { chunk: number; key: string })[] = []
  let rows = 0
  let chunks = 0
  async function* bytes() {
    yield Buffer.from('PGCOPY\n\u00ff\r\n\0\0\0\0\0\0\0\0\0', 'latin1')
    for await (const chunk of reader.chunks(table, limits)) {
      chunks += 1
      for await (const batch of reader.read(table, chunk)) {
        rows += batch.rows
        for (const row of batch.unfit) {
          const { key } = await reader.raw(table, chunk, row.ordinal)
          unfit.push({ ...row, chunk: chunk.number, key })
        }
        // The reader may reuse its buffer.
        yield Buffer.from(batch.bytes)
      }
    }
    yield Buffer.from([0xff, 0xff])
  }
  const columns = table.columns.map(({ target }) => `"${target.replaceAll('"', '""')}"`).join(', ')
  const target = `"${table.target.replaceAll('"', '""')}"`
  const copy = client.query(copyFrom(`copy ${target} (${columns}) from stdin (format binary)`))
  await pipeline(bytes, copy)
  return { rows, chunks, unfit }
}

export async function connected(url: string): Promise<Client> {
  const client = new Client({ connectionString: url })
  await client.connect()
  return client
}
