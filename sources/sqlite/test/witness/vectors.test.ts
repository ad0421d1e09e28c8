import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { cellEnd } from '@sensei/core/canonical/cells'
import type { TableMapping } from '@sensei/core/plan'
import type { Snapshot } from '@sensei/core/snapshot'
import { afterAll, describe, expect, test } from 'vitest'
import { openSqliteWitness } from '../../witness/witness.ts'

interface Vector {
  readonly conversion: string
  readonly type: string
  readonly class: 'null' | 'integer' | 'real' | 'text' | 'blob'
  readonly value: string | null
  readonly formats?: readonly string[]
  readonly fidelity?: string
  readonly canonical: string | null
}

const vectors = (
  JSON.parse(
    readFileSync(new URL('../../../../docs/canonical-vectors.json', import.meta.url), 'utf8'),
  ) as { sqlite: Vector[] }
).sqlite

const folder = mkdtempSync(join(tmpdir(), 'sensei-vectors-'))
afterAll(() => rmSync(folder, { recursive: true }))

function literal({ class: storage, value }: Vector): string {
  if (value === null) return 'null'
  if (storage === 'text') return `cast(x'${value}' as text)`
  return storage === 'blob' ? `x'${value}'` : value
}

/** One table for each vector: an id, and a column without a type, so that every cell keeps its storage class. */
function prepare(
  path: string,
  options: { encoding: string; withoutRowid: boolean; some: readonly Vector[] },
): Snapshot {
  const database = new DatabaseSync(path)
  database.exec(`pragma encoding = '${options.encoding}'; begin`)
  const shape = options.withoutRowid
    ? '(id integer primary key, v) without rowid'
    : '(id integer primary key, v)'
  options.some.forEach((vector, place) => {
    database.exec(`create table v${place} ${shape}`)
    const insert = `insert into v${place} values (1, `
    if (options.encoding === 'UTF-8' || vector.class !== 'text')
      database.exec(`${insert}${literal(vector)})`)
    else database.prepare(`${insert}?)`).run(Buffer.from(vector.value ?? '', 'hex').toString())
  })
  database.exec('commit')
  database.close()
  return { kind: 'private copy', name: path, sha256: null, takenAt: '', location: path, notes: [] }
}

function mapping(
  vector: Vector,
  place: number,
  options: { unfit: 'reject' | 'null'; bytesMax: number },
): TableMapping {
  const column = { generated: null, unfit: options.unfit, fidelity: vector.fidelity ?? 'exact' }
  return {
    source: `v${place}`,
    target: `v${place}`,
    rows: 1,
    bytes: 10,
    bytes_max: options.bytesMax,
    key: ['id'],
    columns: [
      {
        ...column,
        source: 'v',
        target: 'v',
        type: vector.type,
        conversion: vector.conversion,
        ...(vector.formats && { formats: vector.formats }),
      },
      { ...column, source: 'id', target: 'id', type: 'bigint', conversion: 'integer' },
    ],
  } as unknown as TableMapping
}

/** A table of a few rows is read in groups only where bounds are given. */
const BOUNDS = { from: String(-(2n ** 63n)), to: String(2n ** 63n - 1n) }

const ways = [
  { name: 'groups of rows', encoding: 'UTF-8', withoutRowid: false, bytesMax: 100 },
  { name: 'single rows', encoding: 'UTF-8', withoutRowid: true, bytesMax: 100 },
  { name: 'large values', encoding: 'UTF-8', withoutRowid: false, bytesMax: 2 ** 24 },
  { name: 'UTF-16, little endian', encoding: 'UTF-16le', withoutRowid: false, bytesMax: 100 },
  { name: 'UTF-16, big endian', encoding: 'UTF-16be', withoutRowid: true, bytesMax: 100 },
]

describe.each(ways)('$name', ({ name, encoding, withoutRowid, bytesMax }) => {
  // Bytes that are no text are other bytes in UTF-16.
  const some =
    encoding === 'UTF-8'
      ? vectors
      : vectors.filter(({ class: storage, value }) => storage !== 'text' || isText(value))

  test.each(['reject', 'null'] as const)(
    'every vector, where an unfit cell means: %s',
    async (unfit) => {
      const snapshot = prepare(join(folder, `${name} ${unfit}.db`), {
        encoding,
        withoutRowid,
        some,
      })
      const witness = await openSqliteWitness(snapshot)
      for (const [place, vector] of some.entries()) {
        const what = `${vector.conversion} into ${vector.type}: ${vector.class} ${vector.value}`
        const table = mapping(vector, place, { unfit, bytesMax })
        const ranges = await witness.split(table, 4)
        expect(ranges).toHaveLength(1)
        const seen = { bytes: Buffer.alloc(0), rows: 0, rejected: 0 }
        const range = name === 'groups of rows' ? BOUNDS : null
        for await (const batch of witness.scan(table, range)) {
          seen.bytes = Buffer.concat([seen.bytes, batch.bytes])
          seen.rows += batch.rows
          seen.rejected += batch.rejected
        }
        if (vector.canonical === null && unfit === 'reject' && seen.rows === 0) {
          expect(seen, what).toEqual({ bytes: Buffer.alloc(0), rows: 0, rejected: 1 })
          continue
        }
        const cell = seen.bytes.subarray(cellEnd(seen.bytes, 0))
        expect(seen.bytes.toString('latin1', 0, 4), what).toBe('i1:1')
        if (vector.canonical === null && unfit === 'reject' && leftToPostgres(vector)) continue
        expect(cell.toString('latin1'), what).toBe(
          vector.canonical === null ? 'n' : Buffer.from(vector.canonical, 'hex').toString('latin1'),
        )
      }
      await witness.close()
    },
  )
})

function isText(hex: string | null): boolean {
  const bytes = Buffer.from(hex ?? '', 'hex')
  return Buffer.from(bytes.toString('utf8')).equals(bytes)
}

/** What the fast path emits as it is, because PostgreSQL refuses it anyway. */
function leftToPostgres({ conversion, class: storage }: Vector): boolean {
  return storage === 'text' && (conversion === 'text' || conversion === 'json')
}

test('values that are fetched in pieces are whole', async () => {
  const path = join(folder, 'large.db')
  const database = new DatabaseSync(path)
  database.exec('create table t (id integer primary key, b, t)')
  const blob = Buffer.alloc(17 * 1024 * 1024, 'abcdefg')
  const text = 'é'.repeat(9 * 1024 * 1024)
  database.prepare('insert into t values (1, ?, ?)').run(blob, text)
  database.prepare('insert into t values (2, ?, null)').run(Buffer.from('small'))
  database.close()
  const column = { generated: null, unfit: 'reject', fidelity: 'exact' }
  const table = {
    source: 't',
    target: 't',
    rows: 2,
    bytes: 4e7,
    bytes_max: 4e7,
    key: ['id'],
    columns: [
      { ...column, source: 'id', target: 'id', type: 'bigint', conversion: 'integer' },
      { ...column, source: 'b', target: 'b', type: 'bytea', conversion: 'bytes' },
      { ...column, source: 't', target: 't', type: 'text', conversion: 'text' },
    ],
  } as unknown as TableMapping
  const witness = await openSqliteWitness({
    kind: 'private copy',
    name: path,
    sha256: null,
    takenAt: '',
    location: path,
    notes: [],
  })
  const seen: Buffer[] = []
  for await (const batch of witness.scan(table, (await witness.split(table, 1))[0] ?? null))
    seen.push(Buffer.from(batch.bytes))
  await witness.close()
  const expected = [
    `i1:1x${blob.length}:`,
    blob,
    `t${2 * text.length}:`,
    text,
    'i1:2x5:smalln',
  ].map((part) => Buffer.from(part))
  expect(Buffer.concat(seen).equals(Buffer.concat(expected))).toBe(true)
})
