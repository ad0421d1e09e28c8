/** Mutants of a sample of the target's rows, in a transaction that is rolled back whatever happens. */
import { randomBytes } from 'node:crypto'
import { isSenseiError, SenseiError } from '@sensei/core/errors'
import { comparedColumns, type TableMapping } from '@sensei/core/plan'
import type { Mutation, TargetMutator } from '@sensei/core/ports/mutator'
import type { CanonicalBatch } from '@sensei/core/ports/witness'
import { quoteIdent, quoteLiteral, quoteQualified } from '@sensei/core/sql'
import type { Client } from 'pg'
import { openClient } from '../connection.ts'
import type { ConnectionSettings } from '../settings.ts'
import { type CatalogueColumn, type CatalogueTable, readCatalogue } from './catalogue.ts'
import { OPERATORS } from './mutations.ts'
import { tellingLoss } from './lost.ts'
import { catalogued, scanTable } from './scan.ts'

/** Rows of a sample are not large: a mutant is scanned as a whole. */
const SAMPLE_BYTES_MAX = 4 * 1024 * 1024

const WHOLE_ROW: readonly string[] = ['drop', 'double']

export async function openMutator(
  settings: ConnectionSettings,
  schema: string,
): Promise<TargetMutator> {
  const client = tellingLoss(await openClient(settings, 'self-test'))
  const scratch = `sensei_scratch_${randomBytes(6).toString('hex')}`
  try {
    await client.query('set row_security = off; begin')
    await client.query(`create schema ${quoteIdent(scratch)}`)
  } catch (cause) {
    await client.end().catch(() => undefined)
    if (isSenseiError(cause)) throw cause
    throw new SenseiError('TARGET_PRIVILEGE_MISSING', 'no right to create a schema in the target', {
      cause,
    })
  }
  return new PostgresMutator(client, schema, scratch)
}

class PostgresMutator implements TargetMutator {
  readonly #client: Client
  readonly #schema: string
  readonly #scratch: string
  #sampled: CatalogueTable | null = null
  /** Where the rows of the sample are; a rollback leaves them there. */
  #places: readonly string[] = []
  #picked: readonly string[] = []
  /** Where a scan looks: a place is only ever added, so that no row is missed for want of a look. Null: everywhere. */
  #walked: readonly string[] | null = []

  constructor(client: Client, schema: string, scratch: string) {
    this.#client = client
    this.#schema = schema
    this.#scratch = scratch
  }

  async sample(table: TableMapping, rowsMax: number): Promise<number> {
    const average = Math.max(1, table.bytes / Math.max(1, table.rows))
    const rows = Math.max(2, Math.min(rowsMax, Math.floor(SAMPLE_BYTES_MAX / average)))
    const columns = comparedColumns(table).map(({ target }) => quoteIdent(target))
    const small =
      columns.map((column) => `coalesce(pg_column_size(${column}), 0)`).join(' + ') || '0'
    // The sample before goes, and its locks with it: there may be more tables than locks.
    await this.#client.query(
      this.#sampled === null ? 'savepoint sample' : 'rollback to savepoint sample',
    )
    try {
      await this.#client.query(
        `create table ${this.#name(table)} as select ${columns.join(', ')} from ${quoteQualified(this.#schema, table.target)}
         where ${small} < ${SAMPLE_BYTES_MAX / 4} limit ${rows}`,
      )
      this.#sampled = (await readCatalogue(this.#client, this.#scratch, table.target))[0] ?? null
      this.#places = await this.#placesOf(`select ctid from ${this.#name(table)} order by ctid`)
      await this.#client.query('savepoint mutant')
      return this.#places.length
    } catch (error) {
      await this.#client.query('rollback to savepoint sample')
      this.#sampled = null
      await this.#client.query('release savepoint sample')
      throw error
    }
  }

  async mutations(table: TableMapping): Promise<readonly Mutation[]> {
    const whole = WHOLE_ROW.map((operator) => ({ operator, column: null }))
    const single = comparedColumns(table).flatMap(({ target }) => {
      const names = Object.keys(OPERATORS[catalogued(this.#table(), target).tag])
      return ['null', 'swap', ...names].map((operator) => ({ operator, column: target }))
    })
    return [...whole, ...single]
  }

  pick(mutation: Mutation, choice: number): void {
    const first = Math.floor(choice * this.#places.length)
    this.#picked = this.#places.slice(first, first + 2)
    this.#walked = WHOLE_ROW.includes(mutation.operator) ? null : this.#picked
  }

  async apply(table: TableMapping, mutation: Mutation): Promise<boolean | null> {
    const name = this.#name(table)
    const [first, second] = this.#picked
    if (first === undefined) return null
    const at = placed(first)
    try {
      switch (mutation.operator) {
        case 'drop':
          return await this.#touches(`delete from ${name} where ${at}`)
        case 'double':
          return await this.#touches(`insert into ${name} select * from ${name} where ${at}`)
        case 'swap':
          return second === undefined ? null : await this.#swap(name, mutation, [first, second])
        default: {
          const changed = await this.#change(name, mutation, at)
          if (changed !== null) this.#walkAlso([changed.place])
          return changed?.different ?? null
        }
      }
    } catch (error) {
      if (isSenseiError(error)) throw error
      // The type does not accept the value, or it is too long: no mutant.
      return null
    }
  }

  async restore(): Promise<void> {
    await this.#client.query('rollback to savepoint mutant')
  }

  scan(table: TableMapping): AsyncIterable<CanonicalBatch> {
    return scanTable({
      client: this.#client,
      schema: this.#scratch,
      catalogue: this.#table(),
      table,
      range: this.#walked === null ? null : { places: this.#walked },
    })
  }

  /** Nothing was ever committed, so nothing is left. */
  async close(): Promise<void> {
    await this.#client.query('rollback').catch(() => undefined)
    await this.#client.end().catch(() => undefined)
  }

  async #change(
    name: string,
    { operator, column: target }: Mutation,
    at: string,
  ): Promise<{ different: boolean; place: string } | null> {
    const column = catalogued(this.#table(), target ?? '')
    const cell = quoteIdent(column.name)
    const { rows } = await this.#client.query<{ before: string | null }>(
      `select ${cell}::text as before from ${name} where ${at}`,
    )
    const before = rows[0]?.before ?? null
    const after =
      operator === 'null'
        ? whenNull(before, column)
        : before === null
          ? null
          : (OPERATORS[column.tag][operator]?.(before) ?? null)
    if (operator === 'null' ? after === before : after === null) return null
    // PostgreSQL reads the text, stores the value, and says whether it is another one.
    const changed = await this.#client.query<{ different: boolean; place: string }>(
      `with old as (select ${cell} as v from ${name} where ${at})
       update ${name} set ${cell} = $1::text::${column.type} where ${at}
       returning (select v from old)${comparison(column)} is distinct from ${cell}${comparison(column)} as different, ctid::text as place`,
      [after],
    )
    return changed.rows[0] ?? null
  }

  /** Two rows exchange a value. That is no change where the values, or all the others, are equal. */
  async #swap(
    name: string,
    { column: target }: Mutation,
    [one, two]: readonly [string, string],
  ): Promise<boolean | null> {
    const { columns } = this.#table()
    const column = catalogued(this.#table(), target ?? '')
    const differs = (some: readonly CatalogueColumn[]): string =>
      some
        .map(
          (each) =>
            `l.${quoteIdent(each.name)}${comparison(each)} is distinct from r.${quoteIdent(each.name)}${comparison(each)}`,
        )
        .join(' or ') || 'false'
    const cell = quoteIdent(column.name)
    const pair = `${name} l, ${name} r where ${placed(one, 'l.')} and ${placed(two, 'r.')}`
    const { rows } = await this.#client.query<{ different: boolean }>(
      `select (${differs([column])}) and (${differs(columns.filter((each) => each !== column))}) as different from ${pair}`,
    )
    if (rows[0]?.different !== true) return null
    const swapped = await this.#placesOf(
      `update ${name} x set ${cell} = y.v from (select l.ctid as at, r.${cell} as v from ${pair} union all select r.ctid, l.${cell} from ${pair}) y
       where x.ctid = y.at returning x.ctid`,
    )
    this.#walkAlso(swapped)
    return true
  }

  #walkAlso(places: readonly string[]): void {
    if (this.#walked !== null) this.#walked = [...this.#walked, ...places]
  }

  /** Whether the statement is done to one row. */
  async #touches(sql: string): Promise<boolean> {
    return (await this.#client.query(sql)).rowCount === 1
  }

  /** Of a statement whose one column is a ctid. */
  async #placesOf(sql: string): Promise<string[]> {
    const { rows } = await this.#client.query<[string]>({ text: sql, rowMode: 'array' })
    return rows.map(([place]) => place)
  }

  #name(table: TableMapping): string {
    return quoteQualified(this.#scratch, table.target)
  }

  #table(): CatalogueTable {
    if (this.#sampled === null) throw new SenseiError('INTERNAL', 'there is no sample yet')
    return this.#sampled
  }
}

function placed(place: string, of = ''): string {
  return `${of}ctid = ${quoteLiteral(place)}::pg_catalog.tid`
}

/** What a NULL turns into, and everything else into a NULL. An empty text is the neighbour that is most easily mistaken. */
function whenNull(before: string | null, column: CatalogueColumn): string | null {
  if (before !== null) return null
  return column.tag === 't'
    ? ''
    : column.tag === 'x'
      ? '\\x'
      : column.tag === 'i' || column.tag === 'd' || column.tag === 'f'
        ? '0'
        : null
}

/** Types without an equality are compared as text. */
function comparison(column: CatalogueColumn): string {
  return column.tag === 'j' || column.tag === 'p' ? '::text' : ''
}
