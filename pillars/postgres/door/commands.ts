/**
 * A command: an effect and its audit row in one transaction, so that both are there or neither (`record_audit` of 0007).
 *
 * The door may run a write again after an unknown COMMIT. The audit row of this very call then says whether the first run
 * got through, so an effect need not bear being run twice.
 */
import { randomUUID } from 'node:crypto'
import type { Json } from '@sensei/core/json'
import type { TenantDoor, Tx } from './door.ts'
import { inOurWords } from './errors.ts'

export interface Commanded {
  readonly orgId: string
  readonly actor: string
  /** `thing.happened`; those of a migration are its transitions' alone. */
  readonly action: string
}

/** Never a secret. */
export type AuditDetail = { readonly [name: string]: Json }

/** `effect` says what stands in the audit row; `answer` reads what the caller gets, in the same transaction. */
export async function command<T>(
  door: TenantDoor,
  { orgId, actor, action }: Commanded,
  effect: (tx: Tx) => Promise<AuditDetail>,
  answer: (tx: Tx) => Promise<T>,
): Promise<T> {
  const id = randomUUID()
  return inOurWords(() =>
    door.write(orgId, async (tx) => {
      const done = await tx.query('select from audit_log where id = $1', [id])
      if (done.length === 0) {
        const detail = await effect(tx)
        await recordAudit(tx, { id, action, actor, detail })
      }
      return answer(tx)
    }),
  )
}

export interface AuditRow {
  /** Chosen outside of the transaction, so that a transaction run again writes one row. */
  readonly id: string
  readonly action: string
  readonly actor: string
  readonly detail: AuditDetail
}

export async function recordAudit(tx: Tx, { id, action, actor, detail }: AuditRow): Promise<void> {
  await tx.query('select record_audit($1, $2, $3, $4)', [action, JSON.stringify(detail), actor, id])
}
