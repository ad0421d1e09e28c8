/**
 * Tasks as rows, leases on PostgreSQL's time. Plain SQL: claiming is one statement that Kysely would only obscure.
 *
 * A task's row is open for its holder while `lease_epoch` is the one of the claim; whether the lease's time has run
 * out does not matter until somebody else claims it, so a slow worker that nobody replaced may still finish.
 */
import { randomUUID } from 'node:crypto'
import { SenseiError } from '@sensei/core/errors'
import type { Json } from '@sensei/core/json'
import {
  type ClaimRequest,
  type FinishedTask,
  LEASE_MS,
  type Lease,
  type LeasedTask,
  type NewTask,
  type Outstanding,
  type Role,
  SUSPECT_ATTEMPTS,
  type TargetTally,
  type TaskFailure,
  type Tasks,
} from '@sensei/core/ports/tasks'
import type { Receipt } from '@sensei/core/receipt'
import type { Door, Tx } from '../door/door.ts'
import { writeReceipts } from './entries.ts'
import { inOurWords } from '../door/errors.ts'

const ATTEMPTS_MAX = 10

const ADD = `
insert into task (org_id, id, migration_id, role, kind, target, sequence, payload, attempts_max)
select $1, t.* from unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::jsonb[],
  $9::integer[]) as t
on conflict do nothing`

/**
 * A task whose holders all died is given up once its attempts are used, in the same statement. A suspect is claimed
 * alone: without this, tasks that were claimed along with a deadly one would be given up with it.
 */
const CLAIM = `
with open as (
  select org_id, id, sequence, attempts >= ${SUSPECT_ATTEMPTS} as suspect from task
  where migration_id = $1 and role = $2 and ($3::text[] is null or kind = any ($3))
    and (state = 'ready' and due_at <= clock_timestamp() or state = 'leased' and lease_until <= clock_timestamp())
  order by sequence, id limit $4 for update skip locked
), placed as (
  select *, row_number() over (order by sequence, id) as place from open
), due as (
  select org_id, id from placed
  where place = 1 or not suspect and not exists (select from placed where place = 1 and suspect)
), taken as (
  update task t set
    state = case when t.attempts < t.attempts_max then 'leased' else 'failed' end,
    attempts = least(t.attempts + 1, t.attempts_max),
    lease_epoch = t.lease_epoch + 1,
    lease_owner = case when t.attempts < t.attempts_max then $5 end,
    lease_until = case when t.attempts < t.attempts_max then clock_timestamp() + $6 * interval '1 ms' end,
    error = case when t.attempts < t.attempts_max then t.error
      else jsonb_build_object('code', 'WORKER_DIED', 'message',
        format('%s workers died or stalled at this task; the last was %s', t.attempts, t.lease_owner)) end
  from due where t.org_id = due.org_id and t.id = due.id
  returning t.*
)
select id, lease_epoch, migration_id, role, kind, target, sequence, payload, attempts
from taken where state = 'leased' order by sequence, id`

const RENEW = `
update task t set lease_until = clock_timestamp() + $3 * interval '1 ms'
from unnest($1::uuid[], $2::bigint[]) as held (id, epoch)
where t.id = held.id and t.lease_epoch = held.epoch and t.state = 'leased'
returning t.id`

const FINISH = `
update task set state = 'done', lease_owner = null, lease_until = null, error = null
where id = $1 and lease_epoch = $2 and state = 'leased'
returning migration_id`

const FINISH_ALL = `
update task t set state = 'done', lease_owner = null, lease_until = null, error = null
from unnest($1::uuid[], $2::bigint[]) as held (id, epoch)
where t.id = held.id and t.lease_epoch = held.epoch and t.state = 'leased'
returning t.id`

/** Done by us in a run whose reply was lost, or in this one. */
const DONE_BY_US = `
select t.id from task t join unnest($1::uuid[], $2::bigint[]) as held (id, epoch)
  on t.id = held.id and t.lease_epoch = held.epoch
where t.state = 'done'`

const FAIL = `
update task set state = case when $4 and attempts < attempts_max then 'ready' else 'failed' end,
  lease_owner = null, lease_until = null, error = $3, due_at = clock_timestamp() + $5 * interval '1 ms'
where id = $1 and lease_epoch = $2 and state = 'leased'
returning state`

/** The epoch rises, so that a holder that is not dead after all is refused. */
const RELEASE = `
update task set state = 'ready', lease_epoch = lease_epoch + 1, lease_owner = null, lease_until = null
where migration_id = $1 and lease_owner = $2 and state = 'leased' and attempts < attempts_max returning id`

const GIVE_BACK = `
update task set state = 'ready', lease_epoch = lease_epoch + 1, lease_owner = null, lease_until = null,
  attempts = greatest(attempts - 1, 0)
where migration_id = $1 and lease_owner = $2 and state = 'leased' returning id`

const DISCARD = `
delete from task where migration_id = $1 and target = any($2::text[]) returning id`

export class PostgresTasks implements Tasks {
  readonly #door: Door
  readonly #orgId: string

  constructor(door: Door, orgId: string) {
    this.#door = door
    this.#orgId = orgId
  }

  async add(tasks: readonly NewTask[]): Promise<void> {
    const values = [
      this.#orgId,
      tasks.map(() => randomUUID()),
      tasks.map((task) => task.migrationId),
      tasks.map((task) => task.role),
      tasks.map((task) => task.kind),
      tasks.map((task) => task.target),
      tasks.map((task) => task.sequence),
      tasks.map((task) => JSON.stringify(task.payload)),
      tasks.map((task) => task.attemptsMax ?? ATTEMPTS_MAX),
    ]
    await this.#write((tx) => tx.query(ADD, values))
  }

  /** A claim whose reply was lost is not found again: its tasks come due when their leases run out. */
  async claim(request: ClaimRequest): Promise<readonly LeasedTask[]> {
    const { migrationId, role, kinds, owner, limit, leaseMs } = request
    const rows = await this.#write((tx) =>
      tx.query<TaskRow>(CLAIM, [
        migrationId,
        role,
        kinds ?? null,
        limit,
        owner,
        leaseMs ?? LEASE_MS,
      ]),
    )
    return rows.map(toLeased)
  }

  async renew(leases: readonly Lease[], leaseMs: number = LEASE_MS): Promise<void> {
    await this.#write(async (tx) => {
      const ids = leases.map((lease) => lease.id)
      const epochs = leases.map((lease) => lease.epoch)
      const rows = await tx.query<{ id: string }>(RENEW, [ids, epochs, leaseMs])
      const held = new Set(rows.map((row) => row.id))
      const lost = leases.find((lease) => !held.has(lease.id))
      if (lost !== undefined) throw leaseLost(lost)
    })
  }

  async finish(lease: Lease, receipt: Receipt | null): Promise<void> {
    await this.#write(async (tx) => {
      const [task] = await tx.query<{ migration_id: string }>(FINISH, [lease.id, lease.epoch])
      if (task === undefined) {
        await settledByUs(tx, lease, ['done'])
        return
      }
      const of = { org_id: this.#orgId, migration_id: task.migration_id }
      if (receipt !== null) await writeReceipts(tx, of, [receipt])
    })
  }

  async finishAll(done: readonly FinishedTask[]): Promise<ReadonlySet<string>> {
    const leases = [done.map(({ lease }) => lease.id), done.map(({ lease }) => lease.epoch)]
    return this.#write(async (tx) => {
      const finished = new Set((await tx.query<{ id: string }>(FINISH_ALL, leases)).map(idOf))
      const receipts = done.filter(({ lease }) => finished.has(lease.id))
      const [first] = receipts
      if (first !== undefined) {
        const of = { org_id: this.#orgId, migration_id: first.receipt.migrationId }
        await writeReceipts(
          tx,
          of,
          receipts.map(({ receipt }) => receipt),
        )
      }
      return new Set((await tx.query<{ id: string }>(DONE_BY_US, leases)).map(idOf))
    })
  }

  async fail(lease: Lease, failure: TaskFailure): Promise<'ready' | 'failed'> {
    const { code, message, retry, delayMs } = failure
    const error = JSON.stringify({ code, message: message.replaceAll('\0', '\u2400') })
    return this.#write(async (tx) => {
      const values = [lease.id, lease.epoch, error, retry, delayMs ?? 0]
      const [task] = await tx.query<{ state: 'ready' | 'failed' }>(FAIL, values)
      return task?.state ?? (await settledByUs(tx, lease, ['ready', 'failed']))
    })
  }

  async release(
    migrationId: string,
    owner: string,
    why: 'died' | 'stopped' = 'died',
  ): Promise<number> {
    return this.#write(async (tx) => {
      const rows = await tx.query(why === 'died' ? RELEASE : GIVE_BACK, [migrationId, owner])
      return rows.length
    })
  }

  async discard(migrationId: string, targets: readonly string[]): Promise<number> {
    return this.#write(async (tx) => {
      const rows = await tx.query(DISCARD, [migrationId, targets])
      return rows.length
    })
  }

  async byTarget(
    migrationId: string,
    kind: string,
    targets?: readonly string[],
  ): Promise<readonly TargetTally[]> {
    return this.#read((tx) =>
      tx.query<{ target: string; waiting: number; done: number; failed: number }>(
        `select target, count(*) filter (where state in ('ready', 'leased'))::integer as waiting,
           count(*) filter (where state = 'done')::integer as done,
           count(*) filter (where state = 'failed')::integer as failed
         from task where migration_id = $1 and kind = $2 and target is not null
           and ($3::text[] is null or target = any ($3))
         group by target order by target`,
        [migrationId, kind, targets ?? null],
      ),
    )
  }

  async outstanding(migrationId: string): Promise<Outstanding> {
    return this.#read(async (tx) => {
      const counts = await tx.query<{ state: string; amount: number }>(
        'select state, count(*)::integer as amount from task where migration_id = $1 group by state',
        [migrationId],
      )
      const failures = await tx.query<FailureRow>(
        `select id, kind, target, sequence, error from task
         where migration_id = $1 and state = 'failed' order by sequence, id`,
        [migrationId],
      )
      const amount = (state: string) => counts.find((row) => row.state === state)?.amount ?? 0
      return {
        ready: amount('ready'),
        leased: amount('leased'),
        done: amount('done'),
        failed: amount('failed'),
        failures: failures.map(({ error, sequence, ...task }) => ({
          ...task,
          sequence: Number(sequence),
          ...error,
        })),
      }
    })
  }

  async holders(migrationId: string, kind: string): Promise<readonly string[]> {
    return this.#read(async (tx) => {
      const rows = await tx.query<{ owner: string }>(
        `select distinct lease_owner as owner from task
         where migration_id = $1 and kind = $2 and state = 'leased' and lease_until > clock_timestamp()
         order by owner`,
        [migrationId, kind],
      )
      return rows.map((row) => row.owner)
    })
  }

  #read<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return inOurWords(() => this.#door.read(this.#orgId, work))
  }

  #write<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return inOurWords(() => this.#door.write(this.#orgId, work))
  }
}

interface TaskRow {
  readonly id: string
  readonly lease_epoch: string
  readonly migration_id: string
  readonly role: Role
  readonly kind: string
  readonly target: string | null
  readonly sequence: string
  readonly payload: Json
  readonly attempts: number
}

const idOf = ({ id }: { readonly id: string }): string => id

interface FailureRow {
  readonly id: string
  readonly kind: string
  readonly target: string | null
  readonly sequence: string
  readonly error: { readonly code: string; readonly message: string }
}

function toLeased(row: TaskRow): LeasedTask {
  const { id, role, kind, target, payload } = row
  return {
    id,
    epoch: Number(row.lease_epoch),
    migrationId: row.migration_id,
    role,
    kind,
    target,
    sequence: Number(row.sequence),
    payload,
    attempt: row.attempts,
  }
}

/**
 * The lease is not held any more. With the same epoch it was this holder who gave it back so, in a run whose reply
 * was lost; with another one somebody else has the task.
 */
async function settledByUs<S extends string>(
  tx: Tx,
  lease: Lease,
  expected: readonly S[],
): Promise<S> {
  const [task] = await tx.query<{ state: S }>(
    'select state from task where id = $1 and lease_epoch = $2',
    [lease.id, lease.epoch],
  )
  if (task === undefined || !expected.includes(task.state)) throw leaseLost(lease)
  return task.state
}

function leaseLost(lease: Lease): SenseiError {
  return new SenseiError(
    'LEASE_LOST',
    `the lease ${lease.epoch} on task ${lease.id} is over: another process took the task, or it was discarded`,
    { details: { task: lease.id, epoch: lease.epoch } },
  )
}
