/** Whatever the bytes of a file are, a walk ends: with rows, or with SOURCE_CORRUPT. */
import { copyFileSync, openSync, closeSync, readFileSync, writeSync } from 'node:fs'
import { Random } from '@sensei/apps/demo/random'
import { SenseiError } from '@sensei/core/errors'
import { afterAll, expect, it } from 'vitest'
import { openReadOnly } from '../../open.ts'
import { layoutOf } from '../../pages/layout.ts'
import { PageFile } from '../../pages/page-file.ts'
import { treeCuts } from '../../pages/tree-cuts.ts'
import { openSqliteReader } from '../../reader/reader.ts'
import { scanPages } from '../../survey/page-scan.ts'
import { CHUNK, column, makeDatabase, mapping, temporaryFolder } from '../support.ts'
import { anyStored } from './values.ts'

const folder = temporaryFolder()
afterAll(() => folder.remove())

const SEED = Number(process.env['SENSEI_SEED'] ?? 20_261_123)
const ROUNDS = Number(process.env['SENSEI_RUNS'] ?? 100)
const NAMES = ['a', 'b', 'c'] as const

function sound(random: Random, pageBytes: number): string {
  return makeDatabase(folder, (database) => {
    database.exec(`pragma page_size = ${pageBytes}; vacuum; create table t (a, b text, c real)`)
    const insert = database.prepare('insert into t values (?, cast(? as text), ?)')
    database.exec('begin')
    for (let row = 0; row < 400; row += 1) {
      const [one, other] = [anyStored(random, 0), anyStored(random, 0)]
      insert.run(one.value, one.text ? one.value : 'text', other.text ? 1.5 : other.value)
    }
    database.exec('commit')
  })
}

async function outcomes(path: string): Promise<readonly unknown[]> {
  const found: unknown[] = []
  const trying = async (work: () => Promise<void> | void): Promise<void> => {
    try {
      await work()
    } catch (error) {
      found.push(error instanceof SenseiError ? error.code : error)
    }
  }
  const columns = [
    column('a', 'text', 'any-as-text'),
    column('b', 'text', 'text'),
    column('c', 'double precision', 'real', { unfit: 'null' }),
  ]
  const table = mapping('t', columns)
  await trying(async () => {
    const reader = openSqliteReader(path)
    try {
      for await (const chunk of reader.chunks(table, { ...CHUNK, rowsMax: 100 })) {
        for await (const batch of reader.read(table, chunk)) expect(batch.rows).toBeLessThan(1e5)
      }
    } finally {
      await reader.close()
    }
  })
  const database = openReadOnly(path)
  const file = PageFile.open(path)!
  const layout = layoutOf(database, 't', NAMES)!
  await trying(() => {
    const columnsOf = NAMES.map((name) => ({ name, numeric: false, jsonb: false }))
    const range = { after: null, through: null }
    const request = { table: 't', columns: columnsOf, encoding: 'UTF-8', number: 0, range }
    for (const rows of scanPages(file, layout, request)) expect(rows).toBeLessThan(1e6)
  })
  await trying(() => void treeCuts(file, layout.root, { partsMax: 4, bytesMin: 1 }))
  file.close()
  database.close()
  return found
}

it.each([512, 1024, 4096])(
  'bytes flipped in a file with pages of %i bytes',
  async (pageBytes) => {
    console.log(`seed ${SEED}`)
    const random = new Random(SEED + pageBytes)
    const path = sound(random, pageBytes)
    expect(await outcomes(path)).toEqual([])
    const original = readFileSync(path)
    const damaged = folder.file(`damaged-${pageBytes}.db`)
    let corrupt = 0
    for (let round = 0; round < ROUNDS; round += 1) {
      copyFileSync(path, damaged)
      const descriptor = openSync(damaged, 'r+')
      for (let flips = random.between(1, 4); flips > 0; flips -= 1) {
        const pages = original.length / pageBytes
        // The schema is SQLite's to read. The begin of a page has more that can break a walk.
        const page = random.between(1, pages - 1)
        const within = random.chance(0.6) ? random.below(40) : random.below(pageBytes)
        const byte = random.pick([0, 1, 5, 13, 127, 128, 255, random.below(256)] as const)
        writeSync(descriptor, Buffer.from([byte]), 0, 1, page * pageBytes + within)
      }
      closeSync(descriptor)
      const found = await outcomes(damaged)
      for (const code of found) expect(code).toBe('SOURCE_CORRUPT')
      corrupt += found.length
    }
    expect(corrupt).toBeGreaterThan(0)
  },
  240_000,
)
