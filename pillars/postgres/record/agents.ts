/** The processes that worked on a migration, and what each of them knew of its work. */
import type { Json } from '@sensei/core/json'
import type { AgentEntry } from '@sensei/core/ports/journal'
import type { Role } from '@sensei/core/ports/tasks'
import type { Door } from '../door/door.ts'

export interface AgentState {
  readonly id: string
  readonly role: Role
  /** Host and pid. */
  readonly owner: string
  readonly outcome: AgentEntry['outcome']
  readonly state: Json
  readonly startedAt: string
  readonly updatedAt: string
  readonly place: AgentPlace
}

/** To the microsecond, which a Date would drop. */
export type AgentPlace = [startedAt: string, id: string]

interface AgentRow {
  id: string
  role: Role
  owner: string
  outcome: AgentEntry['outcome']
  state: Json
  started_at: Date
  updated_at: Date
  position: string
}

/** Where a snapshot lies never leaves the machine (core/snapshot.ts). */
const PAGE = `
select id, role, owner, outcome, state #- '{snapshot,location}' as state, started_at, updated_at,
  to_char(started_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as position
from agent_execution
where migration_id = $1 and ($2::timestamptz is null or (started_at, id) > ($2, $3::uuid))
order by started_at, id limit $4`

export class Agents {
  readonly #door: Door
  readonly #orgId: string

  constructor(door: Door, orgId: string) {
    this.#door = door
    this.#orgId = orgId
  }

  /** In the order in which they started. */
  async list(
    migrationId: string,
    { limit, after }: { readonly limit: number; readonly after?: AgentPlace },
  ): Promise<readonly AgentState[]> {
    const values = [migrationId, ...(after ?? [null, null]), limit]
    const rows = await this.#door.read(this.#orgId, (tx) => tx.query<AgentRow>(PAGE, values))
    return rows.map(({ started_at: startedAt, updated_at: updatedAt, position, ...row }) => ({
      ...row,
      startedAt: startedAt.toISOString(),
      updatedAt: updatedAt.toISOString(),
      place: [position, row.id],
    }))
  }
}
