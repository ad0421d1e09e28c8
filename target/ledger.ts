/** Rows of schema `sensei`: what is in, what was refused, what was created. */
import type { Receipt, Reject, StepKind } from '@sensei/core/receipt'
import type { ManifestEntry, Run, SetAside, TargetLedger } from '@sensei/core/ports/target'
import { targetError } from './refusal.ts'
import { hasSenseiSchema, SENSEI_TABLES, schemaLock } from './sensei-schema.ts'
import type { Session } from './session.ts'
import { restoreEverything, suspendedOf } from './suspended.ts'

export interface Step {
  readonly name: string
  readonly kind: StepKind
  readonly table: string | null
}

export interface Counts {
  readonly rowsRead: number
  readonly rowsWritten: number
  readonly rowsRejected: number
}

export const NO_ROWS: Counts = { rowsRead: 0, rowsWritten: 0, rowsRejected: 0 }

interface LedgerRow {
  readonly migration_id: string
  readonly table_name: string | null
  readonly step: string
  readonly kind: StepKind
  readonly rows_read: string
  readonly rows_written: string
  readonly rows_rejected: string
  readonly snapshot: string
  readonly epoch: string
}

interface RejectRow {
  readonly ordinal: string
  readonly table_name: string
  readonly step: string
  readonly key: string
  readonly column_name: string | null
  readonly code: string
  readonly reason: string
  readonly raw: Reject['raw']
}

const LEDGER_COLUMNS = `migration_id, table_name, step, kind, rows_read, rows_written,
  rows_rejected, snapshot, epoch`
const pageRows = 1_000
/** A rejected row is kept whole, so it may be large. */
const rejectPageRows = 50

/** False when the ledger has the step already. Waits for a transaction that is just writing it. */
export async function insertStep(session: Session, run: Run, step: Step): Promise<boolean> {
  const { rowCount } = await session.query(
    `insert into sensei.ledger (migration_id, step, kind, table_name, snapshot, epoch)
     values ($1, $2, $3, $4, $5, $6) on conflict do nothing`,
    [run.migrationId, step.name, step.kind, step.table, run.snapshot, run.epoch],
  )
  return rowCount === 1
}

export async function finishStep(
  session: Session,
  run: Run,
  step: Step,
  counts: Counts,
): Promise<Receipt> {
  const { rows } = await session.query<LedgerRow>(
    `update sensei.ledger set rows_read = $3, rows_written = $4, rows_rejected = $5,
       finished_at = clock_timestamp()
     where migration_id = $1 and step = $2 returning ${LEDGER_COLUMNS}`,
    [run.migrationId, step.name, counts.rowsRead, counts.rowsWritten, counts.rowsRejected],
  )
  return toReceipt(rows[0] as LedgerRow)
}

/** As `insertStep`, of many at once; returns the names of those that the ledger did not have. */
export async function insertSteps(
  session: Session,
  run: Run,
  steps: readonly Step[],
): Promise<ReadonlySet<string>> {
  const { rows } = await session.query<{ step: string }>(
    `insert into sensei.ledger (migration_id, step, kind, table_name, snapshot, epoch)
     select $1, step, kind, table_name, $2, $3
     from unnest($4::text[], $5::text[], $6::text[]) as new (step, kind, table_name)
     order by step on conflict do nothing returning step`,
    [
      run.migrationId,
      run.snapshot,
      run.epoch,
      steps.map((step) => step.name),
      steps.map((step) => step.kind),
      steps.map((step) => step.table),
    ],
  )
  return new Set(rows.map((row) => row.step))
}

export async function finishSteps(
  session: Session,
  run: Run,
  steps: readonly Step[],
  counts: readonly Counts[],
): Promise<void> {
  await session.query(
    `update sensei.ledger l set rows_read = new.read, rows_written = new.written,
       rows_rejected = new.rejected, finished_at = clock_timestamp()
     from unnest($2::text[], $3::bigint[], $4::bigint[], $5::bigint[])
       as new (step, read, written, rejected)
     where l.migration_id = $1 and l.step = new.step`,
    [
      run.migrationId,
      steps.map((step) => step.name),
      counts.map((count) => count.rowsRead),
      counts.map((count) => count.rowsWritten),
      counts.map((count) => count.rowsRejected),
    ],
  )
}

/** Their receipts in the same order; null when any of them is not in. */
export async function findSteps(
  session: Session,
  migrationId: string,
  steps: readonly Step[],
): Promise<readonly Receipt[] | null> {
  const { rows } = await session.query<LedgerRow>(
    `select ${LEDGER_COLUMNS} from sensei.ledger where migration_id = $1 and step = any ($2::text[])`,
    [migrationId, steps.map((step) => step.name)],
  )
  const found = new Map(rows.map((row) => [row.step, toReceipt(row)]))
  const receipts = steps.flatMap((step) => found.get(step.name) ?? [])
  return receipts.length === steps.length ? receipts : null
}

export async function findStep(
  session: Session,
  migrationId: string,
  step: string,
): Promise<Receipt | null> {
  const { rows } = await session.query<LedgerRow>(
    `select ${LEDGER_COLUMNS} from sensei.ledger where migration_id = $1 and step = $2`,
    [migrationId, step],
  )
  return rows[0] === undefined ? null : toReceipt(rows[0])
}

/** A text that PostgreSQL can hold: what cannot be in a key's text anyway is shown, not stored. */
function storable(text: string): string {
  return text.replaceAll('\0', '\\0').toWellFormed()
}

export interface NumberedReject extends Reject {
  readonly ordinal: number
}

export async function keepReject(
  session: Session,
  migrationId: string,
  reject: NumberedReject,
): Promise<void> {
  await session.query(
    `insert into sensei.reject
       (migration_id, step, ordinal, table_name, key, column_name, code, reason, raw)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
    [
      migrationId,
      reject.step,
      reject.ordinal,
      reject.table,
      storable(reject.key),
      reject.column,
      reject.code,
      storable(reject.reason),
      JSON.stringify(reject.raw),
    ],
  )
}

export async function addToManifest(
  session: Session,
  run: Run,
  ...entries: readonly ManifestEntry[]
): Promise<void> {
  await session.query(
    `insert into sensei.manifest (migration_id, oid, kind, name)
     select $1, new.oid::oid, new.kind, new.name
     from unnest($2::bigint[], $3::text[], $4::text[]) as new (oid, kind, name)`,
    [
      run.migrationId,
      entries.map((entry) => entry.oid),
      entries.map((entry) => entry.kind),
      entries.map((entry) => entry.name),
    ],
  )
}

function toReceipt(row: LedgerRow): Receipt {
  return {
    migrationId: row.migration_id,
    table: row.table_name,
    step: row.step,
    kind: row.kind,
    rowsRead: Number(row.rows_read),
    rowsWritten: Number(row.rows_written),
    rowsRejected: Number(row.rows_rejected),
    snapshot: row.snapshot,
    epoch: Number(row.epoch),
  }
}

function toReject(row: RejectRow): Reject {
  return {
    table: row.table_name,
    step: row.step,
    key: row.key,
    column: row.column_name,
    code: row.code,
    reason: row.reason,
    raw: row.raw,
  }
}

/** Reads and cleans through connections that `open` makes and this closes. */
export class Ledger implements TargetLedger {
  private readonly open: () => Promise<Session>

  constructor(open: () => Promise<Session>) {
    this.open = open
  }

  async *receipts(migrationId: string, tables?: readonly string[]): AsyncIterable<Receipt> {
    const pages = this.pages<LedgerRow>((session, last) =>
      session.query<LedgerRow>(
        `select ${LEDGER_COLUMNS} from sensei.ledger
         where migration_id = $1 and ($2::text is null or step > $2)
           and ($3::text[] is null or table_name = any ($3))
         order by step limit ${pageRows}`,
        [migrationId, last?.step ?? null, tables ?? null],
      ),
    )
    for await (const row of pages) yield toReceipt(row)
  }

  async *rejects(migrationId: string): AsyncIterable<Reject> {
    const pages = this.pages<RejectRow>((session, last) =>
      session.query<RejectRow>(
        `select ordinal, table_name, step, key, column_name, code, reason, raw from sensei.reject
         where migration_id = $1 and ($2::text is null or (step, ordinal) > ($2, $3::bigint))
         order by step, ordinal limit ${rejectPageRows}`,
        [migrationId, last?.step ?? null, last?.ordinal ?? null],
      ),
    )
    for await (const row of pages) yield toReject(row)
  }

  async manifest(migrationId: string): Promise<readonly ManifestEntry[]> {
    return this.using('reading the manifest', async (session) => {
      if (!(await hasSenseiSchema(session))) return []
      const { rows } = await session.query<{ oid: string; kind: string; name: string }>(
        `select oid::bigint::text as oid, kind, name from sensei.manifest
         where migration_id = $1 order by created_at, oid`,
        [migrationId],
      )
      return rows.map(({ oid, kind, name }) => ({ oid: Number(oid), kind, name }))
    })
  }

  async setAside(migrationId: string): Promise<readonly SetAside[]> {
    return this.using('reading what is set aside', async (session) => {
      if (!(await hasSenseiSchema(session))) return []
      const all = await suspendedOf(session, migrationId, null)
      return all.map(({ kind, table, name }) => ({ kind, table, name }))
    })
  }

  async clean(migrationId: string): Promise<readonly SetAside[]> {
    return this.using('cleaning schema sensei', async (session) => {
      await session.query('begin')
      await session.query(schemaLock)
      const broken = (await hasSenseiSchema(session)) ? await removeRows(session, migrationId) : []
      await session.query('commit')
      return broken
    })
  }

  /** Keyset pages, so that a table of any size is read in bounded memory and no transaction stays open. */
  private async *pages<R extends object>(
    page: (session: Session, last: R | null) => Promise<{ rows: R[] }>,
  ): AsyncIterable<R> {
    const session = await this.open()
    try {
      if (!(await hasSenseiSchema(session))) return
      let last: R | null = null
      do {
        const { rows }: { rows: R[] } = await page(session, last)
        yield* rows
        last = rows.at(-1) ?? null
      } while (last !== null)
    } catch (error) {
      throw targetError(error, 'reading schema sensei')
    } finally {
      await session.close()
    }
  }

  private async using<T>(doing: string, body: (session: Session) => Promise<T>): Promise<T> {
    const session = await this.open()
    try {
      return await body(session)
    } catch (error) {
      throw targetError(error, doing)
    } finally {
      await session.close()
    }
  }
}

async function removeRows(session: Session, migrationId: string): Promise<readonly SetAside[]> {
  const broken = await restoreEverything(session, migrationId)
  for (const table of SENSEI_TABLES) {
    await session.query(`delete from sensei.${table} where migration_id = $1`, [migrationId])
  }
  const left = SENSEI_TABLES.map((table) => `exists (select from sensei.${table})`)
  const { rows } = await session.query<{ used: boolean }>(
    `select ${left.join(' or ')} or exists (
       select from pg_class where relnamespace = 'sensei'::regnamespace and relkind <> 'i'
         and relname <> all ($1::text[])
     ) or exists (select from pg_proc where pronamespace = 'sensei'::regnamespace) as used`,
    [SENSEI_TABLES],
  )
  if (rows[0]?.used !== false) return broken
  for (const table of SENSEI_TABLES) await session.query(`drop table sensei.${table}`)
  await session.query('drop schema sensei')
  return broken
}
