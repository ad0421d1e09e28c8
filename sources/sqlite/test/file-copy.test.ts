/** The copy of the file itself: nobody can write to it meanwhile, and whoever does it all the same is noticed. */
import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  appendFileSync,
  closeSync,
  copyFileSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  utimesSync,
} from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, expect, test } from 'vitest'
import { identityOf, openLocked } from '../file-copy.ts'
import { openSqliteSource } from '../source.ts'
import { calm, makeDatabase, temporaryFolder } from './support.ts'

const folder = temporaryFolder()
afterAll(() => folder.remove())

const ROWS = 5_000

/** About 5 MB: a handful of parts. Rows and the counter are written in one transaction. */
function counted(rows = ROWS): string {
  return makeDatabase(
    folder,
    `create table t (a, b); create table counter (n);
     insert into t with recursive n(i) as (select 1 union all select i + 1 from n limit ${rows}) select i, randomblob(1000) from n;
     insert into counter values (${rows})`,
  )
}

/** A program of somebody's that writes as SQLite does; true when its commit went through. */
function writes(path: string): boolean {
  const script = `const { DatabaseSync } = require('node:sqlite')
    const db = new DatabaseSync(${JSON.stringify(path)}, { timeout: 0 })
    db.exec('pragma cache_size = 1; begin immediate; delete from t where a <= 10; update counter set n = n - 10; update t set b = randomblob(1000); commit')`
  const { status, stderr } = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' })
  if (status !== 0) expect(stderr).toContain('database is locked')
  return status === 0
}

const digest = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex')

/** What SQLite says about a copy: sound, and rows and counter of one transaction. */
function rowsIn(path: string): number {
  const copy = new DatabaseSync(path, { readOnly: true })
  try {
    expect(copy.prepare('pragma integrity_check').get()).toEqual({ integrity_check: 'ok' })
    const { rows, n } = copy
      .prepare('select count(*) as rows, (select n from counter) as n from t')
      .get() as { rows: number; n: number }
    expect(rows).toBe(n)
    return rows
  } finally {
    copy.close()
  }
}

test('a writer waits for the end of the copy, which is the file byte for byte', async () => {
  const path = counted()
  const before = digest(path)
  const source = await openSqliteSource(`sqlite:${path}`)
  const wrote: boolean[] = []
  const onProgress = (): void => {
    wrote.push(writes(path))
  }
  const snapshot = await source.takeSnapshot(folder.file('quiet'), { ...calm, onProgress })
  expect(wrote.length).toBeGreaterThan(3)
  expect(wrote).not.toContain(true)
  expect(digest(snapshot.location)).toBe(before)
  expect(snapshot.sha256).toBe(before)
  expect(rowsIn(snapshot.location)).toBe(ROWS)
  expect(writes(path), 'the lock is given back').toBe(true)
})

test('control: a descriptor of the source closed in this process gives its lock away', async () => {
  const path = counted()
  const source = await openSqliteSource(`sqlite:${path}`)
  const wrote: boolean[] = []
  const onProgress = (): void => {
    closeSync(openSync(path, 'r'))
    if (!wrote.includes(true)) wrote.push(writes(path))
  }
  await source.takeSnapshot(folder.file('control'), { ...calm, onProgress }).catch(() => undefined)
  expect(wrote).toContain(true)
})

test('a file that changes although it is locked is not taken as it is: SQLite copies it', async () => {
  // More than one step of a backup.
  const path = counted(10_000)
  const source = await openSqliteSource(`sqlite:${path}`)
  const steps: number[] = []
  const onProgress = (done: number): void => {
    steps.push(done)
    if (steps.length === 1) utimesSync(path, 1, 1)
  }
  const snapshot = await source.takeSnapshot(folder.file('touched'), { ...calm, onProgress })
  const begunAgain = steps.some((done, at) => at > 0 && done < steps[at - 1]!)
  expect(begunAgain).toBe(true)
  expect(rowsIn(snapshot.location)).toBe(10_000)
  expect(digest(snapshot.location)).toBe(snapshot.sha256)
})

test('a file that grew without a lock is not taken as it is', async () => {
  const path = counted()
  const source = await openSqliteSource(`sqlite:${path}`)
  let grown = false
  const onProgress = (): void => {
    if (!grown) appendFileSync(path, Buffer.alloc(4096))
    grown = true
  }
  const snapshot = await source.takeSnapshot(folder.file('grown'), { ...calm, onProgress })
  expect(rowsIn(snapshot.location)).toBe(ROWS)
})

test('only the very file that SQLite has locked is copied, and never one in WAL mode', () => {
  const path = counted()
  const other = folder.file('other.db')
  copyFileSync(path, other)
  const expected = identityOf(path)
  const stands = (database: DatabaseSync): boolean | null => {
    database.exec('begin; select count(*) from sqlite_schema')
    const file = openLocked(database, path, expected)
    database.close()
    if (file !== null) closeSync(file.descriptor)
    return file?.stands ?? null
  }
  expect(stands(new DatabaseSync(path, { readOnly: true }))).toBe(true)
  const locked = new DatabaseSync(path, { readOnly: true })
  renameSync(other, path)
  expect(stands(locked)).toBe(false)
  const wal = new DatabaseSync(path)
  wal.exec('pragma journal_mode = wal')
  expect(stands(wal)).toBe(null)
})

test('copies of one file in one process do not take each other the lock away', async () => {
  const path = counted()
  const source = await openSqliteSource(`sqlite:${path}`)
  const wrote: boolean[] = []
  const onProgress = (): void => {
    wrote.push(writes(path))
  }
  const taken = await Promise.all(
    ['one', 'two'].map((name) => source.takeSnapshot(folder.file(name), { ...calm, onProgress })),
  )
  expect(wrote).not.toContain(true)
  expect(taken[0]!.sha256).toBe(taken[1]!.sha256)
})

test('a process killed in the middle of the copy leaves nothing under a final name', async () => {
  const path = counted()
  const directory = folder.file('killed')
  const script = `const { openSqliteSource } = await import(${JSON.stringify(join(import.meta.dirname, '../source.ts'))})
    const source = await openSqliteSource(${JSON.stringify(`sqlite:${path}`)})
    const onProgress = (done) => { if (done > 2_000_000) process.kill(process.pid, 'SIGKILL') }
    await source.takeSnapshot(${JSON.stringify(directory)}, { signal: new AbortController().signal, onProgress })`
  expect(() =>
    execFileSync(process.execPath, ['--input-type=module', '-e', script], { stdio: 'ignore' }),
  ).toThrow()
  expect(readdirSync(directory)).toEqual([expect.stringMatching(/\.partial$/)])
  const source = await openSqliteSource(`sqlite:${path}`)
  const snapshot = await source.takeSnapshot(directory, calm)
  expect(readdirSync(directory)).toHaveLength(1)
  expect(rowsIn(snapshot.location)).toBe(ROWS)
})

test('a disk that takes no more ends the copy by an error that can be told, never the process', () => {
  const path = counted()
  const script = `const { openSqliteSource } = await import(${JSON.stringify(join(import.meta.dirname, '../source.ts'))})
    const source = await openSqliteSource(${JSON.stringify(`sqlite:${path}`)})
    const calm = { signal: new AbortController().signal, onProgress: () => undefined }
    let told = 0
    for (let turn = 0; turn < 20; turn += 1)
      await source.takeSnapshot(${JSON.stringify(folder.file('full'))}, calm).catch(() => { told += 1 })
    console.log(told)`
  // Which of the read and the write fails first is chance, so it is tried often.
  const limited = `ulimit -f 2000; exec "$0" --input-type=module -e "$1"`
  const { stdout, stderr } = spawnSync('bash', ['-c', limited, process.execPath, script], {
    encoding: 'utf8',
  })
  expect(stderr).toBe('')
  expect(stdout.trim()).toBe('20')
  expect(readdirSync(folder.file('full'))).toEqual([])
})
