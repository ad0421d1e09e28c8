/**
 * The private copy: one file that is the source at one point in time, read by every process of a migration.
 *
 * A transaction with one read is opened on the source before it is copied. It holds that point in time: the file itself
 * can then be copied (file-copy.ts), and a backup never restarts, however busy the writers are (without it, a backup
 * beside a busy writer never ends). The copy is written under a temporary name and renamed when it is complete. Whether it
 * is on the disk and can be read reliably is asked apart (`checkPrivateCopy`), because that takes as long as a survey, which
 * can run beside it. What a power cut leaves of a copy before that is told by its digest (`privateCopyLives`).
 */
import { createHash, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { closeSync, createReadStream, readdirSync, rmSync, statfsSync, statSync } from 'node:fs'
import { chmod, mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { backup, type DatabaseSync } from 'node:sqlite'
import { Worker } from 'node:worker_threads'
import { SenseiError } from '@sensei/core/errors'
import type { SnapshotOptions } from '@sensei/core/ports/source'
import type { Snapshot } from '@sensei/core/snapshot'
import { type CheckAnswer, type Damage, findDamageOf } from './damage.ts'
import {
  copyLocked,
  identityOf,
  JOURNAL_MODE_OFFSET,
  type LockedFile,
  openLocked,
} from './file-copy.ts'
import { describe, describingErrors, openReadOnly } from './open.ts'

const PREFIX = 'sqlite-'
const COMPLETE = '.copy'
const PARTIAL = '.partial'

/** Pages in one step of the backup: 8 MB at the usual page size, then the event loop and the abort signal have a turn. */
const PAGES_A_STEP = 2_000

/** Kept free on the disk beside the copy. */
const SPARE_BYTES = 64 * 1024 * 1024

const THREAD_BYTES_MIN = 16 * 1024 * 1024

export async function takePrivateCopy(
  path: string,
  directory: string,
  options: SnapshotOptions,
): Promise<Snapshot> {
  // Whatever is wrong with the source is said before anything is made.
  openReadOnly(path).close()
  await mkdir(directory, { recursive: true, mode: 0o700 })
  await chmod(directory, 0o700)
  sweep(directory)
  refuseWithoutRoom(path, directory)
  const name = `${PREFIX}${randomUUID()}`
  const partial = join(directory, `${name}.${process.pid}${PARTIAL}`)
  const location = join(directory, `${name}${COMPLETE}`)
  try {
    const sha256 = await inTurn(() => copy(path, partial, options))
    await rename(partial, location)
    return {
      kind: 'private copy',
      name: `${name}-${sha256.slice(0, 16)}`,
      sha256,
      takenAt: new Date().toISOString(),
      location,
      notes: [],
    }
  } catch (error) {
    await removeWithCompanions(partial)
    throw options.signal.aborted ? interrupted(options.signal) : describe(path, error)
  }
}

/**
 * Flushes it, and reads all of it by SQLite's own check. Throws SOURCE_CORRUPT where it cannot be read reliably, and what the
 * disk says where it cannot keep it; returns what could not be checked: a table whose definition needs functions or
 * collations that only its application has.
 */
export async function checkPrivateCopy(
  { location }: Snapshot,
  path: string,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const flushed = Promise.all([flush(location), flush(dirname(location))])
  const [{ damage, unchecked }] = await Promise.all([findDamage(location, path, signal), flushed])
  if (damage.length === 0) return unchecked
  throw new SenseiError('SOURCE_CORRUPT', `${path} is damaged: ${damage[0]}`, {
    details: { path, findings: damage },
  })
}

/** A large file on a thread of its own; for a small one that costs more than it saves. */
async function findDamage(location: string, path: string, signal: AbortSignal): Promise<Damage> {
  if (statSync(location).size < THREAD_BYTES_MIN) {
    return describingErrors(path, () => findDamageOf(location))
  }
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  const thread = new Worker(new URL(`./check-thread.${extension}`, import.meta.url), {
    workerData: { location },
  })
  try {
    const [answer] = (await once(thread, 'message', { signal })) as [CheckAnswer]
    if ('damage' in answer) return answer
    throw describe(path, Object.assign(new Error(answer.message), { errcode: answer.errcode }))
  } finally {
    await thread.terminate()
  }
}

/** True when the file is there and holds, byte for byte, what was recorded. */
export async function privateCopyLives(snapshot: Snapshot): Promise<boolean> {
  const found = statSync(snapshot.location, { throwIfNoEntry: false })
  if (found?.isFile() !== true) return false
  return (await digest(snapshot.location)) === snapshot.sha256
}

export async function dropPrivateCopy(snapshot: Snapshot): Promise<void> {
  await removeWithCompanions(snapshot.location)
}

/** A copy that ends would take away the lock of one that still runs. */
let turn: Promise<unknown> = Promise.resolve()

function inTurn<T>(work: () => Promise<T>): Promise<T> {
  const result = turn.then(work)
  turn = result.catch(() => undefined)
  return result
}

/** Returns the SHA-256 of the copy. */
async function copy(path: string, partial: string, options: SnapshotOptions): Promise<string> {
  const expected = identityOf(path)
  const source = openReadOnly(path)
  let file: LockedFile | null = null
  try {
    holdPointInTime(source)
    options.signal.throwIfAborted()
    file = openLocked(source, path, expected)
    if (file?.stands === true) {
      const sha256 = await copyLocked(file.descriptor, partial, options)
      if (sha256 !== null) return sha256
      await rm(partial)
    }
    await backUp(source, partial, options)
  } finally {
    source.close()
    // In this order: see file-copy.ts.
    if (file !== null) closeSync(file.descriptor)
  }
  return digest(partial, options.signal)
}

async function backUp(
  source: DatabaseSync,
  partial: string,
  options: SnapshotOptions,
): Promise<void> {
  const { page_size: pageBytes } = source.prepare('pragma page_size').get() as { page_size: number }
  await backup(source, partial, {
    rate: PAGES_A_STEP,
    progress: ({ totalPages, remainingPages }) => {
      // Thrown here it ends the backup.
      options.signal.throwIfAborted()
      options.onProgress((totalPages - remainingPages) * pageBytes, totalPages * pageBytes)
    },
  })
  await chmod(partial, 0o600)
  await standAlone(partial)
}

function holdPointInTime(source: DatabaseSync): void {
  source.exec('begin')
  source.prepare('select count(*) from sqlite_schema').get()
}

/** A copy of a database in WAL mode says so in its header, and its readers would keep files beside it. */
async function standAlone(partial: string): Promise<void> {
  const file = await open(partial, 'r+')
  try {
    await file.write(Uint8Array.of(1, 1), 0, 2, JOURNAL_MODE_OFFSET)
  } finally {
    await file.close()
  }
}

function refuseWithoutRoom(path: string, directory: string): void {
  const needed = statSync(path).size + walSize(path) + SPARE_BYTES
  const { bavail, bsize } = statfsSync(directory)
  const free = bavail * bsize
  if (free >= needed) return
  throw new SenseiError(
    'DISK_SPACE',
    `the private copy of ${path} needs ${needed} bytes in ${directory}, where ${free} are free; set SENSEI_DATA_DIR to a larger disk`,
    { details: { needed, free, directory } },
  )
}

function walSize(path: string): number {
  return statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0
}

/** Removes the half-made copies of processes that are no longer there. */
function sweep(directory: string): void {
  for (const entry of readdirSync(directory)) {
    const owner = new RegExp(`^${PREFIX}.*\\.(\\d+)\\${PARTIAL}`).exec(entry)?.[1]
    if (owner !== undefined && !isAlive(Number(owner)))
      rmSync(join(directory, entry), { force: true })
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

async function digest(path: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256')
  const options = { highWaterMark: 1024 * 1024, ...(signal && { signal }) }
  for await (const part of createReadStream(path, options)) hash.update(part as Buffer)
  return hash.digest('hex')
}

async function flush(path: string): Promise<void> {
  const file = await open(path, 'r')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}

async function removeWithCompanions(path: string): Promise<void> {
  for (const suffix of ['', '-journal', '-wal', '-shm'])
    await rm(`${path}${suffix}`, { force: true })
  await flush(dirname(path)).catch(() => undefined)
}

function interrupted(signal: AbortSignal): SenseiError {
  return new SenseiError('INTERRUPTED', 'the private copy was interrupted; nothing of it is left', {
    cause: signal.reason,
  })
}
