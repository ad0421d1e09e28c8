/** Mutants of a sample of the target's rows, in a transaction that is rolled back whatever happens. */
import { randomBytes } from 'node:crypto'
import { SenseiError } from '@sensei/core/errors'
import { comparedColumns, type TableMapping } from '@sensei/core/plan'
import type { Mutation, TargetMutator } from '@sensei/core/ports/mutator'
import type { CanonicalBatch } from '@sensei/core/ports/witness'
import { quoteIdent, quoteLiteral, quoteQualified } from '@sensei/core/sql'
import type { Client } from 'pg'
import { openClient } from '../connection.ts'
import type { ConnectionSettings } from '../settings.ts'
import { type CatalogueColumn, type CatalogueTable, readCatalogue } from './catalogue.ts'
import { OPERATORS } from './mutations.ts'
import { catalogued, scanTable } from './scan.ts'

/** Rows of a sample are not large: a mutant is scanned as a whole. */
const SAMPLE_BYTES_MAX = 4 * 1024 * 1024

export async function openMutator(
  settings: ConnectionSettings,
  schema: string,
): Promise<TargetMutator> {
  const client = await openClient(settings, 'self-test')
  const scratch = `sensei_scratch_${randomBytes(6).toString('hex')}`
  try {
    await client.query('set row_security = off; begin')
    await client.query(`create schema ${quoteIdent(scratch)}`)
  } catch (cause) {
    await client.end().catch(() => undefined)
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
      const { rowCount } = await this.#client.query(
        `create table ${this.#name(table)} as select ${columns.join(', ')} from ${quoteQualified(this.#schema, table.target)}
         where ${small} < ${SAMPLE_BYTES_MAX / 4} limit ${rows}`,
      )
      this.#sampled = (await readCatalogue(this.#client, this.#scratch, table.target))[0] ?? null
      await this.#client.query('savepoint mutant')
      return rowCount ?? 0
    } catch (error) {
      await this.#client.query('rollback to savepoint sample')
      this.#sampled = null
      await this.#client.query('release savepoint sample')
      throw error
    }
  }

  async mutations(table: TableMapping): Promise<readonly Mutation[]> {
    const whole = ['drop', 'double'].map((operator) => ({ operator, column: null }))
    const single = comparedColumns(table).flatMap(({ target }) => {
      const names = Object.keys(OPERATORS[catalogued(this.#table(), target).tag])
      return ['null', 'swap', ...names].map((operator) => ({ operator, column: target }))
    })
    return [...whole, ...single]
  }

  async apply(table: TableMapping, mutation: Mutation, choice: number): Promise<boolean | null> {
    const name = this.#name(table)
    const { rows } = await this.#client.query<{ at: string }>(
      `select ctid::text as at from ${name} order by ctid offset floor(${choice} * (select count(*) from ${name}))::int limit 2`,
    )
    const [first, second] = rows
    if (first === undefined) return null
    const at = `ctid = ${quoteLiteral(first.at)}::pg_catalog.tid`
    try {
      switch (mutation.operator) {
        case 'drop':
          return (await this.#client.query(`delete from ${name} where ${at}`)).rowCount === 1
        case 'double':
          return (
            (await this.#client.query(`insert into ${name} select * from ${name} where ${at}`))
              .rowCount === 1
          )
        case 'swap':
          return second === undefined
            ? null
            : await this.#swap(name, mutation, [first.at, second.at])
        default:
          return await this.#change(name, mutation, at)
      }
    } catch {
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
      range: null,
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
  ): Promise<boolean | null> {
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
    const changed = await this.#client.query<{ different: boolean }>(
      `with old as (select ${cell} as v from ${name} where ${at})
       update ${name} set ${cell} = $1::text::${column.type} where ${at}
       returning (select v from old)${comparison(column)} is distinct from ${cell}${comparison(column)} as different`,
      [after],
    )
    return changed.rows[0]?.different ?? null
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
    const pair = `${name} l, ${name} r where l.ctid = '${one}' and r.ctid = '${two}'`
    const { rows } = await this.#client.query<{ different: boolean }>(
      `select (${differs([column])}) and (${differs(columns.filter((each) => each !== column))}) as different from ${pair}`,
    )
    if (rows[0]?.different !== true) return null
    await this.#client.query(
      `update ${name} x set ${cell} = y.v from (select l.ctid as at, r.${cell} as v from ${pair} union all select r.ctid, l.${cell} from ${pair}) y
       where x.ctid = y.at`,
    )
    return true
  }

  #name(table: TableMapping): string {
    return quoteQualified(this.#scratch, table.target)
  }

  #table(): CatalogueTable {
    if (this.#sampled === null) throw new SenseiError('INTERNAL', 'there is no sample yet')
    return this.#sampled
  }
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
