/**
 * How a SQLite file is opened: never written, never trusted. A schema can hold code (triggers, views, generated
 * columns, virtual tables); with trusted_schema off it reaches no function that has an effect, defensive mode keeps
 * shadow tables shut, and extensions cannot be loaded.
 */
import { statSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { SenseiError } from '@sensei/core/errors'

/** Longer than any lock that a writer holds for one transaction of sane size. */
const BUSY_TIMEOUT_MS = 10_000

/** Result codes of SQLite (their low byte), and two extended ones. */
const SQLITE_ERROR = 1
const SQLITE_PERM = 3
const SQLITE_BUSY = 5
const SQLITE_CORRUPT = 11
const SQLITE_CANTOPEN = 14
const SQLITE_NOTADB = 26
const SQLITE_READONLY_RECOVERY = 264
const SQLITE_READONLY_ROLLBACK = 776

export interface OpenOptions {
  /**
   * Reads "x" as a text where no column has that name, as old schemas want it. Only for looking at their views:
   * a reader must fail on a column that is not there.
   */
  readonly doubleQuotedTexts?: boolean
  /** How many KiB of pages SQLite keeps. */
  readonly cacheKb?: number
}

/** Enough for the inner pages of a search at random. */
const CACHE_KB = 16_000

export function openReadOnly(path: string, options: OpenOptions = {}): DatabaseSync {
  refuseWhatIsNoFile(path)
  return describingErrors(path, () => {
    const database = new DatabaseSync(path, {
      readOnly: true,
      enableForeignKeyConstraints: false,
      enableDoubleQuotedStringLiterals: options.doubleQuotedTexts ?? false,
      allowExtension: false,
      timeout: BUSY_TIMEOUT_MS,
    })
    try {
      database.enableDefensive(true)
      database.exec(
        `pragma trusted_schema = off; pragma query_only = on; pragma cache_size = -${options.cacheKb ?? CACHE_KB}`,
      )
      // The first read of the file: what is no database is found here, not in the middle of the work.
      database.prepare('select count(*) from sqlite_schema').get()
      return database
    } catch (error) {
      database.close()
      throw error
    }
  })
}

/** Runs SQLite, and says what its error codes mean for the person who owns the file. */
export function describingErrors<T>(path: string, run: () => T): T {
  try {
    return run()
  } catch (error) {
    throw describe(path, error)
  }
}

export function describe(path: string, error: unknown): unknown {
  const code = sqliteCode(error)
  if (code === null) return error
  const [kind, message] = explain(path, code)
  if (kind === null) return error
  return new SenseiError(kind, message, { cause: error, details: { path, sqlite: code } })
}

/** SQLite's extended result code of an error that node:sqlite threw. */
export function sqliteCode(error: unknown): number | null {
  if (!(error instanceof Error) || !('errcode' in error)) return null
  return typeof error.errcode === 'number' ? error.errcode : null
}

/** SQL that cannot be run here: it names a column, a function or a collation that only its application has. */
export function isSqlError(error: unknown): boolean {
  const code = sqliteCode(error)
  return code !== null && (code & 0xff) === SQLITE_ERROR
}

type Explanation = readonly [SenseiError['code'] | null, string]

function explain(path: string, code: number): Explanation {
  if (code === SQLITE_READONLY_ROLLBACK || code === SQLITE_READONLY_RECOVERY) {
    return [
      'SOURCE_HOT_JOURNAL',
      `${path} has a hot journal: a writer died in the middle of a transaction. Open it once with its application or with the sqlite3 shell, so that SQLite rolls it back, and try again`,
    ]
  }
  switch (code & 0xff) {
    case SQLITE_NOTADB:
      return ['SOURCE_NOT_A_DATABASE', `${path} is encrypted or is not a SQLite database`]
    case SQLITE_CORRUPT:
      return ['SOURCE_CORRUPT', `${path} is damaged: SQLite cannot read all of it`]
    case SQLITE_BUSY:
      return [
        'SOURCE_BUSY',
        `${path} is locked by a writer for more than ${BUSY_TIMEOUT_MS / 1000} s`,
      ]
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
      return [
        'SOURCE_UNREACHABLE',
        `${path} cannot be opened for reading, or the files beside it (-wal, -shm) cannot`,
      ]
    default:
      return [null, '']
  }
}

function refuseWhatIsNoFile(path: string): void {
  const found = statSync(path, { throwIfNoEntry: false })
  if (found === undefined) throw new SenseiError('FILE_NOT_FOUND', `there is no file ${path}`)
  if (found.isDirectory()) {
    throw new SenseiError('SOURCE_NOT_A_DATABASE', `${path} is a directory, not a SQLite database`)
  }
  if (!found.isFile()) {
    throw new SenseiError('SOURCE_NOT_A_DATABASE', `${path} is not a regular file`)
  }
  // SQLite takes a file of 0 bytes for an empty database; a person who names one made a mistake.
  if (found.size === 0) {
    throw new SenseiError(
      'SOURCE_NOT_A_DATABASE',
      `${path} is empty (0 bytes), not a SQLite database`,
    )
  }
}
