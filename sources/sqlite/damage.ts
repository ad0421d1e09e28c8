/** Whether a file can be read reliably, by SQLite's own check of it. */
import type { DatabaseSync } from 'node:sqlite'
import { quoteIdent } from '@sensei/core/sql'
import { isSqlError, openReadOnly } from './open.ts'

export interface Damage {
  readonly damage: readonly string[]
  /** Tables that could not be checked, with the reason. */
  readonly unchecked: readonly string[]
}

/** What the thread of check-thread.ts says: an error of SQLite as its code, which does not travel with an Error. */
export type CheckAnswer = Damage | { readonly message: string; readonly errcode: number | null }

export function findDamageOf(path: string): Damage {
  const database = openReadOnly(path)
  try {
    return findDamage(database)
  } finally {
    database.close()
  }
}

function findDamage(database: DatabaseSync): Damage {
  try {
    return { damage: quickCheck(database, '100'), unchecked: [] }
  } catch (error) {
    if (!isSqlError(error)) throw error
  }
  // One definition stops the whole check: then table by table.
  const tables = database.prepare(`select name from sqlite_schema where type = 'table'`)
  const damage: string[] = []
  const unchecked: string[] = []
  for (const { name } of tables.all() as { name: string }[]) {
    try {
      damage.push(...quickCheck(database, quoteIdent(name)))
    } catch (error) {
      if (!isSqlError(error)) throw error
      unchecked.push(`the pages of table ${name} were not checked: ${(error as Error).message}`)
    }
  }
  return { damage, unchecked }
}

function quickCheck(database: DatabaseSync, argument: string): readonly string[] {
  const check = database.prepare(`pragma quick_check(${argument})`)
  check.setReturnArrays(true)
  const lines = (check.all() as unknown as string[][]).map(([line]) => line ?? '')
  return lines.filter((line) => line !== 'ok' && !ABOUT_ROWS.test(line))
}

/**
 * quick_check also reports rows that break NOT NULL, CHECK or STRICT: such rows are data, which the survey and the
 * load deal with. Everything else is a file that cannot be read reliably.
 */
const ABOUT_ROWS =
  /^(NULL value in |CHECK constraint failed in |non-(\w+) value in |(TEXT|NUMERIC|INTEGER|REAL|BLOB|NULL) value in )/
