/**
 * The copy of a file itself, hashed as it passes: one reading instead of a backup by pages and a digest.
 *
 * In rollback-journal mode a writer changes the file, or its length, only under an EXCLUSIVE lock, also when its cache
 * spills before it commits; while a transaction of ours holds its SHARED lock nobody gets one, so all bytes are of one
 * point in time. (A hot journal was refused when that lock was taken.) In WAL mode a checkpoint may write meanwhile: there
 * SQLite's backup is asked.
 *
 * The lock is POSIX's: a process loses all its locks on a file when it closes any descriptor of it. So the descriptor
 * is closed after the transaction, and copies in one process take turns.
 */
import { createHash } from 'node:crypto'
import { fstatSync, openSync, read, readSync, statfsSync, statSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import type { DatabaseSync } from 'node:sqlite'
import { promisify } from 'node:util'
import type { SnapshotOptions } from '@sensei/core/ports/source'

const PART_BYTES = 1024 * 1024

/** Bytes 18 and 19 of the header: 1 = rollback journal, 2 = write-ahead log. */
export const JOURNAL_MODE_OFFSET = 18

/** Those of Linux whose locks and reads are the kernel's own: ext, xfs, btrfs, zfs, f2fs, tmpfs, overlay, bcachefs. */
const LOCAL_FILE_SYSTEMS: ReadonlySet<number> = new Set([
  0xef53, 0x58465342, 0x9123683e, 0x2fc12fc1, 0xf2f52010, 0x01021994, 0x794c7630, 0xca451a4e,
])

const readAt = promisify(read)

export interface FileIdentity {
  readonly dev: bigint
  readonly ino: bigint
}

/** Asked before SQLite opens the path: what stands there when it is copied must be the same file. */
export function identityOf(path: string): FileIdentity {
  return statSync(path, { bigint: true })
}

export interface LockedFile {
  /** To be closed after the transaction. */
  readonly descriptor: number
  /** False where the file may change under the lock, or is another one than `source` has locked. */
  readonly stands: boolean
}

/** Null where locks or reads are not the kernel's own. */
export function openLocked(
  source: DatabaseSync,
  path: string,
  expected: FileIdentity,
): LockedFile | null {
  if (process.platform !== 'linux' || !LOCAL_FILE_SYSTEMS.has(statfsSync(path).type)) return null
  const { journal_mode: mode } = source.prepare('pragma journal_mode').get() as {
    journal_mode: string
  }
  if (mode === 'wal') return null
  const descriptor = openSync(path, 'r')
  const { dev, ino } = fstatSync(descriptor, { bigint: true })
  const header = Buffer.alloc(2)
  readSync(descriptor, header, 0, 2, JOURNAL_MODE_OFFSET)
  const rollback = header[0] === 1 && header[1] === 1
  return { descriptor, stands: rollback && dev === expected.dev && ino === expected.ino }
}

/**
 * The SHA-256 of what was copied to `partial`, which is not flushed yet; null when somebody wrote to the file all the same,
 * without SQLite's locks: then `partial` is of no use.
 */
export async function copyLocked(
  descriptor: number,
  partial: string,
  options: SnapshotOptions,
): Promise<string | null> {
  const before = fstatSync(descriptor, { bigint: true })
  const output = await open(partial, 'wx', 0o600)
  try {
    const sha256 = await pump(descriptor, output, Number(before.size), options)
    const after = fstatSync(descriptor, { bigint: true })
    return after.size === before.size && after.mtimeNs === before.mtimeNs ? sha256 : null
  } finally {
    await output.close()
  }
}

/** Reads a part while the one before it is hashed and written. */
async function pump(
  descriptor: number,
  output: FileHandle,
  size: number,
  { signal, onProgress }: SnapshotOptions,
): Promise<string | null> {
  const hash = createHash('sha256')
  const rooms = [Buffer.allocUnsafeSlow(PART_BYTES), Buffer.allocUnsafeSlow(PART_BYTES)] as const
  const readPart = (number: number) =>
    awaitedLater(readAt(descriptor, rooms[number % 2]!, 0, PART_BYTES, number * PART_BYTES))
  let reading = readPart(0)
  let writing: Promise<unknown> = Promise.resolve()
  try {
    for (let number = 0, done = 0; done < size; number += 1) {
      signal.throwIfAborted()
      const { bytesRead } = await reading
      if (bytesRead < Math.min(PART_BYTES, size - done)) return null
      await writing
      const part = rooms[number % 2]!.subarray(0, Math.min(bytesRead, size - done))
      reading = readPart(number + 1)
      writing = awaitedLater(writeAll(output, part, done))
      hash.update(part)
      done += part.length
      onProgress(done, size)
    }
    await writing
    return hash.digest('hex')
  } finally {
    // The caller closes both files: nothing may be under way in them.
    await Promise.allSettled([reading, writing])
  }
}

/** One that fails while another one is awaited would otherwise end the process. */
function awaitedLater<T>(work: Promise<T>): Promise<T> {
  work.catch(() => undefined)
  return work
}

async function writeAll(output: FileHandle, part: Buffer, at: number): Promise<void> {
  for (let done = 0; done < part.length; ) {
    const { bytesWritten } = await output.write(part, done, part.length - done, at + done)
    done += bytesWritten
  }
}
