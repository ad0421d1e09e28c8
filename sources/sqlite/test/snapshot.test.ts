/** The private copy: of one point in time, complete or not there, and nothing of the source is touched. */
import { execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import {
  appendFileSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { backup, DatabaseSync } from 'node:sqlite'
import { afterAll, expect, test } from 'vitest'
import { openSqliteSource } from '../source.ts'
import { calm, makeDatabase, snapshotOf, surveyOf, temporaryFolder } from './support.ts'

const folder = temporaryFolder()
afterAll(() => folder.remove())

const digest = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex')

function big(rows: number): string {
  return `create table t (a, b); insert into t with recursive n(i) as (select 1 union all select i + 1 from n limit ${rows})
    select i, zeroblob(1000) from n`
}

test('a private copy is named by its hash, readable by its owner alone, and lives until it is dropped', async () => {
  const path = makeDatabase(folder, big(100))
  const before = digest(path)
  const source = await openSqliteSource(`sqlite:${path}`)
  const directory = folder.file('private')
  const snapshot = await source.takeSnapshot(directory, calm)
  expect(snapshot).toMatchObject({ kind: 'private copy', sha256: digest(snapshot.location) })
  expect(statSync(directory).mode & 0o777).toBe(0o700)
  expect(statSync(snapshot.location).mode & 0o077).toBe(0)
  expect(digest(path)).toBe(before)
  expect(await source.snapshotLives(snapshot)).toBe(true)
  await source.dropSnapshot(snapshot)
  await source.dropSnapshot(snapshot)
  expect(await source.snapshotLives(snapshot)).toBe(false)
  expect(readdirSync(directory)).toEqual([])
  await expect(source.openReader(snapshot)).rejects.toMatchObject({ code: 'SNAPSHOT_LOST' })
})

test('a copy that somebody changed by one byte is no longer that point in time', async () => {
  const path = makeDatabase(folder, big(100))
  const source = await openSqliteSource(`sqlite:${path}`)
  const snapshot = await snapshotOf(folder, path)
  appendFileSync(snapshot.location, 'x')
  expect(await source.snapshotLives(snapshot)).toBe(false)
})

async function busyDatabase(): Promise<{ path: string; stop: () => void }> {
  const path = makeDatabase(
    folder,
    `pragma journal_mode = wal; create table pairs(left_half, right_half, filler); create table counter(n);
    insert into counter values (0); ${big(20_000)}`,
  )
  const writer = spawn(process.execPath, [join(import.meta.dirname, 'busy-writer.ts'), path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(writer.stdout, 'data')
  return { path, stop: () => writer.kill('SIGKILL') }
}

test('a snapshot beside a writer that never rests ends, and is of one point in time', async () => {
  const { path, stop } = await busyDatabase()
  const source = await openSqliteSource(`sqlite:${path}`)
  const steps: number[] = []
  const onProgress = (done: number) => steps.push(done)
  const snapshot = await source.takeSnapshot(folder.file('busy'), { ...calm, onProgress })
  const rowsThen = countPairs(path)
  stop()
  expect(steps.length).toBeGreaterThan(1)
  expect(fallsBack(steps)).toBe(false)
  const copy = new DatabaseSync(snapshot.location, { readOnly: true })
  const halves = copy
    .prepare(
      'select count(*) as rows, sum(right_half is not left_half) as torn, (select n from counter) as counted from pairs',
    )
    .get() as { rows: number; torn: number | null; counted: number }
  copy.close()
  expect(halves.torn ?? 0).toBe(0)
  expect(halves.counted).toBe(halves.rows)
  expect(rowsThen, 'the writer went on meanwhile').toBeGreaterThan(halves.rows)
  expect(readdirSync(folder.file('busy')).length, 'no -wal beside the copy').toBe(1)
}, 60_000)

test('without the transaction that holds it, the same copy begins again and again', async () => {
  const { path, stop } = await busyDatabase()
  const source = new DatabaseSync(path, { readOnly: true })
  const steps: number[] = []
  const copied = backup(source, folder.file('restarting.db'), {
    rate: 200,
    progress: ({ totalPages, remainingPages }) => {
      steps.push(totalPages - remainingPages)
      if (fallsBack(steps)) throw new RangeError('seen enough')
    },
  })
  await expect(copied).rejects.toThrow('seen enough')
  stop()
  source.close()
  expect(fallsBack(steps)).toBe(true)
}, 60_000)

function fallsBack(steps: readonly number[]): boolean {
  return steps.some((done, at) => at > 0 && done < steps[at - 1]!)
}

function countPairs(path: string): number {
  const database = new DatabaseSync(path, { readOnly: true, timeout: 5_000 })
  const { rows } = database.prepare('select count(*) as rows from pairs').get() as { rows: number }
  database.close()
  return rows
}

test('an interrupted copy leaves nothing behind', async () => {
  const path = makeDatabase(folder, big(20_000))
  const source = await openSqliteSource(`sqlite:${path}`)
  const stop = new AbortController()
  const directory = folder.file('stopped')
  const taken = source.takeSnapshot(directory, {
    signal: stop.signal,
    onProgress: () => stop.abort(),
  })
  await expect(taken).rejects.toMatchObject({ code: 'INTERRUPTED' })
  expect(readdirSync(directory)).toEqual([])
})

test('the half-made copy of a process that died is removed, that of one that lives is not', async () => {
  const path = makeDatabase(folder, big(10))
  const directory = folder.file('swept')
  mkdirSync(directory)
  const dead = spawn(process.execPath, ['-e', ''])
  await once(dead, 'exit')
  writeFileSync(join(directory, `sqlite-x.${dead.pid}.partial`), 'half')
  writeFileSync(join(directory, `sqlite-x.${dead.pid}.partial-journal`), 'half')
  writeFileSync(join(directory, `sqlite-y.${process.ppid}.partial`), 'half')
  const source = await openSqliteSource(`sqlite:${path}`)
  await source.takeSnapshot(directory, calm)
  expect(readdirSync(directory).filter((name) => name.includes('partial'))).toEqual([
    `sqlite-y.${process.ppid}.partial`,
  ])
})

test('two names of one file are one database, two equal files are two', async () => {
  const path = makeDatabase(folder, big(1))
  symlinkSync(path, folder.file('symlink.db'))
  linkSync(path, folder.file('hardlink.db'))
  writeFileSync(folder.file('equal.db'), readFileSync(path))
  const identity = async (name: string) => (await openSqliteSource(`sqlite:${name}`)).identity()
  const own = await identity(path)
  expect(await identity(folder.file('symlink.db'))).toBe(own)
  expect(await identity(folder.file('hardlink.db'))).toBe(own)
  expect(await identity(`//${path}`)).toBe(own)
  expect(await identity(folder.file('equal.db'))).not.toBe(own)
})

test.skipIf(process.getuid?.() !== 0)(
  'a disk without room is named with the bytes that are needed, before anything is copied',
  async () => {
    const path = makeDatabase(folder, big(2_000))
    const directory = folder.file('small')
    mkdirSync(directory)
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', directory])
    try {
      const source = await openSqliteSource(`sqlite:${path}`)
      await expect(source.takeSnapshot(directory, calm)).rejects.toMatchObject({
        code: 'DISK_SPACE',
        details: { needed: expect.any(Number) as number },
      })
      expect(readdirSync(directory)).toEqual([])
    } finally {
      execFileSync('umount', [directory])
    }
  },
)

test('a definition that calls a function of its application stops only its own table', async () => {
  const path = makeDatabase(folder, (database) => {
    database.function('own', { deterministic: true }, (value: unknown) => Number(value !== null))
    database.exec(
      `create table t (a, b int as (own(a)) check (own(a))); insert into t values (1); create table u (a check (own(a) > 0)); insert into u values (1); create index i on u(own(a))`,
    )
  })
  const snapshot = await snapshotOf(folder, path)
  expect(snapshot.notes).toEqual([expect.stringContaining('table t')])
  await expect(surveyOf(folder, path)).rejects.toMatchObject({
    code: 'TABLE_FAILED',
    details: { table: 't' },
  })
  expect((await surveyOf(folder, path, { exclude: ['t'] })).tables).toMatchObject([
    { name: 'u', rows: 1 },
  ])
})

test('a collation of its application stops only the tables that are ordered by it', async () => {
  const path = makeDatabase(folder, (database) => {
    database.enableDefensive(false)
    database.exec(
      `create table t (a text collate nocase primary key) without rowid; insert into t values ('x');
       create table u (a text unique collate nocase, b references t(a)); insert into u values ('y', 'x');
       pragma writable_schema = on;
       update sqlite_schema set sql = replace(sql, 'nocase', 'own')`,
    )
  })
  const snapshot = await snapshotOf(folder, path)
  expect(snapshot.notes).toHaveLength(2)
  await expect(surveyOf(folder, path)).rejects.toMatchObject({
    code: 'TABLE_FAILED',
    message: expect.stringContaining('--exclude') as string,
    details: { table: 't' },
  })
  const [u] = (await surveyOf(folder, path, { exclude: ['t'] })).tables
  expect(u).toMatchObject({ name: 'u', rows: 1, foreignKeys: [{ orphans: null }] })
})

test('a source that a writer holds is busy, not broken', async () => {
  const path = makeDatabase(folder, 'create table t (a)')
  const writer = new DatabaseSync(path)
  writer.exec('begin exclusive')
  const source = await openSqliteSource(`sqlite:${path}`)
  await expect(source.takeSnapshot(folder.file('copies'), calm)).rejects.toMatchObject({
    code: 'SOURCE_BUSY',
    retryable: true,
  })
  writer.exec('rollback')
  writer.close()
  expect(await source.takeSnapshot(folder.file('copies'), calm)).toMatchObject({
    kind: 'private copy',
  })
}, 30_000)
