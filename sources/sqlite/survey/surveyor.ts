/** The scout's view of the private copy: every object, every column profiled by a full scan. */
import type { DatabaseSync } from 'node:sqlite'
import { SenseiError } from '@sensei/core/errors'
import type { SurveyOptions, Surveyor } from '@sensei/core/ports/source'
import { quoteIdent } from '@sensei/core/sql'
import type {
  Survey,
  SurveyColumn,
  SurveyKey,
  SurveyObject,
  SurveyTable,
} from '@sensei/core/survey'
import { assertScalarExpression } from '../expression.ts'
import { describe, isSqlError, openReadOnly } from '../open.ts'
import { condition, keySpaceOf, keyText, orderBy } from '../reader/key-space.ts'
import {
  type Catalogue,
  type CatalogueObject,
  isInternal,
  type KeyFacts,
  readCatalogue,
  type TableFacts,
  tableReader,
} from './catalogue.ts'
import { foreignKeyReader } from './foreign-keys.ts'
import { nameFilter } from './glob.ts'
import { ScanPool, type TableScan } from './scan-pool.ts'
import { type Position, type Problem, profileOf, type Tally } from './tally.ts'
import { viewReader } from './views.ts'

export function openSqliteSurveyor(location: string, url: string): Surveyor {
  return new SqliteSurveyor(location, url)
}

class SqliteSurveyor implements Surveyor {
  readonly #location: string
  readonly #url: string
  readonly #database: DatabaseSync
  readonly #pool: ScanPool

  constructor(location: string, url: string) {
    this.#location = location
    this.#url = url
    this.#database = openReadOnly(location)
    this.#pool = new ScanPool(location, this.#database)
  }

  async survey(options: SurveyOptions): Promise<Survey> {
    try {
      return await this.#survey(options)
    } catch (error) {
      if (options.signal.aborted) {
        throw new SenseiError('INTERRUPTED', 'the survey was interrupted', { cause: error })
      }
      throw describe(this.#location, error)
    }
  }

  async checkExpression(table: string, expression: string): Promise<void> {
    assertScalarExpression(this.#database, table, expression)
  }

  async close(): Promise<void> {
    await this.#pool.close()
    if (this.#database.isOpen) this.#database.close()
  }

  async #survey(options: SurveyOptions): Promise<Survey> {
    const catalogue = readCatalogue(this.#database)
    const wanted = nameFilter(options)
    const ordinary = catalogue.objects.filter((object) => isOrdinary(object, catalogue))
    const chosen = ordinary.filter(({ name }) => wanted(name))
    const encoding = this.#value('pragma encoding')
    const factsOf = tableReader(this.#database, catalogue)
    const names = new Map(ordinary.map(({ name }) => [name.toLowerCase(), name]))
    const foreignKeysOf = foreignKeyReader(this.#database, names)
    const tables: SurveyTable[] = []
    for (const [done, object] of chosen.entries()) {
      options.onProgress(object.name, done, chosen.length)
      options.signal.throwIfAborted()
      const facts = factsOf(object)
      try {
        const table = await this.#table(facts, catalogue, encoding, options.signal)
        tables.push({ ...table, foreignKeys: foreignKeysOf(facts) })
      } catch (error) {
        throw unreadable(object.name, error)
      }
    }
    const last = chosen.at(-1)
    if (last !== undefined) options.onProgress(last.name, chosen.length, chosen.length)
    return {
      engine: 'sqlite',
      version: this.#value('select sqlite_version()'),
      url: this.#url,
      encoding,
      schemaFingerprint: catalogue.fingerprint,
      tables,
      objects: this.#objects(catalogue, wanted),
    }
  }

  async #table(
    facts: TableFacts,
    catalogue: Catalogue,
    encoding: string,
    signal: AbortSignal,
  ): Promise<Omit<SurveyTable, 'foreignKeys'>> {
    const { definition, rowidColumn, ...table } = facts
    const from = quoteIdent(facts.name)
    const scan = await this.#pool.scan(
      {
        table: facts.name,
        columns: facts.columns.map(({ name, declared }) => ({
          name,
          jsonb: /jsonb/i.test(declared),
          numeric: isNumeric(declared),
        })),
        encoding,
      },
      signal,
    )
    const profiled = facts.columns.map((column, index): SurveyColumn => {
      const tally = scan.tallies[index]!
      return { ...column, profile: profileOf(tally, this.#examples(facts.name, scan, tally)) }
    })
    return {
      ...table,
      rows: scan.rows,
      bytesMax: scan.bytesMax,
      bytesTotal: scan.bytesTotal,
      columns: profiled,
      primaryKey: facts.primaryKey === null ? null : this.#key(from, facts.primaryKey, profiled),
      uniques: facts.uniques.map((key) => this.#key(from, key, profiled)),
      autoincrement: autoincrement(facts, catalogue, profiled),
    }
  }

  #key(from: string, key: KeyFacts, columns: readonly SurveyColumn[]): SurveyKey {
    const nullable = key.columns.filter((name) =>
      columns.some((column) => column.name === name && column.profile.census.null > 0),
    )
    if (nullable.length === 0) return { ...key, rowsWithNull: 0 }
    const holds = nullable.map((name) => `${quoteIdent(name)} is null`).join(' or ')
    return {
      ...key,
      rowsWithNull: Number(this.#value(`select count(*) from ${from} not indexed where ${holds}`)),
    }
  }

  /** Keys of rows that stand out, under the names that a message may want them by. */
  #examples(
    table: string,
    scan: TableScan,
    tally: Tally,
  ): Readonly<Record<string, readonly string[]>> {
    const found: Record<string, readonly string[]> = {}
    const add = (name: string, ...problems: readonly Problem[]): void => {
      const positions = problems.flatMap((problem) => tally.examples[problem] ?? []).slice(0, 3)
      if (positions.length > 0) found[name] = positions.map((at) => this.#keyAt(table, scan, at))
    }
    const classes = [tally.integer, tally.real, tally.text, tally.blob].filter((rows) => rows > 0)
    if (classes.length > 1) {
      if (tally.text > 0) add('mixed', 'integer', 'real', 'blob')
      if (tally.blob > 0) add('mixed-blob', 'text')
      if (tally.text > 0) add('text', 'text')
    }
    if (tally.nul > 0) add('nul', 'nul')
    if (tally.invalidUtf8 > 0) add('invalid-utf8', 'invalid-utf8')
    if (tally.dateless > 0 && tally.dateless < tally.text) add('dateless', 'dateless')
    if ((tally.formats['timestamp-zone'] ?? 0) > tally.timestampsUtc)
      add('timestamp-offset', 'timestamp-offset')
    add('date-formats-unified', 'date-formats-unified')
    return found
  }

  #keyAt(table: string, scan: TableScan, { range, ordinal }: Position): string {
    const keys = keySpaceOf(this.#database, table)
    if (keys.parts.length === 0) return `row ${ordinal + 1}`
    const { where, values } = condition(keys, scan.ranges[range]!)
    const statement = this.#database.prepare(
      `select ${keyText(keys)} from ${quoteIdent(table)} not indexed ${where} order by ${orderBy(keys)} limit 1 offset ?`,
    )
    statement.setReturnArrays(true)
    const row = statement.get(...values, ordinal) as unknown as [string] | undefined
    return row?.[0] ?? `row ${ordinal + 1}`
  }

  #objects(catalogue: Catalogue, wanted: (name: string) => boolean): readonly SurveyObject[] {
    const views = openReadOnly(this.#location, { doubleQuotedTexts: true })
    try {
      const named = catalogue.objects.filter(({ type }) => type === 'table' || type === 'view')
      const readView = viewReader(
        views,
        new Map(named.map(({ name }) => [name.toLowerCase(), name])),
      )
      return catalogue.objects.flatMap((object): SurveyObject[] => {
        if (object.type === 'view') return wanted(object.name) ? [readView(object)] : []
        const kind = kindOf(object, catalogue)
        if (kind === null || !wanted(kind === 'trigger' ? object.table : object.name)) return []
        const table = kind === 'trigger' ? object.table : null
        const { name, sql } = object
        const rows = kind === 'virtual table' ? this.#ownRows(name, catalogue) : 0
        const plain = { kind, name, table, sql, reads: null, broken: null }
        return [rows === 0 ? plain : { ...plain, rows }]
      })
    } finally {
      views.close()
    }
  }

  /**
   * Of a virtual table: full-text and R*Tree modules keep rows of their own in these shadows. An index of what stands
   * elsewhere has none. The module itself is not run.
   */
  #ownRows(name: string, catalogue: Catalogue): number {
    const shadows = ['content', 'rowid'].map((part) => `${name}_${part}`)
    const own = shadows.find((shadow) => catalogue.kinds.get(shadow)?.type === 'shadow')
    return own === undefined ? 0 : Number(this.#value(`select count(*) from ${quoteIdent(own)}`))
  }

  #value(sql: string): string {
    const statement = this.#database.prepare(sql)
    statement.setReturnArrays(true)
    const [value] = statement.get() as unknown as [unknown]
    return String(value)
  }
}

/** A generated column may call a function that only the application has, a key may be in an order of its own. */
function unreadable(table: string, error: unknown): unknown {
  if (!isSqlError(error)) return error
  const why = (error as Error).message
  const message = `table ${table} cannot be read without its application (${why}); leave it out with --exclude`
  return new SenseiError('TABLE_FAILED', message, { cause: error, details: { table } })
}

/** Columns that are declared as numbers, as SQLite itself decides it, without dates and their like, which are texts. */
function isNumeric(declared: string): boolean {
  if (/char|clob|text|blob/i.test(declared)) return false
  return /int|real|floa|doub|num|dec|bool/i.test(declared)
}

function isOrdinary(object: CatalogueObject, catalogue: Catalogue): boolean {
  return object.type === 'table' && kindOf(object, catalogue) === null
}

/** Null for what is carried as a table, and for indexes, which belong to their table. */
function kindOf(object: CatalogueObject, catalogue: Catalogue): SurveyObject['kind'] | null {
  if (object.type === 'trigger') return 'trigger'
  if (object.type !== 'table') return null
  if (isInternal(object.name)) return 'internal table'
  const type = catalogue.kinds.get(object.name)?.type
  if (type === 'shadow') return 'shadow table'
  return type === 'virtual' ? 'virtual table' : null
}

/** SQLite gives max + 1 to a row without a key, and with AUTOINCREMENT never a number that it gave before. */
function autoincrement(
  facts: TableFacts,
  catalogue: Catalogue,
  columns: readonly SurveyColumn[],
): SurveyTable['autoincrement'] {
  if (facts.rowidColumn === null) return null
  const max = columns.find(({ name }) => name === facts.rowidColumn)?.profile.integer?.max ?? '0'
  const given = facts.definition.autoincrement ? (catalogue.sequences.get(facts.name) ?? 0n) : 0n
  const last = BigInt(max) > given ? BigInt(max) : given
  return { column: facts.rowidColumn, next: String((last < 0n ? 0n : last) + 1n) }
}
