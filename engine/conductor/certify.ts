/** The verdict, and for a pass the signed certificate; both are written down before the migration is completed. */
import { randomUUID } from 'node:crypto'
import { rejectsDigest } from '@sensei/core/certificate/digests'
import { draftStatement } from '@sensei/core/certificate/draft'
import { SenseiError } from '@sensei/core/errors'
import { rejectBytes } from '@sensei/core/kept-rejects'
import type { Reject } from '@sensei/core/receipt'
import type { Snapshot } from '@sensei/core/snapshot'
import type { Verdict, Verification } from '@sensei/core/verdict'
import type { Life } from './life.ts'
import type { PlanInForce } from './plans.ts'
import { scouted } from '../scout/scout.ts'
import { validate } from '../validator/validate.ts'

const ORGANIZATION = 'default'

export async function certifyLoad(
  life: Life,
  inForce: PlanInForce,
  snapshot: Snapshot,
): Promise<{ verdict: Verdict }> {
  const { cast } = life
  const rejects = await rejectsByTable(life)
  const verification = await validate(cast, inForce.plan, snapshot, {
    rejects,
    options: life.options,
    signal: life.signal,
    ...(life.sourcePass === null ? {} : { sourcePass: life.sourcePass }),
  })
  const verificationId = randomUUID()
  const { verdict } = verification
  await cast.journal.record(life.id, [
    { kind: 'verification', id: verificationId, verdict, verification },
  ])
  if (verdict === 'equivalent' || verdict === 'equivalent_except_declared') {
    const { envelope, keyId } = await signed(life, inForce, snapshot, verification, rejects)
    await cast.journal.record(life.id, [
      { kind: 'certificate', id: randomUUID(), verificationId, keyId, envelope },
    ])
  }
  return { verdict }
}

async function signed(
  life: Life,
  inForce: PlanInForce,
  snapshot: Snapshot,
  verification: Verification,
  rejects: ReadonlyMap<string, readonly Reject[]>,
): Promise<{ envelope: string; keyId: string }> {
  const { cast } = life
  const facts = await cast.target.inspect()
  const known = await scouted(cast.journal, life.id)
  if (known === null) throw new SenseiError('INTERNAL', `Migration ${life.id} has no scout.`)
  const approver = await approverOf(life)
  const statement = draftStatement({
    tool: cast.tool,
    migrationId: life.id,
    organization: ORGANIZATION,
    issuedAt: new Date(),
    source: { engine: cast.source.engine, url: cast.source.url, ...known.source },
    target: {
      engine: 'postgres',
      version: facts.version,
      url: cast.target.url,
      system_identifier: facts.systemIdentifier,
      database: facts.database,
    },
    snapshot,
    plan: inForce.plan,
    planHash: inForce.hash,
    planVersion: inForce.version,
    receipts: 'ledger',
    rejects: [...rejects].map(([table, rows]) => ({
      table,
      count: rows.length,
      digest: rejectsDigest(rows),
    })),
    acceptedBy: () => approver,
    verification,
  })
  return cast.signer.sign(statement)
}

/** Who approved the plan, and with it every loss in it; a resumed run may be somebody else's. */
async function approverOf(life: Life): Promise<string> {
  const events = await life.cast.journal.events(life.id)
  const approval = events.findLast((event) => event.type === 'migration.approved')
  return approval?.actor ?? life.request.actor
}

/** All of them are held while they are compared and digested. */
const REJECT_BYTES_MAX = 512 * 1024 * 1024

/** By target table; tables without rejects are absent. Throws TOO_MANY_REJECTS where they exceed what can be held. */
async function rejectsByTable(life: Life): Promise<ReadonlyMap<string, readonly Reject[]>> {
  const rejects = new Map<string, Reject[]>()
  let bytes = 0
  for await (const reject of life.cast.target.ledger.rejects(life.id)) {
    bytes += rejectBytes(reject)
    if (bytes > REJECT_BYTES_MAX) {
      throw new SenseiError(
        'TOO_MANY_REJECTS',
        `The rejected rows hold more than ${REJECT_BYTES_MAX / 2 ** 20} MB, the last one of table ${reject.table}. They are kept in the target; change the plan so that fewer rows are refused, and migrate again.`,
        { details: { table: reject.table } },
      )
    }
    const rows = rejects.get(reject.table) ?? []
    rows.push(reject)
    rejects.set(reject.table, rows)
  }
  return rejects
}
