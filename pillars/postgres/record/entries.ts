/** What a migration leaves behind beside its events: one insert and one select for each kind of entry. */
import { SenseiError } from '@sensei/core/errors'
import type { Plan } from '@sensei/core/plan'
import type {
  AgentEntry,
  ArchiveEntry,
  CertificateEntry,
  EntryKind,
  EntryOf,
  JournalEntry,
  PlanEntry,
  ReceiptEntry,
  VerificationEntry,
} from '@sensei/core/ports/journal'
import type { Role } from '@sensei/core/ports/tasks'
import type { Receipt } from '@sensei/core/receipt'
import type { Verdict, Verification } from '@sensei/core/verdict'
import { sql } from 'kysely'
import type { Tx } from '../door/door.ts'
import { typed } from '../door/typed.ts'

const RECEIPTS_PER_STATEMENT = 1_000

interface Of {
  readonly org_id: string
  readonly migration_id: string
}

export async function writeEntries(
  tx: Tx,
  orgId: string,
  migrationId: string,
  entries: readonly JournalEntry[],
): Promise<void> {
  const of: Of = { org_id: orgId, migration_id: migrationId }
  const receipts: Receipt[] = []
  for (const entry of entries) {
    if (entry.kind === 'receipt') receipts.push(entry.receipt)
    else await writeEntry(tx, of, entry)
  }
  await writeReceipts(tx, of, receipts)
}

async function writeEntry(
  tx: Tx,
  of: Of,
  entry: Exclude<JournalEntry, ReceiptEntry>,
): Promise<void> {
  switch (entry.kind) {
    case 'plan':
      return writePlan(tx, of, entry)
    case 'agent':
      return writeAgent(tx, of, entry)
    case 'verification':
      return writeVerification(tx, of, entry)
    case 'certificate':
      return writeCertificate(tx, of, entry)
    case 'archive':
      return writeArchive(tx, of, entry)
  }
}

export async function readEntries<K extends EntryKind>(
  tx: Tx,
  migrationId: string,
  kind: K,
): Promise<readonly EntryOf<K>[]> {
  const readers: { [E in EntryKind]: (tx: Tx, id: string) => Promise<readonly EntryOf<E>[]> } = {
    plan: readPlans,
    receipt: readReceipts,
    agent: readAgents,
    verification: readVerifications,
    certificate: readCertificates,
    archive: readArchive,
  }
  return readers[kind](tx, migrationId)
}

async function writePlan(tx: Tx, of: Of, entry: PlanEntry): Promise<void> {
  await typed(tx)
    .insertInto('plan')
    .values({ ...of, version: entry.version, hash: entry.hash, body: JSON.stringify(entry.plan) })
    .onConflict((conflict) => conflict.columns(['org_id', 'migration_id', 'version']).doNothing())
    .execute()
  const { hash } = await typed(tx)
    .selectFrom('plan')
    .select('hash')
    .where('migration_id', '=', of.migration_id)
    .where('version', '=', entry.version)
    .executeTakeFirstOrThrow()
  if (hash === entry.hash) return
  throw new SenseiError(
    'VERSION_CONFLICT',
    `plan version ${entry.version} exists with another content: read the plans again and take the next number`,
  )
}

async function readPlans(tx: Tx, migrationId: string): Promise<readonly PlanEntry[]> {
  const rows = await typed(tx)
    .selectFrom('plan')
    .select(['version', 'hash', 'body'])
    .where('migration_id', '=', migrationId)
    .orderBy('version')
    .execute()
  return rows.map(({ version, hash, body }) => ({
    kind: 'plan',
    version,
    hash,
    plan: body as unknown as Plan,
  }))
}

/**
 * The receipt of a step done again replaces the former one, as the ledger row did. Ten thousand tables make as many
 * receipts at once, hence the batches; a statement takes each step once.
 */
export async function writeReceipts(tx: Tx, of: Of, receipts: readonly Receipt[]): Promise<void> {
  const rows = [...new Map(receipts.map((receipt) => [receipt.step, receipt])).values()]
  for (let start = 0; start < rows.length; start += RECEIPTS_PER_STATEMENT) {
    const batch = rows.slice(start, start + RECEIPTS_PER_STATEMENT)
    await typed(tx)
      .insertInto('receipt')
      .values(batch.map((receipt) => ({ ...of, ...receiptRow(receipt) })))
      .onConflict((conflict) =>
        conflict.columns(['org_id', 'migration_id', 'step']).doUpdateSet((eb) => ({
          kind: eb.ref('excluded.kind'),
          table_name: eb.ref('excluded.table_name'),
          rows_read: eb.ref('excluded.rows_read'),
          rows_written: eb.ref('excluded.rows_written'),
          rows_rejected: eb.ref('excluded.rows_rejected'),
          snapshot: eb.ref('excluded.snapshot'),
          epoch: eb.ref('excluded.epoch'),
          recorded_at: sql<Date>`clock_timestamp()`,
        })),
      )
      .execute()
  }
}

function receiptRow(receipt: Receipt) {
  return {
    step: receipt.step,
    kind: receipt.kind,
    table_name: receipt.table,
    rows_read: receipt.rowsRead,
    rows_written: receipt.rowsWritten,
    rows_rejected: receipt.rowsRejected,
    snapshot: receipt.snapshot,
    epoch: receipt.epoch,
  }
}

async function readReceipts(tx: Tx, migrationId: string): Promise<readonly ReceiptEntry[]> {
  const rows = await typed(tx)
    .selectFrom('receipt')
    .selectAll()
    .where('migration_id', '=', migrationId)
    .orderBy('recorded_at')
    .orderBy('step')
    .execute()
  return rows.map((row) => ({
    kind: 'receipt',
    receipt: {
      migrationId,
      table: row.table_name,
      step: row.step,
      kind: row.kind as Receipt['kind'],
      rowsRead: Number(row.rows_read),
      rowsWritten: Number(row.rows_written),
      rowsRejected: Number(row.rows_rejected),
      snapshot: row.snapshot,
      epoch: Number(row.epoch),
    },
  }))
}

async function writeAgent(tx: Tx, of: Of, entry: AgentEntry): Promise<void> {
  const { id, role, owner, outcome } = entry
  const state = JSON.stringify(entry.state)
  await typed(tx)
    .insertInto('agent_execution')
    .values({ ...of, id, role, owner, state, outcome })
    .onConflict((conflict) =>
      conflict
        .columns(['org_id', 'id'])
        .doUpdateSet({ state, outcome, updated_at: sql<Date>`clock_timestamp()` }),
    )
    .execute()
}

async function readAgents(tx: Tx, migrationId: string): Promise<readonly AgentEntry[]> {
  const rows = await typed(tx)
    .selectFrom('agent_execution')
    .select(['id', 'role', 'owner', 'state', 'outcome'])
    .where('migration_id', '=', migrationId)
    .orderBy('started_at')
    .orderBy('id')
    .execute()
  return rows.map((row) => ({
    kind: 'agent',
    id: row.id,
    role: row.role as Role,
    owner: row.owner,
    state: row.state,
    outcome: row.outcome as AgentEntry['outcome'],
  }))
}

async function writeVerification(tx: Tx, of: Of, entry: VerificationEntry): Promise<void> {
  const { id, verdict, verification } = entry
  await typed(tx)
    .insertInto('verification')
    .values({ ...of, id, verdict, report: JSON.stringify(verification) })
    .onConflict((conflict) => conflict.columns(['org_id', 'id']).doNothing())
    .execute()
}

async function readVerifications(
  tx: Tx,
  migrationId: string,
): Promise<readonly VerificationEntry[]> {
  const rows = await typed(tx)
    .selectFrom('verification')
    .select(['id', 'verdict', 'report'])
    .where('migration_id', '=', migrationId)
    .orderBy('created_at')
    .execute()
  return rows.map(({ id, verdict, report }) => ({
    kind: 'verification',
    id,
    verdict: verdict as Verdict,
    verification: report as unknown as Verification,
  }))
}

async function writeCertificate(tx: Tx, of: Of, entry: CertificateEntry): Promise<void> {
  const { id, verificationId, keyId, envelope } = entry
  await typed(tx)
    .insertInto('certificate')
    .values({
      ...of,
      id,
      verification_id: verificationId,
      key_id: keyId,
      envelope: Buffer.from(envelope, 'utf8'),
    })
    .onConflict((conflict) => conflict.columns(['org_id', 'id']).doNothing())
    .execute()
}

async function readCertificates(tx: Tx, migrationId: string): Promise<readonly CertificateEntry[]> {
  const rows = await typed(tx)
    .selectFrom('certificate')
    .select(['id', 'verification_id', 'key_id', 'envelope'])
    .where('migration_id', '=', migrationId)
    .orderBy('created_at')
    .execute()
  return rows.map((row) => ({
    kind: 'certificate',
    id: row.id,
    verificationId: row.verification_id,
    keyId: row.key_id,
    envelope: row.envelope.toString('utf8'),
  }))
}

/** The first one stands: cleaning again finds less in the target than cleaning did. */
async function writeArchive(tx: Tx, of: Of, entry: ArchiveEntry): Promise<void> {
  await typed(tx)
    .insertInto('archive')
    .values({
      ...of,
      manifest: JSON.stringify(entry.manifest),
      rejects: JSON.stringify(entry.rejects),
      rejects_total: entry.rejectsTotal,
    })
    .onConflict((conflict) => conflict.columns(['org_id', 'migration_id']).doNothing())
    .execute()
}

async function readArchive(tx: Tx, migrationId: string): Promise<readonly ArchiveEntry[]> {
  const rows = await typed(tx)
    .selectFrom('archive')
    .selectAll()
    .where('migration_id', '=', migrationId)
    .execute()
  return rows.map((row) => ({
    kind: 'archive',
    manifest: row.manifest as unknown as ArchiveEntry['manifest'],
    rejects: row.rejects as unknown as ArchiveEntry['rejects'],
    rejectsTotal: Number(row.rejects_total),
  }))
}
